/* dataset.c - uploaded series, column by column.
 *
 *   dataset ─┬─ dataset_column 0 ─── dataset_chunk 0 │ 1 │ 2 …     8,192 rows each, the last may be shorter
 *            └─ dataset_column 1 ─── dataset_chunk 0 │ 1 │ 2 …
 *
 *   number  IEEE doubles, little-endian      date  int64 seconds, little-endian      text  NUL-terminated strings
 *
 * A page of rows touches only its chunks; each chunk carries its digest. */
#include "storage/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/strbuf.h"
#include "storage/db.h"
#include "storage/retention.h"

#define CHUNK_ROWS      ((size_t)8192)
#define CHUNK_BYTES_MAX ((size_t)1000000000)   /* SQLite's limit of a blob */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cells are stored as they lie in memory");

/* --- descriptions --- */

void dataset_info_fini(struct dataset_info *d)
{
	free(d->description);
	d->description = NULL;
}

static void info_fini(void *item)
{
	dataset_info_fini(item);
}

static enum err info_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct dataset_info *d = item;
	d->id = sqlite3_column_int64(q, 0);
	d->version = sqlite3_column_int(q, 2);
	d->rows = (size_t)sqlite3_column_int64(q, 3);
	d->created_at_us = sqlite3_column_int64(q, 6);
	enum err rc = db_copy_text(q, 1, d->name, sizeof d->name, e);
	if (!rc)
		rc = db_copy_text(q, 5, d->sha256, sizeof d->sha256, e);
	if (!rc)
		rc = db_dup_text(q, 4, &d->description, e);
	return rc;
}

static const struct db_kind info_kind = { sizeof(struct dataset_info), info_read, info_fini };

enum err dataset_get(struct store *s, const char *name, int version, struct dataset_info *out, struct error *e)
{
	enum err rc = db_get(s, "SELECT id, name, version, rows, description, sha256, created_at_us FROM dataset"
		" WHERE name = ?1 AND (?2 = 0 OR version = ?2) ORDER BY version DESC LIMIT 1",
		DB_VALUES(db_text(name), db_int(version)), &info_kind, out, e);
	if (rc == ERR_NOT_FOUND && version)
		return fail(e, rc, "", "there is no version %d of a dataset \"%s\"", version, name);
	if (rc == ERR_NOT_FOUND)
		return fail(e, rc, "", "there is no dataset \"%s\"", name);
	return rc;
}

enum err dataset_list(struct store *s, const char *after, int limit, struct dataset_info **out, size_t *n, bool *more,
		struct error *e)
{
	void *items = NULL;
	enum err rc = db_list(s, "SELECT id, name, max(version), rows, description, sha256, created_at_us FROM dataset"
		" WHERE name > ?1 GROUP BY name ORDER BY name",
		DB_VALUES(db_text(after ? after : "")), limit, &info_kind, &items, n, more, e);
	if (!rc)
		*out = items;
	return rc;
}

void dataset_list_free(struct dataset_info *list, size_t n)
{
	db_list_free(list, n, &info_kind);
}

/* --- writing --- */

static enum err put_chunk(struct store *s, int64_t id, int position, size_t chunk, const void *cells, size_t len,
		struct error *e)
{
	char sha256[DIGEST_HEX];
	digest_hex(cells, len, sha256);
	return db_run(s, "INSERT INTO dataset_chunk (dataset_id, position, chunk, sha256, cells)"
		" VALUES (?1, ?2, ?3, ?4, ?5)",
		DB_VALUES(db_int(id), db_int(position), db_int((int64_t)chunk), db_text(sha256),
			db_blob(cells, len)), NULL, e);
}

static enum err put_text_chunk(struct store *s, int64_t id, const struct frame *f, int position, size_t from,
		size_t rows, struct error *e)
{
	struct strbuf b;
	strbuf_init(&b, CHUNK_BYTES_MAX);
	for (size_t r = from; r < from + rows; r++) {
		const char *text = frame_text(f, position, r);
		strbuf_add(&b, text, strlen(text) + 1);
	}
	enum err rc = ERR_OK;
	if (strbuf_ok(&b))
		rc = put_chunk(s, id, position, from / CHUNK_ROWS, b.s, b.len, e);
	else
		rc = fail_nomem(e);
	strbuf_fini(&b);
	return rc;
}

static enum err put_cells(struct store *s, int64_t id, const struct frame *f, int position, size_t from, size_t rows,
		struct error *e)
{
	const struct column *c = &f->column[position];
	switch (c->type) {
	case COLUMN_NUMBER:
		return put_chunk(s, id, position, from / CHUNK_ROWS, c->number + from, rows * sizeof *c->number, e);
	case COLUMN_DATE:
		return put_chunk(s, id, position, from / CHUNK_ROWS, c->date + from, rows * sizeof *c->date, e);
	case COLUMN_TEXT:
		return put_text_chunk(s, id, f, position, from, rows, e);
	}
	return fail(e, ERR_INTERNAL, c->name, "a column of unknown type");
}

static size_t rows_in_chunk(size_t rows, size_t from)
{
	return rows - from < CHUNK_ROWS ? rows - from : CHUNK_ROWS;
}

static enum err put_column(struct store *s, int64_t id, const struct frame *f, int position, struct error *e)
{
	const struct column *c = &f->column[position];
	enum err rc = db_run(s, "INSERT INTO dataset_column (dataset_id, position, name, type) VALUES (?1, ?2, ?3, ?4)",
		DB_VALUES(db_int(id), db_int(position), db_text(c->name), db_int(c->type)), NULL, e);
	for (size_t from = 0; from < f->rows && !rc; from += CHUNK_ROWS)
		rc = put_cells(s, id, f, position, from, rows_in_chunk(f->rows, from), e);
	return rc;
}

static enum err put_row(struct store *s, const char *name, const struct frame *f, const char *description,
		const char *sha256, int64_t *id, int64_t *version, struct error *e)
{
	int64_t got[2];
	enum err rc = db_ints(s, "INSERT INTO dataset (name, version, rows, date_column, description, sha256,"
		" created_at_us) VALUES (?1, (SELECT coalesce(max(version), 0) + 1 FROM dataset WHERE name = ?1),"
		" ?2, ?3, ?4, ?5, ?6)"
		" RETURNING id, version",
		DB_VALUES(db_text(name), db_int((int64_t)f->rows), db_int(f->date_column), db_text(description),
			db_text(sha256), db_int(store_now_us())), got, 2, e);
	if (!rc) {
		*id = got[0];
		*version = got[1];
	}
	return rc;
}

static enum err put_frame(struct store *s, const char *name, const struct frame *f, const char *description,
		const char *sha256, struct dataset_info *out, bool *replaced, struct error *e)
{
	int64_t id = 0, version = 0;
	enum err rc = put_row(s, name, f, description, sha256, &id, &version, e);
	for (int position = 0; position < f->columns && !rc; position++)
		rc = put_column(s, id, f, position, e);
	if (!rc)
		rc = retention_apply(s, e);
	if (!rc)
		rc = dataset_get(s, name, 0, out, e);
	if (!rc)
		*replaced = version > 1;
	return rc;
}

enum err dataset_put(struct store *s, const char *name, const struct frame *f, const char *description,
		const char *sha256, struct dataset_info *out, bool *replaced, struct error *e)
{
	struct dataset_info info = { 0 };
	bool existed = false;
	enum err rc = db_check_name("/name", name, e);
	if (!rc)
		rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = put_frame(s, name, f, description, sha256, &info, &existed, e);
	rc = db_part_end(s, rc, e);
	if (rc) {
		dataset_info_fini(&info);
		return rc;
	}
	*out = info;
	*replaced = existed;
	return ERR_OK;
}

/* --- reading --- */

struct shape {
	size_t rows;
	int date_column;
};

static enum err read_shape(struct store *s, int64_t id, struct shape *out, struct error *e)
{
	int64_t v[2];
	enum err rc = db_ints(s, "SELECT rows, date_column FROM dataset WHERE id = ?1", DB_VALUES(db_int(id)), v, 2, e);
	if (rc == ERR_NOT_FOUND)
		return fail(e, rc, "", "the dataset has been removed or replaced");
	if (!rc)
		*out = (struct shape){ .rows = (size_t)v[0], .date_column = (int)v[1] };
	return rc;
}

static enum err read_columns(struct store *s, int64_t id, struct frame *f, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	enum err rc = db_query(s, "SELECT name, type FROM dataset_column WHERE dataset_id = ?1 ORDER BY position",
		DB_VALUES(db_int(id)), &q, e);
	while (!rc && !(rc = db_next(s, q, &row, e)) && row) {
		char name[FRAME_NAME_MAX + 1];
		rc = db_copy_text(q, 0, name, sizeof name, e);
		if (!rc)
			rc = frame_add_column(f, name, (enum column_type)sqlite3_column_int(q, 1), e);
	}
	db_done(q);
	return rc;
}

static enum err damaged_chunk(int64_t id, int position, size_t chunk, struct error *e)
{
	return fail(e, ERR_STORAGE, "", "chunk %zu of column %d of dataset %lld is damaged", chunk, position,
		(long long)id);
}

/* One chunk and the rows of it that are wanted: chunk rows skip … skip + rows - 1 become frame rows at … */
struct slice {
	size_t chunk, chunk_rows, skip, rows, at;
};

static enum err set_texts(struct frame *f, int position, const struct slice *w, const char *cells, struct error *e)
{
	const char *text = cells;
	enum err rc = ERR_OK;
	for (size_t r = 0; r < w->skip + w->rows && !rc; r++) {
		size_t len = strlen(text);
		if (r >= w->skip)
			rc = frame_set_text(f, position, w->at + r - w->skip, text, len, e);
		text += len + 1;
	}
	return rc;
}

static enum err set_cells(struct frame *f, int position, const struct slice *w, const char *cells, struct error *e)
{
	switch (f->column[position].type) {
	case COLUMN_NUMBER:
		for (size_t r = 0; r < w->rows; r++) {
			double v;
			memcpy(&v, cells + (w->skip + r) * sizeof v, sizeof v);
			frame_set_number(f, position, w->at + r, v);
		}
		return ERR_OK;
	case COLUMN_DATE:
		for (size_t r = 0; r < w->rows; r++) {
			int64_t t;
			memcpy(&t, cells + (w->skip + r) * sizeof t, sizeof t);
			frame_set_date(f, position, w->at + r, t);
		}
		return ERR_OK;
	case COLUMN_TEXT:
		return set_texts(f, position, w, cells, e);
	}
	return fail(e, ERR_INTERNAL, "", "a column of unknown type");
}

/* Does the chunk hold as many cells as it must? A digest protects against damage, this against a wrong row count. */
static bool chunk_fits(enum column_type type, size_t rows, const char *cells, size_t len)
{
	if (type != COLUMN_TEXT)
		return len == rows * sizeof(double);
	size_t ends = 0;
	for (size_t i = 0; i < len; i++)
		ends += cells[i] == '\0';
	return ends == rows && (!len || cells[len - 1] == '\0');
}

static enum err read_slice(struct store *s, int64_t id, int position, const struct slice *w, struct frame *f,
		struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	char want[DIGEST_HEX], got[DIGEST_HEX];
	enum err rc = db_query(s, "SELECT sha256, cells FROM dataset_chunk"
		" WHERE dataset_id = ?1 AND position = ?2 AND chunk = ?3",
		DB_VALUES(db_int(id), db_int(position), db_int((int64_t)w->chunk)), &q, e);
	if (!rc)
		rc = db_next(s, q, &row, e);
	if (!rc && !row)
		rc = damaged_chunk(id, position, w->chunk, e);
	if (!rc)
		rc = db_copy_text(q, 0, want, sizeof want, e);
	if (!rc)
		rc = db_digest(q, 1, 1, got, e);
	if (!rc) {
		const char *cells = sqlite3_column_blob(q, 1);
		size_t len = (size_t)sqlite3_column_bytes(q, 1);
		if (strcmp(want, got) != 0 || !chunk_fits(f->column[position].type, w->chunk_rows, cells, len))
			rc = damaged_chunk(id, position, w->chunk, e);
		else
			rc = set_cells(f, position, w, cells, e);
	}
	db_done(q);
	return rc;
}

static enum err read_column(struct store *s, int64_t id, int position, size_t total, size_t from, struct frame *f,
		struct error *e)
{
	enum err rc = ERR_OK;
	for (size_t at = 0; at < f->rows && !rc;) {
		struct slice w = { .chunk = (from + at) / CHUNK_ROWS, .skip = (from + at) % CHUNK_ROWS, .at = at };
		w.chunk_rows = rows_in_chunk(total, w.chunk * CHUNK_ROWS);
		w.rows = w.chunk_rows - w.skip;
		if (w.rows > f->rows - at)
			w.rows = f->rows - at;
		rc = read_slice(s, id, position, &w, f, e);
		at += w.rows;
	}
	return rc;
}

static enum err read_rows(struct store *s, int64_t id, size_t from, size_t limit, struct frame *f, struct error *e)
{
	struct shape shape = { 0 };
	enum err rc = read_shape(s, id, &shape, e);
	if (!rc)
		rc = read_columns(s, id, f, e);
	if (rc)
		return rc;
	f->date_column = shape.date_column;
	size_t rows = from < shape.rows ? shape.rows - from : 0;
	if (rows > limit)
		rows = limit;
	for (size_t r = 0; r < rows && !rc; r++)
		rc = frame_add_row(f, e);
	for (int position = 0; position < f->columns && !rc; position++)
		rc = read_column(s, id, position, shape.rows, from, f, e);
	return rc;
}

enum err dataset_rows(struct store *s, int64_t id, size_t from, size_t limit, struct frame **out, struct error *e)
{
	struct frame *f = frame_new();
	if (!f)
		return fail_nomem(e);
	enum err rc = db_part_begin(s, e);   /* one snapshot for all chunks */
	if (!rc) {
		rc = read_rows(s, id, from, limit, f, e);
		rc = db_part_end(s, rc, e);
	}
	if (rc)
		frame_free(f);
	else
		*out = f;
	return rc;
}

/* --- removing --- */

static enum err delete_unused(struct store *s, const char *name, struct error *e)
{
	int64_t jobs;
	int deleted = 0;
	enum err rc = db_ints(s, "SELECT count(*) FROM job WHERE dataset_id IN (SELECT id FROM dataset WHERE name = ?1)"
		" AND status IN ('queued', 'running', 'paused')", DB_VALUES(db_text(name)), &jobs, 1, e);
	if (!rc && jobs)
		return fail(e, ERR_CONFLICT, "", "%lld jobs that have not ended use this dataset", (long long)jobs);
	if (!rc)
		rc = db_run(s, "DELETE FROM dataset WHERE name = ?1", DB_VALUES(db_text(name)), &deleted, e);
	if (!rc && !deleted)
		return fail(e, ERR_NOT_FOUND, "", "there is no dataset \"%s\"", name);
	return rc;
}

enum err dataset_delete(struct store *s, const char *name, struct error *e)
{
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = delete_unused(s, name, e);
	return db_part_end(s, rc, e);
}

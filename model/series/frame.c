/* frame.c - columns that grow together by doubling.
 *
 * A text column is one block of NUL-terminated strings. Its byte 0 is a NUL of its own, the empty
 * string that every missing cell points at:
 *
 *     text     \0 r e d \0 b l u e \0
 *     text_at   1   5   0   1 ...          row 0 "red", 1 "blue", 2 missing, ...
 *
 * A failed allocation leaves the frame as it was: some columns may already have room for more rows, which f->cap
 * does not yet promise. */
#include "model/series/frame.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_ROWS  64
#define FIRST_BYTES 256

struct frame *frame_new(void)
{
	struct frame *f = calloc(1, sizeof *f);
	if (f)
		f->date_column = -1;
	return f;
}

static void free_cells(struct column *c)
{
	free(c->number);
	free(c->date);
	free(c->text);
	free(c->text_at);
}

void frame_free(struct frame *f)
{
	if (!f)
		return;
	for (int j = 0; j < f->columns; j++)
		free_cells(&f->column[j]);
	free(f->column);
	free(f);
}

static int find_exact(const struct frame *f, const char *name)
{
	for (int j = 0; j < f->columns; j++)
		if (strcmp(f->column[j].name, name) == 0)
			return j;
	return -1;
}

int frame_find(const struct frame *f, const char *name)
{
	int found = find_exact(f, name);
	if (found >= 0)
		return found;
	for (int j = 0; j < f->columns; j++) {
		if (strcasecmp(f->column[j].name, name) != 0)
			continue;
		if (found >= 0)
			return -1;   /* two fit: the name does not say which */
		found = j;
	}
	return found;
}

enum err frame_add_column(struct frame *f, const char *name, enum column_type type, struct error *e)
{
	assert(f->rows == 0);
	size_t length = strlen(name);
	if (length > FRAME_NAME_MAX)
		return fail(e, ERR_INVALID, name, "a column's name may have at most %d bytes, not %zu", FRAME_NAME_MAX, length);
	if (find_exact(f, name) >= 0)
		return fail(e, ERR_INVALID, name, "two columns have the name \"%s\"", name);
	if (f->columns == FRAME_MAX_COLUMNS)
		return fail(e, ERR_INVALID, name, "more than %d columns", FRAME_MAX_COLUMNS);

	struct column *grown = realloc(f->column, ((size_t)f->columns + 1) * sizeof *grown);
	if (!grown)
		return fail_nomem(e);
	f->column = grown;
	struct column *c = &f->column[f->columns];
	*c = (struct column){ .type = type };
	memcpy(c->name, name, length + 1);
	if (type == COLUMN_DATE && f->date_column < 0)
		f->date_column = f->columns;
	f->columns++;
	return ERR_OK;
}

/* Room for len more bytes of text. */
static bool grow_text(struct column *c, size_t len)
{
	if (len <= c->text_cap - c->text_len)
		return true;
	if (len > SIZE_MAX / 4 - c->text_len)
		return false;
	size_t cap = c->text_cap ? c->text_cap : FIRST_BYTES;
	while (cap - c->text_len < len)
		cap *= 2;
	char *grown = realloc(c->text, cap);
	if (!grown)
		return false;
	c->text = grown;
	c->text_cap = cap;
	return true;
}

/* The empty string at byte 0. */
static bool begin_text(struct column *c)
{
	if (c->text_len)
		return true;
	if (!grow_text(c, 1))
		return false;
	c->text[c->text_len++] = '\0';
	return true;
}

static bool grow_column(struct column *c, size_t cap)
{
	void *cells = NULL;
	switch (c->type) {
	case COLUMN_NUMBER:
		cells = reallocarray(c->number, cap, sizeof *c->number);
		c->number = cells ? cells : c->number;
		break;
	case COLUMN_DATE:
		cells = reallocarray(c->date, cap, sizeof *c->date);
		c->date = cells ? cells : c->date;
		break;
	case COLUMN_TEXT:
		cells = reallocarray(c->text_at, cap, sizeof *c->text_at);
		c->text_at = cells ? cells : c->text_at;
		return cells != NULL && begin_text(c);
	}
	return cells != NULL;
}

static void clear_cell(struct column *c, size_t row)
{
	switch (c->type) {
	case COLUMN_NUMBER:
		c->number[row] = NAN;
		break;
	case COLUMN_DATE:
		c->date[row] = FRAME_NO_DATE;
		break;
	case COLUMN_TEXT:
		c->text_at[row] = 0;
		break;
	}
}

enum err frame_add_row(struct frame *f, struct error *e)
{
	if (f->rows == f->cap) {
		if (f->cap > SIZE_MAX / 2)
			return fail_nomem(e);
		size_t cap = f->cap ? f->cap * 2 : FIRST_ROWS;
		for (int j = 0; j < f->columns; j++)
			if (!grow_column(&f->column[j], cap))
				return fail_nomem(e);
		f->cap = cap;
	}
	for (int j = 0; j < f->columns; j++)
		clear_cell(&f->column[j], f->rows);
	f->rows++;
	return ERR_OK;
}

enum err frame_retype(struct frame *f, int column, enum column_type type, struct error *e)
{
	struct column *old = &f->column[column], fresh = { .type = type };

	memcpy(fresh.name, old->name, sizeof fresh.name);
	if (f->cap > 0 && !grow_column(&fresh, f->cap)) {
		free_cells(&fresh);
		return fail_nomem(e);
	}
	for (size_t row = 0; row < f->rows; row++)
		clear_cell(&fresh, row);
	free_cells(old);
	*old = fresh;
	if (type == COLUMN_DATE && f->date_column < 0)
		f->date_column = column;
	return ERR_OK;
}

static struct column *cell_column(struct frame *f, int column, size_t row, enum column_type type)
{
	assert(column >= 0 && column < f->columns && row < f->rows);
	assert(f->column[column].type == type);
	return &f->column[column];
}

void frame_set_number(struct frame *f, int column, size_t row, double v)
{
	cell_column(f, column, row, COLUMN_NUMBER)->number[row] = v;
}

void frame_set_date(struct frame *f, int column, size_t row, int64_t t)
{
	cell_column(f, column, row, COLUMN_DATE)->date[row] = t;
}

enum err frame_set_text(struct frame *f, int column, size_t row, const char *s, size_t len, struct error *e)
{
	struct column *c = cell_column(f, column, row, COLUMN_TEXT);
	if (len == 0) {
		c->text_at[row] = 0;
		return ERR_OK;
	}
	if (len == SIZE_MAX || !grow_text(c, len + 1))
		return fail_nomem(e);
	c->text_at[row] = c->text_len;
	memcpy(c->text + c->text_len, s, len);
	c->text[c->text_len + len] = '\0';
	c->text_len += len + 1;
	return ERR_OK;
}

const char *frame_text(const struct frame *f, int column, size_t row)
{
	assert(column >= 0 && column < f->columns && row < f->rows);
	const struct column *c = &f->column[column];
	assert(c->type == COLUMN_TEXT);
	return c->text + c->text_at[row];
}

/* routes_dataset.c - upload, describe, read back, remove series and texts.
 *
 * An upload is parsed as it arrives, on the HTTP thread, a piece at a time; the writer lane stores the finished frame. */
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/dataset_body.h"
#include "api/dataset_reader.h"
#include "api/job_body.h"
#include "server/handlers.h"
#include "server/paging.h"
#include "server/route.h"
#include "storage/dataset.h"

#define ROWS_LIMIT 1000
#define ROWS_MOST  100000
#define DESCRIPTION_MAX (4u << 20)

struct upload {
	struct dataset_reader *reader;
	struct digest *digest;
};

enum err upload_open(struct request *r, struct error *e)
{
	if (!store_name_ok(r->param[0]))
		return fail(e, ERR_INVALID, "name", "a name has 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit");
	struct upload *u = calloc(1, sizeof *u);
	if (!u)
		return fail_nomem(e);
	r->upload = u;
	u->digest = digest_new();
	if (!u->digest)
		return fail_nomem(e);
	enum dataset_format format = dataset_format_of_media(r->header[HEADER_CONTENT_TYPE]);
	return dataset_reader_new(format, request_query(r, "text"), &u->reader, e);
}

enum err upload_push(struct request *r, const char *bytes, size_t len, struct error *e)
{
	struct upload *u = r->upload;
	digest_add(u->digest, bytes, len);
	return dataset_reader_push(u->reader, bytes, len, e);
}

void upload_free(struct request *r)
{
	struct upload *u = r->upload;
	dataset_reader_free(u->reader);
	digest_free(u->digest);
	free(u);
}

static void render(const struct dataset_info *d, struct strbuf *out)
{
	dataset_render(d->name, d->version, d->rows, d->description, d->sha256, d->created_at_us, out);
}

HANDLER(put_dataset)
{
	struct upload *u = r->upload;
	struct frame *f = NULL;
	struct dataset_info d = { 0 };
	struct strbuf description;
	char sha256[DIGEST_HEX];
	bool replaced = false;
	strbuf_init(&description, DESCRIPTION_MAX);

	enum err rc = dataset_reader_finish(u->reader, &f, e);
	if (rc)
		goto done;
	digest_end(u->digest, sha256);
	u->digest = NULL;
	dataset_describe(f, &description);
	rc = strbuf_ok(&description) ? dataset_put(s, r->param[0], f, description.s, sha256, &d, &replaced, e) : fail_nomem(e);
	if (rc)
		goto done;
	r->reply.status = replaced ? 200 : 201;
	render(&d, &r->reply.body);
done:
	strbuf_fini(&description);
	dataset_info_fini(&d);
	frame_free(f);
	return rc;
}

HANDLER(list_datasets)
{
	struct page page;
	struct dataset_info *list = NULL;
	size_t n = 0;
	bool more = false;
	enum err rc = page_read(r, &page, e);
	if (!rc)
		rc = dataset_list(s, page.after, page.limit, &list, &n, &more, e);
	if (rc)
		return rc;
	list_begin(&r->reply.body);
	for (size_t i = 0; i < n; i++) {
		list_next(&r->reply.body, i == 0);
		render(&list[i], &r->reply.body);
	}
	list_end(&r->reply.body, more);
	dataset_list_free(list, n);
	return ERR_OK;
}

HANDLER(get_dataset)
{
	struct dataset_info d = { 0 };
	enum err rc = dataset_get(s, r->param[0], 0, &d, e);
	if (!rc)
		render(&d, &r->reply.body);
	dataset_info_fini(&d);
	return rc;
}

/* CSV when asked for, else JSON. */
HANDLER(get_dataset_rows)
{
	struct dataset_info d = { 0 };
	struct frame *f = NULL;
	int64_t from, limit;
	const char *accept = r->header[HEADER_ACCEPT];
	bool csv = accept && strstr(accept, "text/csv");

	enum err rc = request_query_int(r, "from", 0, INT64_MAX, 0, &from, e);
	if (!rc)
		rc = request_query_int(r, "limit", 1, ROWS_MOST, ROWS_LIMIT, &limit, e);
	if (!rc)
		rc = dataset_get(s, r->param[0], 0, &d, e);
	if (!rc)
		rc = dataset_rows(s, d.id, (size_t)from, (size_t)limit, &f, e);
	if (rc)
		goto done;
	if (csv) {
		r->reply.content_type = "text/csv; charset=utf-8";
		csv_write(f, &r->reply.body);
	} else {
		dataset_rows_render(f, (size_t)from, (size_t)from + f->rows < d.rows, &r->reply.body);
	}
done:
	frame_free(f);
	dataset_info_fini(&d);
	return rc;
}

HANDLER(delete_dataset)
{
	r->reply.status = 204;
	return dataset_delete(s, r->param[0], e);
}

/* session_body.c - see session_body.h. */
#include "api/session_body.h"

#include "api/json_write.h"

#define NAME_MAX_BYTES 64
#define COUNT(table)   (sizeof(table) / sizeof *(table))

static const char *const keep_names[] = { "state", "rows" };   /* from KEEP_STATE on */

enum err session_body_parse(const char *text, size_t len, struct arena *a, struct session_body *out, struct error *e)
{
	static const char *const known[] = { "model", "version", "keep" };
	struct session_body b = { .keep = KEEP_DEFAULT };
	struct scan s;
	struct text name;
	int keep;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		switch (scan_known(&s, name, known, COUNT(known))) {
		case 0: scan_copy(&s, NAME_MAX_BYTES, &b.model); break;
		case 1: scan_int(&s, 1, INT32_MAX, &b.version); break;
		case 2:
			keep = scan_choice(&s, keep_names, COUNT(keep_names));
			b.keep = keep < 0 ? KEEP_DEFAULT : KEEP_STATE + (enum session_keep)keep;
			break;
		}
	}
	scan_end(&s);
	if (!b.model)
		scan_missing(&s, "model");
	if (!s.rc)
		*out = b;
	return s.rc;
}

void session_render(const struct session_view *v, struct strbuf *out)
{
	strbuf_adds(out, "{\"id\":");
	json_write_string(out, v->id);
	json_member_text(out, "object", "session");
	json_member_text(out, "model", v->model);
	json_member_int(out, "version", v->version);
	json_member_text(out, "keep", keep_names[v->keep - KEEP_STATE]);
	json_member(out, "columns");
	for (int c = 0; c < v->pipeline->columns; c++) {
		strbuf_addc(out, c ? ',' : '[');
		json_write_string(out, v->pipeline->column[c]);
	}
	strbuf_addc(out, ']');
	json_member_int(out, "sequence", v->sequence);
	json_member_int(out, "rows", (int64_t)v->rows);
	json_member_int(out, "rows_needed", v->rows_needed);
	json_member_time(out, "created_at", v->created_us);
	json_member_time(out, "expires_at", v->expires_us);
	strbuf_addc(out, '}');
}

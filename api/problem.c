/* problem.c - a failure as the client reads it. A place that is a JSON pointer goes into "pointer"; any other place
 * ("line 12, column 3 (Close)", a tensor's name) into "where". */
#include "api/problem.h"

#include <stdio.h>

#include "api/json_write.h"

static void member(struct strbuf *out, const char *name, const char *value)
{
	strbuf_adds(out, ",\"");
	strbuf_adds(out, name);
	strbuf_adds(out, "\":");
	json_write_string(out, value);
}

void problem_render(const struct error *e, const char *instance, struct strbuf *out)
{
	const struct err_row *row = err_row(e->code);
	char sentence[sizeof e->where + sizeof e->what + 2];

	snprintf(sentence, sizeof sentence, "%s%s%s", e->where, e->where[0] ? ": " : "", e->what);
	strbuf_adds(out, "{\"type\":\"about:blank\"");
	member(out, "title", row->title);
	strbuf_addf(out, ",\"status\":%d", row->status);
	member(out, "detail", e->what);
	if (e->where[0])
		member(out, e->where[0] == '/' ? "pointer" : "where", e->where);
	if (instance)
		member(out, "instance", instance);
	member(out, "code", row->label);
	member(out, "error", sentence);
	strbuf_addc(out, '}');
}

void error_object_render(const struct error *e, struct strbuf *out)
{
	strbuf_addf(out, "{\"code\":\"%s\"", err_row(e->code)->label);
	member(out, "message", e->what);
	member(out, "param", e->where[0] ? e->where : NULL);
	strbuf_addc(out, '}');
}

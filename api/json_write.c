/* json_write.c - strings, times and list pages as JSON text. */
#include "api/json_write.h"

#include <string.h>
#include <time.h>

#include "api/number.h"
#include "model/base/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"   /* U+FFFD */

static void write_escaped(struct strbuf *out, unsigned char c)
{
	switch (c) {
	case '"':  strbuf_adds(out, "\\\""); break;
	case '\\': strbuf_adds(out, "\\\\"); break;
	case '\b': strbuf_adds(out, "\\b"); break;
	case '\f': strbuf_adds(out, "\\f"); break;
	case '\n': strbuf_adds(out, "\\n"); break;
	case '\r': strbuf_adds(out, "\\r"); break;
	case '\t': strbuf_adds(out, "\\t"); break;
	default:   strbuf_addf(out, "\\u%04x", c); break;
	}
}

static bool needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
}

/* Bytes from s that go out as they are: whole characters, nothing to escape. */
static size_t plain_run(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && !needs_escape((unsigned char)s[i])) {
		size_t n = utf8_length(s + i, len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

void json_write_string_n(struct strbuf *out, const char *s, size_t len)
{
	size_t i = 0;

	strbuf_addc(out, '"');
	while (i < len) {
		size_t run = plain_run(s + i, len - i);

		strbuf_add(out, s + i, run);
		i += run;
		if (i == len)
			break;
		if (needs_escape((unsigned char)s[i]))
			write_escaped(out, (unsigned char)s[i]);
		else
			strbuf_adds(out, REPLACEMENT);
		i++;
	}
	strbuf_addc(out, '"');
}

void json_write_string(struct strbuf *out, const char *s)
{
	if (s)
		json_write_string_n(out, s, strlen(s));
	else
		strbuf_adds(out, "null");
}

void json_write_numbers(struct strbuf *out, const double *v, size_t n)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addc(out, ',');
		number_write(out, v[i]);
	}
	strbuf_addc(out, ']');
}

void json_time_us(struct strbuf *out, int64_t us)
{
	int64_t below = us % 1000000 < 0 ? us % 1000000 + 1000000 : us % 1000000;   /* of the second, also before 1970 */
	time_t seconds = (time_t)((us - below) / 1000000);
	struct tm tm;

	if (us == 0 || !gmtime_r(&seconds, &tm)) {
		strbuf_adds(out, "null");
		return;
	}
	strbuf_addf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(below / 1000));
}

void json_comma(struct strbuf *out, int i)
{
	if (i)
		strbuf_addc(out, ',');
}

void json_member(struct strbuf *out, const char *name)
{
	strbuf_addf(out, ",\"%s\":", name);
}

void json_member_text(struct strbuf *out, const char *name, const char *text)
{
	json_member(out, name);
	json_write_string(out, text);
}

void json_member_int(struct strbuf *out, const char *name, int64_t v)
{
	strbuf_addf(out, ",\"%s\":%lld", name, (long long)v);
}

void json_member_number(struct strbuf *out, const char *name, double v)
{
	json_member(out, name);
	number_write(out, v);
}

void json_member_flag(struct strbuf *out, const char *name, bool v)
{
	strbuf_addf(out, ",\"%s\":%s", name, v ? "true" : "false");
}

void json_member_time(struct strbuf *out, const char *name, int64_t us)
{
	json_member(out, name);
	json_time_us(out, us);
}

void json_member_raw(struct strbuf *out, const char *name, const char *json)
{
	json_member(out, name);
	strbuf_adds(out, json ? json : "null");
}

void list_begin(struct strbuf *out)
{
	strbuf_adds(out, "{\"object\":\"list\",\"data\":[");
}

void list_next(struct strbuf *out, bool first)
{
	if (!first)
		strbuf_addc(out, ',');
}

void list_end(struct strbuf *out, bool has_more)
{
	strbuf_addf(out, "],\"has_more\":%s}", has_more ? "true" : "false");
}

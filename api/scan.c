/* scan.c - the grammar, one function for each of its words. Where a failure happened is worked out only when it did,
 * from the open containers: an object's last name, an array's count. */
#include "api/scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/number.h"
#include "api/pointer.h"
#include "model/base/utf8.h"
#include "model/base/nearest.h"

void scan_init(struct scan *s, const char *text, size_t len, struct arena *a, struct error *e)
{
	s->begin = s->p = text;
	s->end = text + len;
	s->arena = a;
	s->error = e;
	s->rc = ERR_OK;
	s->tokens = 0;
	s->depth = 0;
	s->names = 0;
}

bool text_is(struct text t, const char *s)
{
	return strlen(s) == t.len && !memcmp(t.s, s, t.len);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

/* The pointer of the value that is being read. */
static size_t pointer_here(const struct scan *s, char *out, size_t cap)
{
	size_t at = 0;
	out[0] = '\0';
	for (int i = 0; i < s->depth; i++) {
		const struct scan_level *l = &s->level[i];
		if (l->object) {
			size_t names = i + 1 < s->depth ? s->level[i + 1].first_name : s->names;
			if (names > l->first_name)
				at = pointer_add(out, at, cap, s->name[names - 1].s, s->name[names - 1].len);
		} else if (l->count > 0) {
			at = pointer_add_index(out, at, cap, l->count - 1);
		}
	}
	return at;
}

static bool fail_where(struct scan *s, enum err code, const char *where, const char *fmt, va_list ap)
{
	char what[sizeof s->error->what];
	if (s->rc)
		return false;
	vsnprintf(what, sizeof what, fmt, ap);
	s->rc = fail(s->error, code, where, "%s", what);
	return false;
}

bool scan_fail(struct scan *s, enum err code, const char *fmt, ...)
{
	char where[sizeof s->error->where];
	va_list ap;
	pointer_here(s, where, sizeof where);
	va_start(ap, fmt);
	fail_where(s, code, where, fmt, ap);
	va_end(ap);
	return false;
}

bool scan_missing(struct scan *s, const char *member)
{
	char where[sizeof s->error->where];
	if (s->rc)
		return false;
	size_t at = pointer_here(s, where, sizeof where);
	pointer_add(where, at, sizeof where, member, strlen(member));
	s->rc = fail(s->error, ERR_INVALID, where, "\"%s\" is required", member);
	return false;
}

static bool syntax(struct scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool syntax(struct scan *s, const char *fmt, ...)
{
	char where[32];
	va_list ap;
	snprintf(where, sizeof where, "byte %zu", (size_t)(s->p - s->begin));
	va_start(ap, fmt);
	fail_where(s, ERR_SYNTAX, where, fmt, ap);
	va_end(ap);
	return false;
}

static bool nomem(struct scan *s)
{
	if (!s->rc)
		s->rc = fail_nomem(s->error);
	return false;
}

/* The next value is not of the kind that was asked for: a matter of meaning if it is a value, else of syntax. */
static bool unexpected(struct scan *s, const char *wanted)
{
	static const char *const kind[] = {
		[SCAN_OBJECT] = "an object", [SCAN_ARRAY] = "an array", [SCAN_STRING] = "a string",
		[SCAN_NUMBER] = "a number", [SCAN_BOOL] = "true or false", [SCAN_NULL] = "null",
	};
	enum scan_type t = scan_peek(s);
	if (t != SCAN_NOTHING)
		return scan_fail(s, ERR_INVALID, "expected %s, found %s", wanted, kind[t]);
	return syntax(s, s->p == s->end ? "expected %s, found the end of the text" : "expected %s", wanted);
}

int scan_known(struct scan *s, struct text name, const char *const *known, size_t n)
{
	char copy[65];
	if (s->rc)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (text_is(name, known[i]))
			return (int)i;
	snprintf(copy, sizeof copy, "%.*s", (int)(name.len < 64 ? name.len : 64), name.s);
	const char *nearest = nearest_name(copy, known, n);
	if (nearest)
		scan_fail(s, ERR_INVALID, "unknown member; did you mean \"%s\"?", nearest);
	else
		scan_fail(s, ERR_INVALID, "unknown member; known are \"%s\" to \"%s\"", known[0], known[n - 1]);
	return -1;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static enum scan_type type_at(const char *p, const char *end)
{
	switch (p < end ? *p : '\0') {
	case '{': return SCAN_OBJECT;
	case '[': return SCAN_ARRAY;
	case '"': return SCAN_STRING;
	case 't': case 'f': return SCAN_BOOL;
	case 'n': return SCAN_NULL;
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9': return SCAN_NUMBER;
	default: return SCAN_NOTHING;
	}
}

enum scan_type scan_peek(struct scan *s)
{
	s->p = blanks(s->p, s->end);
	return type_at(s->p, s->end);
}

enum scan_type scan_first(const struct scan *s)
{
	return type_at(blanks(s->p + 1, s->end), s->end);
}

static bool word(struct scan *s, const char *w)
{
	size_t n = strlen(w);
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n))
		return syntax(s, "expected \"%s\"", w);
	s->p += n;
	return true;
}

static bool expect(struct scan *s, char c)
{
	s->p = blanks(s->p, s->end);
	if (s->p == s->end)
		return syntax(s, "expected '%c', found the end of the text", c);
	if (*s->p != c)
		return syntax(s, "expected '%c'", c);
	s->p++;
	return true;
}

enum err scan_end(struct scan *s)
{
	s->p = blanks(s->p, s->end);
	if (!s->rc && s->p != s->end)
		syntax(s, "expected the end of the text");
	return s->rc;
}

/* --- strings ------------------------------------------------------------------------------------------------------ */

static bool hex4(const char *p, const char *end, uint32_t *out)
{
	uint32_t v = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v |= (uint32_t)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

/* The escape at p (a backslash): its code point and the byte after it, or NULL when it is none. */
static const char *escape(const char *p, const char *end, uint32_t *code)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint32_t low;
	if (end - p < 2)
		return NULL;
	if (p[1] != 'u') {
		const char *k = p[1] ? strchr(from, p[1]) : NULL;
		if (!k)
			return NULL;
		*code = (unsigned char)to[k - from];
		return p + 2;
	}
	if (!hex4(p + 2, end, code) || *code == 0 || (*code >= 0xDC00 && *code <= 0xDFFF))
		return NULL;
	p += 6;
	if (*code < 0xD800 || *code > 0xDBFF)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex4(p + 2, end, &low) || low < 0xDC00 || low > 0xDFFF)
		return NULL;
	*code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
	return p + 6;
}

static char *utf8_put(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = { 0, 0xC0, 0xE0, 0xF0 };
	*out++ = (char)(lead[tail] | code >> (6 * tail));
	while (tail-- > 0)
		*out++ = (char)(0x80 | (code >> (6 * tail) & 0x3F));
	return out;
}

/* Pass the string at the scanner, checking it; *raw is what stands between the quotes. */
static bool pass_string(struct scan *s, struct text *raw, bool *escaped)
{
	if (s->rc)
		return false;
	if (scan_peek(s) != SCAN_STRING)
		return unexpected(s, "a string");
	const char *start = ++s->p;
	uint32_t code;
	*escaped = false;
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p;
		if (c == '"') {
			*raw = (struct text){ start, (size_t)(s->p++ - start) };
			return true;
		}
		if (c == '\\') {
			const char *next = escape(s->p, s->end, &code);
			if (!next)
				return syntax(s, "not a JSON escape, a lone surrogate, or U+0000");
			*escaped = true;
			s->p = next;
		} else if (c < 0x20) {
			return syntax(s, "control character in a string");
		} else if (c < 0x80) {
			s->p++;
		} else {
			size_t n = utf8_length(s->p, (size_t)(s->end - s->p));
			if (!n)
				return syntax(s, "not UTF-8");
			s->p += n;
		}
	}
	return syntax(s, "a string without an end");
}

/* An escape is never shorter than what it stands for, so raw.len bytes hold the result. */
static bool unescape(struct scan *s, struct text raw, struct text *out)
{
	char *copy = arena_alloc(s->arena, raw.len);
	if (!copy)
		return nomem(s);
	const char *p = raw.s, *end = raw.s + raw.len;
	char *q = copy;
	uint32_t code = 0;
	while (p < end) {
		if (*p == '\\') {
			p = escape(p, end, &code);
			q = utf8_put(q, code);
		} else {
			*q++ = *p++;
		}
	}
	*out = (struct text){ copy, (size_t)(q - copy) };
	return true;
}

bool scan_string(struct scan *s, struct text *out)
{
	struct text raw;
	bool escaped;
	if (!pass_string(s, &raw, &escaped))
		return false;
	if (escaped)
		return unescape(s, raw, out);
	*out = raw;
	return true;
}

bool scan_copy(struct scan *s, size_t max, const char **out)
{
	struct text t;
	if (!scan_string(s, &t))
		return false;
	if (t.len == 0 || t.len > max)
		return scan_fail(s, ERR_INVALID, "has %zu bytes, expected 1 to %zu", t.len, max);
	const char *copy = arena_strndup(s->arena, t.s, t.len);
	if (!copy)
		return nomem(s);
	*out = copy;
	return true;
}

/* --- containers --------------------------------------------------------------------------------------------------- */

static bool enter(struct scan *s, bool object)
{
	if (s->depth == SCAN_MAX_DEPTH)
		return scan_fail(s, ERR_INVALID, "nested deeper than %d", SCAN_MAX_DEPTH);
	s->p++;
	s->level[s->depth++] = (struct scan_level){ .object = object, .first_name = s->names };
	return true;
}

static void leave(struct scan *s)
{
	s->names = s->level[--s->depth].first_name;
}

bool scan_object(struct scan *s)
{
	if (s->rc)
		return false;
	return scan_peek(s) == SCAN_OBJECT ? enter(s, true) : unexpected(s, "an object");
}

bool scan_array(struct scan *s)
{
	if (s->rc)
		return false;
	return scan_peek(s) == SCAN_ARRAY ? enter(s, false) : unexpected(s, "an array");
}

/* In front of the next member or element: false behind the closing bracket. */
static bool next_item(struct scan *s, char close)
{
	if (s->rc)
		return false;
	struct scan_level *l = &s->level[s->depth - 1];
	s->p = blanks(s->p, s->end);
	if (s->p < s->end && *s->p == close) {
		s->p++;
		leave(s);
		return false;
	}
	if (l->count > 0) {
		if (s->p == s->end || *s->p != ',')
			return syntax(s, "expected ',' or '%c'", close);
		s->p++;
	}
	l->count++;
	return true;
}

bool scan_element(struct scan *s)
{
	return next_item(s, ']');
}

/* The name becomes the object's last one, so that a failure points at the member. */
static bool remember(struct scan *s, struct text name)
{
	size_t first = s->level[s->depth - 1].first_name;
	if (s->names == SCAN_MAX_NAMES)
		return scan_fail(s, ERR_INVALID, "more than %d members", SCAN_MAX_NAMES);
	s->name[s->names++] = name;
	for (size_t i = first; i + 1 < s->names; i++)
		if (s->name[i].len == name.len && !memcmp(s->name[i].s, name.s, name.len))
			return scan_fail(s, ERR_INVALID, "the member is given twice");
	return true;
}

bool scan_member(struct scan *s, struct text *name)
{
	if (!next_item(s, '}'))
		return false;
	if (scan_peek(s) != SCAN_STRING)
		return syntax(s, "expected a member's name");
	return scan_string(s, name) && remember(s, *name) && expect(s, ':');
}

/* --- scalars ------------------------------------------------------------------------------------------------------ */

bool scan_bool(struct scan *s, bool *out)
{
	if (s->rc)
		return false;
	if (scan_peek(s) != SCAN_BOOL)
		return unexpected(s, "true or false");
	bool v = *s->p == 't';
	if (!word(s, v ? "true" : "false"))
		return false;
	*out = v;
	return true;
}

bool scan_number(struct scan *s, double *out)
{
	if (s->rc)
		return false;
	if (scan_peek(s) != SCAN_NUMBER)
		return unexpected(s, "a number");
	const char *next = number_json(s->p, s->end, out);
	if (!next)
		return syntax(s, "not a JSON number, or one beyond the range of a double");
	s->p = next;
	return true;
}

bool scan_integer(struct scan *s, int64_t lo, int64_t hi, int64_t *out)
{
	double v;
	if (!scan_number(s, &v))
		return false;
	if (v != floor(v) || v < (double)lo || v > (double)hi)
		return scan_fail(
			s, ERR_INVALID, "expected a whole number from %lld to %lld", (long long)lo, (long long)hi);
	*out = (int64_t)v;
	return true;
}

bool scan_int(struct scan *s, int lo, int hi, int *out)
{
	int64_t n;
	if (!scan_integer(s, lo, hi, &n))
		return false;
	*out = (int)n;
	return true;
}

bool scan_real(struct scan *s, double lo, double hi, double *out)
{
	double v;
	if (!scan_number(s, &v))
		return false;
	if (v < lo || v > hi)
		return scan_fail(s, ERR_INVALID, "expected a number from %g to %g", lo, hi);
	*out = v;
	return true;
}

/* A number, or null as NaN; the byte behind it, or NULL. */
static inline const char *number_or_null(const char *p, const char *end, double *out)
{
	const char *next = number_json(p, end, out);
	if (!next && end - p >= 4 && !memcmp(p, "null", 4)) {
		*out = NAN;
		next = p + 4;
	}
	return next;
}

static bool not_a_number(struct scan *s)
{
	enum scan_type t = scan_peek(s);
	if (t == SCAN_NUMBER || t == SCAN_NULL)
		return syntax(s, "not a JSON number, or one beyond the range of a double");
	return unexpected(s, "a number or null");
}

/* The hot loop of a prediction: one pass, the position in a register. */
bool scan_numbers(struct scan *s, double *out, size_t max, size_t *n)
{
	if (!scan_array(s))
		return false;
	struct scan_level *l = &s->level[s->depth - 1];
	const char *end = s->end, *p = blanks(s->p, end);
	size_t i = 0;
	bool more = !(p < end && *p == ']');
	while (more) {
		l->count = i + 1;
		const char *next = i < max ? number_or_null(p, end, &out[i]) : NULL;
		if (!next) {
			s->p = p;
			return i == max ? scan_fail(s, ERR_INVALID, "more than %zu numbers", max) : not_a_number(s);
		}
		i++;
		p = blanks(next, end);
		more = p < end && *p == ',';
		if (more)
			p = blanks(p + 1, end);
	}
	s->p = p;
	if (p == end || *p != ']')
		return syntax(s, "expected ',' or ']'");
	s->p++;
	leave(s);
	*n = i;
	return true;
}

static bool skip_members(struct scan *s)
{
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		s->tokens++;
		scan_skip(s);
	}
	return !s->rc;
}

static bool skip_elements(struct scan *s)
{
	scan_array(s);
	while (scan_element(s))
		scan_skip(s);
	return !s->rc;
}

bool scan_skip(struct scan *s)
{
	struct text raw;
	bool flag;
	double number;
	if (s->rc)
		return false;
	s->tokens++;
	switch (scan_peek(s)) {
	case SCAN_OBJECT: return skip_members(s);
	case SCAN_ARRAY: return skip_elements(s);
	case SCAN_STRING: return pass_string(s, &raw, &flag);
	case SCAN_NUMBER: return scan_number(s, &number);
	case SCAN_BOOL: return scan_bool(s, &flag);
	case SCAN_NULL: return word(s, "null");
	default: return unexpected(s, "a value");
	}
}

bool scan_raw(struct scan *s, struct text *out)
{
	s->p = blanks(s->p, s->end);
	const char *start = s->p;
	if (!scan_skip(s))
		return false;
	*out = (struct text){ start, (size_t)(s->p - start) };
	return true;
}

#include "model/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char empty[1];   /* what s points to before the first append */

void strbuf_init(struct strbuf *b, size_t max)
{
	*b = (struct strbuf){ .s = empty, .max = max };
}

void strbuf_fini(struct strbuf *b)
{
	if (b->cap)
		free(b->s);
	strbuf_init(b, b->max);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->cap)
		b->s[0] = '\0';
}

bool strbuf_ok(const struct strbuf *b)
{
	return !b->failed;
}

/* Room for `more` bytes and the NUL; doubles, so n appends cost O(n). */
static bool reserve(struct strbuf *b, size_t more)
{
	if (b->failed || more > b->max - b->len) {
		b->failed = true;
		return false;
	}
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
	char *s = realloc(b->cap ? b->s : NULL, cap);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void strbuf_reserve(struct strbuf *b, size_t len)
{
	if (len > b->len)
		reserve(b, len - b->len);
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len)
		memcpy(b->s + b->len, bytes, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addv(struct strbuf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < sizeof small) {
		strbuf_add(b, small, (size_t)n);
	} else if (reserve(b, (size_t)n)) {
		vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	strbuf_addv(b, fmt, ap);
	va_end(ap);
}

char *strbuf_detach(struct strbuf *b, size_t *len)
{
	if (!reserve(b, 0)) {
		strbuf_fini(b);
		return NULL;
	}
	b->s[b->len] = '\0';
	char *s = b->s;
	if (len)
		*len = b->len;
	strbuf_init(b, b->max);
	return s;
}

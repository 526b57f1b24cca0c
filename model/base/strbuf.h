/* strbuf.h - a growing text or byte buffer with a maximum.
 *
 * A failed append (out of memory, or over max) makes the buffer sticky-failed:
 * later appends do nothing, and the one who needs the bytes asks strbuf_ok()
 * once at the end. s is always NUL-terminated after the first append; before
 * it, s is "" (never NULL) and must not be written. */
#ifndef GATECAST_BASE_STRBUF_H
#define GATECAST_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *s;
	size_t len, cap, max;
	bool failed;
};

/** Start empty; max counts bytes without the NUL. Allocates nothing. */
void strbuf_init(struct strbuf *b, size_t max);
/** Free the bytes; *b is empty and usable again with the same max. */
void strbuf_fini(struct strbuf *b);
/** Forget the content and the failure, keep the memory. */
void strbuf_reset(struct strbuf *b);
bool strbuf_ok(const struct strbuf *b);
/** Room for len bytes in all: appends up to there allocate nothing. */
void strbuf_reserve(struct strbuf *b, size_t len);

void strbuf_add(struct strbuf *b, const void *bytes, size_t len);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_addv(struct strbuf *b, const char *fmt, va_list ap);

/** Take the bytes out (caller frees); *b is empty again. NULL if failed. */
char *strbuf_detach(struct strbuf *b, size_t *len);

#endif

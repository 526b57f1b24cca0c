/* scan.h - a pull scanner over a JSON text (RFC 8259): the caller asks for what it expects, nothing is built.
 *
 *     {"inputs": [[1, null, 3.5]]}
 *      │          ││
 *      │          │└ scan_numbers: the whole rest of an array, straight into doubles
 *      │          └─ scan_array, scan_element
 *      └──────────── scan_object, scan_member
 *
 * Strict: UTF-8 is checked, surrogates must pair, no NaN or Infinity, no comments, nothing behind the value.
 * More than the grammar asks: depth, members of open objects and length are limited, a duplicate member and U+0000 are
 * refused, a number must fit a double.
 *
 * The first failure sticks: every later call does nothing and returns false, so a caller may read a whole object and
 * look at rc once. The scanner knows where it stands: errors of meaning carry the JSON pointer (RFC 6901) of the value,
 * errors of syntax "byte N", counted from 0. */
#ifndef GATECAST_API_SCAN_H
#define GATECAST_API_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/arena.h"
#include "model/base/error.h"

#define SCAN_MAX_DEPTH 8
#define SCAN_MAX_NAMES 320    /* members of all open objects */

/* A piece of the body, or of the arena where it held escapes. Not terminated. */
struct text { const char *s; size_t len; };

enum scan_type { SCAN_NOTHING, SCAN_OBJECT, SCAN_ARRAY, SCAN_STRING, SCAN_NUMBER, SCAN_BOOL, SCAN_NULL };

struct scan_level {
	bool object;
	size_t count;         /* members or elements begun */
	size_t first_name;    /* where an object's names begin */
};

struct scan {
	const char *begin, *p, *end;
	struct arena *arena;
	struct error *error;
	enum err rc;
	size_t tokens;        /* values and names that scan_skip() has seen */
	int depth;
	size_t names;
	struct scan_level level[SCAN_MAX_DEPTH];
	struct text name[SCAN_MAX_NAMES];
};

/** Borrows the text, the arena (for strings with escapes) and e (may be NULL). */
void scan_init(struct scan *s, const char *text, size_t len, struct arena *a, struct error *e);
/** Nothing but blanks may follow; returns the scan's code. */
enum err scan_end(struct scan *s);

/** What the next value is, by its first byte; SCAN_NOTHING at anything else. */
enum scan_type scan_peek(struct scan *s);
/** The same of the first element of the array that scan_peek() has found. */
enum scan_type scan_first(const struct scan *s);

/** Enter an object; then each scan_member() gives a name, whose value must be read. False behind the last. */
bool scan_object(struct scan *s);
bool scan_member(struct scan *s, struct text *name);
/** Enter an array; then before each element. False behind the last. */
bool scan_array(struct scan *s);
bool scan_element(struct scan *s);

bool scan_string(struct scan *s, struct text *out);
bool scan_bool(struct scan *s, bool *out);
bool scan_number(struct scan *s, double *out);
/** A whole number in lo … hi; |lo|, |hi| <= 2^53. */
bool scan_integer(struct scan *s, int64_t lo, int64_t hi, int64_t *out);
bool scan_int(struct scan *s, int lo, int hi, int *out);
/** A number in lo … hi. */
bool scan_real(struct scan *s, double lo, double hi, double *out);
/** Enter an array and read it to its end: numbers, null is NaN. At most max; *n is how many. */
bool scan_numbers(struct scan *s, double *out, size_t max, size_t *n);
/** Any value, checked and passed over. */
bool scan_skip(struct scan *s);
/** The same, giving its bytes. */
bool scan_raw(struct scan *s, struct text *out);
/** A string of 1 … max bytes, copied into the arena with a NUL. */
bool scan_copy(struct scan *s, size_t max, const char **out);

/** Fail at the value that is being read (or the container, between its values). Always false. */
bool scan_fail(struct scan *s, enum err code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** Fail because the object just left has no such member. Always false. */
bool scan_missing(struct scan *s, const char *member);
/** Which of the n known names it is; else fails with the nearest one and returns -1. */
int scan_known(struct scan *s, struct text name, const char *const *known, size_t n);
bool text_is(struct text t, const char *s);

#endif

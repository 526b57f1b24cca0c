/* error.h - how a failure travels.
 *
 * A function that can fail returns an `enum err` and, where the caller wants
 * to know more, fills a `struct error` at the point of failure: the code, the
 * place (a JSON pointer, "line 12, column 3", a tensor's name) and one
 * sentence that names the limit. Results are written only on success.
 *
 * Every code has one row in a table that says its HTTP status, its title and
 * its metric label, so nobody else translates it. */
#ifndef GATECAST_BASE_ERROR_H
#define GATECAST_BASE_ERROR_H

enum err {
	ERR_OK = 0,
	ERR_SYNTAX,       /* the bytes are not what they claim to be      400 */
	ERR_AUTH,         /* no key, or an unknown one                    401 */
	ERR_FORBIDDEN,    /* the key lacks the scope                      403 */
	ERR_NOT_FOUND,    /*                                              404 */
	ERR_METHOD,       /* the path exists, the method does not         405 */
	ERR_CONFLICT,     /* the state of the thing forbids it            409 */
	ERR_GONE,         /* it was there once                            410 */
	ERR_TOO_LARGE,    /* a body over its limit                        413 */
	ERR_MEDIA_TYPE,   /*                                              415 */
	ERR_INVALID,      /* well-formed, but not acceptable              422 */
	ERR_QUOTA,        /* this client asks for more than its share     429 */
	ERR_CANCELLED,    /* the client left                              499 */
	ERR_INTERNAL,     /* our own mistake                              500 */
	ERR_NOMEM,        /* an allocation failed                         503 */
	ERR_UNSUPPORTED,  /* understood, not offered                      501 */
	ERR_BUSY,         /* saturated: try again later                   503 */
	ERR_STOPPING,     /* shutting down                                503 */
	ERR_TIMEOUT,      /* the deadline passed before the answer        504 */
	ERR_DISK_FULL,    /*                                              507 */
	ERR_STORAGE,      /* the store failed                             500 */
	ERR_IO,           /* a file or a pipe failed                      500 */
	ERR_DIVERGED,     /* training left the finite numbers             500 */
	ERR_COUNT
};

struct error {
	enum err code;
	char where[128];   /* "" when the whole request is meant */
	char what[384];    /* one sentence, no trailing newline */
};

struct err_row {
	const char *label;   /* a metric label: "invalid" */
	const char *title;   /* for people: "The request cannot be processed" */
	int status;          /* HTTP */
};

/** The row of a code. Never NULL; codes out of range give ERR_INTERNAL's. */
const struct err_row *err_row(enum err code);

/** Fill *e (NULL is fine) and return code, so that `return fail(e, …)` reads well.
 *  where and the result of fmt are cut to fit. */
enum err fail(struct error *e, enum err code, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** ERR_NOMEM with a standard sentence. */
enum err fail_nomem(struct error *e);

#endif

#include "model/base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct err_row rows[ERR_COUNT] = {
	[ERR_OK]             = { "ok",             "OK",                                 200 },
	[ERR_SYNTAX]         = { "syntax",         "The request cannot be read",         400 },
	[ERR_AUTH]           = { "auth",           "A valid API key is needed",          401 },
	[ERR_FORBIDDEN]      = { "forbidden",      "The API key does not allow this",    403 },
	[ERR_NOT_FOUND]      = { "not_found",      "Not found",                          404 },
	[ERR_METHOD]         = { "method",         "Method not allowed",                 405 },
	[ERR_CONFLICT]       = { "conflict",       "The current state forbids this",     409 },
	[ERR_GONE]           = { "gone",           "No longer there",                    410 },
	[ERR_TOO_LARGE]      = { "too_large",      "The body is too large",              413 },
	[ERR_MEDIA_TYPE]     = { "media_type",     "Unsupported media type",             415 },
	[ERR_INVALID]        = { "invalid",        "The request cannot be processed",    422 },
	[ERR_QUOTA]          = { "quota",          "Too many requests",                  429 },
	[ERR_CANCELLED]      = { "cancelled",      "The client left",                    499 },
	[ERR_INTERNAL]       = { "internal",       "Internal error",                     500 },
	[ERR_NOMEM]          = { "nomem",          "Out of memory",                      503 },
	[ERR_UNSUPPORTED]    = { "unsupported",    "Not implemented",                    501 },
	[ERR_BUSY]           = { "busy",           "The service is saturated",           503 },
	[ERR_STOPPING]       = { "stopping",       "The service is shutting down",       503 },
	[ERR_TIMEOUT]        = { "timeout",        "The deadline passed",                504 },
	[ERR_DISK_FULL]      = { "disk_full",      "The disk is full",                   507 },
	[ERR_STORAGE]        = { "storage",        "The store failed",                   500 },
	[ERR_IO]             = { "io",             "Input or output failed",             500 },
	[ERR_DIVERGED]       = { "diverged",       "Training diverged",                  500 },
};

const struct err_row *err_row(enum err code)
{
	if (code < 0 || code >= ERR_COUNT)
		code = ERR_INTERNAL;
	return &rows[code];
}

enum err fail(struct error *e, enum err code, const char *where, const char *fmt, ...)
{
	if (!e)
		return code;
	e->code = code;
	snprintf(e->where, sizeof e->where, "%s", where ? where : "");
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->what, sizeof e->what, fmt, ap);
	va_end(ap);
	return code;
}

enum err fail_nomem(struct error *e)
{
	return fail(e, ERR_NOMEM, "", "an allocation failed; try again later or with less");
}

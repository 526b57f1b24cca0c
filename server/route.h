/* route.h - the table of routes: what a path means, who may ask, how large a body, on which lane it runs.
 *
 * To add a route: a handler in the routes_*.c of its noun, its row in routes.c, its path in api/openapi.json. */
#ifndef GATECAST_SERVER_ROUTE_H
#define GATECAST_SERVER_ROUTE_H

#include <stddef.h>

#include "model/base/error.h"

struct request;
struct store;

enum lane_kind {
	LANE_INLINE,    /* on the HTTP thread: must not block */
	LANE_READ,      /* on the reader lane, with its connection */
	LANE_WRITE,     /* on the writer lane, inside the group's transaction */
	LANE_PREDICT    /* on the HTTP thread; finishes later through the batcher */
};
enum body_kind { BODY_NONE, BODY_OPTIONAL, BODY_REQUIRED, BODY_UPLOAD };

enum {
	ROUTE_ADMIN = 1,           /* also on the admin listener, without a key */
	ROUTE_OPEN = 2,            /* without a key anywhere */
	ROUTE_MODEL = 4,           /* asks the latest version of the model that is its one parameter */
};

struct route {
	const char *method;        /* "GET" */
	const char *pattern;       /* "/v1/jobs/{}/events": {} is one segment; "{}:predict" its beginning */
	unsigned scope;            /* of storage/key_store.h */
	enum lane_kind lane;
	enum body_kind body;
	const char *media;         /* accepted Content-Types, separated by ", "; NULL: any */
	unsigned flags;
	/** s is NULL on LANE_INLINE and LANE_PREDICT. */
	enum err (*handle)(struct request *r, struct store *s, struct error *e);
	/* BODY_UPLOAD: the body goes piece by piece into r->upload. */
	enum err (*upload_open)(struct request *r, struct error *e);
	enum err (*upload_push)(struct request *r, const char *bytes, size_t len, struct error *e);
	void (*upload_free)(struct request *r);
};

extern const struct route routes[];
extern const int n_routes;

/**
 * Find the row of method and path; fills r->param. ERR_NOT_FOUND; ERR_METHOD when only the method is wrong, with
 * allow = "GET, PUT". HEAD is taken as GET.
 */
enum err route_match(const char *method, const char *path, const struct route **out,
                     char param[][65], char *allow, size_t allow_cap, struct error *e);

#endif

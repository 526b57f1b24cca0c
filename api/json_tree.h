/* json_tree.h - small bodies as jansson trees, for what is not on the path of a prediction.
 *
 *     bytes ─► scan.h: grammar, duplicates, depth, tokens counted ─► jansson ─► json_t
 *
 * A tree costs up to a hundred bytes a token, so nothing is built before the tokens were counted; and one grammar
 * judges every body, with the same words. All numbers are reals. */
#ifndef GATECAST_API_JSON_TREE_H
#define GATECAST_API_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/base/error.h"

struct tree_limits { size_t bytes, tokens; };

/** ERR_TOO_LARGE, ERR_SYNTAX ("byte N"), ERR_INVALID (a pointer). The caller gives the tree to json_decref. */
enum err tree_parse(const char *s, size_t len, const struct tree_limits *l, json_t **out, struct error *e);

/* What stands at a member, or a failure with its pointer; path is the object's. A missing member is a failure. */
enum err tree_object(const json_t *o, const char *path, const char *name, json_t **out, struct error *e);
/** An array of at most max values. */
enum err tree_array(const json_t *o, const char *path, const char *name, size_t max, json_t **out, struct error *e);
enum err tree_number(const json_t *o, const char *path, const char *name, double *out, struct error *e);
enum err tree_whole(const json_t *o, const char *path, const char *name, int64_t lo, int64_t hi, int64_t *out,
                    struct error *e);
enum err tree_flag(const json_t *o, const char *path, const char *name, bool *out, struct error *e);
/** Copied with its NUL; 1 … cap - 1 bytes. */
enum err tree_text(const json_t *o, const char *path, const char *name, char *out, size_t cap, struct error *e);

/** fail() at path/name. */
enum err tree_fail(struct error *e, enum err code, const char *path, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif

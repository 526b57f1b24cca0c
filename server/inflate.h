/* inflate.h - bodies that come compressed, a piece at a time.
 *
 *     Content-Encoding: gzip (RFC 1952, members in a row too), zstd (RFC 8878, windows up to 8 MiB)
 *
 *     pieces off the socket ─► inflate_push ─► pieces of at most INFLATE_PIECE ─► sink: the body's buffer or an upload
 *
 * The sink's limit is that of the body as it was. A bomb is stopped as soon as it grows beyond that, or beyond
 * INFLATE_RATIO times what was sent; nothing of a piece is inflated after its sink has failed. */
#ifndef GATECAST_SERVER_INFLATE_H
#define GATECAST_SERVER_INFLATE_H

#include <stddef.h>

#include "model/base/error.h"

#define INFLATE_PIECE (16u << 10)
#define INFLATE_RATIO 256
#define INFLATE_ALWAYS (64u << 10)   /* allowed whatever was sent: small bodies of one value deflate a thousandfold */
#define INFLATE_CODINGS "gzip, zstd"

struct inflate;
typedef enum err inflate_sink(void *arg, const char *bytes, size_t len, struct error *e);

/** ERR_MEDIA_TYPE: a coding not offered, or two of them. *out is NULL for "identity". */
enum err inflate_new(const char *coding, struct inflate **out, struct error *e);
void inflate_free(struct inflate *z);
/** What the bytes inflate to goes to the sink, whose failure ends it. ERR_SYNTAX: not of the coding. ERR_TOO_LARGE. */
enum err inflate_push(struct inflate *z, const char *bytes, size_t len, inflate_sink *sink, void *arg, struct error *e);
/** No more will come: ERR_SYNTAX when the end is missing. */
enum err inflate_finish(const struct inflate *z, struct error *e);

#endif

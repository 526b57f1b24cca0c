/* digest.h - SHA-256 as 64 lower-case hex digits (libsodium). */
#ifndef GATECAST_STORAGE_DIGEST_H
#define GATECAST_STORAGE_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX 65
void digest_hex(const void *bytes, size_t len, char out[DIGEST_HEX]);

struct digest;   /* incremental */
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *bytes, size_t len);
void digest_end(struct digest *d, char out[DIGEST_HEX]);   /* frees d */
void digest_free(struct digest *d);

#endif

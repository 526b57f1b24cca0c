/* digest.c - SHA-256 through libsodium. */
#include "storage/digest.h"

#include <sodium.h>
#include <stdlib.h>

_Static_assert(DIGEST_HEX == 2 * crypto_hash_sha256_BYTES + 1, "two digits a byte and the NUL");

struct digest {
	crypto_hash_sha256_state state;
};

static void to_hex(const unsigned char bytes[crypto_hash_sha256_BYTES], char out[DIGEST_HEX])
{
	sodium_bin2hex(out, DIGEST_HEX, bytes, crypto_hash_sha256_BYTES);
}

void digest_hex(const void *bytes, size_t len, char out[DIGEST_HEX])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(hash, bytes, len);
	to_hex(hash, out);
}

struct digest *digest_new(void)
{
	struct digest *d = malloc(sizeof *d);
	if (d)
		crypto_hash_sha256_init(&d->state);
	return d;
}

void digest_add(struct digest *d, const void *bytes, size_t len)
{
	if (len)
		crypto_hash_sha256_update(&d->state, bytes, len);
}

void digest_end(struct digest *d, char out[DIGEST_HEX])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_final(&d->state, hash);
	to_hex(hash, out);
	digest_free(d);
}

void digest_free(struct digest *d)
{
	free(d);
}

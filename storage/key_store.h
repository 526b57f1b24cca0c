/* key_store.h - API keys: "gc_ID.SECRET" with 32 random bytes of secret; only its SHA-256 is stored. */
#ifndef GATECAST_STORAGE_KEY_STORE_H
#define GATECAST_STORAGE_KEY_STORE_H

#include "storage/store.h"

enum key_scope { KEY_PREDICT = 1, KEY_READ = 2, KEY_TRAIN = 4, KEY_ADMIN = 8 };
#define KEY_TEXT_MAX 96
#define KEY_ID_MAX 24

struct key_info {
	char id[KEY_ID_MAX];
	char name[STORE_NAME_MAX + 1];
	unsigned scopes;
	int64_t created_at_us, revoked_at_us;   /* 0: valid */
};

/** "predict,read" to bits; false on an unknown word. admin implies all. */
bool key_scopes_parse(const char *text, unsigned *out);
void key_scopes_format(unsigned scopes, char *out, size_t cap);

/** text receives the key, shown this once. */
enum err key_add(struct store *s, const char *name, unsigned scopes, char text[KEY_TEXT_MAX], struct key_info *out, struct error *e);
enum err key_list(struct store *s, struct key_info **out, size_t *n, struct error *e);   /* free() the list */
enum err key_revoke(struct store *s, const char *id, struct error *e);

/* A snapshot for checking requests without touching the database. */
struct key_ring;
enum err key_ring_load(struct store *s, struct key_ring **out, struct error *e);
void key_ring_free(struct key_ring *r);
/** Constant time in the secret, with a dummy comparison on a miss. ERR_AUTH: unknown or revoked; scopes and id on
 *  success. */
enum err key_ring_check(const struct key_ring *r, const char *text, unsigned *scopes, char id[KEY_ID_MAX],
                        struct error *e);

#endif

/* key_store.c - API keys.
 *
 *   gc_ 3f9c0a7d5b1e2468 . 64 hex digits
 *       └ id, public       └ secret of 32 random bytes; SHA-256 of its text is stored
 *
 * The ring is a sorted copy of the valid keys: a request is checked without the database and without a lock. */
#include "storage/key_store.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/db.h"
#include "storage/digest.h"

#define PREFIX       "gc_"
#define ID_BYTES     8
#define SECRET_BYTES 32
#define SECRET_HEX   (2 * SECRET_BYTES + 1)
#define KEY_ALL      (KEY_PREDICT | KEY_READ | KEY_TRAIN | KEY_ADMIN)

/* --- scopes --- */

static const struct {
	const char *word;
	unsigned bit;
} scope_words[] = { { "predict", KEY_PREDICT }, { "read", KEY_READ }, { "train", KEY_TRAIN }, { "admin", KEY_ADMIN } };

#define SCOPES (sizeof scope_words / sizeof *scope_words)

static unsigned scope_bit(const char *word, size_t len)
{
	for (size_t i = 0; i < SCOPES; i++)
		if (strlen(scope_words[i].word) == len && memcmp(scope_words[i].word, word, len) == 0)
			return scope_words[i].bit;
	return 0;
}

bool key_scopes_parse(const char *text, unsigned *out)
{
	unsigned scopes = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		unsigned bit = scope_bit(text, len);
		if (!bit)
			return false;
		scopes |= bit;
		text += len;
		if (!*text)
			break;
		text++;
	}
	*out = scopes & KEY_ADMIN ? KEY_ALL : scopes;
	return true;
}

void key_scopes_format(unsigned scopes, char *out, size_t cap)
{
	size_t len = 0;
	if (scopes & KEY_ADMIN)
		scopes = KEY_ADMIN;   /* implies the others */
	for (size_t i = 0; i < SCOPES; i++) {
		size_t word = strlen(scope_words[i].word);
		if (!(scopes & scope_words[i].bit) || len + word + 2 > cap)
			continue;
		if (len)
			out[len++] = ',';
		memcpy(out + len, scope_words[i].word, word);
		len += word;
	}
	if (cap)
		out[len] = '\0';
}

/* --- the table --- */

static enum err key_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct key_info *k = item;
	k->scopes = (unsigned)sqlite3_column_int(q, 2);
	k->created_at_us = sqlite3_column_int64(q, 3);
	k->revoked_at_us = sqlite3_column_int64(q, 4);
	enum err rc = db_copy_text(q, 0, k->id, sizeof k->id, e);
	if (!rc)
		rc = db_copy_text(q, 1, k->name, sizeof k->name, e);
	return rc;
}

static const struct db_kind key_kind = { sizeof(struct key_info), key_read, NULL };

static void random_hex(char *out, size_t bytes)
{
	unsigned char raw[SECRET_BYTES];
	randombytes_buf(raw, bytes);
	sodium_bin2hex(out, 2 * bytes + 1, raw, bytes);
	sodium_memzero(raw, sizeof raw);
}

enum err key_add(struct store *s, const char *name, unsigned scopes, char text[KEY_TEXT_MAX], struct key_info *out,
		struct error *e)
{
	char id[2 * ID_BYTES + 1], secret[SECRET_HEX], sha256[DIGEST_HEX];
	enum err rc = db_check_name("name", name, e);
	if (rc)
		return rc;
	if (!scopes || scopes & ~(unsigned)KEY_ALL)
		return fail(e, ERR_INVALID, "scopes", "a key has at least one of predict, read, train and admin");
	if (scopes & KEY_ADMIN)
		scopes = KEY_ALL;
	random_hex(id, ID_BYTES);
	random_hex(secret, SECRET_BYTES);
	digest_hex(secret, strlen(secret), sha256);
	rc = db_get(s, "INSERT INTO api_key (id, name, scopes, secret_sha256, created_at_us)"
		" VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id, name, scopes, created_at_us, revoked_at_us",
		DB_VALUES(db_text(id), db_text(name), db_int(scopes), db_text(sha256), db_int(store_now_us())),
		&key_kind, out, e);
	if (!rc)
		snprintf(text, KEY_TEXT_MAX, PREFIX "%s.%s", id, secret);
	sodium_memzero(secret, sizeof secret);
	return rc;
}

enum err key_list(struct store *s, struct key_info **out, size_t *n, struct error *e)
{
	void *items = NULL;
	enum err rc = db_list(s, "SELECT id, name, scopes, created_at_us, revoked_at_us FROM api_key"
		" ORDER BY created_at_us, id", DB_NONE, INT_MAX, &key_kind, &items, n, NULL, e);
	if (!rc)
		*out = items;
	return rc;
}

enum err key_revoke(struct store *s, const char *id, struct error *e)
{
	int changed = 0;
	enum err rc = db_run(s, "UPDATE api_key"
		" SET revoked_at_us = CASE revoked_at_us WHEN 0 THEN ?2 ELSE revoked_at_us END WHERE id = ?1",
		DB_VALUES(db_text(id), db_int(store_now_us())), &changed, e);
	if (!rc && !changed)
		rc = fail(e, ERR_NOT_FOUND, "", "there is no key \"%s\"", id);
	return rc;
}

/* --- the ring --- */

struct ring_key {
	char id[KEY_ID_MAX];
	char sha256[DIGEST_HEX];
	unsigned scopes;
};

struct key_ring {
	struct ring_key *key;   /* sorted by id */
	size_t n;
};

static enum err ring_key_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct ring_key *k = item;
	k->scopes = (unsigned)sqlite3_column_int(q, 2);
	enum err rc = db_copy_text(q, 0, k->id, sizeof k->id, e);
	if (!rc)
		rc = db_copy_text(q, 1, k->sha256, sizeof k->sha256, e);
	return rc;
}

static const struct db_kind ring_kind = { sizeof(struct ring_key), ring_key_read, NULL };

enum err key_ring_load(struct store *s, struct key_ring **out, struct error *e)
{
	void *items = NULL;
	struct key_ring *r = calloc(1, sizeof *r);
	if (!r)
		return fail_nomem(e);
	enum err rc = db_list(s, "SELECT id, secret_sha256, scopes FROM api_key WHERE revoked_at_us = 0 ORDER BY id",
		DB_NONE, INT_MAX, &ring_kind, &items, &r->n, NULL, e);
	if (rc) {
		free(r);
		return rc;
	}
	r->key = items;
	*out = r;
	return ERR_OK;
}

void key_ring_free(struct key_ring *r)
{
	if (!r)
		return;
	free(r->key);
	free(r);
}

static int compare_id(const void *id, const void *key)
{
	return strcmp(id, ((const struct ring_key *)key)->id);
}

static enum err refused(struct error *e)
{
	return fail(e, ERR_AUTH, "", "the API key is unknown or revoked");
}

enum err key_ring_check(const struct key_ring *r, const char *text, unsigned *scopes, char out[KEY_ID_MAX],
                        struct error *e)
{
	static const struct ring_key nobody = {
		.sha256 = "0000000000000000000000000000000000000000000000000000000000000000",
	};
	char id[sizeof nobody.id], sha256[DIGEST_HEX];
	size_t prefix = strlen(PREFIX), len = strnlen(text, KEY_TEXT_MAX);
	const char *dot = memchr(text, '.', len);
	if (len == KEY_TEXT_MAX || !dot || strncmp(text, PREFIX, prefix) != 0)
		return refused(e);
	size_t id_len = (size_t)(dot - text) - prefix;
	if (id_len >= sizeof id)
		return refused(e);
	memcpy(id, text + prefix, id_len);
	id[id_len] = '\0';
	digest_hex(dot + 1, strlen(dot + 1), sha256);
	const struct ring_key *found = r->n ? bsearch(id, r->key, r->n, sizeof *r->key, compare_id) : NULL;
	const struct ring_key *against = found ? found : &nobody;   /* as much work for a miss as for a hit */
	bool equal = sodium_memcmp(sha256, against->sha256, DIGEST_HEX) == 0;
	if (!found || !equal)
		return refused(e);
	*scopes = found->scopes;
	memcpy(out, found->id, sizeof found->id);
	return ERR_OK;
}

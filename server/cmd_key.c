/* cmd_key.c - API keys. The store has one writer, so a server must be stopped before keys are added or revoked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "storage/key_store.h"

static enum err add(struct store *s, const struct options *o, struct error *e)
{
	unsigned scopes;
	char text[KEY_TEXT_MAX];
	struct key_info k;
	if (!key_scopes_parse(o->scopes, &scopes))
		return fail(e, ERR_INVALID, "--scopes", "\"%s\" is not a list of predict, read, train, admin", o->scopes);
	enum err rc = key_add(s, o->name, scopes, text, &k, e);
	if (!rc)
		printf("%s\n", text);
	if (!rc)
		fprintf(stderr, "This is the only time the key is shown. Its id is %s.\n", k.id);
	return rc;
}

static enum err list(struct store *s, struct error *e)
{
	struct key_info *keys = NULL;
	size_t n = 0;
	enum err rc = key_list(s, &keys, &n, e);
	for (size_t i = 0; !rc && i < n; i++) {
		char scopes[64];
		key_scopes_format(keys[i].scopes, scopes, sizeof scopes);
		printf("%-24s %-24s %-28s %s\n", keys[i].id, keys[i].name, scopes, keys[i].revoked_at_us ? "revoked" : "valid");
	}
	free(keys);
	return rc;
}

int command_key(const struct options *o)
{
	const char *verb = o->argument[0], *id = o->argument[1];
	bool is_add = !strcmp(verb, "add"), is_list = !strcmp(verb, "list"), is_revoke = !strcmp(verb, "revoke");
	struct store *s = NULL;
	struct error e;
	if (!(is_add || is_list || is_revoke) || is_revoke != (id != NULL)) {
		fprintf(stderr, "gatecast key: expected: add [--name N] [--scopes LIST], list, or revoke ID\n");
		return 2;
	}
	enum err rc = store_open(o->db, is_list ? STORE_READER : STORE_WRITER, &s, &e);
	if (!rc)
		rc = is_add ? add(s, o, &e) : is_list ? list(s, &e) : key_revoke(s, id, &e);
	store_close(s);
	if (rc)
		command_failed(&e);
	return rc == ERR_INVALID ? 2 : rc ? 1 : 0;
}

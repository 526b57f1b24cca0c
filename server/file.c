#include "server/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum err file_write(const char *path, const struct strbuf *b, struct error *e)
{
	FILE *out = fopen(path, "wb");
	if (!out)
		return fail(e, ERR_IO, path, "cannot create: %s", strerror(errno));
	size_t written = fwrite(b->s, 1, b->len, out);
	int closed = fclose(out);
	if (written == b->len && !closed)
		return ERR_OK;
	enum err rc = fail(e, ERR_IO, path, "cannot write: %s", strerror(errno));
	remove(path);
	return rc;
}

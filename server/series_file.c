#include "server/series_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/dataset_reader.h"

static enum err read_all(FILE *in, const char *path, struct dataset_reader *reader, struct digest *digest, struct error *e)
{
	char piece[65536];
	size_t n;
	while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
		digest_add(digest, piece, n);
		enum err rc = dataset_reader_push(reader, piece, n, e);
		if (rc)
			return rc;
	}
	return ferror(in) ? fail(e, ERR_IO, path, "cannot read %s: %s", path, strerror(errno)) : ERR_OK;
}

enum err series_file_read(const char *path, struct series_file *out, struct error *e)
{
	struct dataset_reader *reader = NULL;
	FILE *in = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	if (!in)
		return fail(e, ERR_IO, path, "cannot open %s: %s", path, strerror(errno));
	struct digest *digest = digest_new();
	enum err rc = digest ? dataset_reader_new(dataset_format_of_path(path), NULL, &reader, e) : fail_nomem(e);
	if (!rc)
		rc = read_all(in, path, reader, digest, e);
	if (!rc)
		rc = dataset_reader_finish(reader, &out->frame, e);
	if (!rc) {
		digest_end(digest, out->sha256);
		digest = NULL;
	}
	digest_free(digest);
	dataset_reader_free(reader);
	if (in != stdin)
		fclose(in);
	return rc;
}

void series_file_fini(struct series_file *f)
{
	frame_free(f->frame);
	f->frame = NULL;
}

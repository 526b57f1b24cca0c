/* cmd_convert.c - weights of PyTorch or Keras rewritten as a gatecast model, and models from one format to the other, file to
 * file, without a database. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_import.h"
#include "server/commands.h"

#define FILE_MAX ((size_t)1 << 30)

static enum err format_of(const char *path, enum weights_format *out, struct error *e)
{
	const char *dot = strrchr(path, '.');
	if (dot && !weights_format_find(dot + 1, path, out, NULL))
		return ERR_OK;
	return fail(e, ERR_UNSUPPORTED, path, "convert reads and writes files that end in .safetensors or .onnx");
}

static enum err read_file(const char *path, struct strbuf *out, struct error *e)
{
	char piece[65536];
	size_t n;
	FILE *in = fopen(path, "rb");
	if (!in)
		return fail(e, ERR_IO, path, "cannot open: %s", strerror(errno));
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		strbuf_add(out, piece, n);
	enum err rc = ferror(in) ? fail(e, ERR_IO, path, "cannot read: %s", strerror(errno)) : ERR_OK;
	fclose(in);
	if (!rc && !strbuf_ok(out))
		rc = fail(e, ERR_TOO_LARGE, path, "the file does not fit into %zu bytes of memory", FILE_MAX);
	return rc;
}

/* A file that could not be written whole is not left behind. */
static enum err write_file(const char *path, const struct strbuf *b, struct error *e)
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

static enum err convert(const struct options *o, struct strbuf *from, struct strbuf *to, struct error *e)
{
	const struct import_options said = {
		.horizon = (int)o->weights.horizon, .targets = (int)o->weights.targets, .window = (int)o->weights.window,
		.columns = o->weights.columns, .nonlinearity = o->weights.nonlinearity, .decoder = o->weights.decoder,
	};
	struct imported m = { 0 };
	enum weights_format in, out;
	enum err rc = format_of(o->argument[0], &in, e);
	if (!rc)
		rc = format_of(o->argument[1], &out, e);
	if (!rc)
		rc = read_file(o->argument[0], from, e);
	if (!rc)
		rc = model_import(in, from->s, from->len, &said, &m, e);
	if (!rc)
		rc = model_export(out, m.document, &(struct model_numbers){ m.weights, m.n_weights, m.calibration, m.n_calibration }, to, e);
	if (!rc)
		rc = write_file(o->argument[1], to, e);
	if (!rc)
		printf("%s: %zu weights\n", o->argument[1], m.n_weights);
	imported_fini(&m);
	return rc;
}

int command_convert(const struct options *o)
{
	struct strbuf from, to;
	struct error e;
	strbuf_init(&from, FILE_MAX);
	strbuf_init(&to, FILE_MAX);
	enum err rc = convert(o, &from, &to, &e);
	strbuf_fini(&from);
	strbuf_fini(&to);
	return rc ? command_failed(&e) : 0;
}

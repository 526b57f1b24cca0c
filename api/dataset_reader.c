#include "api/dataset_reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/csv.h"
#include "api/text_lines.h"

static const struct { const char *media, *suffix; enum dataset_format format; } formats[] = {
	{ "text/csv", ".csv", DATASET_CSV },
	{ "text/tab-separated-values", ".tsv", DATASET_TSV },
	{ "text/tab-separated-values", ".tab", DATASET_TSV },
	{ "text/plain", ".txt", DATASET_TEXT },
};
#define FORMATS (sizeof formats / sizeof formats[0])

/* One of the two is there. */
struct dataset_reader {
	struct csv_reader *csv;
	struct text_reader *text;
};

enum dataset_format dataset_format_of_media(const char *content_type)
{
	size_t len = strcspn(content_type, "; \t");

	for (size_t i = 0; i < FORMATS; i++)
		if (strlen(formats[i].media) == len && strncasecmp(content_type, formats[i].media, len) == 0)
			return formats[i].format;
	return DATASET_CSV;
}

enum dataset_format dataset_format_of_path(const char *path)
{
	const char *suffix = strrchr(path, '.');

	for (size_t i = 0; suffix && i < FORMATS; i++)
		if (strcasecmp(suffix, formats[i].suffix) == 0)
			return formats[i].format;
	return DATASET_CSV;
}

enum err dataset_reader_new(enum dataset_format format, const char *text, struct dataset_reader **out, struct error *e)
{
	const struct csv_form form = { .delimiter = format == DATASET_TSV ? '\t' : 0, .text = text };

	if (format == DATASET_TEXT && text)
		return fail(e, ERR_INVALID, "text", "a text has one column, \"text\"; only columns of CSV and TSV are named");
	struct dataset_reader *r = calloc(1, sizeof *r);
	if (!r)
		return fail_nomem(e);
	enum err rc = format == DATASET_TEXT ? text_new(&text_default_limits, &r->text, e)
	                                     : csv_new(&csv_default_limits, &form, &r->csv, e);
	if (rc)
		free(r);
	else
		*out = r;
	return rc;
}

void dataset_reader_free(struct dataset_reader *r)
{
	if (!r)
		return;
	csv_free(r->csv);
	text_free(r->text);
	free(r);
}

enum err dataset_reader_push(struct dataset_reader *r, const char *bytes, size_t len, struct error *e)
{
	return r->text ? text_push(r->text, bytes, len, e) : csv_push(r->csv, bytes, len, e);
}

enum err dataset_reader_finish(struct dataset_reader *r, struct frame **out, struct error *e)
{
	return r->text ? text_finish(r->text, out, e) : csv_finish(r->csv, out, e);
}

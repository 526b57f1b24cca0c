/* fuzz_csv.c - any bytes, cut anywhere, leave the CSV reader with the same outcome; what it accepts survives being written
 * and read again. The first byte of an input is the length of its pieces. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct csv_limits limits = { .max_rows = 200, .max_cells = 2000, .max_field = 100 };

static enum err read_pieces(const char *text, size_t len, size_t piece, struct frame **out, struct error *e)
{
	struct csv_reader *r = NULL;

	if (csv_new(&limits, NULL, &r, e))
		abort();
	for (size_t i = 0; i < len; i += piece)
		csv_push(r, text + i, len - i < piece ? len - i : piece, e);
	enum err rc = csv_finish(r, out, e);
	csv_free(r);
	return rc;
}

static void render(const struct frame *f, struct strbuf *out)
{
	csv_write(f, out);
	assert(strbuf_ok(out));
}

/* Writing what was read and reading it gives the same text. A name that begins with a byte order mark loses it. */
static void check_round_trip(const struct strbuf *text)
{
	static const char bom[] = "\xEF\xBB\xBF";
	struct frame *again = NULL;
	struct strbuf second;
	struct error e;

	if (text->len >= 3 && memcmp(text->s, bom, 3) == 0)
		return;
	strbuf_init(&second, 1 << 24);
	if (read_pieces(text->s, text->len, SIZE_MAX / 2, &again, &e))
		abort();
	render(again, &second);
	assert(second.len == text->len && memcmp(second.s, text->s, second.len) == 0);
	strbuf_fini(&second);
	frame_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame *whole = NULL, *cut = NULL;
	struct error e_whole = { 0 }, e_cut = { 0 };
	struct strbuf a, b;

	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	enum err rc = read_pieces(text, size - 1, SIZE_MAX / 2, &whole, &e_whole);
	assert(read_pieces(text, size - 1, 1 + data[0] % 32, &cut, &e_cut) == rc);
	if (rc) {
		assert(strcmp(e_whole.where, e_cut.where) == 0 && strcmp(e_whole.what, e_cut.what) == 0);
		return 0;
	}
	strbuf_init(&a, 1 << 24);
	strbuf_init(&b, 1 << 24);
	render(whole, &a);
	render(cut, &b);
	assert(a.len == b.len && memcmp(a.s, b.s, a.len) == 0);
	check_round_trip(&a);
	strbuf_fini(&b);
	strbuf_fini(&a);
	frame_free(cut);
	frame_free(whole);
	return 0;
}

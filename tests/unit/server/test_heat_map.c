/* Pictures of a matrix: each cell's colour, in SVG and in PNG, and what stands around the cells. */
#include "server/heat_map.h"

#include <math.h>
#include <png.h>

#include "tests/unit/server/fixture.h"

#define PICTURE_MAX (64u << 20)

enum { ROWS = 3, COLUMNS = 4 };

static const float values[ROWS][COLUMNS] = {
	{ 0, 1, -1, 0.5f },
	{ 2, -7, -0.5f, NAN },
	{ 0.25f, INFINITY, 1e-9f, -0.25f },
};

/* White, ink, and so much of it as the value has of the size; grey for what is no number. */
static const char *const colours[ROWS][COLUMNS] = {
	{ "#ffffff", "#a0141e", "#1432a0", "#d08a8e" },
	{ "#a0141e", "#1432a0", "#8a98d0", "#808080" },
	{ "#e7c4c7", "#808080", "#ffffff", "#c4cce7" },
};

static struct heat_map example(void)
{
	return (struct heat_map){
		.title = "a <b> & c", .value = values[0], .size = 1, .negative = true,
		.row = { .label = "unit", .n = ROWS, .first = 0, .stride = COLUMNS },
		.column = { .label = "step & more", .n = COLUMNS, .first = -3, .stride = 1 },
	};
}

static char *draw_svg(const struct heat_map *m)
{
	struct strbuf out;
	strbuf_init(&out, PICTURE_MAX);
	ck_ok(heat_map_svg(m, &out, NULL));
	return strbuf_detach(&out, NULL);
}

/* Fill of the n-th cell, in the order of the drawing. */
static void svg_fill(const char *svg, int n, char out[8])
{
	const char *p = strstr(svg, "<g id=\"cells\"");
	ck_assert_ptr_nonnull(p);
	for (int i = 0; i <= n; i++) {
		p = strstr(p + 1, "fill=\"");
		ck_assert_ptr_nonnull(p);
	}
	snprintf(out, 8, "%.7s", p + strlen("fill=\""));
}

static int count(const char *text, const char *what)
{
	int n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

START_TEST(svg_has_a_rectangle_a_cell)
{
	struct heat_map m = example();
	char *svg = draw_svg(&m), *end = strstr(svg, "</g>");
	for (int i = 0; i < ROWS * COLUMNS; i++) {
		char fill[8];
		svg_fill(svg, i, fill);
		ck_assert_str_eq(fill, colours[i / COLUMNS][i % COLUMNS]);
	}
	*end = '\0';
	ck_assert_int_eq(count(strstr(svg, "<g id=\"cells\""), "<rect"), ROWS * COLUMNS);
	free(svg);
}
END_TEST

START_TEST(svg_says_what_is_seen)
{
	struct heat_map m = example();
	char *svg = draw_svg(&m);
	const char *const words[] = { ">a &lt;b&gt; &amp; c<", ">step &amp; more<", ">unit<", ">-3<", ">0<", ">2<", ">1<", ">-1<" };
	for (size_t i = 0; i < COUNT(words); i++)
		ck_assert_msg(strstr(svg, words[i]) != NULL, "no %s", words[i]);
	free(svg);
}
END_TEST

/* Every tenth of many rows is numbered, and no more. */
START_TEST(ticks_are_few)
{
	static float many[1000];
	struct heat_map m = { .title = "", .value = many, .size = 1, .row = { .label = "", .n = 1000, .stride = 1 },
	                      .column = { .label = "", .n = 1, .first = 5000, .stride = 1 } };
	char *svg = draw_svg(&m);
	ck_assert_int_le(count(svg, "text-anchor=\"end\""), 10);
	ck_assert_ptr_nonnull(strstr(svg, ">900<"));
	free(svg);
}
END_TEST

/* A view of the same numbers from the other end, as layers that read backwards give it. */
START_TEST(strides_may_be_negative)
{
	struct heat_map m = example();
	m.value = values[0] + COLUMNS - 1;
	m.column.stride = -1;
	char *svg = draw_svg(&m), fill[8];
	for (int c = 0; c < COLUMNS; c++) {
		svg_fill(svg, c, fill);
		ck_assert_str_eq(fill, colours[0][COLUMNS - 1 - c]);
	}
	free(svg);
}
END_TEST

START_TEST(svg_of_too_many_cells)
{
	struct heat_map m = example();
	struct strbuf out;
	struct error e;
	m.row.n = HEAT_MAP_SVG_CELLS;
	strbuf_init(&out, PICTURE_MAX);
	ck_err(ERR_TOO_LARGE, heat_map_svg(&m, &out, &e));
	ck_assert_uint_eq(out.len, 0);
	ck_assert_ptr_nonnull(strstr(e.what, "250000"));
	strbuf_fini(&out);
}
END_TEST

static png_bytep read_png(const struct strbuf *png, png_image *image)
{
	*image = (png_image){ .version = PNG_IMAGE_VERSION };
	ck_assert_int_ne(png_image_begin_read_from_memory(image, png->s, png->len), 0);
	image->format = PNG_FORMAT_RGB;
	png_bytep pixels = malloc(PNG_IMAGE_SIZE(*image));
	ck_assert_ptr_nonnull(pixels);
	ck_assert_int_ne(png_image_finish_read(image, NULL, pixels, 0, NULL), 0);
	return pixels;
}

START_TEST(png_has_a_square_a_cell)
{
	struct heat_map m = example();
	struct strbuf out;
	png_image image;
	int cell = heat_map_cell(&m);
	strbuf_init(&out, PICTURE_MAX);
	ck_ok(heat_map_png(&m, &out, NULL));
	png_bytep pixels = read_png(&out, &image);
	ck_assert_uint_eq(image.width, COLUMNS * cell);
	ck_assert_uint_eq(image.height, ROWS * cell);
	for (int y = 0; y < ROWS * cell; y++)
		for (int x = 0; x < COLUMNS * cell; x++) {
			char got[8];
			const unsigned char *p = pixels + 3 * (y * COLUMNS * cell + x);
			snprintf(got, sizeof got, "#%02x%02x%02x", p[0], p[1], p[2]);
			ck_assert_str_eq(got, colours[y / cell][x / cell]);
		}
	free(pixels);
	strbuf_fini(&out);
}
END_TEST

static const struct { int rows, columns, cell; } sizes[] = {
	{ 1, 1, 16 }, { 63, 2, 16 }, { 2, 128, 8 }, { 1000, 3, 1 }, { 3, 5000, 1 },
};

START_TEST(cells_are_as_large_as_fits)
{
	struct heat_map m = example();
	m.row.n = sizes[_i].rows;
	m.column.n = sizes[_i].columns;
	ck_assert_int_eq(heat_map_cell(&m), sizes[_i].cell);
}
END_TEST

/* What does not fit into the buffer is an error, not half a picture. */
START_TEST(a_full_buffer_is_said)
{
	struct heat_map m = example();
	struct strbuf out;
	strbuf_init(&out, 100);
	ck_err(ERR_NOMEM, heat_map_png(&m, &out, NULL));
	strbuf_fini(&out);
	strbuf_init(&out, 1000);
	ck_err(ERR_NOMEM, heat_map_svg(&m, &out, NULL));
	strbuf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("heat map");
	TCase *c = tcase_create("heat map");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, svg_has_a_rectangle_a_cell);
	tcase_add_test(c, svg_says_what_is_seen);
	tcase_add_test(c, ticks_are_few);
	tcase_add_test(c, strides_may_be_negative);
	tcase_add_test(c, svg_of_too_many_cells);
	tcase_add_test(c, png_has_a_square_a_cell);
	tcase_add_loop_test(c, cells_are_as_large_as_fits, 0, COUNT(sizes));
	tcase_add_test(c, a_full_buffer_is_said);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

/* heat_map.c - see heat_map.h. In the SVG, cells have sides of 4 … 20 units, so that a picture is some 900 wide:
 *
 *      LEFT      columns * cell      BAR
 *     ┌────┬──────────────────────┬───────┐
 *     │    │ title                │       │ TOP
 *     ├────┼──────────────────────┼───────┤
 *     │ row│ cells                │ bar   │
 *     ├────┼──────────────────────┼───────┤
 *     │    │ column ticks, label  │       │ BOTTOM
 *     └────┴──────────────────────┴───────┘ */
#include "server/heat_map.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

#define LEFT   70
#define TOP    40
#define BOTTOM 60
#define BAR    90
#define TICKS  10          /* of an axis, at most */
#define BAR_STEPS 20

struct colour { unsigned char r, g, b; };

static const struct colour red = { 160, 20, 30 }, blue = { 20, 50, 160 }, grey = { 128, 128, 128 };

/* From white to ink. */
static unsigned char mix(unsigned char ink, float share)
{
	return (unsigned char)lrintf(255 - share * (float)(255 - ink));
}

static struct colour colour_of(float value, float size)
{
	const struct colour *ink = value < 0 ? &blue : &red;
	float share = fminf(fabsf(value) / size, 1);
	if (!isfinite(value))
		return grey;
	return (struct colour){ mix(ink->r, share), mix(ink->g, share), mix(ink->b, share) };
}

static float value_at(const struct heat_map *m, int row, int column)
{
	return m->value[(ptrdiff_t)row * m->row.stride + (ptrdiff_t)column * m->column.stride];
}

/* ---- SVG ------------------------------------------------------------------ */

static void add_escaped(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&': strbuf_adds(out, "&amp;"); break;
		case '<': strbuf_adds(out, "&lt;"); break;
		case '>': strbuf_adds(out, "&gt;"); break;
		default:
			if ((unsigned char)*text >= ' ')      /* XML has no other control characters */
				strbuf_addc(out, *text);
		}
	}
}

static void add_text(struct strbuf *out, int x, int y, const char *anchor, const char *text)
{
	strbuf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
	add_escaped(out, text);
	strbuf_adds(out, "</text>\n");
}

static void add_number(struct strbuf *out, int x, int y, const char *anchor, double v)
{
	char text[32];
	snprintf(text, sizeof text, "%.4g", v);
	add_text(out, x, y, anchor, text);
}

static void add_rectangle(struct strbuf *out, int x, int y, int width, int height, struct colour c)
{
	strbuf_addf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#%02x%02x%02x\"/>\n", x, y, width, height,
	            c.r, c.g, c.b);
}

/* Every so many rows or columns are numbered. */
static int tick_step(const struct heat_axis *a)
{
	return (a->n + TICKS - 1) / TICKS;
}

static void add_axes(struct strbuf *out, const struct heat_map *m, int cell, int width, int height)
{
	for (int c = 0; c < m->column.n; c += tick_step(&m->column))
		add_number(out, LEFT + c * cell + cell / 2, TOP + height + 16, "middle", m->column.first + c);
	for (int r = 0; r < m->row.n; r += tick_step(&m->row))
		add_number(out, LEFT - 6, TOP + r * cell + cell / 2 + 4, "end", m->row.first + r);
	add_text(out, LEFT + width / 2, TOP + height + 40, "middle", m->column.label);
	strbuf_addf(out, "<g transform=\"translate(16 %d) rotate(-90)\">", TOP + height / 2);
	add_text(out, 0, 0, "middle", m->row.label);
	strbuf_adds(out, "</g>\n");
}

/* The highest value on top. */
static void add_bar(struct strbuf *out, const struct heat_map *m, int x)
{
	float low = m->negative ? -m->size : 0, range = m->size - low;
	for (int i = 0; i < BAR_STEPS; i++)
		add_rectangle(out, x, TOP + 6 * i, 14, 6,
		              colour_of(m->size - range * ((float)i + 0.5f) / BAR_STEPS, m->size));
	add_number(out, x + 20, TOP + 10, "start", (double)m->size);
	add_number(out, x + 20, TOP + 6 * BAR_STEPS, "start", (double)low);
}

enum err heat_map_svg(const struct heat_map *m, struct strbuf *out, struct error *e)
{
	if ((long)m->row.n * m->column.n > HEAT_MAP_SVG_CELLS)
		return fail(e, ERR_TOO_LARGE, m->title, "an SVG of %d x %d cells is too large, the limit is %d cells; PNG has none",
		            m->row.n, m->column.n, HEAT_MAP_SVG_CELLS);
	int most = m->row.n > m->column.n ? m->row.n : m->column.n;
	int cell = most > 200 ? 4 : most < 40 ? 20 : 800 / most;
	int width = m->column.n * cell, height = m->row.n * cell;
	int below = height > 6 * BAR_STEPS ? height : 6 * BAR_STEPS;    /* the bar has its height even beside one row */
	strbuf_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
	            "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", LEFT + width + BAR,
	            TOP + below + BOTTOM);
	add_text(out, LEFT, TOP - 14, "start", m->title);
	strbuf_adds(out, "<g id=\"cells\" shape-rendering=\"crispEdges\">\n");
	for (int r = 0; r < m->row.n; r++)
		for (int c = 0; c < m->column.n; c++)
			add_rectangle(out, LEFT + c * cell, TOP + r * cell, cell, cell, colour_of(value_at(m, r, c), m->size));
	strbuf_adds(out, "</g>\n");
	add_axes(out, m, cell, width, height);
	add_bar(out, m, LEFT + width + 16);
	strbuf_adds(out, "</svg>\n");
	return strbuf_ok(out) ? ERR_OK : fail_nomem(e);
}

/* ---- PNG ------------------------------------------------------------------ */

int heat_map_cell(const struct heat_map *m)
{
	int most = m->row.n > m->column.n ? m->row.n : m->column.n;
	return most > 1024 ? 1 : most < 64 ? 16 : 1024 / most;
}

/* One row of pixels for a row of cells. */
static void paint_row(const struct heat_map *m, int row, int cell, struct colour *pixels)
{
	for (int c = 0; c < m->column.n; c++)
		for (int i = 0; i < cell; i++)
			*pixels++ = colour_of(value_at(m, row, c), m->size);
}

static void to_strbuf(png_structp png, png_bytep bytes, size_t len)
{
	strbuf_add(png_get_io_ptr(png), bytes, len);
}

static void flush_nothing(png_structp png)
{
	(void)png;
}

/* libpng comes back here by longjmp: nothing below is held but by the caller. */
static bool write_png(const struct heat_map *m, png_structp png, png_infop info, struct colour *pixels,
                      struct strbuf *out)
{
	if (setjmp(png_jmpbuf(png)))
		return false;
	int cell = heat_map_cell(m);
	png_set_write_fn(png, out, to_strbuf, flush_nothing);
	png_set_IHDR(png, info, (png_uint_32)(m->column.n * cell), (png_uint_32)(m->row.n * cell), 8, PNG_COLOR_TYPE_RGB,
	             PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (int r = 0; r < m->row.n; r++) {
		paint_row(m, r, cell, pixels);
		for (int i = 0; i < cell; i++)
			png_write_row(png, (png_const_bytep)pixels);
	}
	png_write_end(png, NULL);
	return true;
}

/* libpng's own words go nowhere; what it cannot do is said once, by us. */
static void say_nothing(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static void give_up(png_structp png, png_const_charp text)
{
	(void)text;
	png_longjmp(png, 1);
}

enum err heat_map_png(const struct heat_map *m, struct strbuf *out, struct error *e)
{
	enum err rc = ERR_OK;
	png_infop info = NULL;
	size_t wide = (size_t)m->column.n * (size_t)heat_map_cell(m);
	struct colour *pixels = calloc(wide, sizeof *pixels);
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, say_nothing);
	if (png)
		info = png_create_info_struct(png);
	if (!pixels || !png || !info || !write_png(m, png, info, pixels, out) || !strbuf_ok(out))
		rc = fail_nomem(e);
	png_destroy_write_struct(&png, &info);
	free(pixels);
	return rc;
}

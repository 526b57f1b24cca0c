/* heat_map.h - a matrix as a picture, a cell a number:
 *
 *                   columns ─►                 0 is white; towards `size` a cell takes ever more red ink, towards
 *     rows   0  ┌─────────────────┐            -size ever more blue; beyond, no more. What is not finite is grey.
 *      │        │  ▒ ░ █ ▓ ░ ░ ▒  │
 *      ▼        │  ░ ░ ▓ █ ▓ ░ ░  │            SVG: with a title, both axes, and a bar that says what colours mean.
 *               └─────────────────┘            PNG: the cells alone, each a square of heat_map_cell() pixels. */
#ifndef GATECAST_SERVER_HEAT_MAP_H
#define GATECAST_SERVER_HEAT_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/error.h"
#include "model/base/strbuf.h"

struct heat_axis {
	const char *label;
	int n;                      /* rows or columns, 1 … */
	int first;                  /* what the first is called; the others count up */
	ptrdiff_t stride;           /* numbers from one to the next */
};

struct heat_map {
	const char *title;
	struct heat_axis row, column;
	const float *value;         /* of the first row and column; borrowed */
	float size;                 /* the full ink's, > 0 */
	bool negative;              /* whether values may be below 0: what the bar shows */
};

#define HEAT_MAP_SVG_CELLS 250000    /* a picture of more would be hundreds of megabytes */

/** Pixels of a cell's side in the PNG. */
int heat_map_cell(const struct heat_map *m);
/** Appended to out. ERR_TOO_LARGE: more cells than HEAT_MAP_SVG_CELLS. */
enum err heat_map_svg(const struct heat_map *m, struct strbuf *out, struct error *e);
enum err heat_map_png(const struct heat_map *m, struct strbuf *out, struct error *e);

#endif

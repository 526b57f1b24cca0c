/* text_columns.h - which columns of a dataset hold the texts that a recipe means. Private to the trainer. */
#ifndef GATECAST_MODEL_TEXT_COLUMNS_H
#define GATECAST_MODEL_TEXT_COLUMNS_H

#include "model/recipe.h"

/* Indices of the frame's columns; answer: of the labels or answers, -1 for a corpus. */
struct text_columns { int input, answer; };

/** ERR_INVALID, where "/target" or "/features": no such column, not of text, or several where none was named. */
enum err text_columns_find(const struct recipe *r, const struct frame *f, struct text_columns *out, struct error *e);

#endif

#include "model/text_columns.h"

#include "model/base/nearest.h"

static const char *nearest_text_column(const struct frame *f, const char *name)
{
	const char *known[FRAME_MAX_COLUMNS];
	size_t n = 0;
	for (int i = 0; i < f->columns; i++)
		if (f->column[i].type == COLUMN_TEXT)
			known[n++] = f->column[i].name;
	return nearest_name(name, known, n);
}

static enum err find_named(const struct frame *f, const char *name, const char *where, int *out, struct error *e)
{
	int found = frame_find(f, name);
	if (found < 0) {
		const char *near = nearest_text_column(f, name);
		return fail(e, ERR_INVALID, where, "there is no column \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
	}
	if (f->column[found].type != COLUMN_TEXT)
		return fail(e, ERR_INVALID, where, "column \"%s\" holds %s; upload the dataset with ?text=%s to take it as text", name,
			f->column[found].type == COLUMN_DATE ? "dates" : "numbers", name);
	*out = found;
	return ERR_OK;
}

/* The only column of text but `taken`. */
static enum err find_only(const struct frame *f, int taken, const char *where, int *out, struct error *e)
{
	int found = -1, n = 0;
	for (int i = 0; i < f->columns; i++) {
		if (f->column[i].type == COLUMN_TEXT && i != taken) {
			found = i;
			n++;
		}
	}
	if (n != 1)
		return fail(e, ERR_INVALID, where, n ? "%d columns hold text; name the one that is meant"
			: "%d columns hold text, but one is needed", n);
	*out = found;
	return ERR_OK;
}

enum err text_columns_find(const struct recipe *r, const struct frame *f, struct text_columns *out, struct error *e)
{
	struct text_columns c = { .answer = -1 };
	enum err rc = ERR_OK;
	if (recipe_task(r) == TASK_GENERATE) {
		rc = r->targets ? find_named(f, r->target[0], "/target/0", &c.input, e) : find_only(f, -1, "/target", &c.input, e);
	} else {
		rc = find_named(f, r->target[0], "/target/0", &c.answer, e);
		if (!rc)
			rc = r->features ? find_named(f, r->feature[0], "/features/0", &c.input, e)
				: find_only(f, c.answer, "/features", &c.input, e);
	}
	if (!rc && c.input == c.answer)
		rc = fail(e, ERR_INVALID, "/features/0", "column \"%s\" is the target", f->column[c.input].name);
	if (!rc)
		*out = c;
	return rc;
}

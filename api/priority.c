#include "api/priority.h"

#define HIGHEST 1

bool priority_read(struct scan *s, bool *bulk)
{
	static const char *const known[] = { "interactive", "bulk" };
	*bulk = scan_choice(s, known, sizeof known / sizeof *known) == 1;
	return !s->rc;
}

bool priority_number_read(struct scan *s, bool *bulk)
{
	int64_t level = 0;
	scan_integer(s, 0, INT32_MAX, &level);
	*bulk = level > HIGHEST;
	return !s->rc;
}

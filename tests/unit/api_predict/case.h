/* case.h - one row of a table: a body, the code that it must end with, and where. */
#ifndef GATECAST_TEST_CASE_H
#define GATECAST_TEST_CASE_H

#include <string.h>

#include "model/base/error.h"
#include "tests/unit/check.h"

struct parse_case { const char *body; enum err want; const char *where; };

#define COUNT(table) (sizeof(table) / sizeof *(table))

static inline void case_check(const struct parse_case *c, enum err rc, const struct error *e)
{
	ck_assert_msg(rc == c->want, "%s: code %s, expected %s (%s: %s)", c->body, err_row(rc)->label,
		err_row(c->want)->label, e->where, e->what);
	if (rc == ERR_OK)
		return;
	ck_assert_msg(e->code == rc && e->what[0], "%s: the error is not filled", c->body);
	ck_assert_msg(!strcmp(e->where, c->where), "%s: at \"%s\", expected \"%s\" (%s)", c->body, e->where, c->where, e->what);
}

#endif

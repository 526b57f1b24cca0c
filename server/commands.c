#include "server/commands.h"

#include <stdio.h>

int command_failed(const struct error *e)
{
	fprintf(stderr, "gatecast: %s%s%s\n", e->where, *e->where ? ": " : "", e->what);
	return 1;
}

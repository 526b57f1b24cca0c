/* pointer.h - JSON pointers (RFC 6901), the places of errors: "/training/epochs", "/inputs/0/columns/a~1b". */
#ifndef GATECAST_API_POINTER_H
#define GATECAST_API_POINTER_H

#include <stddef.h>

/** Append "/name" at out[at], ~ as ~0 and / as ~1, cut to fit cap with a NUL. Returns the new length. */
size_t pointer_add(char *out, size_t at, size_t cap, const char *name, size_t len);
/** The same for an array's index. */
size_t pointer_add_index(char *out, size_t at, size_t cap, size_t index);

#endif

/* nearest.h - "did you mean ...?" for names that nobody knows. */
#ifndef GATECAST_BASE_NEAREST_H
#define GATECAST_BASE_NEAREST_H

#include <stddef.h>

/**
 * Of n known names the one closest to name by edit distance (insert, delete, replace a byte; letters differ by case
 * for nothing), the first of equals; NULL if none is within max(2, length / 3), or if name is longer than 128 bytes.
 * A name that would have to be replaced whole is not near. Borrows; allocates nothing.
 */
const char *nearest_name(const char *name, const char *const *known, size_t n);

#endif

/* pointer.c - one reference token after the other. A cut never leaves half an escape or half a character. */
#include "api/pointer.h"

#include <stdio.h>

#include "model/base/utf8.h"

size_t pointer_add(char *out, size_t at, size_t cap, const char *name, size_t len)
{
	if (at + 1 < cap)
		out[at++] = '/';
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length(name + i, len - i);
		n = n ? n : 1;
		if (at + (n > 2 ? n : 2) >= cap)
			break;
		if (name[i] == '~' || name[i] == '/') {
			out[at++] = '~';
			out[at++] = name[i] == '~' ? '0' : '1';
			continue;
		}
		for (size_t k = 0; k < n; k++)
			out[at++] = name[i + k];
	}
	out[at] = '\0';
	return at;
}

size_t pointer_add_index(char *out, size_t at, size_t cap, size_t index)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%zu", index);
	return pointer_add(out, at, cap, digits, (size_t)n);
}

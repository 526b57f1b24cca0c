/* json_write.h - the small pieces that every JSON answer is made of. */
#ifndef GATECAST_API_JSON_WRITE_H
#define GATECAST_API_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/strbuf.h"

/** `"text"` with escapes; bytes that are not UTF-8 become U+FFFD. NULL is null. */
void json_write_string(struct strbuf *out, const char *s);
/** The same of len bytes, which may hold NUL. */
void json_write_string_n(struct strbuf *out, const char *s, size_t len);
/** `[1,2.5]`; null for what is not finite. */
void json_write_numbers(struct strbuf *out, const double *v, size_t n);
/** Microseconds since 1970 as "2026-01-02T03:04:05.678Z"; 0 is null. */
void json_time_us(struct strbuf *out, int64_t us);

/** The comma between values: before all but the first, i = 0. */
void json_comma(struct strbuf *out, int i);
/** `,"name":` and, where there is one, the value behind it. */
void json_member(struct strbuf *out, const char *name);
void json_member_text(struct strbuf *out, const char *name, const char *text);
void json_member_int(struct strbuf *out, const char *name, int64_t v);
void json_member_number(struct strbuf *out, const char *name, double v);   /* null for what is not finite */
void json_member_flag(struct strbuf *out, const char *name, bool v);
void json_member_time(struct strbuf *out, const char *name, int64_t us);
/** JSON as it is; NULL is null. */
void json_member_raw(struct strbuf *out, const char *name, const char *json);

/** The page around rendered members: list_begin, then for each list_next + render, then list_end. */
void list_begin(struct strbuf *out);
void list_next(struct strbuf *out, bool first);
void list_end(struct strbuf *out, bool has_more);

#endif

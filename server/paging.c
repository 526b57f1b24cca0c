#include "server/paging.h"

#include <errno.h>
#include <stdlib.h>

enum err request_query_int(const struct request *r, const char *name, int64_t lo, int64_t hi, int64_t fallback,
                           int64_t *out, struct error *e)
{
	const char *text = request_query(r, name);
	if (!text) {
		*out = fallback;
		return ERR_OK;
	}
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (!*text || *end || errno || v < lo || v > hi)
		return fail(e, ERR_INVALID, name, "the query argument %s is not a whole number from %lld to %lld", name,
		            (long long)lo, (long long)hi);
	*out = v;
	return ERR_OK;
}

enum err page_read(const struct request *r, struct page *out, struct error *e)
{
	int64_t limit;
	enum err rc = request_query_int(r, "limit", 1, PAGE_MOST, PAGE_LIMIT, &limit, e);
	if (rc)
		return rc;
	out->after = request_query(r, "after");
	out->limit = (int)limit;
	return ERR_OK;
}

enum err page_after_number(const struct page *p, int64_t *out, struct error *e)
{
	char *end;
	*out = 0;
	if (!p->after)
		return ERR_OK;
	errno = 0;
	*out = strtoll(p->after, &end, 10);
	if (!*p->after || *end || errno || *out < 0)
		return fail(e, ERR_INVALID, "after", "the query argument after is not the id of an item");
	return ERR_OK;
}

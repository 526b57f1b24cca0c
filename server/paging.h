/* paging.h - ?after=…&limit=… of every list. */
#ifndef GATECAST_SERVER_PAGING_H
#define GATECAST_SERVER_PAGING_H

#include "server/request.h"

#define PAGE_LIMIT 20
#define PAGE_MOST  100

struct page { const char *after; int limit; };

/** after: NULL when absent. limit 1 … 100, else 20. */
enum err page_read(const struct request *r, struct page *out, struct error *e);
/** after as a whole number; 0 when absent. */
enum err page_after_number(const struct page *p, int64_t *out, struct error *e);

#endif

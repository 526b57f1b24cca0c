/* dataset.h - uploaded series, by name and version; columns in chunks of 8,192 rows. */
#ifndef GATECAST_STORAGE_DATASET_H
#define GATECAST_STORAGE_DATASET_H

#include "model/series/frame.h"
#include "storage/digest.h"
#include "storage/store.h"

struct dataset_info {
	int64_t id;
	char name[STORE_NAME_MAX + 1];
	int version;
	size_t rows;
	char *description;      /* JSON text as given to dataset_put */
	char sha256[DIGEST_HEX];  /* of the uploaded bytes */
	int64_t created_at_us;
};
void dataset_info_fini(struct dataset_info *d);

/** Store a new version; older versions stay while a job needs them, else they go. *replaced: the name existed. */
enum err dataset_put(struct store *s, const char *name, const struct frame *f, const char *description,
                     const char *sha256, struct dataset_info *out, bool *replaced, struct error *e);
/** version 0: the newest. */
enum err dataset_get(struct store *s, const char *name, int version, struct dataset_info *out, struct error *e);
/** Newest versions, by name; names > after (NULL or "": from the first), at most limit. *out is an array of *n to free
 *  with dataset_list_free; *more tells that others follow. */
enum err dataset_list(struct store *s, const char *after, int limit, struct dataset_info **out, size_t *n, bool *more, struct error *e);
void dataset_list_free(struct dataset_info *list, size_t n);
/** Rows from … from + limit - 1 (limit SIZE_MAX: all) as a frame that the caller frees. */
enum err dataset_rows(struct store *s, int64_t id, size_t from, size_t limit, struct frame **out, struct error *e);
/** ERR_CONFLICT while a job that has not ended uses it. */
enum err dataset_delete(struct store *s, const char *name, struct error *e);

#endif

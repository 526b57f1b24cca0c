/* model_store.h - trained models: names, versions, labels. A version is a document (JSON: pipeline, network, calendar), an
 * evaluation (JSON), the weights (floats in the order of net_tensors) and the calibration scores (floats). */
#ifndef GATECAST_STORAGE_MODEL_STORE_H
#define GATECAST_STORAGE_MODEL_STORE_H

#include "storage/digest.h"
#include "storage/store.h"

struct model_blobs {
	const char *document, *evaluation;      /* evaluation may be NULL */
	const float *weights; size_t n_weights;
	const float *calibration; size_t n_calibration;
};

struct model_version {
	int64_t id;
	char name[STORE_NAME_MAX + 1];
	int version;
	char *document, *evaluation;            /* evaluation may be NULL */
	float *weights; size_t n_weights;       /* NULL in lists and model_get with blobs = false */
	float *calibration; size_t n_calibration;
	char sha256[DIGEST_HEX];                /* of document, weights and calibration, in this order */
	char job[40];                           /* "" when imported */
	int64_t created_at_us;
};
void model_version_fini(struct model_version *m);

struct model_name {
	char name[STORE_NAME_MAX + 1];
	int latest;
	int versions;
	int64_t created_at_us;
};
struct model_label { char label[STORE_NAME_MAX + 1]; int version; };

/** Publish the next version; moves the label `latest`. */
enum err model_put(struct store *s, const char *name, const struct model_blobs *b, const char *job,
                   int *version, struct error *e);
/** version 0: the label (NULL: "latest"). Checks the digest when blobs is true: ERR_STORAGE on damage. */
enum err model_get(struct store *s, const char *name, int version, const char *label, bool blobs,
                   struct model_version *out, struct error *e);
enum err model_list(struct store *s, const char *after, int limit, struct model_name **out, size_t *n, bool *more, struct error *e);
/** Versions > after, rising, without blobs. */
enum err model_versions(struct store *s, const char *name, int after, int limit,
                        struct model_version **out, size_t *n, bool *more, struct error *e);
void model_versions_free(struct model_version *list, size_t n);
enum err model_labels(struct store *s, const char *name, struct model_label **out, size_t *n, struct error *e);
/** `latest` cannot be set by hand: ERR_INVALID. */
enum err model_label_set(struct store *s, const char *name, const char *label, int version, struct error *e);
/** version 0: the model and all its versions. A version that a label other than latest names: ERR_CONFLICT. */
enum err model_delete(struct store *s, const char *name, int version, struct error *e);

#endif

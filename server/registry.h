/* registry.h - the loaded models, by name and version.
 *
 * A loaded version is immutable and counted. Publishing a version puts a new pointer in place of the old; requests in
 * flight keep theirs until their last reference drops. The least recently used leave when the cache is full:
 *
 *   by name and version   "a" ─► 3 ─► 2      "b" ─► 1
 *   by use                oldest ─► b 1 ─► a 2 ─► a 3 ─► newest */
#ifndef GATECAST_SERVER_REGISTRY_H
#define GATECAST_SERVER_REGISTRY_H

#include <stdatomic.h>

#include "api/model_body.h"
#include "model/trained.h"
#include "server/cost.h"
#include "server/metrics.h"
#include "storage/model_store.h"

struct batch_item;

/* Who waits for an answer, and who for the day's work: see batcher.h. */
enum batch_class { CLASS_INTERACTIVE, CLASS_BULK, BATCH_CLASSES };

/* What a version can be asked for. */
enum model_use { USE_FORECAST, USE_RECONSTRUCT, USE_GENERATE, USE_CLASSIFY, USE_TRANSLATE };

struct model {
	char name[STORE_NAME_MAX + 1];
	int version;
	_Atomic int refs;
	struct trained trained;
	struct skill_view skill;
	char sha256[DIGEST_HEX];
	char preset[32];
	size_t bytes;
	_Atomic int64_t last_used_s;            /* since 1970 */
	struct cost cost;                       /* learnt by the batcher, under its lock */
	struct model_metrics metrics;
	struct model_line {                     /* waiting sequences of a class; the batcher's, under its lock */
		struct model *model;
		struct batch_item *head, **tail;
		struct model_line *next_ready;
		uint64_t waiting_ns;                /* predicted */
		int64_t credit_ns;                  /* of its turns; negative: it had more than its share */
	} line[BATCH_CLASSES];
	struct model *next;                     /* of the same name; the registry's, under its lock */
	struct model *older, *newer;            /* by their last use; the same */
};

struct registry;

/** o: how models are packed; NULL: as they are. */
enum err registry_new(size_t max_bytes, const struct infer_options *o, struct registry **out, struct error *e);
void registry_free(struct registry *g);
/** A reference to a loaded version (0: the latest), or NULL when it is not loaded. Any thread, no I/O. */
struct model *registry_get(struct registry *g, const char *name, int version);
/** The same, loading from the store if need be. version 0: what label (NULL: "latest") names. */
enum err registry_load(struct registry *g, struct store *s, const char *name, int version, const char *label,
                       struct model **out, struct error *e);
/** After a delete: version 0 forgets all of the name. */
void registry_forget(struct registry *g, const char *name, int version);
/** After a publish: what is latest has to be asked of the store again. */
void registry_outdate(struct registry *g, const char *name);
struct model *model_ref(struct model *m);
void model_unref(struct model *m);
/** Whether that version is loaded. */
bool registry_has(struct registry *g, const char *name, int version);
struct registry_usage { size_t bytes, max_bytes; };
/** Of what is loaded. Requests in flight may hold on to more, which left meanwhile. */
struct registry_usage registry_usage(struct registry *g);
/** Visit every loaded version, under the registry's lock. */
void registry_each(struct registry *g, void (*visit)(const struct model *m, void *arg), void *arg);

enum model_use model_use(const struct model *m);

/** What a stored version holds, ready to answer; used by the registry and the command line. o and
 *  preset may be NULL. */
enum err model_build(const struct model_version *v, const struct infer_options *o, struct trained *out, char preset[32],
                     struct error *e);
/** The same of a version that has to forecast: ERR_INVALID when it does something else. */
enum err model_build_forecaster(const struct model_version *v, const struct infer_options *o, struct forecaster **out,
                                struct error *e);

#endif

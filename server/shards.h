/* shards.h - the threads of one training job: the shards of a step run in any order on any of them. */
#ifndef GATECAST_SERVER_SHARDS_H
#define GATECAST_SERVER_SHARDS_H

#include "model/trainer.h"

struct shards;

enum err shards_new(struct trainer *t, int threads, struct shards **out, struct error *e);
void shards_free(struct shards *s);   /* NULL is fine */
/** trainer_shard(t, 0 … n-1); returns when all are done. The caller's thread works too. */
void shards_run(struct shards *s, int n);

#endif

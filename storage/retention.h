/* retention.h - what nobody needs any more goes. Private to this folder. */
#ifndef GATECAST_STORAGE_RETENTION_H
#define GATECAST_STORAGE_RETENTION_H

#include "storage/db.h"

/** Drop old versions of datasets that no live job needs and states of checkpoints that no job can resume from.
 *  To be called by everything that replaces a dataset or ends a job. */
enum err retention_apply(struct store *s, struct error *e);

#endif

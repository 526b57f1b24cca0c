/* version.h - what the routes of models and of weights share: a version in a path, and in a reply. */
#ifndef GATECAST_SERVER_VERSION_H
#define GATECAST_SERVER_VERSION_H

#include "server/request.h"
#include "storage/model_store.h"

/** A path's version: a number from 1, else ERR_NOT_FOUND. */
enum err version_number(const char *text, int *out, struct error *e);
/** The version's document as the reply. v holds at least n_weights of the blobs. */
void version_reply(struct request *r, const struct model_version *v);

#endif

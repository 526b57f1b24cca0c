/* problem.h - errors as RFC 9457 problem+json, with the top-level "error" string that TensorFlow Serving's and the Open
 * Inference Protocol's clients read:
 * {"type":"about:blank","title":…,"status":422,"detail":…,"pointer":"/training/epochs","code":"invalid","error":…}
 * "pointer" is a JSON pointer; any other place (line and column of a CSV file, a tensor's name) is "where". "error" is the
 * place and the detail in one sentence. */
#ifndef GATECAST_API_PROBLEM_H
#define GATECAST_API_PROBLEM_H

#include "model/base/error.h"
#include "model/base/strbuf.h"

/** instance: the request's path, or NULL. */
void problem_render(const struct error *e, const char *instance, struct strbuf *out);

/** {"code":"invalid","message":…,"param":…}: what a failed job says. param is null where the place is not known. */
void error_object_render(const struct error *e, struct strbuf *out);

#endif

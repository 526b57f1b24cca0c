/* inside.h - what a request wants to see of its model's inside, for "return" of forecasts, of texts classified and
 * translated.
 *
 *   reader lane     weights from the store ─► a plain pass an input (model/inspect.h) ─► members of the answer, as text
 *   compute thread  the forecast, as always ─► render puts the text into it
 *
 * A loaded model has its weights packed and its kernels keep no gates, so the pass needs the weights as they are stored. It
 * runs where the store is: one request at a time, which bounds what is held, and no compute thread waits for it. */
#ifndef GATECAST_SERVER_INSIDE_H
#define GATECAST_SERVER_INSIDE_H

#include "model/inspect.h"
#include "server/batcher.h"

#define INSIDE_MAX_TEXT (32u << 20)   /* bytes of one input's members: more than INSPECT_MAX_NUMBERS fill */

/**
 * Members for n inputs whose contexts are set into out[n], which are initialised first, whatever comes; fini them.
 * ERR_INVALID, where = "/parameters/return": the model has not all of `what`, or it is too much.
 */
enum err inside_look(struct store *s, const struct model *m, unsigned what, const struct batch_item *item, int n,
                     struct strbuf *out, struct error *e);
/** The same for n texts, what of the encoder reads them; where = "/return". */
enum err inside_look_text(struct store *s, const struct model *m, unsigned what, const struct batch_item *item, int n,
                          struct strbuf *out, struct error *e);

#endif

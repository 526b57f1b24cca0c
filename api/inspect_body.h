/* inspect_body.h - the inside of a forecast as members of its output.
 *
 *     "gates": {"encoder.l0": {"reset": [[… units] … steps], "update": …, "candidate": …}, "decoder": …}
 *     "health": {"encoder.l0": {"reset": {"mean", "low", "high", "variation", "still", "correlation": {channel: …}}, …}, …}
 *     "states": {"encoder.l0": [[… units] … steps], "encoder.l0.c": …, "decoder": …}
 *     "encoder_attention": {"encoder.l0": [head][step][step]}          of a Transformer
 *
 * Parts are nn/trace.h's; of a segment network each channel has its own, "encoder.l0[close]". A correlation is null where
 * gate or channel never changes, and absent where steps are not the window's. */
#ifndef GATECAST_API_INSPECT_BODY_H
#define GATECAST_API_INSPECT_BODY_H

#include "api/scan.h"
#include "model/base/strbuf.h"
#include "model/inspect.h"

/** An array of those of "attention", "gates" and "states" that are offered, as bits of enum inspect_what; a name
 *  twice is once. */
bool inspect_names_read(struct scan *s, unsigned offered, unsigned *what);
/** The members, each behind a comma, of the pass that inspect_run() made. */
void inspect_render(struct inspector *i, unsigned what, struct strbuf *out);
/** What a view's part is called in the answer; the index is its trace's. */
#define INSPECT_PART (TRACE_PART + PIPELINE_CHANNEL_NAME + 4)
void inspect_part_name(const struct inspector *i, int trace, const struct trace_view *v, char out[INSPECT_PART]);

#endif

/* turn.h - computing what a turn brings: together to the end, or tick by tick.
 *
 *   OUTSIDE, BATCH   join ─► expired and abandoned are dropped ─► forecaster_run, text_model_run ─► done() of whole requests
 *
 *   FLIGHTS              ┌─► join ─► drop ─► tick ─┬─► landed: done() of each whole request
 *                        └─────────────────────────┘   until the turn is spent and the air is empty */
#ifndef GATECAST_SERVER_TURN_H
#define GATECAST_SERVER_TURN_H

#include "server/queue.h"

/** A turn that began, from its first sequence to its last. */
void turn_run(struct queue *q, struct turn *t, struct batch_ws *ws);

#endif

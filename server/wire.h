/* wire.h - what a training process and its parent say to each other over a socket pair.
 *
 *   ┌──────────┬────────┬─────────────┐
 *   │ len  u64 │ type 1 │ payload len │      little-endian; len counts the payload
 *   └──────────┴────────┴─────────────┘
 *
 *   parent ──► child   START (recipe, dataset, checkpoint)   CANCEL   PAUSE
 *   child ──► parent   EPOCH   CHECKPOINT   RESULT   FAILED   PAUSED */
#ifndef GATECAST_SERVER_WIRE_H
#define GATECAST_SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/strbuf.h"
#include "model/series/frame.h"

enum wire_type {
	WIRE_START = 1,     /* u32 threads, u32 checkpoint interval s, bytes recipe (JSON), frame, bytes checkpoint (may be empty) */
	WIRE_CANCEL,        /* u8 discard */
	WIRE_PAUSE,
	WIRE_EPOCH = 64,    /* bytes progress, bytes metrics (JSON), bytes message, f64 epoch seconds, u64 samples */
	WIRE_CHECKPOINT,    /* u32 epochs done, bytes metrics, bytes state */
	WIRE_RESULT,        /* u8 cancelled, bytes document, bytes evaluation, bytes weights, bytes calibration; empty: nothing learnt */
	WIRE_FAILED,        /* u32 enum err, bytes where, bytes what */
	WIRE_PAUSED         /* after a CHECKPOINT */
};

#define WIRE_MAX (4ull << 30)

/* Building a payload. */
void wire_u8(struct strbuf *b, uint8_t v);
void wire_u32(struct strbuf *b, uint32_t v);
void wire_u64(struct strbuf *b, uint64_t v);
void wire_f64(struct strbuf *b, double v);
void wire_bytes(struct strbuf *b, const void *bytes, size_t len);   /* u64 and the bytes */
void wire_frame(struct strbuf *b, const struct frame *f);

/* Reading one: sticky failure like strbuf's; a failed reader gives zeros. */
struct wire_reader { const char *at, *end; bool failed; };
uint8_t wire_get_u8(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
double wire_get_f64(struct wire_reader *r);
const char *wire_get_bytes(struct wire_reader *r, size_t *len);     /* points into the payload */
struct frame *wire_get_frame(struct wire_reader *r);                /* NULL: failed */

/** Write one message whole; blocks. False: the peer is gone. */
bool wire_send(int fd, enum wire_type type, const struct strbuf *payload);

/* Messages coming in, in pieces. */
struct wire_inbox { struct strbuf bytes; size_t used; };
void wire_inbox_init(struct wire_inbox *in);
void wire_inbox_fini(struct wire_inbox *in);
/** read(2) once; false: end of file, error or out of memory. On a non-blocking fd, nothing to read is true. */
bool wire_fill(struct wire_inbox *in, int fd);
/** The next whole message; false when there is none yet. payload is valid until the next call. */
bool wire_next(struct wire_inbox *in, enum wire_type *type, struct wire_reader *payload);

#endif

/* sessions.h - series that are forecast as they come: what is kept of each between two steps.
 *
 *   create ──► CLAIMED ──── release ────► IDLE ──── deleted, expired, evicted ────► ENDED ──► slot used again: unknown
 *                 │  ▲                     │                                          ▲
 *                 │  └────── claim ────────┘                                          │
 *                 └── deleted ──► ENDING ───────────────── release ───────────────────┘
 *
 * A slab: slots are made at the start, and each holds one block with the session's rows and state. What all of them
 * hold is bounded, and how many there are; the session that was idle longest makes room. An ended session leaves its
 * key in its slot, so that who comes back is told why it is gone; slots are used again in the order of their ends. A
 * slot needs no generation counter: whoever comes back comes with the key.
 *
 * A claim is for one step and exclusive: its holder reads the memory without a lock, and nobody frees it under its
 * hands. A step that fails changes nothing. Any thread may call anything; now_ns is CLOCK_MONOTONIC's. */
#ifndef GATECAST_SERVER_SESSIONS_H
#define GATECAST_SERVER_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"
#include "model/base/strbuf.h"
#include "storage/key_store.h"

#define SESSION_KEY_MAX 192            /* with its NUL */
#define SESSION_SHARE   4096           /* bytes of the memory that a session counts for at least */

enum session_end { SESSION_DELETED, SESSION_EXPIRED, SESSION_EVICTED, SESSION_MODEL_DELETED, SESSION_ENDS };

/* What a session remembers of its series. */
struct session_memory {
	double *row; int rows;             /* the last ones, [rows][columns], filled */
	float *state;                      /* behind the last row; NULL where rows are read anew */
	uint64_t seen;                     /* rows in all */
	bool dated;                        /* row number `dated_row` is of `date` */
	int64_t date;
	uint64_t dated_row;
};

struct session_plan {
	const char *key;                   /* NULL: a random one */
	const char *owner;                 /* the API key's id, "" where none is asked for */
	const char *model;
	int version;
	int columns, rows;                 /* rows: the most that are remembered */
	size_t state;                      /* numbers of a state; 0: none is carried */
};

struct session {
	char key[SESSION_KEY_MAX], owner[KEY_ID_MAX], model[STORE_NAME_MAX + 1];
	int version, columns, rows_most;
	size_t state_size;
	int64_t created_us;                /* since 1970 */
	/* for who holds the claim */
	struct session_memory memory;
	int64_t sequence;                  /* of the last step; 0: there was none */
	char *answer; size_t answer_len;   /* to the last step; NULL: not kept */
	/* the table's */
	enum session_place { SESSION_IDLE, SESSION_CLAIMED, SESSION_ENDING, SESSION_ENDED } place;
	enum session_end end;
	int64_t used_ns;
	struct session *chain, *prev, *next;
};

/* A session as others see it. */
struct session_look {
	char model[STORE_NAME_MAX + 1];
	int version;
	bool carries;                      /* a state */
	int rows;                          /* that it remembers */
	uint64_t seen;
	int64_t sequence, created_us, left_ns;   /* left until it expires unused */
};

struct sessions;

enum err sessions_new(size_t max_bytes, int64_t ttl_ns, struct sessions **out, struct error *e);
void sessions_free(struct sessions *t);   /* NULL is fine */

/** A new session, claimed. In place of an older one with its key: ERR_CONFLICT while that one is claimed. ERR_INVALID:
 *  it alone is over the limit; ERR_BUSY: all the memory is claimed. */
enum err sessions_create(struct sessions *t, const struct session_plan *plan, int64_t now_ns, struct session **out,
                         struct error *e);
/** ERR_NOT_FOUND (another owner's too), ERR_GONE with the reason, ERR_CONFLICT: it is claimed. */
enum err sessions_claim(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct session **out,
                        struct error *e);
/** A step was made: copy what is remembered from now on and, if not NULL, the answer. ERR_NOMEM: nothing changed. */
enum err sessions_commit(struct sessions *t, struct session *s, const struct session_memory *memory, int64_t sequence,
                         const char *answer, size_t len, struct error *e);
/** Give the claim back; s must not be touched after. */
void sessions_release(struct sessions *t, struct session *s, int64_t now_ns);
/** Errors of sessions_claim, but that a claimed one ends with its step. */
enum err sessions_delete(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct error *e);
/** The sessions of a deleted version (0: of all) end. */
void sessions_end_model(struct sessions *t, const char *model, int version);
/** Does not count as a use. */
enum err sessions_look(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct session_look *out,
                       struct error *e);
void sessions_metrics(struct sessions *t, int64_t now_ns, struct strbuf *out);

#endif

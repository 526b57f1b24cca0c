/* metrics.h - counters, gauges and histograms, and their text for Prometheus (format 0.0.4).
 *
 * Values are atomics that any thread bumps; the text is made when someone scrapes. No label's value can be
 * invented by a client: routes come from the route table, models from the registry.
 *
 * To add a metric: a member of `struct metrics`, its line in metrics_write(), a bump where it happens. */
#ifndef GATECAST_SERVER_METRICS_H
#define GATECAST_SERVER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "model/base/strbuf.h"

typedef _Atomic uint64_t counter;

#define METRIC_BUCKETS 13   /* and +Inf */

struct histogram {
	counter bucket[METRIC_BUCKETS + 1];   /* not cumulative; the last is +Inf */
	counter sum;                          /* in the unit's millionths */
};
extern const double metric_seconds[METRIC_BUCKETS];   /* .0005 … 10 */
extern const double metric_bytes[METRIC_BUCKETS];     /* 256 … 1 GiB */
extern const double metric_rows[METRIC_BUCKETS];      /* 1 … 4096 */

void histogram_add(struct histogram *h, const double bounds[METRIC_BUCKETS], double v);

enum outcome { OUTCOME_OK, OUTCOME_INVALID, OUTCOME_REJECTED, OUTCOME_TIMEOUT, OUTCOME_CANCELLED, OUTCOME_ERROR, OUTCOMES };
/* Why a sequence was dropped, and what a request was refused by. */
enum drop { DROP_EXPIRED, DROP_LEFT, DROPS };
enum refusal { REFUSED_BY_HEADERS, REFUSED_BY_BODY, REFUSED_BY_CAPACITY, REFUSALS };
enum phase { PHASE_PARSE, PHASE_QUEUE, PHASE_COMPUTE, PHASE_RENDER, PHASES };

/* Of one version of a model; lives in the registry's entry. */
struct model_metrics {
	counter requests[OUTCOMES];
	counter sequences, decoder_steps, nonfinite_outputs, out_of_range, inputs;
	struct histogram batch_size;
	struct histogram duration[PHASES];
};

#define METRIC_ROUTES  64
#define METRIC_CODES   22

struct route_metrics {
	counter code[METRIC_CODES];           /* by metric_code_index() */
	struct histogram duration;
};

struct metrics {
	struct route_metrics route[METRIC_ROUTES];   /* by index in routes[]; the one behind them: no route */
	struct histogram request_bytes, response_bytes;
	counter in_flight, connections;       /* gauges */
	counter auth_failures[3];             /* missing, unknown, scope */
	counter reaped_connections, rejected_connections;
	counter queue_depth[2];               /* gauges, sequences: interactive, bulk */
	counter flights, ticks;               /* sequences in the air, a gauge; steps of those together */
	counter dropped[2][DROPS];            /* sequences that waited in vain: interactive, bulk */
	counter refused[REFUSALS];            /* requests for which there was no time */
	counter model_loads[2];               /* ok, error */
	counter model_evictions;
	struct histogram model_load;
	counter jobs_ended[3];                /* succeeded, failed, cancelled */
	counter workers_lost, training_samples, training_checkpoint_time;
	struct histogram epoch;
	struct histogram sqlite_write;        /* a group commit */
	counter shutting_down;
};
extern struct metrics metrics;

/** Slot of an HTTP status; statuses outside the list share the last slot. */
int metric_code_index(int status);

/* Writers of the text format, used by whoever owns labelled values. */
void metric_head(struct strbuf *b, const char *name, const char *type, const char *help);
void metric_value(struct strbuf *b, const char *name, const char *labels, double v);
void metric_histogram(struct strbuf *b, const char *name, const char *labels, const double bounds[METRIC_BUCKETS], const struct histogram *h);
/** Text of a label's value, escaped. */
void metric_label(struct strbuf *b, const char *key, const char *value);

extern const char *const outcome_names[OUTCOMES];
extern const char *const phase_names[PHASES];

/** Everything that is in `struct metrics`, the build and the process. */
void metrics_write(struct strbuf *b);

#endif

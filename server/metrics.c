#include "server/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

#include "model/infer/infer.h"
#include "server/route.h"
#include "storage/store.h"

struct metrics metrics;

const double metric_seconds[METRIC_BUCKETS] = { .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5 };
const double metric_bytes[METRIC_BUCKETS] = { 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216,
	67108864, 268435456, 536870912, 1073741824 };
const double metric_rows[METRIC_BUCKETS] = { 1, 2, 4, 8, 16, 24, 32, 48, 64, 128, 256, 1024, 4096 };

const char *const outcome_names[OUTCOMES] = { "ok", "invalid", "rejected", "timeout", "cancelled", "error" };
const char *const phase_names[PHASES] = { "parse", "queue", "compute", "render" };

/* Every status that err_row() or a handler can give; the last slot takes what is not here. */
static const int codes[METRIC_CODES] = { 200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422,
	429, 499, 500, 501, 503, 504, 507, 0 };

int metric_code_index(int status)
{
	int i = 0;
	while (i < METRIC_CODES - 1 && codes[i] != status)
		i++;
	return i;
}

void histogram_add(struct histogram *h, const double bounds[METRIC_BUCKETS], double v)
{
	int i = 0;
	while (i < METRIC_BUCKETS && v > bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, (uint64_t)(v * 1e6), memory_order_relaxed);
}

void metric_head(struct strbuf *b, const char *name, const char *type, const char *help)
{
	strbuf_addf(b, "# HELP gatecast_%s %s\n# TYPE gatecast_%s %s\n", name, help, name, type);
}

void metric_value(struct strbuf *b, const char *name, const char *labels, double v)
{
	strbuf_addf(b, "gatecast_%s%s%s%s ", name, *labels ? "{" : "", labels, *labels ? "}" : "");
	if (isnan(v))
		strbuf_adds(b, "NaN\n");
	else if (v == floor(v) && fabs(v) < 1e15)
		strbuf_addf(b, "%.0f\n", v);
	else
		strbuf_addf(b, "%.9g\n", v);
}

void metric_label(struct strbuf *b, const char *key, const char *value)
{
	strbuf_addf(b, "%s%s=\"", b->len ? "," : "", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			strbuf_addc(b, '\\');
		strbuf_addc(b, *value == '\n' ? 'n' : *value);
	}
	strbuf_addc(b, '"');
}

void metric_histogram(struct strbuf *b, const char *name, const char *labels,
                      const double bounds[METRIC_BUCKETS], const struct histogram *h)
{
	const char *comma = *labels ? "," : "";
	uint64_t total = 0;
	for (int i = 0; i <= METRIC_BUCKETS; i++) {
		char bound[32] = "+Inf";
		if (i < METRIC_BUCKETS)
			snprintf(bound, sizeof bound, "%.10g", bounds[i]);
		total += h->bucket[i];
		strbuf_addf(b, "gatecast_%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma, bound,
		            (unsigned long long)total);
	}
	const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
	strbuf_addf(b, "gatecast_%s_sum%s%s%s %.6f\n", name, open, labels, close, (double)h->sum / 1e6);
	strbuf_addf(b, "gatecast_%s_count%s%s%s %llu\n", name, open, labels, close, (unsigned long long)total);
}

/* The slot behind the routes counts what had none: unknown paths, damaged headers, too many connections. */
static void route_labels(struct strbuf *l, int route)
{
	strbuf_reset(l);
	metric_label(l, "route", route < n_routes ? routes[route].pattern : "none");
	metric_label(l, "method", route < n_routes ? routes[route].method : "none");
}

static void render_http(struct strbuf *b)
{
	struct strbuf l;
	strbuf_init(&l, 512);

	metric_head(b, "http_requests_total", "counter", "Requests answered, by route, method and status code.");
	for (int i = 0; i <= n_routes; i++) {
		for (int c = 0; c < METRIC_CODES; c++) {
			uint64_t n = metrics.route[i].code[c];
			if (!n)
				continue;
			char code[16];
			snprintf(code, sizeof code, codes[c] ? "%d" : "other", codes[c]);
			route_labels(&l, i);
			metric_label(&l, "code", code);
			metric_value(b, "http_requests_total", l.s, (double)n);
		}
	}
	metric_head(b, "http_request_duration_seconds", "histogram", "From the request's headers to its reply, by route and method.");
	for (int i = 0; i <= n_routes; i++) {
		route_labels(&l, i);
		metric_histogram(b, "http_request_duration_seconds", l.s, metric_seconds, &metrics.route[i].duration);
	}
	metric_head(b, "http_request_size_bytes", "histogram", "Bodies received.");
	metric_histogram(b, "http_request_size_bytes", "", metric_bytes, &metrics.request_bytes);
	metric_head(b, "http_response_size_bytes", "histogram", "Bodies sent.");
	metric_histogram(b, "http_response_size_bytes", "", metric_bytes, &metrics.response_bytes);
	metric_head(b, "http_requests_in_flight", "gauge", "Requests being answered.");
	metric_value(b, "http_requests_in_flight", "", (double)metrics.in_flight);
	metric_head(b, "http_connections", "gauge", "Open connections of the main listener.");
	metric_value(b, "http_connections", "", (double)metrics.connections);
	metric_head(b, "http_connections_reaped_total", "counter", "Connections ended because a request or a reply took too long.");
	metric_value(b, "http_connections_reaped_total", "", (double)metrics.reaped_connections);
	metric_head(b, "http_connections_rejected_total", "counter", "Requests refused because too many connections were open.");
	metric_value(b, "http_connections_rejected_total", "", (double)metrics.rejected_connections);

	static const char *const reasons[] = { "missing", "unknown", "scope" };
	metric_head(b, "auth_failures_total", "counter", "Requests refused for their key, by reason.");
	for (int i = 0; i < 3; i++) {
		strbuf_reset(&l);
		metric_label(&l, "reason", reasons[i]);
		metric_value(b, "auth_failures_total", l.s, (double)metrics.auth_failures[i]);
	}
	strbuf_fini(&l);
}

static void render_training(struct strbuf *b)
{
	static const char *const results[] = { "succeeded", "failed", "cancelled" };
	struct strbuf l;
	strbuf_init(&l, 128);
	metric_head(b, "training_jobs_total", "counter", "Training jobs that ended, by result.");
	for (int i = 0; i < 3; i++) {
		strbuf_reset(&l);
		metric_label(&l, "result", results[i]);
		metric_value(b, "training_jobs_total", l.s, (double)metrics.jobs_ended[i]);
	}
	strbuf_fini(&l);
	metric_head(b, "training_workers_lost_total", "counter", "Training processes that ended without a result.");
	metric_value(b, "training_workers_lost_total", "", (double)metrics.workers_lost);
	metric_head(b, "training_epoch_duration_seconds", "histogram", "Time of an epoch.");
	metric_histogram(b, "training_epoch_duration_seconds", "", metric_seconds, &metrics.epoch);
	metric_head(b, "training_samples_total", "counter", "Training windows processed.");
	metric_value(b, "training_samples_total", "", (double)metrics.training_samples);
	metric_head(b, "training_checkpoint_timestamp_seconds", "gauge", "When the last checkpoint was stored; 0: none yet.");
	metric_value(b, "training_checkpoint_timestamp_seconds", "", (double)metrics.training_checkpoint_time);
}

static void render_store(struct strbuf *b)
{
	metric_head(b, "sqlite_busy_total", "counter", "Times SQLite answered busy.");
	metric_value(b, "sqlite_busy_total", "", (double)store_busy_total());
	metric_head(b, "sqlite_commit_duration_seconds", "histogram", "Time of a group of writes with its commit.");
	metric_histogram(b, "sqlite_commit_duration_seconds", "", metric_seconds, &metrics.sqlite_write);
}

/* A line of /proc/self/stat after the command's name: field `n`, counted from 3. */
static double stat_field(const char *stat, int n)
{
	double v = 0;
	const char *s = strrchr(stat, ')');
	for (int field = 2; s && field < n; field++)
		s = strchr(s + 1, ' ');
	if (s)
		sscanf(s, " %lf", &v);
	return v;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3;   /* . and .. and the directory itself */
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n < 0 ? 0 : n;
}

/* Seconds since 1970 at which the machine booted. */
static double boot_time(void)
{
	struct timespec now, up;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9;
}

/* The standard process_* series, which have no prefix. */
static void render_process(struct strbuf *b)
{
	char stat[1024] = "";
	FILE *f = fopen("/proc/self/stat", "r");
	if (f) {
		size_t n = fread(stat, 1, sizeof stat - 1, f);
		stat[n] = '\0';
		fclose(f);
	}
	double hz = (double)sysconf(_SC_CLK_TCK);
	struct rlimit fds = { 0 };
	getrlimit(RLIMIT_NOFILE, &fds);
	const struct { const char *name, *type, *help; double v; } rows[] = {
		{ "process_cpu_seconds_total", "counter", "User and system CPU time.", (stat_field(stat, 14) + stat_field(stat, 15)) / hz },
		{ "process_resident_memory_bytes", "gauge", "Resident memory.", stat_field(stat, 24) * (double)sysconf(_SC_PAGESIZE) },
		{ "process_virtual_memory_bytes", "gauge", "Virtual memory.", stat_field(stat, 23) },
		{ "process_open_fds", "gauge", "Open file descriptors.", count_fds() },
		{ "process_max_fds", "gauge", "Most file descriptors that may be open.", (double)fds.rlim_cur },
		{ "process_threads", "gauge", "Threads.", stat_field(stat, 20) },
		{ "process_start_time_seconds", "gauge", "When the process started, since 1970.", boot_time() + stat_field(stat, 22) / hz },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		strbuf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.3f\n", rows[i].name, rows[i].help, rows[i].name,
		            rows[i].type, rows[i].name, rows[i].v);
}

void metrics_write(struct strbuf *b)
{
	struct strbuf l;
	strbuf_init(&l, 512);
	metric_label(&l, "version", GATECAST_VERSION);
	metric_label(&l, "compiler", __VERSION__);
	metric_label(&l, "kernels", infer_kernels_name());
	metric_head(b, "build_info", "gauge", "Always 1; what is running.");
	metric_value(b, "build_info", l.s, 1);
	strbuf_fini(&l);
	metric_head(b, "shutting_down", "gauge", "1 while the service drains.");
	metric_value(b, "shutting_down", "", (double)metrics.shutting_down);

	render_http(b);
	render_training(b);
	render_store(b);
	render_process(b);
}

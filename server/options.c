#include "server/options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_NUMBER, KIND_FLAG, KIND_LEVEL };

struct row {
	const char *name, *value;     /* "--name=VALUE" */
	const char *fallback;         /* NULL: none */
	enum kind kind;
	size_t at;                    /* offset in struct options */
	long lo, hi;                  /* of a number */
	unsigned commands;
	const char *help;
};

#define AT(member) offsetof(struct options, member)
#define RUNS (COMMAND_SERVE | COMMAND_TRAIN)
#define READS (COMMAND_PREDICT | COMMAND_QUANTISE | COMMAND_INSPECT)
#define ALL  (RUNS | READS | COMMAND_CHECK | COMMAND_KEY)

static const struct row rows[] = {
	{ "db", "FILE", "gatecast.db", KIND_TEXT, AT(db), 0, 0, ALL, "The SQLite file" },
	{ "log-level", "LEVEL", "info", KIND_LEVEL, AT(log_level), 0, 0, RUNS, "debug, info, warn, error or none" },

	{ "listen", "HOST:PORT", "127.0.0.1:8080", KIND_TEXT, AT(listen), 0, 0, COMMAND_SERVE,
	  "Where to serve; beyond loopback a key is needed; port 0 takes a free one" },
	{ "admin", "HOST:PORT", "127.0.0.1:9090", KIND_TEXT, AT(admin), 0, 0, COMMAND_SERVE | COMMAND_HEALTH,
	  "Where health and metrics answer even when the main listener is exhausted; no key" },
	{ "require-key", NULL, NULL, KIND_FLAG, AT(require_key), 0, 0, COMMAND_SERVE, "Ask for a key on loopback too" },
	{ "threads", "N", "0", KIND_NUMBER, AT(threads), 0, 256, COMMAND_SERVE, "Compute threads; 0: one a core" },
	{ "http-threads", "N", "0", KIND_NUMBER, AT(http_threads), 0, 64, COMMAND_SERVE,
	  "Threads that read and answer, and compute what is light; 0: one a core" },
	{ "workers", "N", "1", KIND_NUMBER, AT(workers), 0, 64, COMMAND_SERVE, "Training jobs at a time; 0: jobs only queue" },
	{ "train-threads", "N", "0", KIND_NUMBER, AT(train_threads), 0, 64, RUNS,
	  "Threads of a training job; 0: one a core; the weights are the same for any number" },
	{ "checkpoint-interval", "S", "10", KIND_NUMBER, AT(checkpoint_interval_s), 0, 86400, RUNS,
	  "Seconds between a job's checkpoints; 0: after every epoch" },
	{ "max-body", "BYTES", "1048576", KIND_NUMBER, AT(max_body), 1024, 1 << 28, COMMAND_SERVE, "Largest JSON body" },
	{ "max-upload", "BYTES", "268435456", KIND_NUMBER, AT(max_upload), 1024, 1L << 32, COMMAND_SERVE, "Largest dataset upload" },
	{ "max-connections", "N", "1000", KIND_NUMBER, AT(max_connections), 4, 60000, COMMAND_SERVE,
	  "Connections served; further ones are answered 503" },
	{ "max-queued-jobs", "N", "100", KIND_NUMBER, AT(max_queued_jobs), 1, 100000, COMMAND_SERVE,
	  "Jobs that may wait; further ones are answered 429" },
	{ "queue-capacity", "N", "8192", KIND_NUMBER, AT(queue_capacity), 1, 1 << 20, COMMAND_SERVE,
	  "Sequences that may wait for a compute thread; beyond them 503" },
	{ "model-cache", "BYTES", "1073741824", KIND_NUMBER, AT(model_cache), 1 << 20, 1L << 40, COMMAND_SERVE,
	  "Memory for loaded models; the least recently used leave first" },
	{ "session-memory", "BYTES", "67108864", KIND_NUMBER, AT(session_memory), 1 << 16, 1L << 40, COMMAND_SERVE,
	  "Memory for sessions; the least recently used end first" },
	{ "session-ttl", "S", "900", KIND_NUMBER, AT(session_ttl_s), 1, 31536000, COMMAND_SERVE,
	  "Seconds after which a session that is not used ends" },
	{ "int8", NULL, NULL, KIND_FLAG, AT(int8), 0, 0, COMMAND_SERVE,
	  "Quantise the weights of models as they are loaded: a quarter of the memory, faster; see gatecast quantise" },
	{ "deadline", "MS", "10000", KIND_NUMBER, AT(deadline_ms), 1, 600000, COMMAND_SERVE,
	  "Longest time for a prediction; a request may ask for less" },
	{ "drain-delay", "S", "0", KIND_NUMBER, AT(drain_delay_s), 0, 600, COMMAND_SERVE,
	  "Seconds to go on serving after SIGTERM while readyz says 503" },
	{ "header-timeout", "S", "10", KIND_NUMBER, AT(header_timeout_s), 1, 600, COMMAND_SERVE, "Longest time for a header section" },
	{ "body-timeout", "S", "10", KIND_NUMBER, AT(body_timeout_s), 1, 3600, COMMAND_SERVE,
	  "Longest time for a body, and a second more for each 2 KiB" },
	{ "response-timeout", "S", "30", KIND_NUMBER, AT(response_timeout_s), 1, 3600, COMMAND_SERVE,
	  "Longest time for a client to take its reply, and a second more for each 2 KiB" },

	{ "target", "COLUMN", NULL, KIND_TEXT, AT(target), 0, 0, COMMAND_TRAIN, "The column to forecast, of labels or of answers; a text to generate from needs none" },
	{ "features", "LIST", NULL, KIND_TEXT, AT(features), 0, 0, COMMAND_TRAIN,
	  "What the model sees, with commas: columns, sma_10, ema_20, rsi_14, macd_12_26_9, log_return_1, log_volatility_20" },
	{ "text", "LIST", NULL, KIND_TEXT, AT(text), 0, 0, COMMAND_TRAIN,
	  "Columns of a CSV or TSV file, with commas, that are text whatever their cells look like" },
	{ "model", "NAME", NULL, KIND_TEXT, AT(model), 0, 0, COMMAND_TRAIN, "The model's name; else file and horizon, or preset" },
	{ "preset", "NAME", "attention_gru", KIND_TEXT, AT(preset), 0, 0, COMMAND_TRAIN,
	  "The network: attention_gru, attention_lstm, gru, lstm, rnn, transformer or segment_gru; autoencoder; of texts char_rnn, "
	  "classifier or seq2seq" },
	{ "horizon", "N", "0", KIND_NUMBER, AT(horizon), 0, 1000, COMMAND_TRAIN,
	  "Steps to forecast, or tokens of an answer at most; 0: the preset's (5)" },
	{ "window", "N", "0", KIND_NUMBER, AT(window), 0, 10000, COMMAND_TRAIN,
	  "Steps to look back, or tokens that are read; 0: the preset's (30)" },
	{ "epochs", "N", "100", KIND_NUMBER, AT(epochs), 1, 100000, COMMAND_TRAIN, "Passes over the training part at most" },
	{ "hidden", "N", "64", KIND_NUMBER, AT(hidden), 1, 2048, COMMAND_TRAIN, "Size of the state" },
	{ "seed", "N", "1", KIND_NUMBER, AT(seed), 0, LONG_MAX, COMMAND_TRAIN, "The same seed gives the same weights" },
	{ "version", "N", "0", KIND_NUMBER, AT(version), 0, INT_MAX, READS, "The model's version; 0: the latest" },
	{ "json", NULL, NULL, KIND_FLAG, AT(json), 0, 0, COMMAND_PREDICT, "Print the answer of POST /v1/forecast instead of a table" },
	{ "format", "NAME", "svg", KIND_TEXT, AT(format), 0, 0, COMMAND_INSPECT, "Of the pictures: svg, with axes, or png, the cells alone" },
	{ "output", "DIR", ".", KIND_TEXT, AT(output), 0, 0, COMMAND_INSPECT, "Where the pictures go; it is made if need be" },
	{ "horizon", "N", "0", KIND_NUMBER, AT(weights.horizon), 0, 1000, COMMAND_CONVERT, "Steps of the head; 0: its rows" },
	{ "targets", "N", "0", KIND_NUMBER, AT(weights.targets), 0, 16, COMMAND_CONVERT,
	  "How many of the first columns are forecast; 0: 1, or what the horizon leaves" },
	{ "window", "N", "0", KIND_NUMBER, AT(weights.window), 0, 20000, COMMAND_CONVERT, "Steps to look back; 0: 30" },
	{ "columns", "LIST", NULL, KIND_TEXT, AT(weights.columns), 0, 0, COMMAND_CONVERT, "A name for each input, with commas; else x0,x1…" },
	{ "nonlinearity", "NAME", NULL, KIND_TEXT, AT(weights.nonlinearity), 0, 0, COMMAND_CONVERT, "Of an RNN: tanh or relu; else tanh" },
	{ "decoder", "NAME", NULL, KIND_TEXT, AT(weights.decoder), 0, 0, COMMAND_CONVERT, "What the head reads: last or mean; else last" },
	{ "name", "NAME", "default", KIND_TEXT, AT(name), 0, 0, COMMAND_KEY, "What to call the key" },
	{ "scopes", "LIST", "predict,read", KIND_TEXT, AT(scopes), 0, 0, COMMAND_KEY, "predict, read, train, admin (implies all)" },
};
#define ROWS (sizeof rows / sizeof rows[0])

struct manual { const char *name; enum command command; const char *arguments, *doc; int least, most; };

static const struct manual manuals[] = {
	{ "serve", COMMAND_SERVE, "", "Serve forecasts over HTTP.", 0, 0 },
	{ "train", COMMAND_TRAIN, "SERIES.csv", "Upload a series and train a model on it, without a server.", 1, 1 },
	{ "predict", COMMAND_PREDICT, "NAME SERIES.csv", "Forecast from the end of a series with a stored model.", 2, 2 },
	{ "inspect", COMMAND_INSPECT, "NAME SERIES.csv", "Show the gates, states and attention of a forecast.", 2, 2 },
	{ "quantise", COMMAND_QUANTISE, "NAME [SERIES.csv]", "Print what serve --int8 saves and costs a model, and its forecasts of a series.", 1, 2 },
	{ "check", COMMAND_CHECK, "", "Check the database's integrity and the machine's kernels.", 0, 0 },
	{ "convert", COMMAND_CONVERT, "FROM TO", "Rewrite weights of PyTorch or Keras as a gatecast model, .safetensors or .onnx.", 2, 2 },
	{ "key", COMMAND_KEY, "add|list|revoke [ID]", "Manage API keys. Stop the server before adding or revoking.", 1, 2 },
	{ "health", COMMAND_HEALTH, "", "Ask a running server's admin listener whether it is ready.", 0, 0 },
};
#define MANUALS (sizeof manuals / sizeof manuals[0])

static void variable_name(const struct row *r, char out[64])
{
	int n = snprintf(out, 64, "GATECAST_%s", r->name);
	for (int i = 0; i < n; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* Set the member of a row from text; false (and a message) when the text is not acceptable. */
static bool set(struct options *o, const struct row *r, const char *text, const char *source)
{
	void *at = (char *)o + r->at;
	char *end;
	switch (r->kind) {
	case KIND_TEXT:
		*(const char **)at = text;
		return true;
	case KIND_FLAG:
		*(bool *)at = strcmp(text, "0") && strcmp(text, "false") && *text;
		return true;
	case KIND_LEVEL:
		if (log_level_parse(text, at))
			return true;
		fprintf(stderr, "gatecast: %s: \"%s\" is not debug, info, warn, error or none\n", source, text);
		return false;
	case KIND_NUMBER:
		errno = 0;
		long v = strtol(text, &end, 10);
		if (*text && !*end && !errno && v >= r->lo && v <= r->hi) {
			*(long *)at = v;
			return true;
		}
		fprintf(stderr, "gatecast: %s: \"%s\" is not a whole number from %ld to %ld\n", source, text, r->lo, r->hi);
		return false;
	}
	return false;
}

static bool set_defaults(struct options *o)
{
	for (size_t i = 0; i < ROWS; i++) {
		char variable[64];
		variable_name(&rows[i], variable);
		const char *text = rows[i].commands & o->command ? getenv(variable) : NULL;
		if (text ? !set(o, &rows[i], text, variable)
		         : rows[i].fallback && !set(o, &rows[i], rows[i].fallback, rows[i].name))
			return false;
	}
	return true;
}

/* argp keys of our rows start here, clear of letters. */
#define KEY_FIRST 1000

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	if (key >= KEY_FIRST && key < KEY_FIRST + (int)ROWS) {
		const struct row *r = &rows[key - KEY_FIRST];
		char source[72];
		snprintf(source, sizeof source, "--%s", r->name);
		if (!set(o, r, arg ? arg : "1", source))
			exit(2);
		return 0;
	}
	if (key == ARGP_KEY_ARG) {
		if (o->arguments == OPTIONS_MAX_ARGUMENTS)
			argp_usage(state);
		o->argument[o->arguments++] = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void overview(FILE *out)
{
	fprintf(out, "Usage: gatecast COMMAND [OPTION...]\nForecasts from recurrent models: one daemon, one SQLite file.\n\n");
	for (size_t i = 0; i < MANUALS; i++)
		fprintf(out, "  %-8s %-22s %s\n", manuals[i].name, manuals[i].arguments, manuals[i].doc);
	fprintf(out, "\n`gatecast COMMAND --help` lists the options of a command. Every option --some-name has a variable\n"
	             "GATECAST_SOME_NAME; the option wins. Exit codes: 0 done, 1 failed, 2 usage.\n");
}

static const struct manual *find_manual(const char *name)
{
	for (size_t i = 0; i < MANUALS; i++)
		if (!strcmp(name, manuals[i].name))
			return &manuals[i];
	return NULL;
}

/* The rows of a command as argp wants them, defaults and variables in the help. */
static void argp_rows(enum command command, struct argp_option out[ROWS + 1], char doc[ROWS][400])
{
	size_t n = 0;
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		if (!(r->commands & command))
			continue;
		char variable[64];
		variable_name(r, variable);
		snprintf(doc[i], 400, "%s%s%s%s [%s]", r->help, r->fallback ? " (" : "", r->fallback ? r->fallback : "",
		         r->fallback ? ")" : "", variable);
		out[n++] = (struct argp_option){ .name = r->name, .key = KEY_FIRST + (int)i, .arg = r->value, .doc = doc[i] };
	}
	out[n] = (struct argp_option){ 0 };
}

/* This process's share of the machine: a container or taskset may have less than all. */
static long cores_allowed(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

int options_read(int argc, char **argv, struct options *out)
{
	static char program[64], doc[ROWS][400];
	struct argp_option argp_options[ROWS + 1];

	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "help"))) {
		overview(stdout);
		return 0;
	}
	if (argc >= 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		puts("gatecast " GATECAST_VERSION);
		return 0;
	}
	const struct manual *m = argc >= 2 ? find_manual(argv[1]) : NULL;
	if (!m) {
		if (argc >= 2)
			fprintf(stderr, "gatecast: no command \"%s\"\n", argv[1]);
		overview(stderr);
		return 2;
	}
	*out = (struct options){ .command = m->command };
	if (!set_defaults(out))
		return 2;

	argp_rows(m->command, argp_options, doc);
	snprintf(program, sizeof program, "gatecast %s", m->name);
	argv[1] = program;
	struct argp argp = { argp_options, parse, m->arguments, m->doc, NULL, NULL, NULL };
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, out))
		return 2;
	if (out->arguments < m->least || out->arguments > m->most) {
		fprintf(stderr, "gatecast %s: expected: %s\n", m->name, *m->arguments ? m->arguments : "no arguments");
		return 2;
	}
	long cores = cores_allowed();
	if (!out->threads)
		out->threads = cores;
	if (!out->http_threads)
		out->http_threads = cores > 64 ? 64 : cores;
	if (!out->train_threads)
		out->train_threads = cores > 64 ? 64 : cores;
	return -1;
}

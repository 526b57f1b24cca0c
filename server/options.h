/* options.h - the command line of every subcommand, and the environment behind it.
 *
 * One table row an option: its long name, its variable GATECAST_…, its default, its limits and its help. The option
 * wins over the variable, the variable over the default. */
#ifndef GATECAST_SERVER_OPTIONS_H
#define GATECAST_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/log.h"

enum command { COMMAND_SERVE = 1, COMMAND_TRAIN = 2, COMMAND_PREDICT = 4, COMMAND_CHECK = 8, COMMAND_KEY = 16,
	COMMAND_HEALTH = 32, COMMAND_CONVERT = 64, COMMAND_QUANTISE = 128, COMMAND_INSPECT = 256 };

#define OPTIONS_MAX_ARGUMENTS 4

struct options {
	enum command command;
	const char *argument[OPTIONS_MAX_ARGUMENTS];   /* what is not an option */
	int arguments;

	const char *listen, *admin, *db;
	long threads, http_threads, workers, train_threads;
	long max_body, max_upload, max_connections, max_queued_jobs, queue_capacity, model_cache, session_memory;
	long session_ttl_s, deadline_ms, drain_delay_s, header_timeout_s, body_timeout_s, response_timeout_s;
	long checkpoint_interval_s;
	enum log_level log_level;
	bool require_key, int8;

	const char *target, *features, *text, *model, *preset, *name, *scopes;
	long horizon, window, epochs, hidden, seed, version;
	bool json;
	const char *format, *output;   /* of inspect */
	struct {                       /* of convert: what foreign weights do not say; 0 or NULL: not given */
		long horizon, targets, window;
		const char *columns, *nonlinearity, *decoder;
	} weights;
};

/**
 * Reads argv of `gatecast COMMAND …`; prints --help and usage errors itself. Returns -1 to go on, else the exit code
 * of the process: 0 after --help, 2 for usage.
 */
int options_read(int argc, char **argv, struct options *out);

#endif

/* main.c - gatecast COMMAND: reads the command line and runs the subcommand. */
#include <string.h>

#include "server/commands.h"
#include "server/options.h"
#include "server/worker.h"

int main(int argc, char **argv)
{
	struct options options;
	if (argc == 2 && !strcmp(argv[1], "worker"))   /* not for people: the supervisor's child */
		return worker_main(WORKER_FD);
	int code = options_read(argc, argv, &options);
	if (code >= 0)
		return code;
	log_set_level(options.log_level);
	switch (options.command) {
	case COMMAND_SERVE: return command_serve(&options);
	case COMMAND_TRAIN: return command_train(&options);
	case COMMAND_PREDICT: return command_predict(&options);
	case COMMAND_CHECK: return command_check(&options);
	case COMMAND_QUANTISE: return command_quantise(&options);
	case COMMAND_CONVERT: return command_convert(&options);
	case COMMAND_KEY: return command_key(&options);
	case COMMAND_HEALTH: return command_health(&options);
	}
	return 2;
}

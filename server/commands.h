/* commands.h - the subcommands; each returns the exit code of the process: 0 done, 1 failed, 2 usage. */
#ifndef GATECAST_SERVER_COMMANDS_H
#define GATECAST_SERVER_COMMANDS_H

#include "server/options.h"

int command_serve(const struct options *o);
int command_train(const struct options *o);
int command_predict(const struct options *o);
int command_check(const struct options *o);
int command_quantise(const struct options *o);
int command_convert(const struct options *o);
int command_key(const struct options *o);
int command_health(const struct options *o);

/** Say on stderr what failed; returns 1. */
int command_failed(const struct error *e);

#endif

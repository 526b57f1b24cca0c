/* log.h - structured logs: one JSON object a line on stderr. Only server/ logs, once per failure.
 *
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"listening","listen":"127.0.0.1:8080"} */
#ifndef GATECAST_SERVER_LOG_H
#define GATECAST_SERVER_LOG_H

#include <stdbool.h>

#include "model/base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

/** "debug", "info", "warn", "error", "none"; false on another word. */
bool log_level_parse(const char *name, enum log_level *out);
/** Lines below this level are dropped. Set before threads start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/**
 * fields: pairs "name", format-argument, … described by fmt, where each member of fmt is `name=%s|%d|%ld|%f`,
 * separated by blanks: log_line(LOG_INFO, "listening", "listen=%s pid=%d", text, pid). Strings are escaped. One
 * write(2) a line, so lines of threads and processes do not mix.
 */
void log_line(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** level error, with the code, place and sentence of e. */
void log_failure(const char *event, const struct error *e);

#endif

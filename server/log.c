#include "server/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json_write.h"
#include "model/base/strbuf.h"
#include "storage/store.h"

static const char *const names[] = { "debug", "info", "warn", "error", "none" };
static enum log_level threshold = LOG_INFO;

#define LINE_MAX_BYTES 8192

bool log_level_parse(const char *name, enum log_level *out)
{
	for (int i = LOG_DEBUG; i <= LOG_NONE; i++) {
		if (!strcmp(name, names[i])) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_enabled(enum log_level level)
{
	return level >= threshold;
}

/* One field: `name=%x` at *fmt; moves *fmt behind it. */
static void add_field(struct strbuf *b, const char **fmt, va_list *ap)
{
	const char *s = *fmt + strspn(*fmt, " ");
	size_t name = strcspn(s, "=");
	strbuf_addf(b, ",\"%.*s\":", (int)name, s);
	s += name + 1;
	if (!strncmp(s, "%s", 2)) {
		const char *text = va_arg(*ap, const char *);
		json_write_string(b, text ? text : "");
	} else if (!strncmp(s, "%ld", 3)) {
		strbuf_addf(b, "%ld", va_arg(*ap, long));
	} else if (!strncmp(s, "%d", 2)) {
		strbuf_addf(b, "%d", va_arg(*ap, int));
	} else {
		strbuf_addf(b, "%.6g", va_arg(*ap, double));
	}
	*fmt = s + strcspn(s, " ");
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	if (!log_enabled(level))
		return;
	struct strbuf b;
	strbuf_init(&b, LINE_MAX_BYTES);
	strbuf_adds(&b, "{\"time\":");
	json_time_us(&b, store_now_us());
	strbuf_addf(&b, ",\"level\":\"%s\",\"event\":", names[level]);
	json_write_string(&b, event);

	va_list ap;
	va_start(ap, fmt);
	while (*fmt)
		add_field(&b, &fmt, &ap);
	va_end(ap);

	strbuf_adds(&b, "}\n");
	if (strbuf_ok(&b)) {
		ssize_t ignored = write(STDERR_FILENO, b.s, b.len);   /* nowhere left to complain */
		(void)ignored;
	}
	strbuf_fini(&b);
}

void log_failure(const char *event, const struct error *e)
{
	log_line(LOG_ERROR, event, "code=%s where=%s detail=%s", err_row(e->code)->label, e->where, e->what);
}

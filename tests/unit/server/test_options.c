/* The command line: each option's default, variable, limits and help. Refusals end a process, so children do the reading. */
#include "server/options.h"

#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/server/fixture.h"

#define AT(member) offsetof(struct options, member)

static const struct { const char *command, *name, *variable; size_t at; long fallback, lo, hi; } numbers[] = {
	{ "serve", "threads", "GATECAST_THREADS", AT(threads), 0, 0, 256 },
	{ "serve", "http-threads", "GATECAST_HTTP_THREADS", AT(http_threads), 0, 0, 64 },
	{ "serve", "workers", "GATECAST_WORKERS", AT(workers), 1, 0, 64 },
	{ "serve", "train-threads", "GATECAST_TRAIN_THREADS", AT(train_threads), 0, 0, 64 },
	{ "train", "train-threads", "GATECAST_TRAIN_THREADS", AT(train_threads), 0, 0, 64 },
	{ "serve", "checkpoint-interval", "GATECAST_CHECKPOINT_INTERVAL", AT(checkpoint_interval_s), 10, 0, 86400 },
	{ "serve", "max-body", "GATECAST_MAX_BODY", AT(max_body), 1 << 20, 1024, 1 << 28 },
	{ "serve", "max-upload", "GATECAST_MAX_UPLOAD", AT(max_upload), 256 << 20, 1024, 1L << 32 },
	{ "serve", "max-connections", "GATECAST_MAX_CONNECTIONS", AT(max_connections), 1000, 4, 60000 },
	{ "serve", "max-queued-jobs", "GATECAST_MAX_QUEUED_JOBS", AT(max_queued_jobs), 100, 1, 100000 },
	{ "serve", "queue-capacity", "GATECAST_QUEUE_CAPACITY", AT(queue_capacity), 8192, 1, 1 << 20 },
	{ "serve", "model-cache", "GATECAST_MODEL_CACHE", AT(model_cache), 1 << 30, 1 << 20, 1L << 40 },
	{ "serve", "session-memory", "GATECAST_SESSION_MEMORY", AT(session_memory), 1 << 26, 1 << 16, 1L << 40 },
	{ "serve", "session-ttl", "GATECAST_SESSION_TTL", AT(session_ttl_s), 900, 1, 31536000 },
	{ "serve", "deadline", "GATECAST_DEADLINE", AT(deadline_ms), 10000, 1, 600000 },
	{ "serve", "drain-delay", "GATECAST_DRAIN_DELAY", AT(drain_delay_s), 0, 0, 600 },
	{ "serve", "header-timeout", "GATECAST_HEADER_TIMEOUT", AT(header_timeout_s), 10, 1, 600 },
	{ "serve", "body-timeout", "GATECAST_BODY_TIMEOUT", AT(body_timeout_s), 10, 1, 3600 },
	{ "serve", "response-timeout", "GATECAST_RESPONSE_TIMEOUT", AT(response_timeout_s), 30, 1, 3600 },
	{ "train", "horizon", "GATECAST_HORIZON", AT(horizon), 0, 0, 1000 },
	{ "train", "window", "GATECAST_WINDOW", AT(window), 0, 0, 10000 },
	{ "train", "epochs", "GATECAST_EPOCHS", AT(epochs), 100, 1, 100000 },
	{ "train", "hidden", "GATECAST_HIDDEN", AT(hidden), 64, 1, 2048 },
	{ "train", "seed", "GATECAST_SEED", AT(seed), 1, 0, LONG_MAX },
	{ "predict", "version", "GATECAST_VERSION", AT(version), 0, 0, INT_MAX },
	{ "inspect", "version", "GATECAST_VERSION", AT(version), 0, 0, INT_MAX },
	{ "quantise", "version", "GATECAST_VERSION", AT(version), 0, 0, INT_MAX },
	{ "convert", "horizon", "GATECAST_HORIZON", AT(weights.horizon), 0, 0, 1000 },
	{ "convert", "targets", "GATECAST_TARGETS", AT(weights.targets), 0, 0, 16 },
	{ "convert", "window", "GATECAST_WINDOW", AT(weights.window), 0, 0, 20000 },
};

static const struct { const char *command, *name, *variable; size_t at; const char *fallback; } texts[] = {
	{ "serve", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "train", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "predict", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "inspect", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "inspect", "format", "GATECAST_FORMAT", AT(format), "svg" },
	{ "inspect", "output", "GATECAST_OUTPUT", AT(output), "." },
	{ "quantise", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "check", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "key", "db", "GATECAST_DB", AT(db), "gatecast.db" },
	{ "serve", "listen", "GATECAST_LISTEN", AT(listen), "127.0.0.1:8080" },
	{ "serve", "admin", "GATECAST_ADMIN", AT(admin), "127.0.0.1:9090" },
	{ "health", "admin", "GATECAST_ADMIN", AT(admin), "127.0.0.1:9090" },
	{ "train", "target", "GATECAST_TARGET", AT(target), NULL },
	{ "train", "features", "GATECAST_FEATURES", AT(features), NULL },
	{ "train", "text", "GATECAST_TEXT", AT(text), NULL },
	{ "train", "model", "GATECAST_MODEL", AT(model), NULL },
	{ "train", "preset", "GATECAST_PRESET", AT(preset), "attention_gru" },
	{ "convert", "columns", "GATECAST_COLUMNS", AT(weights.columns), NULL },
	{ "convert", "nonlinearity", "GATECAST_NONLINEARITY", AT(weights.nonlinearity), NULL },
	{ "convert", "decoder", "GATECAST_DECODER", AT(weights.decoder), NULL },
	{ "key", "name", "GATECAST_NAME", AT(name), "default" },
	{ "key", "scopes", "GATECAST_SCOPES", AT(scopes), "predict,read" },
};

static const struct { const char *command, *name, *variable; size_t at; } flags[] = {
	{ "serve", "require-key", "GATECAST_REQUIRE_KEY", AT(require_key) },
	{ "serve", "int8", "GATECAST_INT8", AT(int8) },
	{ "predict", "json", "GATECAST_JSON", AT(json) },
};

/* The arguments that a command cannot do without. */
static const struct { const char *command, *argument[2]; } needed[] = {
	{ "serve", { NULL } }, { "train", { "series.csv" } }, { "predict", { "model", "series.csv" } }, { "check", { NULL } },
	{ "inspect", { "model", "series.csv" } }, { "quantise", { "model", "series.csv" } }, { "key", { "list" } }, { "health", { NULL } }, { "convert", { "from.safetensors", "to.safetensors" } },
};

/* options_read() of `gatecast COMMAND [--option] arguments`; option may be NULL. */
static int read_options(const char *command, const char *option, struct options *o)
{
	static char word[6][128];
	char *argv[7];
	int argc = 0;
	const char *words[6] = { "gatecast", command, option };
	int n = option ? 3 : 2;
	for (size_t i = 0; i < COUNT(needed); i++)
		for (int k = 0; k < 2 && !strcmp(needed[i].command, command) && needed[i].argument[k]; k++)
			words[n++] = needed[i].argument[k];
	for (; argc < n; argc++) {
		snprintf(word[argc], sizeof word[argc], "%s", words[argc]);
		argv[argc] = word[argc];
	}
	argv[argc] = NULL;
	return options_read(argc, argv, o);
}

static void clear_environment(void)
{
	for (size_t i = 0; i < COUNT(numbers); i++)
		unsetenv(numbers[i].variable);
	for (size_t i = 0; i < COUNT(texts); i++)
		unsetenv(texts[i].variable);
	for (size_t i = 0; i < COUNT(flags); i++)
		unsetenv(flags[i].variable);
	unsetenv("GATECAST_LOG_LEVEL");
}

/* Exit code of a child that reads the options; what it printed goes to text. -1: it would go on. */
static int child_reads(const char *command, const char *option, char *text, size_t cap)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct options o;
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		int code = read_options(command, option, &o);
		fflush(NULL);
		_exit(code < 0 ? 100 : code);
	}
	close(ends[1]);
	while (len < cap - 1 && (n = read(ends[0], text + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 100 ? -1 : WEXITSTATUS(status);
}

static void refused(const char *command, const char *option, const char *names)
{
	char text[8192];
	ck_assert_msg(child_reads(command, option, text, sizeof text) == 2, "%s %s is accepted", command, option);
	ck_assert_msg(strstr(text, names) != NULL, "%s is not in: %s", names, text);
}

static long number_at(const struct options *o, size_t at)
{
	return *(const long *)((const char *)o + at);
}

static const char *text_at(const struct options *o, size_t at)
{
	return *(const char *const *)((const char *)o + at);
}

START_TEST(number)
{
	struct options o;
	char option[96], value[32];
	long fallback = numbers[_i].fallback;
	const char *command = numbers[_i].command;
	clear_environment();
	ck_assert_int_eq(read_options(command, NULL, &o), -1);
	if (fallback || !strstr(numbers[_i].name, "threads"))
		ck_assert_int_eq(number_at(&o, numbers[_i].at), fallback);
	else
		ck_assert_int_ge(number_at(&o, numbers[_i].at), 1);   /* 0 stands for the cores */

	snprintf(value, sizeof value, "%ld", numbers[_i].hi);
	setenv(numbers[_i].variable, value, 1);
	ck_assert_int_eq(read_options(command, NULL, &o), -1);
	ck_assert_int_eq(number_at(&o, numbers[_i].at), numbers[_i].hi);
	snprintf(option, sizeof option, "--%s=%ld", numbers[_i].name, numbers[_i].lo + 1);
	ck_assert_int_eq(read_options(command, option, &o), -1);
	ck_assert_int_eq(number_at(&o, numbers[_i].at), numbers[_i].lo + 1);   /* the option wins */
}
END_TEST

START_TEST(number_limits)
{
	char option[96], value[32], name[64];
	clear_environment();
	snprintf(name, sizeof name, "--%s", numbers[_i].name);
	snprintf(option, sizeof option, "%s=%ld", name, numbers[_i].lo - 1);
	refused(numbers[_i].command, option, name);
	if (numbers[_i].hi < LONG_MAX) {
		snprintf(option, sizeof option, "%s=%ld", name, numbers[_i].hi + 1);
		refused(numbers[_i].command, option, name);
	}
	static const char *const wrong[] = { "", "x", "1x", "1.5", "99999999999999999999" };
	for (size_t i = 0; i < COUNT(wrong); i++) {
		snprintf(option, sizeof option, "%s=%s", name, wrong[i]);
		refused(numbers[_i].command, option, name);
	}
	snprintf(value, sizeof value, "%ld", numbers[_i].lo - 1);
	setenv(numbers[_i].variable, value, 1);
	refused(numbers[_i].command, NULL, numbers[_i].variable);
}
END_TEST

START_TEST(text_option)
{
	struct options o;
	char option[96];
	clear_environment();
	ck_assert_int_eq(read_options(texts[_i].command, NULL, &o), -1);
	if (texts[_i].fallback)
		ck_assert_str_eq(text_at(&o, texts[_i].at), texts[_i].fallback);
	else
		ck_assert_ptr_null(text_at(&o, texts[_i].at));
	setenv(texts[_i].variable, "from the variable", 1);
	ck_assert_int_eq(read_options(texts[_i].command, NULL, &o), -1);
	ck_assert_str_eq(text_at(&o, texts[_i].at), "from the variable");
	snprintf(option, sizeof option, "--%s=from the option", texts[_i].name);
	ck_assert_int_eq(read_options(texts[_i].command, option, &o), -1);
	ck_assert_str_eq(text_at(&o, texts[_i].at), "from the option");
}
END_TEST

START_TEST(flag)
{
	static const struct { const char *value; bool on; } values[] = { { "1", true }, { "true", true }, { "0", false }, { "false", false }, { "", false } };
	struct options o;
	char option[96];
	clear_environment();
	ck_assert_int_eq(read_options(flags[_i].command, NULL, &o), -1);
	ck_assert(!*((const bool *)((const char *)&o + flags[_i].at)));
	snprintf(option, sizeof option, "--%s", flags[_i].name);
	ck_assert_int_eq(read_options(flags[_i].command, option, &o), -1);
	ck_assert(*((const bool *)((const char *)&o + flags[_i].at)));
	for (size_t i = 0; i < COUNT(values); i++) {
		setenv(flags[_i].variable, values[i].value, 1);
		ck_assert_int_eq(read_options(flags[_i].command, NULL, &o), -1);
		ck_assert_int_eq(*((const bool *)((const char *)&o + flags[_i].at)), values[i].on);
	}
}
END_TEST

START_TEST(level)
{
	struct options o;
	clear_environment();
	ck_assert_int_eq(read_options("serve", NULL, &o), -1);
	ck_assert_int_eq(o.log_level, LOG_INFO);
	setenv("GATECAST_LOG_LEVEL", "error", 1);
	ck_assert_int_eq(read_options("train", NULL, &o), -1);
	ck_assert_int_eq(o.log_level, LOG_ERROR);
	ck_assert_int_eq(read_options("train", "--log-level=debug", &o), -1);
	ck_assert_int_eq(o.log_level, LOG_DEBUG);
	refused("serve", "--log-level=loud", "--log-level");
	setenv("GATECAST_LOG_LEVEL", "loud", 1);
	refused("serve", NULL, "GATECAST_LOG_LEVEL");
}
END_TEST

/* A table row, as --help has to show it. */
static void in_help(const char *help, const char *name, const char *variable)
{
	char option[64], bracketed[64];
	snprintf(option, sizeof option, "--%s", name);
	snprintf(bracketed, sizeof bracketed, "[%s]", variable);
	ck_assert_msg(strstr(help, option) != NULL, "%s is not in:\n%s", option, help);
	ck_assert_msg(strstr(help, bracketed) != NULL, "%s is not in:\n%s", bracketed, help);
}

START_TEST(help_of_command)
{
	static char help[65536];
	const char *command = needed[_i].command;
	setenv("ARGP_HELP_FMT", "rmargin=300", 1);
	ck_assert_int_eq(child_reads(command, "--help", help, sizeof help), 0);
	ck_assert_ptr_nonnull(strstr(help, command));
	int shown = 0, listed = 0;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (!strcmp(numbers[i].command, command))
			in_help(help, numbers[i].name, numbers[i].variable);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!strcmp(texts[i].command, command))
			in_help(help, texts[i].name, texts[i].variable);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (!strcmp(flags[i].command, command))
			in_help(help, flags[i].name, flags[i].variable);
	for (const char *at = help; (at = strstr(at, "[GATECAST_")); at++) {   /* and what it shows is in the tables here */
		char variable[64] = "";
		sscanf(at, "[%63[A-Z0-9_]]", variable);
		bool known = !strcmp(variable, "GATECAST_LOG_LEVEL") || !strcmp(variable, "GATECAST_CHECKPOINT_INTERVAL");
		for (size_t i = 0; i < COUNT(numbers); i++)
			known |= !strcmp(numbers[i].variable, variable);
		for (size_t i = 0; i < COUNT(texts); i++)
			known |= !strcmp(texts[i].variable, variable);
		for (size_t i = 0; i < COUNT(flags); i++)
			known |= !strcmp(flags[i].variable, variable);
		ck_assert_msg(known, "%s of %s has no test", variable, command);
		shown++;
	}
	for (const char *at = help; (at = strstr(at, "\n      --")); at++)
		listed++;
	ck_assert_int_ge(shown, 1);
	ck_assert_int_ge(listed, shown);
}
END_TEST

static const struct { const char *command, *option; int code; const char *says; } usages[] = {
	{ "--help", NULL, 0, "serve" },
	{ "help", NULL, 0, "predict" },
	{ "--version", NULL, 0, GATECAST_VERSION },
	{ "nonsense", NULL, 2, "nonsense" },
	{ "serve", "extra", 2, "expected" },
	{ "serve", "--no-such-option", 2, "no-such-option" },
	{ "serve", "--threads", 2, "threads" },
	{ "serve", "--epochs=3", 2, "epochs" },       /* another command's */
	{ "serve", "--require-key=1", 2, "require-key" },
	{ "train", "extra", 2, "expected" },
	{ "check", "extra", 2, "expected" },
};

START_TEST(usage)
{
	char text[16384];
	clear_environment();
	ck_assert_int_eq(child_reads(usages[_i].command, usages[_i].option, text, sizeof text), usages[_i].code);
	ck_assert_msg(strstr(text, usages[_i].says) != NULL, "%s is not in: %s", usages[_i].says, text);
}
END_TEST

START_TEST(arguments)
{
	struct options o;
	clear_environment();
	ck_assert_int_eq(read_options("predict", "--version=3", &o), -1);
	ck_assert_int_eq(o.command, COMMAND_PREDICT);
	ck_assert_int_eq(o.arguments, 2);
	ck_assert_str_eq(o.argument[0], "model");
	ck_assert_str_eq(o.argument[1], "series.csv");
	ck_assert_int_eq(o.version, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *c = tcase_create("options");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, number, 0, COUNT(numbers));
	tcase_add_loop_test(c, number_limits, 0, COUNT(numbers));
	tcase_add_loop_test(c, text_option, 0, COUNT(texts));
	tcase_add_loop_test(c, flag, 0, COUNT(flags));
	tcase_add_test(c, level);
	tcase_add_loop_test(c, help_of_command, 0, COUNT(needed));
	tcase_add_loop_test(c, usage, 0, COUNT(usages));
	tcase_add_test(c, arguments);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

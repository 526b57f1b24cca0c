/* load.c - requests at the times of a Poisson process, whether the server keeps up or not.
 *
 *     load --connect HOST:PORT --path /v1/models/m:predict --body FILE --rate 5000 --seconds 10
 *
 *     intended   |  |    | |       |   |          drawn before the first is sent
 *     begun      |  |    |   |     |   |          as soon as a connection is free
 *     answered      |──|    |──|      …           latency = answered - intended, so that waiting is not left out
 *
 * A generator that waits for answers before it asks again measures a slow server gently; this one does not. --rate 0 is
 * such a closed loop, to find what a server does at most. In the path, % stands for a number below --names, drawn each
 * time.
 *
 * Prints one JSON object: arrivals by what became of them, answers within the objective a second (goodput), and
 * percentiles. One thread, which spins: give it a core. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model/base/rng.h"

#define MAX_CONNECTIONS 4096
#define MAX_HEAD        8192
#define EVENTS          256
#define WATCH_US        10000.0      /* how often deadlines are looked at */
#define RETRY_US        100000.0     /* before a refused connection is tried again */

enum outcome { ANSWERED, TOO_MANY, UNAVAILABLE, OTHER_STATUS, BROKEN, TIMED_OUT, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = { "200", "429", "503", "other", "broken", "timed_out" };

struct options {
	struct sockaddr_in address;
	char host[64];
	const char *path, *body_file;
	double rate, seconds, objective_ms, timeout_ms;
	int connections, names;
};

enum state { CLOSED, CONNECTING, IDLE, SENDING, RECEIVING };

struct connection {
	int fd;
	enum state state;
	double retry_us;                     /* CLOSED: not before */
	double intended_us;                  /* of the request under way */
	char *request;                       /* head and body */
	size_t len, sent;
	char head[MAX_HEAD];                 /* of the answer */
	size_t head_len;
	long body_left;                      /* -1 while the head is not whole */
	int status;
	bool last;                           /* the server closes it */
};

/* Latencies of one kind of answer. */
struct sample { float *ms; size_t n, cap; };

struct load {
	struct options o;
	int epoll;
	char *body;
	size_t body_len;
	double *arrival;                     /* open loop: when each is intended, from the start */
	size_t arrivals, begun, ended;
	double start_us, behind_us;
	struct rng rng;
	struct connection *connection;
	struct sample answered, refused;
	size_t outcome[OUTCOMES], in_time;
};

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

__attribute__((noreturn))
static void fail_now(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count, size);
	if (!p)
		fail_now("memory");
	return p;
}

/* --- what became of a request ------------------------------------------------------------------------------------- */

static void sample_add(struct sample *s, double ms)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 65536;
		s->ms = realloc(s->ms, s->cap * sizeof *s->ms);
		if (!s->ms)
			fail_now("memory");
	}
	s->ms[s->n++] = (float)ms;
}

static void count(struct load *l, enum outcome what, double intended_us)
{
	const double ms = (now_us() - intended_us) / 1e3;
	l->outcome[what]++;
	l->ended++;
	if (what == ANSWERED) {
		sample_add(&l->answered, ms);
		l->in_time += ms <= l->o.objective_ms;
	} else if (what == TOO_MANY || what == UNAVAILABLE)
		sample_add(&l->refused, ms);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void watch(struct load *l, struct connection *c, int how, uint32_t events)
{
	if (epoll_ctl(l->epoll, how, c->fd, &(struct epoll_event){ .events = events, .data.ptr = c }))
		fail_now("epoll_ctl");
}

static void open_connection(struct load *l, struct connection *c)
{
	const int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		fail_now("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (struct sockaddr *)&l->o.address, sizeof l->o.address) && errno != EINPROGRESS)
		fail_now("connect");
	c->state = CONNECTING;
	watch(l, c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void close_connection(struct connection *c, double retry_us)
{
	close(c->fd);
	c->state = CLOSED;
	c->retry_us = retry_us;
}

static bool under_way(const struct connection *c)
{
	return c->state == SENDING || c->state == RECEIVING;
}

/* It broke: the request, if there was one, with it. */
static void broken(struct load *l, struct connection *c)
{
	const bool refused = c->state == CONNECTING;
	if (under_way(c))
		count(l, BROKEN, c->intended_us);
	close_connection(c, now_us() + (refused ? RETRY_US : 0));
}

static void send_request(struct load *l, struct connection *c)
{
	while (c->sent < c->len) {
		const ssize_t n = send(c->fd, c->request + c->sent, c->len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			if (c->state != SENDING)
				watch(l, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			c->state = SENDING;
			return;
		}
		if (n < 0) {
			c->state = SENDING;
			broken(l, c);
			return;
		}
		c->sent += (size_t)n;
	}
	if (c->state == SENDING)
		watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = RECEIVING;
}

static void begin(struct load *l, struct connection *c, double intended_us)
{
	const char *mark = strchr(l->o.path, '%');
	const int upto = mark ? (int)(mark - l->o.path) : (int)strlen(l->o.path);
	char number[16] = "";
	if (mark)
		snprintf(number, sizeof number, "%d", (int)rng_below(&l->rng, (uint64_t)l->o.names));
	const int head = snprintf(c->request, MAX_HEAD, "POST %.*s%s%s HTTP/1.1\r\nHost: %s\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", upto, l->o.path, number, mark ? mark + 1 : "",
		l->o.host, l->body_len);
	memcpy(c->request + head, l->body, l->body_len);
	c->len = (size_t)head + l->body_len;
	c->sent = c->head_len = 0;
	c->body_left = -1;
	c->intended_us = intended_us;
	send_request(l, c);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* The head is whole and ends at `end`: status and length of the body. False: it is not HTTP as we know it. */
static bool read_head(struct connection *c, const char *end)
{
	c->head[c->head_len] = '\0';
	const char *length = strcasestr(c->head, "\r\ncontent-length:");
	if (strncmp(c->head, "HTTP/1.1 ", 9) || !length || length > end)
		return false;
	const char *closes = strcasestr(c->head, "\r\nconnection: close");
	c->last = closes && closes < end;
	c->status = atoi(c->head + 9);
	c->body_left = atol(length + 17) - (c->head + c->head_len - (end + 4));
	return c->body_left >= 0;
}

static enum outcome outcome_of(int status)
{
	return status == 200 ? ANSWERED : status == 429 ? TOO_MANY : status == 503 ? UNAVAILABLE : OTHER_STATUS;
}

/* Bytes that came; false when they make no sense. */
static bool take(struct load *l, struct connection *c, const char *bytes, size_t n)
{
	if (c->state != RECEIVING)
		return false;
	if (c->body_left >= 0)
		c->body_left -= (long)n;
	else {
		if (c->head_len + n >= MAX_HEAD)
			return false;
		memcpy(c->head + c->head_len, bytes, n);
		c->head_len += n;
		const char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
		if (end && !read_head(c, end))
			return false;
	}
	if (c->body_left == 0) {
		count(l, outcome_of(c->status), c->intended_us);
		c->state = IDLE;
		if (c->last)
			close_connection(c, 0);
	}
	return true;
}

static void receive(struct load *l, struct connection *c)
{
	static char piece[65536];
	const ssize_t n = recv(c->fd, piece, sizeof piece, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !take(l, c, piece, (size_t)n))
		broken(l, c);
}

static void on_event(struct load *l, struct connection *c, uint32_t events)
{
	if (c->state == CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			broken(l, c);
			return;
		}
		c->state = IDLE;
		watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
	} else if (events & EPOLLOUT && c->state == SENDING)
		send_request(l, c);
	else
		receive(l, c);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void draw_arrivals(struct load *l)
{
	const double expected = l->o.rate * l->o.seconds;
	const size_t room = (size_t)(expected + 10 * sqrt(expected) + 100);
	l->arrival = allocate(room, sizeof *l->arrival);
	for (double at = 0; l->arrivals < room; l->arrivals++) {
		at -= log1p(-rng_uniform(&l->rng)) / l->o.rate * 1e6;
		if (at >= l->o.seconds * 1e6)
			return;
		l->arrival[l->arrivals] = at;
	}
}

static bool is_closed_loop(const struct load *l)
{
	return l->o.rate <= 0;
}

/* Whether one is to be sent now, and when it was meant to be. */
static bool next_due(struct load *l, double now, double *intended_us)
{
	if (is_closed_loop(l)) {
		*intended_us = now;
		return now < l->start_us + l->o.seconds * 1e6;
	}
	if (l->begun == l->arrivals)
		return false;
	*intended_us = l->start_us + l->arrival[l->begun];
	return *intended_us <= now;
}

/* Free connections take turns. NULL: there is none. */
static struct connection *free_connection(struct load *l)
{
	static int next;
	for (int i = 0; i < l->o.connections; i++) {
		struct connection *c = &l->connection[next];
		next = (next + 1) % l->o.connections;
		if (c->state == IDLE)
			return c;
	}
	return NULL;
}

static void begin_due(struct load *l, double now)
{
	struct connection *c;
	double intended;
	while (next_due(l, now, &intended) && (c = free_connection(l))) {
		l->begun++;
		if (now - intended > l->behind_us)
			l->behind_us = now - intended;
		begin(l, c, intended);
	}
}

/* Requests that nobody answered, arrivals that found no connection for so long, and connections to open again. */
static void watch_clock(struct load *l, double now)
{
	const double limit = l->o.timeout_ms * 1e3;
	double intended;
	while (!is_closed_loop(l) && next_due(l, now, &intended) && now - intended > limit) {
		l->begun++;
		count(l, TIMED_OUT, intended);
	}
	for (int i = 0; i < l->o.connections; i++) {
		struct connection *c = &l->connection[i];
		if (under_way(c) && now - c->intended_us > limit) {
			count(l, TIMED_OUT, c->intended_us);
			close_connection(c, 0);
		}
		if (c->state == CLOSED && now >= c->retry_us)
			open_connection(l, c);
	}
}

static bool finished(const struct load *l, double now)
{
	if (is_closed_loop(l))
		return now >= l->start_us + l->o.seconds * 1e6 && l->ended == l->begun;
	return l->ended == l->arrivals;
}

static void handle_events(struct load *l, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(l->epoll, events, EVENTS, timeout_ms);
	for (int i = 0; i < n; i++)
		on_event(l, events[i].data.ptr, events[i].events);
}

static void connect_all(struct load *l)
{
	int connected = 0;
	for (int i = 0; i < l->o.connections; i++)
		open_connection(l, &l->connection[i]);
	for (const double start = now_us(); connected < l->o.connections && now_us() - start < 5e6;) {
		handle_events(l, 10);
		connected = 0;
		for (int i = 0; i < l->o.connections; i++)
			connected += l->connection[i].state == IDLE;
	}
	if (!connected) {
		fprintf(stderr, "load: nobody listens at %s\n", l->o.host);
		exit(EXIT_FAILURE);
	}
}

static void run(struct load *l)
{
	connect_all(l);
	l->start_us = now_us();
	double watched = l->start_us;
	for (double now = l->start_us; !finished(l, now); now = now_us()) {
		begin_due(l, now);
		handle_events(l, 0);
		if (now - watched > WATCH_US) {
			watch_clock(l, now);
			watched = now;
		}
	}
}

/* --- the report --------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void print_sample(const char *name, struct sample *s)
{
	static const double shares[] = { 0.5, 0.9, 0.99, 0.999, 1 };
	static const char *const names[] = { "p50", "p90", "p99", "p99.9", "max" };
	printf(", \"%s_ms\": {", name);
	if (s->n)
		qsort(s->ms, s->n, sizeof *s->ms, by_value);
	for (size_t i = 0; s->n && i < sizeof shares / sizeof *shares; i++)
		printf("%s\"%s\": %.3f", i ? ", " : "", names[i], (double)s->ms[(size_t)(shares[i] * (double)(s->n - 1))]);
	putchar('}');
}

static void report(struct load *l)
{
	printf("{\"rate\": %.1f, \"seconds\": %.1f, \"connections\": %d, \"requests\": %zu", l->o.rate, l->o.seconds,
		l->o.connections, l->ended);
	for (int i = 0; i < OUTCOMES; i++)
		printf(", \"%s\": %zu", outcome_names[i], l->outcome[i]);
	printf(", \"objective_ms\": %g, \"goodput\": %.1f, \"behind_ms\": %.3f", l->o.objective_ms,
		(double)l->in_time / l->o.seconds, l->behind_us / 1e3);
	print_sample("answered", &l->answered);
	print_sample("refused", &l->refused);
	puts("}");
}

/* --- the command line --------------------------------------------------------------------------------------------- */

__attribute__((noreturn))
static void usage(void)
{
	fputs("usage: load --connect HOST:PORT --path PATH [--names N] --body FILE [--rate R] [--seconds S]\n"
	      "            [--connections N] [--objective MS] [--timeout MS]\n", stderr);
	exit(2);
}

static void read_body(struct load *l)
{
	FILE *f = fopen(l->o.body_file, "rb");
	if (!f || fseek(f, 0, SEEK_END))
		fail_now(l->o.body_file);
	l->body_len = (size_t)ftell(f);
	rewind(f);
	l->body = allocate(l->body_len + 1, 1);
	if (fread(l->body, 1, l->body_len, f) != l->body_len)
		fail_now(l->o.body_file);
	fclose(f);
}

static bool parse_address(const char *text, struct options *o)
{
	unsigned port;
	char host[32];
	snprintf(o->host, sizeof o->host, "%s", text);
	if (sscanf(text, "%31[0-9.]:%u", host, &port) != 2 || port > 65535)
		return false;
	o->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &o->address.sin_addr) == 1;
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "connect", required_argument, NULL, 'c' },     { "path", required_argument, NULL, 'p' },
		{ "names", required_argument, NULL, 'n' },       { "body", required_argument, NULL, 'b' },
		{ "rate", required_argument, NULL, 'r' },        { "seconds", required_argument, NULL, 's' },
		{ "connections", required_argument, NULL, 'k' }, { "objective", required_argument, NULL, 'o' },
		{ "timeout", required_argument, NULL, 't' },     { 0 },
	};
	struct options o = { .seconds = 5, .connections = 64, .objective_ms = 100, .timeout_ms = 5000, .names = 1 };
	bool addressed = false;
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		switch (c) {
		case 'c': addressed = parse_address(optarg, &o); break;
		case 'p': o.path = optarg; break;
		case 'n': o.names = atoi(optarg); break;
		case 'b': o.body_file = optarg; break;
		case 'r': o.rate = atof(optarg); break;
		case 's': o.seconds = atof(optarg); break;
		case 'k': o.connections = atoi(optarg); break;
		case 'o': o.objective_ms = atof(optarg); break;
		case 't': o.timeout_ms = atof(optarg); break;
		default: usage();
		}
	if (!addressed || !o.path || strlen(o.path) > MAX_HEAD / 2 || !o.body_file || o.names < 1 || !(o.seconds > 0)
	    || o.connections < 1 || o.connections > MAX_CONNECTIONS)
		usage();
	return o;
}

int main(int argc, char **argv)
{
	struct load l = { .o = parse(argc, argv) };
	read_body(&l);
	rng_init(&l.rng, 1, RNG_TEST, 0);
	if (!is_closed_loop(&l))
		draw_arrivals(&l);
	l.connection = allocate((size_t)l.o.connections, sizeof *l.connection);
	for (int i = 0; i < l.o.connections; i++)
		l.connection[i].request = allocate(MAX_HEAD + l.body_len, 1);
	l.epoll = epoll_create1(0);
	if (l.epoll < 0)
		fail_now("epoll");
	run(&l);
	report(&l);
	for (int i = 0; i < l.o.connections; i++)
		free(l.connection[i].request);
	free(l.connection);
	free(l.arrival);
	free(l.answered.ms);
	free(l.refused.ms);
	free(l.body);
	return EXIT_SUCCESS;
}

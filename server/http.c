#include "server/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "api/problem.h"
#include "server/address.h"
#include "server/app.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/monotonic.h"
#include "server/request.h"
#include "server/route.h"
#include "server/serve_request.h"
#include "server/stream.h"
#include "storage/key_store.h"

#define SECOND_NS      1000000000LL
#define SLOWEST_RATE   2048              /* bytes a second below which a peer counts as stuck */
#define IDLE_S         60                /* a kept connection may wait so long for its next request */
#define DISCARD_MAX    (8u << 20)        /* a refused body up to this is read to its end, so that its sender sees the answer */
#define CONNECTION_MEMORY (16u << 10)
#define SPARE_CONNECTIONS 64             /* to answer 503 on, above the limit */

/* One socket. The reaper walks the list of them. */
struct connection {
	struct connection *prev, *next;
	struct http *http;
	struct listener *listener;
	int fd;
	int64_t deadline_ns;                 /* 0: none */
	struct exchange *working;            /* suspended request, whose client may leave */
};

enum stage { STAGE_BODY, STAGE_WORKING, STAGE_DONE };

/* One request on a socket. request is the first member: the two convert by a cast. */
struct exchange {
	struct request request;
	struct MHD_Connection *mhd;
	struct connection *connection;
	struct listener *listener;
	enum stage stage;
	enum err rc;                         /* what will be answered */
	struct error error;
	char allow[64];                      /* for 405 */
	bool close;                          /* the connection ends after the reply */
	bool streaming;                      /* without an end of its own: not in flight */
	_Atomic bool abandoned;
	size_t received;
};

struct listener {
	struct http *http;
	struct MHD_Daemon *daemon;
	bool admin;
	char address[64];
	_Atomic int open;                    /* connections */
};

struct http {
	struct app *app;
	struct listener main, admin;
	pthread_mutex_t lock;                /* guards the list and its members */
	struct connection *connections;
	_Atomic int in_flight;
	_Atomic int working;                 /* suspended for their lane */
	_Atomic bool closing;                /* no request goes to a lane any more */
	pthread_t reaper;
	_Atomic bool stopping;
	bool reaper_runs;
};

/* ---- deadlines ---------------------------------------------------------- */

static void set_deadline(struct connection *c, int64_t ns)
{
	pthread_mutex_lock(&c->http->lock);
	c->deadline_ns = ns;
	pthread_mutex_unlock(&c->http->lock);
}

static int64_t deadline_in(long seconds, size_t bytes)
{
	return monotonic_ns() + (seconds + (long)(bytes / SLOWEST_RATE)) * SECOND_NS;
}

static void set_working(struct connection *c, struct exchange *x)
{
	pthread_mutex_lock(&c->http->lock);
	c->working = x;
	c->deadline_ns = 0;
	pthread_mutex_unlock(&c->http->lock);
}

static void reap(struct connection *c, int64_t now)
{
	if (c->deadline_ns && now > c->deadline_ns) {
		c->deadline_ns = 0;
		metrics.reaped_connections++;
		shutdown(c->fd, SHUT_RDWR);
	}
	if (c->working) {
		struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
		if (poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR))
			c->working->abandoned = true;
	}
}

static void *reaper_main(void *arg)
{
	struct http *h = arg;
	for (int tick = 0; !h->stopping; tick++) {
		usleep(100 * 1000);
		if (tick % 10)
			continue;
		pthread_mutex_lock(&h->lock);
		int64_t now = monotonic_ns();
		for (struct connection *c = h->connections; c; c = c->next)
			reap(c, now);
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

/* ---- sockets ------------------------------------------------------------ */

static void connection_opened(struct listener *l, struct MHD_Connection *mhd, void **context)
{
	struct http *h = l->http;
	struct connection *c = calloc(1, sizeof *c);
	*context = c;
	if (!c)
		return;   /* its first request is answered 503 */
	c->http = h;
	c->listener = l;
	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->deadline_ns = deadline_in(h->app->options->header_timeout_s, 0);
	pthread_mutex_lock(&h->lock);
	c->next = h->connections;
	if (c->next)
		c->next->prev = c;
	h->connections = c;
	pthread_mutex_unlock(&h->lock);
	l->open++;
	metrics.connections = (uint64_t)h->main.open;
}

static void connection_closed(struct connection *c)
{
	if (!c)
		return;
	struct http *h = c->http;
	pthread_mutex_lock(&h->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		h->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&h->lock);
	c->listener->open--;
	free(c);
	metrics.connections = (uint64_t)h->main.open;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct listener *l = cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_opened(l, mhd, context);
	else
		connection_closed(*context);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line of a request was read: its headers must follow soon. What it returns begins as *con_cls. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct listener *l = cls;
	struct connection *c = connection_of(mhd);
	if (c)
		set_deadline(c, deadline_in(l->http->app->options->header_timeout_s, 0));
	return NULL;
}

/* ---- the header gate ---------------------------------------------------- */

/* Headers that must not come twice: two readings of one request are how requests are smuggled. */
enum single { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_TYPE, SINGLE_AUTHORIZATION, SINGLES };
static const char *const single_names[SINGLES] = { "Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization" };

struct gate {
	int count[SINGLES];
	const char *value[SINGLES];
};

static enum MHD_Result gate_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct gate *g = cls;
	for (int i = 0; i < SINGLES; i++) {
		if (!strcasecmp(key, single_names[i])) {
			g->count[i]++;
			g->value[i] = value ? value : "";
		}
	}
	return MHD_YES;
}

static enum err gate_check(struct MHD_Connection *mhd, struct gate *g, struct error *e)
{
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, gate_header, g);
	for (int i = 0; i < SINGLES; i++) {
		if (g->count[i] > 1)
			return fail(e, ERR_SYNTAX, single_names[i], "the header %s came %d times; once is allowed", single_names[i], g->count[i]);
	}
	if (g->count[SINGLE_LENGTH] && g->count[SINGLE_ENCODING])
		return fail(e, ERR_SYNTAX, "Transfer-Encoding", "Content-Length and Transfer-Encoding exclude each other");
	if (g->count[SINGLE_ENCODING] && strcasecmp(g->value[SINGLE_ENCODING], "chunked"))
		return fail(e, ERR_UNSUPPORTED, "Transfer-Encoding", "the only transfer encoding offered is chunked");
	const char *length = g->value[SINGLE_LENGTH];
	if (length && (!*length || strspn(length, "0123456789") != strlen(length) || strlen(length) > 18))
		return fail(e, ERR_SYNTAX, "Content-Length", "Content-Length is not a whole number");
	return ERR_OK;
}

/* ---- replies ------------------------------------------------------------ */

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
	if (value && *value)
		MHD_add_response_header(r, name, value);
}

static const char *origin_of(const struct exchange *x)
{
	return x->request.path;
}

/* Turn a failure into a reply. */
static void problem_reply(struct exchange *x)
{
	struct reply *r = &x->request.reply;
	strbuf_reset(&r->body);
	r->status = err_row(x->rc)->status;
	r->content_type = "application/problem+json";
	r->location[0] = '\0';
	if (r->status == 429 || r->status == 503)
		r->retry_after = r->retry_after ? r->retry_after : 1;
	x->error.code = x->rc;
	problem_render(&x->error, origin_of(x), &r->body);
	if (r->status >= 500 && x->rc != ERR_BUSY && x->rc != ERR_STOPPING && x->rc != ERR_TIMEOUT)
		log_failure("request_failed", &x->error);
}

static void sleep_connection(void *mhd)
{
	MHD_suspend_connection(mhd);
}

static void wake_connection(void *mhd)
{
	MHD_resume_connection(mhd);
}

/* The next pull comes when the bytes of this one are on their way, so a deadline from pull to pull ends the connection
 * of a client that stopped reading. A sleeping stream has none. */
static ssize_t pull_stream(void *cls, uint64_t pos, char *out, size_t cap)
{
	struct exchange *x = cls;
	set_deadline(x->connection, deadline_in(x->request.app->options->response_timeout_s, 0));
	long n = stream_pull(x->request.reply.stream, out, cap, sleep_connection, wake_connection, x->mhd);
	if (n == 0)
		set_deadline(x->connection, 0);
	return n == STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *make_response(struct exchange *x)
{
	struct reply *r = &x->request.reply;
	if (r->stream) {
		x->streaming = !r->awaited;
		if (x->streaming)
			x->listener->http->in_flight--;
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, pull_stream, x, NULL);
	}
	size_t len;
	char *bytes = strbuf_detach(&r->body, &len);
	if (!bytes)
		return NULL;
	struct MHD_Response *m = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (!m)
		free(bytes);
	else
		histogram_add(&metrics.response_bytes, metric_bytes, (double)len);
	return m;
}

/* Queue the reply. On the HTTP thread only. */
static enum MHD_Result answer(struct exchange *x)
{
	struct reply *r = &x->request.reply;
	x->stage = STAGE_DONE;
	if (!x->rc && !strbuf_ok(&r->body))
		x->rc = fail_nomem(&x->error);
	if (x->rc)
		problem_reply(x);
	if (!r->status)
		r->status = 200;
	size_t len = r->body.len;
	struct MHD_Response *m = make_response(x);
	if (!m)
		return MHD_NO;   /* no memory even for the problem: the connection closes */

	add_header(m, "Content-Type", r->content_type ? r->content_type : "application/json");
	add_header(m, "Location", r->location);
	add_header(m, "Server-Timing", r->timing);
	add_header(m, "Allow", x->allow);
	add_header(m, "Cache-Control", "no-store");
	if (r->status == 401)
		add_header(m, "WWW-Authenticate", "Bearer");
	if (r->retry_after) {
		char seconds[16];
		snprintf(seconds, sizeof seconds, "%d", r->retry_after);
		add_header(m, "Retry-After", seconds);
	}
	if (x->close || x->listener->http->app->draining)
		add_header(m, "Connection", "close");
	if (!r->stream)
		set_deadline(x->connection, deadline_in(x->request.app->options->response_timeout_s, len));
	enum MHD_Result ok = MHD_queue_response(x->mhd, (unsigned)r->status, m);
	MHD_destroy_response(m);
	return ok;
}

/* ---- reading a request -------------------------------------------------- */

static const char *const header_names[REQUEST_HEADERS] = {
	[HEADER_CONTENT_TYPE] = "Content-Type", [HEADER_ACCEPT] = "Accept", [HEADER_AUTHORIZATION] = "Authorization",
	[HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key", [HEADER_LAST_EVENT_ID] = "Last-Event-ID",
};

static enum err authorize(struct exchange *x, struct error *e)
{
	const struct route *route = x->request.route;
	const struct key_ring *keys = x->request.app->keys;
	if (!keys || route->flags & ROUTE_OPEN || (x->listener->admin && route->flags & ROUTE_ADMIN))
		return ERR_OK;
	const char *h = x->request.header[HEADER_AUTHORIZATION];
	if (!h || strncasecmp(h, "Bearer ", 7)) {
		metrics.auth_failures[0]++;
		return fail(e, ERR_AUTH, "Authorization", "send the header Authorization: Bearer KEY");
	}
	unsigned scopes = 0;
	enum err rc = key_ring_check(keys, h + 7, &scopes, e);
	if (rc) {
		metrics.auth_failures[1]++;
		return rc;
	}
	if (!(scopes & (route->scope | KEY_ADMIN))) {
		char need[64];
		key_scopes_format(route->scope, need, sizeof need);
		metrics.auth_failures[2]++;
		return fail(e, ERR_FORBIDDEN, "Authorization", "this key lacks the scope %s", need);
	}
	return ERR_OK;
}

static size_t body_limit(const struct exchange *x)
{
	const struct options *o = x->request.app->options;
	const struct route *route = x->request.route;
	if (!route || route->body == BODY_NONE)
		return 0;
	return (size_t)(route->body == BODY_UPLOAD ? o->max_upload : o->max_body);
}

static enum err too_large(const struct exchange *x, struct error *e)
{
	if (!body_limit(x))
		return fail(e, ERR_TOO_LARGE, "body", "%s %s takes no body", x->request.route->method, x->request.route->pattern);
	const char *option = x->request.route->body == BODY_UPLOAD ? "max-upload" : "max-body";
	return fail(e, ERR_TOO_LARGE, "body", "the body is over the limit of %zu bytes (option --%s)", body_limit(x), option);
}

/* "text/plain; charset=utf-8" is one of "text/csv, text/plain" */
static bool media_accepts(const char *list, const char *have)
{
	size_t n = have ? strcspn(have, "; \t") : 0;
	for (const char *want = list; n && *want; want += strspn(want, ", ")) {
		size_t m = strcspn(want, ",");
		if (m == n && !strncasecmp(have, want, n))
			return true;
		want += m;
	}
	return false;
}

static enum err accept_body(struct exchange *x, const struct gate *g, struct error *e)
{
	const struct request *r = &x->request;
	const char *length = g->value[SINGLE_LENGTH];
	bool has_body = g->count[SINGLE_ENCODING] || (length && strtoull(length, NULL, 10) > 0);
	if (length && strtoull(length, NULL, 10) > body_limit(x))
		return too_large(x, e);
	if (!has_body && r->route->body >= BODY_REQUIRED)
		return fail(e, ERR_SYNTAX, "body", "%s needs a body", r->route->pattern);
	if (has_body && r->route->media && !media_accepts(r->route->media, r->header[HEADER_CONTENT_TYPE]))
		return fail(e, ERR_MEDIA_TYPE, "Content-Type", "send the body as %s", r->route->media);
	if (r->route->upload_open)
		return r->route->upload_open(&x->request, e);
	return ERR_OK;
}

/* Everything that the headers alone can decide. */
static enum err accept_headers(struct exchange *x, const char *method, const struct gate *g, struct error *e)
{
	struct request *r = &x->request;
	struct http *h = x->listener->http;
	for (int i = 0; i < REQUEST_HEADERS; i++)
		r->header[i] = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, header_names[i]);

	if (!x->listener->admin && h->main.open > h->app->options->max_connections) {
		metrics.rejected_connections++;
		x->close = true;
		return fail(e, ERR_BUSY, "", "%ld connections are open, the most allowed (option --max-connections)",
		            h->app->options->max_connections);
	}
	enum err rc = route_match(method, r->path, &r->route, r->param, x->allow, sizeof x->allow, e);
	if (rc)
		return rc;
	if (x->listener->admin && !(r->route->flags & ROUTE_ADMIN)) {
		r->route = NULL;
		return fail(e, ERR_NOT_FOUND, "", "the admin listener offers /livez, /readyz and /metrics only");
	}
	rc = authorize(x, e);
	if (rc)
		return rc;
	return accept_body(x, g, e);
}

static struct exchange *exchange_new(struct listener *l, struct MHD_Connection *mhd, const char *url)
{
	struct connection *c = connection_of(mhd);
	struct exchange *x = c ? calloc(1, sizeof *x) : NULL;
	char *path = x ? strdup(url) : NULL;
	if (!path) {
		free(x);
		return NULL;
	}
	x->mhd = mhd;
	x->connection = c;
	x->listener = l;
	x->request.app = l->http->app;
	x->request.path = path;
	x->request.started_ns = monotonic_ns();
	strbuf_init(&x->request.reply.body, REQUEST_REPLY_MAX);
	l->http->in_flight++;
	metrics.in_flight++;
	return x;
}

static enum MHD_Result begin(struct listener *l, struct MHD_Connection *mhd, const char *url, const char *method, void **cls)
{
	struct exchange *x = exchange_new(l, mhd, url);
	if (!x)
		return MHD_NO;
	*cls = x;
	const struct options *o = x->request.app->options;
	set_deadline(x->connection, deadline_in(o->body_timeout_s, 0));
	strbuf_init(&x->request.body, (size_t)o->max_body);
	arena_init(&x->request.arena, 16 * (size_t)o->max_body + (1u << 20));

	struct gate gate = { 0 };
	x->rc = gate_check(mhd, &gate, &x->error);
	if (x->rc) {
		x->close = true;
		return answer(x);   /* which bytes are the body is not certain: read no more */
	}
	x->rc = accept_headers(x, method, &gate, &x->error);
	const char *length = gate.value[SINGLE_LENGTH];
	if (x->rc && length && strtoull(length, NULL, 10) > DISCARD_MAX) {
		x->close = true;
		return answer(x);
	}
	return MHD_YES;
}

static void take_body(struct exchange *x, const char *bytes, size_t len)
{
	struct request *r = &x->request;
	x->received += len;
	set_deadline(x->connection, r->started_ns + (r->app->options->body_timeout_s +
	             (long)(x->received / SLOWEST_RATE)) * SECOND_NS);
	if (x->rc)
		return;   /* already refused: the rest is only read */
	if (x->received > body_limit(x))
		x->rc = too_large(x, &x->error);
	else if (r->route->upload_push)
		x->rc = r->route->upload_push(r, bytes, len, &x->error);
	else
		strbuf_add(&r->body, bytes, len);
	if (!x->rc && !strbuf_ok(&r->body))
		x->rc = fail_nomem(&x->error);
}

/* The request is whole: answer it, or hand it to its lane and sleep. */
static enum MHD_Result dispatch(struct exchange *x)
{
	histogram_add(&metrics.request_bytes, metric_bytes, (double)x->received);
	if (!x->rc && !x->received && x->request.route->body >= BODY_REQUIRED)
		x->rc = fail(&x->error, ERR_SYNTAX, "body", "%s needs a body", x->request.route->pattern);
	if (x->rc)
		return answer(x);
	if (x->request.route->lane == LANE_INLINE) {
		x->rc = x->request.route->handle(&x->request, NULL, &x->error);
		return answer(x);
	}
	struct http *h = x->listener->http;
	h->working++;   /* before the look at closing: http_close looks in the opposite order, so one of us sees the other */
	if (h->closing) {
		h->working--;
		x->rc = fail(&x->error, ERR_STOPPING, "", "the service is shutting down");
		return answer(x);
	}
	x->stage = STAGE_WORKING;
	set_working(x->connection, x);
	MHD_suspend_connection(x->mhd);
	serve_request(&x->request);
	return MHD_YES;
}

void request_finish(struct request *r, enum err rc, const struct error *e)
{
	struct exchange *x = (struct exchange *)r;
	struct http *h = x->listener->http;
	x->rc = rc;
	if (rc)
		x->error = *e;
	set_working(x->connection, NULL);
	MHD_resume_connection(x->mhd);
	h->working--;
}

bool request_abandoned(const struct request *r)
{
	return ((const struct exchange *)r)->abandoned;
}

const char *request_query(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(((const struct exchange *)r)->mhd, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *len, void **context)
{
	struct exchange *x = *context;
	if (!x)
		return begin(cls, mhd, url, method, context);
	if (x->stage == STAGE_WORKING)
		return answer(x);
	if (!*len)
		return dispatch(x);
	take_body(x, bytes, *len);
	*len = 0;
	return x->rc && x->received > body_limit(x) + DISCARD_MAX ? MHD_NO : MHD_YES;   /* chunks without end */
}

static void count_request(const struct exchange *x)
{
	const struct request *r = &x->request;
	double seconds = (double)(monotonic_ns() - r->started_ns) / 1e9;
	metrics.in_flight--;
	struct route_metrics *m = &metrics.route[r->route ? r->route - routes : n_routes];
	m->code[metric_code_index(r->reply.status)]++;
	histogram_add(&m->duration, metric_seconds, seconds);
	if (log_enabled(LOG_DEBUG))
		log_line(LOG_DEBUG, "request", "path=%s status=%d seconds=%f", r->path, r->reply.status, seconds);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
	struct listener *l = cls;
	struct exchange *x = *context;
	if (!x)
		return;
	*context = NULL;
	struct request *r = &x->request;
	count_request(x);
	if (!x->streaming)
		l->http->in_flight--;
	if (r->reply.stream) {   /* also of a client that left before its stream began */
		stream_leave(r->reply.stream);
		stream_unref(r->reply.stream);
	}
	set_deadline(x->connection, deadline_in(IDLE_S, 0));
	if (r->upload)
		r->route->upload_free(r);
	strbuf_fini(&r->body);
	strbuf_fini(&r->reply.body);
	arena_fini(&r->arena);
	free((char *)(uintptr_t)r->path);
	free(x);
}

/* ---- listeners ---------------------------------------------------------- */

static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof text, fmt, ap);
	log_line(LOG_DEBUG, "http", "detail=%s", text);
}

static enum err listen_on(struct listener *l, const char *text, unsigned connections, struct error *e)
{
	struct sockaddr_storage a;
	enum err rc = address_parse(text, &a, e);
	if (rc)
		return rc;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (a.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&a,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, l,
		MHD_OPTION_URI_LOG_CALLBACK, on_request_line, l,
		MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u,
		MHD_OPTION_END);
	if (!l->daemon)
		return fail(e, ERR_IO, text, "cannot listen on %s: %s", text, strerror(errno));
	address_set_port(&a, MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	address_format(&a, l->address);
	return ERR_OK;
}

enum err http_new(struct app *app, struct http **out, struct error *e)
{
	struct http *h = calloc(1, sizeof *h);
	if (!h)
		return fail_nomem(e);
	h->app = app;
	h->main.http = h->admin.http = h;
	h->admin.admin = true;
	pthread_mutex_init(&h->lock, NULL);
	enum err rc = listen_on(&h->admin, app->options->admin, SPARE_CONNECTIONS, e);
	if (!rc)
		rc = listen_on(&h->main, app->options->listen, (unsigned)app->options->max_connections + SPARE_CONNECTIONS, e);
	if (!rc && pthread_create(&h->reaper, NULL, reaper_main, h))
		rc = fail(e, ERR_NOMEM, "", "cannot start the reaper's thread");
	h->reaper_runs = !rc;
	if (rc)
		http_free(h);
	else
		*out = h;
	return rc;
}

const char *http_address(const struct http *h)
{
	return h->main.address;
}

const char *http_admin_address(const struct http *h)
{
	return h->admin.address;
}

void http_quiesce(struct http *h)
{
	MHD_socket fd = MHD_quiesce_daemon(h->main.daemon);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}

void http_close(struct http *h)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	h->closing = true;
	while (h->working)
		nanosleep(&tick, NULL);
}

int http_in_flight(const struct http *h)
{
	return h->in_flight;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	h->stopping = true;
	if (h->reaper_runs)
		pthread_join(h->reaper, NULL);
	if (h->main.daemon)
		MHD_stop_daemon(h->main.daemon);
	if (h->admin.daemon)
		MHD_stop_daemon(h->admin.daemon);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

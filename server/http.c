#include "server/http.h"

#include <errno.h>
#include <microhttpd.h>
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
#include "server/batcher.h"
#include "server/connection.h"
#include "server/inference.h"
#include "server/inflate.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/monotonic.h"
#include "server/request.h"
#include "server/route.h"
#include "server/serve_request.h"
#include "server/stream.h"
#include "storage/key_store.h"

#define IDLE_S         60                /* a kept connection may wait so long for its next request */
#define DISCARD_MAX    (8u << 20)        /* a refused body up to this is read, so that its sender sees the answer */
#define CONNECTION_MEMORY (20u << 10)   /* half of it reads: a window of 96 x 8 numbers at once */
#define SPARE_CONNECTIONS 64             /* to answer 503 on, above the limit */
#define SPARE_EXCHANGES   64             /* kept by a listener for its next requests, with their memory: */
#define KEPT_BYTES        (32u << 10)    /* of each of their buffers, at most */
#define STREAM_END_MS     1000
#define NAP_NS            50000
#define EASE_NS           5000000        /* a nap of an overloaded listener, and between two of them */

/* Where a request stands. Who brings it to FINISHED is one thread, any; all else happens on its listener's.
 *
 *     BODY ─► WAITING ─┬─────────────────────► FINISHED ─► ANSWERED
 *                      │ its turn comes on the listener's thread, else
 *                      └─► SLEEPING (connection suspended) ─► FINISHED, resumed ─► ANSWERED */
enum stage { STAGE_BODY, STAGE_WAITING, STAGE_SLEEPING, STAGE_FINISHED, STAGE_ANSWERED };

/* One request on a socket. request is the first member: the two convert by a cast. */
struct exchange {
	struct request request;
	struct exchange *next_spare;
	struct MHD_Connection *mhd;
	struct connection *connection;
	struct listener *listener;
	_Atomic int stage;                   /* enum stage */
	enum err rc;                         /* what will be answered */
	struct error error;
	char allow[64];                      /* for 405 */
	bool close;                          /* the connection ends after the reply */
	bool streaming;                      /* without an end of its own: not in flight */
	_Atomic bool abandoned;
	struct inflate *inflate;             /* of a compressed body, or NULL */
	size_t received, taken;              /* bytes of the body: as sent, as they were before */
};

/* One daemon of libmicrohttpd: a thread with its sockets. */
struct listener {
	struct http *http;
	struct MHD_Daemon *daemon;
	bool admin;
	char address[64];
	struct batch_ws *ws;                 /* to compute with */
	struct exchange *spare;
	int spares;
	int64_t eased_ns;                    /* when it eased off last */
};

struct http {
	struct app *app;
	struct listener admin;
	struct listener *main;               /* [listeners], on one address */
	int listeners;
	struct connections *connections;
	_Atomic int open;                    /* connections of the main listeners */
	_Atomic int in_flight;
	_Atomic int streaming;               /* those without an end of their own */
	_Atomic int working;                 /* requests with a lane or a batch */
	_Atomic bool closing;                /* no request goes there any more */
};

/* ---- sockets ------------------------------------------------------------ */

static void count_open(struct listener *l, int change)
{
	if (!l->admin)
		metrics.connections = (uint64_t)(atomic_fetch_add(&l->http->open, change) + change);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct listener *l = cls;
	struct connection *c = *context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		c = *context = connection_new(l->http->connections, fd);
		if (!c)
			return;   /* its first request is answered by closing it */
		connection_due(c, monotonic_ns(), l->http->app->options->header_timeout_s, 0);
		count_open(l, 1);
	} else if (c) {
		connection_free(c);
		count_open(l, -1);
	}
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
		connection_due(c, monotonic_ns(), l->http->app->options->header_timeout_s, 0);
	return NULL;
}

/* ---- the header gate ---------------------------------------------------- */

/* Headers that must not come twice: two readings of one request are how requests are smuggled. */
enum single { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_TYPE, SINGLE_CODING, SINGLE_INFERENCE_LENGTH,
	SINGLE_AUTHORIZATION, SINGLES };
static const char *const single_names[SINGLES] = { "Host", "Content-Length", "Transfer-Encoding", "Content-Type",
	"Content-Encoding", "Inference-Header-Content-Length", "Authorization" };

static const char *const header_names[REQUEST_HEADERS] = {
	[HEADER_CONTENT_TYPE] = "Content-Type", [HEADER_ACCEPT] = "Accept", [HEADER_AUTHORIZATION] = "Authorization",
	[HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key", [HEADER_LAST_EVENT_ID] = "Last-Event-ID",
	[HEADER_INFERENCE_LENGTH] = "Inference-Header-Content-Length", [HEADER_CONTENT_ENCODING] = "Content-Encoding",
};

struct gate {
	int count[SINGLES];
	const char *value[SINGLES];
	const char **header;                 /* [REQUEST_HEADERS]: the first of each */
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
	for (int i = 0; i < REQUEST_HEADERS; i++) {
		if (!g->header[i] && !strcasecmp(key, header_names[i]))
			g->header[i] = value;
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

static void add_number(struct MHD_Response *r, const char *name, size_t n)
{
	char text[24];
	snprintf(text, sizeof text, "%zu", n);
	MHD_add_response_header(r, name, text);
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
	r->json_len = 0;
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
	connection_due(x->connection, monotonic_ns(), x->request.app->options->response_timeout_s, 0);
	long n = stream_pull(x->request.reply.stream, out, cap, sleep_connection, wake_connection, x->mhd);
	if (n == 0)
		connection_rest(x->connection);
	return n == STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *make_response(struct exchange *x)
{
	struct reply *r = &x->request.reply;
	if (r->stream) {
		x->streaming = !r->awaited;
		if (x->streaming) {
			x->listener->http->streaming++;
			x->listener->http->in_flight--;
		}
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, pull_stream, x, NULL);
	}
	struct MHD_Response *m = MHD_create_response_from_buffer(r->body.len, r->body.s, MHD_RESPMEM_PERSISTENT);
	if (m)
		histogram_add(&metrics.response_bytes, metric_bytes, (double)r->body.len);
	return m;   /* the body outlives it: see on_completed */
}

/* Queue the reply. On the HTTP thread only. */
static enum MHD_Result answer(struct exchange *x)
{
	struct reply *r = &x->request.reply;
	x->stage = STAGE_ANSWERED;
	if (!x->rc && !strbuf_ok(&r->body))
		x->rc = fail_nomem(&x->error);
	if (x->rc)
		problem_reply(x);
	if (!r->status)
		r->status = 200;
	struct MHD_Response *m = make_response(x);
	if (!m)
		return MHD_NO;   /* no memory even for the problem: the connection closes */

	add_header(m, "Content-Type", r->content_type ? r->content_type : "application/json");
	add_header(m, "Location", r->location);
	add_header(m, "Server-Timing", r->timing);
	add_header(m, "Allow", x->allow);
	add_header(m, "Cache-Control", "no-store");
	if (r->status == 415)
		add_header(m, "Accept-Encoding", INFLATE_CODINGS);
	if (r->json_len)
		add_number(m, "Inference-Header-Content-Length", r->json_len);
	if (r->status == 401)
		add_header(m, "WWW-Authenticate", "Bearer");
	if (r->retry_after)
		add_number(m, "Retry-After", (size_t)r->retry_after);
	if (x->close || x->listener->http->app->draining)
		add_header(m, "Connection", "close");
	if (!r->stream)
		connection_due(x->connection, monotonic_ns(), x->request.app->options->response_timeout_s, r->body.len);
	enum MHD_Result ok = MHD_queue_response(x->mhd, (unsigned)r->status, m);
	MHD_destroy_response(m);
	return ok;
}

/* ---- reading a request -------------------------------------------------- */

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
	enum err rc = key_ring_check(keys, h + 7, &scopes, x->request.key, e);
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
	struct request *r = &x->request;
	const char *length = g->value[SINGLE_LENGTH];
	bool has_body = g->count[SINGLE_ENCODING] || (length && strtoull(length, NULL, 10) > 0);
	if (length && strtoull(length, NULL, 10) > body_limit(x))
		return too_large(x, e);
	if (!has_body && r->route->body >= BODY_REQUIRED)
		return fail(e, ERR_SYNTAX, "body", "%s needs a body", r->route->pattern);
	if (has_body && r->route->media && !media_accepts(r->route->media, r->header[HEADER_CONTENT_TYPE]))
		return fail(e, ERR_MEDIA_TYPE, "Content-Type", "send the body as %s", r->route->media);
	if (has_body && r->header[HEADER_CONTENT_ENCODING]) {
		enum err rc = inflate_new(r->header[HEADER_CONTENT_ENCODING], &x->inflate, e);
		if (rc)
			return rc;
	}
	if (r->route->upload_open)
		return r->route->upload_open(r, e);
	return ERR_OK;
}

/* Refusing is cheap where many are refused in one round: leave the core to who computes, for as long as may be without
 * being missed. */
static void ease_off(struct listener *l)
{
	const struct timespec nap = { .tv_nsec = EASE_NS };
	if (monotonic_ns() - l->eased_ns < EASE_NS)
		return;
	nanosleep(&nap, NULL);
	l->eased_ns = monotonic_ns();
}

/* Everything that the headers alone can decide. */
static enum err accept_headers(struct exchange *x, const char *method, const struct gate *g, struct error *e)
{
	struct request *r = &x->request;
	struct http *h = x->listener->http;
	if (!x->listener->admin && h->open > h->app->options->max_connections) {
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
	rc = accept_body(x, g, e);
	if (rc || r->route->lane != LANE_PREDICT)
		return rc;
	r->started_ns -= connection_waited_ns(x->connection);   /* its deadline ran while this thread was elsewhere */
	rc = inference_expects(r, e);
	if (rc)
		ease_off(x->listener);
	return rc;
}

/* An empty exchange: a spare one, or new memory. On the listener's thread, as are all that follow. */
static struct exchange *exchange_take(struct listener *l)
{
	const struct options *o = l->http->app->options;
	struct exchange *x = l->spare;
	if (x) {
		l->spare = x->next_spare;
		l->spares--;
		return x;
	}
	x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	x->listener = l;
	x->request.app = l->http->app;
	strbuf_init(&x->request.body, (size_t)o->max_body);
	strbuf_init(&x->request.reply.body, REQUEST_REPLY_MAX);
	arena_init(&x->request.arena, 16 * (size_t)o->max_body + (1u << 20));
	return x;
}

static void exchange_free(struct exchange *x)
{
	strbuf_fini(&x->request.body);
	strbuf_fini(&x->request.reply.body);
	arena_fini(&x->request.arena);
	free(x);
}

static void recycle(struct strbuf *b)
{
	if (b->cap > KEPT_BYTES)
		strbuf_fini(b);
	strbuf_reset(b);
}

/* Everything but the memory is as new. */
static void exchange_give(struct listener *l, struct exchange *x)
{
	struct request *r = &x->request;
	if (l->spares == SPARE_EXCHANGES) {
		exchange_free(x);
		return;
	}
	recycle(&r->body);
	recycle(&r->reply.body);
	arena_reset(&r->arena, KEPT_BYTES);
	*r = (struct request){ .app = r->app, .body = r->body, .arena = r->arena, .reply.body = r->reply.body };
	x->stage = STAGE_BODY;
	x->rc = ERR_OK;
	x->allow[0] = '\0';
	x->close = x->streaming = false;
	x->abandoned = false;
	x->received = x->taken = 0;
	x->next_spare = l->spare;
	l->spare = x;
	l->spares++;
}

static struct exchange *exchange_new(struct listener *l, struct MHD_Connection *mhd, const char *url)
{
	struct connection *c = connection_of(mhd);
	struct exchange *x = c ? exchange_take(l) : NULL;
	if (!x)
		return NULL;
	x->mhd = mhd;
	x->connection = c;
	x->request.path = url;   /* lives as long as the request, as its headers do */
	x->request.started_ns = monotonic_ns();
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
	connection_due(x->connection, x->request.started_ns, o->body_timeout_s, 0);

	struct gate gate = { .header = x->request.header };
	x->rc = gate_check(mhd, &gate, &x->error);
	if (x->rc) {
		x->close = true;
		return answer(x);   /* which bytes are the body is not certain: read no more */
	}
	x->rc = accept_headers(x, method, &gate, &x->error);
	const char *length = gate.value[SINGLE_LENGTH];
	size_t announced = length ? strtoull(length, NULL, 10) : 0;
	if (x->rc && announced > DISCARD_MAX) {
		x->close = true;
		return answer(x);
	}
	if (!x->rc && !x->request.upload && announced <= KEPT_BYTES)
		strbuf_reserve(&x->request.body, announced);
	return MHD_YES;
}

/* Bytes of the body as it was before it was compressed, if it was. */
static enum err take_plain(void *arg, const char *bytes, size_t len, struct error *e)
{
	struct exchange *x = arg;
	struct request *r = &x->request;
	x->taken += len;
	if (x->taken > body_limit(x))
		return too_large(x, e);
	if (r->route->upload_push)
		return r->route->upload_push(r, bytes, len, e);
	strbuf_add(&r->body, bytes, len);
	return strbuf_ok(&r->body) ? ERR_OK : fail_nomem(e);
}

static void take_body(struct exchange *x, const char *bytes, size_t len)
{
	struct request *r = &x->request;
	x->received += len;
	connection_due(x->connection, r->started_ns, r->app->options->body_timeout_s, x->received);
	if (x->rc)
		return;   /* already refused: the rest is only read */
	if (x->received > body_limit(x))
		x->rc = too_large(x, &x->error);
	else if (x->inflate)
		x->rc = inflate_push(x->inflate, bytes, len, take_plain, x, &x->error);
	else
		x->rc = take_plain(x, bytes, len, &x->error);
}

/* Let the connection rest until request_finish(), which may have been called already. */
static void sleep_until_finished(struct exchange *x)
{
	int waiting = STAGE_WAITING;
	connection_watch(x->connection, &x->abandoned);
	MHD_suspend_connection(x->mhd);
	if (!atomic_compare_exchange_strong(&x->stage, &waiting, STAGE_SLEEPING)) {
		connection_watch(x->connection, NULL);
		MHD_resume_connection(x->mhd);
	}
}

/* Called again for a request that waits: this thread computes a turn of what all its connections and others brought,
 * so that nobody needs to be woken, or sleeps where it may not. */
static enum MHD_Result go_on(struct exchange *x)
{
	bool turned = true;
	if (x->stage == STAGE_WAITING)
		turned = batcher_turn(x->request.app->batcher, x->listener->ws);
	if (x->stage == STAGE_FINISHED)
		return answer(x);
	if (!turned)
		sleep_until_finished(x);
	return MHD_YES;
}

/* The request is whole: answer it, or hand it to its lane. */
static enum MHD_Result dispatch(struct exchange *x)
{
	histogram_add(&metrics.request_bytes, metric_bytes, (double)x->received);
	if (!x->rc && x->inflate)
		x->rc = inflate_finish(x->inflate, &x->error);
	if (!x->rc && !x->taken && x->request.route->body >= BODY_REQUIRED)
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
	x->stage = STAGE_WAITING;
	serve_request(&x->request);
	if (x->stage == STAGE_FINISHED)
		return answer(x);
	if (!x->request.polled)
		sleep_until_finished(x);
	return MHD_YES;
}

void request_finish(struct request *r, enum err rc, const struct error *e)
{
	struct exchange *x = (struct exchange *)r;
	struct http *h = x->listener->http;
	x->rc = rc;
	if (rc)
		x->error = *e;
	if (atomic_exchange(&x->stage, STAGE_FINISHED) == STAGE_SLEEPING) {   /* else x is the listener's now */
		connection_watch(x->connection, NULL);
		MHD_resume_connection(x->mhd);
	}
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
	if (x->stage != STAGE_BODY)
		return go_on(x);
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

/* The connection broke while its request waited for a turn: what refers to it has to end first. */
static void await_finish(struct exchange *x)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	x->abandoned = true;
	while (x->stage == STAGE_WAITING) {
		if (!batcher_turn(x->request.app->batcher, x->listener->ws))
			nanosleep(&nap, NULL);
	}
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
	struct listener *l = cls;
	struct exchange *x = *context;
	if (!x)
		return;
	*context = NULL;
	struct request *r = &x->request;
	await_finish(x);
	count_request(x);
	if (x->streaming)
		l->http->streaming--;
	else
		l->http->in_flight--;
	if (r->reply.stream) {   /* also of a client that left before its stream began */
		stream_leave(r->reply.stream);
		stream_unref(r->reply.stream);
	}
	connection_due(x->connection, monotonic_ns(), IDLE_S, 0);
	if (r->upload)
		r->route->upload_free(r);
	inflate_free(x->inflate);
	x->inflate = NULL;
	exchange_give(l, x);
}

/* ---- listeners ---------------------------------------------------------- */

static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof text, fmt, ap);
	log_line(LOG_DEBUG, "http", "detail=%s", text);
}

static enum err start_daemon(struct listener *l, struct sockaddr_storage *a, const char *text, unsigned connections,
                             bool shared, struct error *e)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (a->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)a,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, l,
		MHD_OPTION_URI_LOG_CALLBACK, on_request_line, l,
		MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u,
		shared ? MHD_OPTION_LISTENING_ADDRESS_REUSE : MHD_OPTION_END, 1u,
		MHD_OPTION_END);
	if (!l->daemon)
		return fail(e, ERR_IO, text, "cannot listen on %s: %s", text, strerror(errno));
	address_set_port(a, MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	address_format(a, l->address);
	return ERR_OK;
}

/* n daemons on one address: each has a socket of its own there (SO_REUSEPORT), the kernel deals connections out. */
static enum err listen_on(struct listener *l, int n, const char *text, unsigned connections, struct error *e)
{
	struct sockaddr_storage a;
	enum err rc = address_parse(text, &a, e);
	if (!rc && n > 1)
		rc = address_claim(&a, text, e);   /* a shared one would join whoever listens there already */
	for (int i = 0; !rc && i < n; i++)
		rc = start_daemon(&l[i], &a, text, connections, n > 1, e);
	return rc;
}

static enum err listener_init(struct listener *l, struct http *h, bool admin, struct error *e)
{
	l->http = h;
	l->admin = admin;
	return admin ? ERR_OK : batch_ws_new(&l->ws, e);
}

static void listener_fini(struct listener *l)
{
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	while (l->spare) {
		struct exchange *x = l->spare;
		l->spare = x->next_spare;
		exchange_free(x);
	}
	batch_ws_free(l->ws);
}

enum err http_new(struct app *app, struct http **out, struct error *e)
{
	const struct options *o = app->options;
	struct http *h = calloc(1, sizeof *h);
	if (!h)
		return fail_nomem(e);
	h->app = app;
	h->main = calloc((size_t)o->http_threads, sizeof *h->main);
	enum err rc = h->main ? connections_new(&h->connections, e) : fail_nomem(e);
	if (!rc)
		rc = listener_init(&h->admin, h, true, e);
	for (; !rc && h->listeners < o->http_threads; h->listeners++)
		rc = listener_init(&h->main[h->listeners], h, false, e);
	if (!rc)
		rc = listen_on(&h->admin, 1, o->admin, SPARE_CONNECTIONS, e);
	if (!rc)
		rc = listen_on(h->main, h->listeners, o->listen, (unsigned)o->max_connections + SPARE_CONNECTIONS, e);
	if (rc)
		http_free(h);
	else
		*out = h;
	return rc;
}

const char *http_address(const struct http *h)
{
	return h->main[0].address;
}

const char *http_admin_address(const struct http *h)
{
	return h->admin.address;
}

void http_quiesce(struct http *h)
{
	for (int i = 0; i < h->listeners; i++) {
		MHD_socket fd = MHD_quiesce_daemon(h->main[i].daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
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

/* Their producers closed them: let their last bytes go, unless a client does not take them. */
static void await_streams(const struct http *h)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	for (int ms = 0; h->streaming && ms < STREAM_END_MS; ms++)
		nanosleep(&tick, NULL);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	await_streams(h);
	for (int i = 0; i < h->listeners; i++)
		listener_fini(&h->main[i]);
	listener_fini(&h->admin);
	connections_free(h->connections);
	free(h->main);
	free(h);
}

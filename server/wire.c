#include "server/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both ends are the same binary on the same machine; little-endian is asserted, not converted. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

#define HEADER_BYTES (sizeof(uint64_t) + 1)

void wire_u8(struct strbuf *b, uint8_t v) { strbuf_add(b, &v, sizeof v); }
void wire_u32(struct strbuf *b, uint32_t v) { strbuf_add(b, &v, sizeof v); }
void wire_u64(struct strbuf *b, uint64_t v) { strbuf_add(b, &v, sizeof v); }
void wire_f64(struct strbuf *b, double v) { strbuf_add(b, &v, sizeof v); }

void wire_bytes(struct strbuf *b, const void *bytes, size_t len)
{
	wire_u64(b, len);
	strbuf_add(b, bytes, len);
}

/* All cells, a NUL behind each. */
static void wire_texts(struct strbuf *b, const struct frame *f, int column)
{
	uint64_t bytes = f->rows;
	for (size_t i = 0; i < f->rows; i++)
		bytes += strlen(frame_text(f, column, i));
	wire_u64(b, bytes);
	for (size_t i = 0; i < f->rows; i++) {
		const char *text = frame_text(f, column, i);
		strbuf_add(b, text, strlen(text) + 1);
	}
}

void wire_frame(struct strbuf *b, const struct frame *f)
{
	wire_u64(b, f->rows);
	wire_u32(b, (uint32_t)f->columns);
	wire_u32(b, (uint32_t)f->date_column);
	for (int c = 0; c < f->columns; c++) {
		const struct column *col = &f->column[c];
		wire_bytes(b, col->name, strlen(col->name));
		wire_u8(b, (uint8_t)col->type);
		if (col->type == COLUMN_NUMBER)
			strbuf_add(b, col->number, f->rows * sizeof *col->number);
		else if (col->type == COLUMN_DATE)
			strbuf_add(b, col->date, f->rows * sizeof *col->date);
		else
			wire_texts(b, f, c);
	}
}

static const char *take(struct wire_reader *r, uint64_t len)
{
	if (r->failed || len > (uint64_t)(r->end - r->at)) {
		r->failed = true;
		return NULL;
	}
	const char *p = r->at;
	r->at += len;
	return p;
}

static void get(struct wire_reader *r, void *out, size_t len)
{
	const char *p = take(r, len);
	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

uint8_t wire_get_u8(struct wire_reader *r) { uint8_t v; get(r, &v, sizeof v); return v; }
uint32_t wire_get_u32(struct wire_reader *r) { uint32_t v; get(r, &v, sizeof v); return v; }
uint64_t wire_get_u64(struct wire_reader *r) { uint64_t v; get(r, &v, sizeof v); return v; }
double wire_get_f64(struct wire_reader *r) { double v; get(r, &v, sizeof v); return v; }

const char *wire_get_bytes(struct wire_reader *r, size_t *len)
{
	uint64_t n = wire_get_u64(r);
	const char *p = take(r, n);
	*len = p ? (size_t)n : 0;
	return p ? p : "";
}

static bool get_column(struct wire_reader *r, struct frame *f)
{
	char name[FRAME_NAME_MAX + 1] = "";
	size_t len;
	const char *text = wire_get_bytes(r, &len);
	if (len >= sizeof name)
		return false;
	memcpy(name, text, len);
	uint8_t type = wire_get_u8(r);
	return type <= COLUMN_TEXT && !frame_add_column(f, name, (enum column_type)type, NULL);
}

static bool set_texts(struct frame *f, int column, const char *bytes, size_t len)
{
	const char *end = bytes + len;
	bool ok = true;
	for (size_t i = 0; ok && i < f->rows; i++) {
		const char *nul = memchr(bytes, 0, (size_t)(end - bytes));
		ok = nul && !frame_set_text(f, column, i, bytes, (size_t)(nul - bytes), NULL);
		bytes = nul ? nul + 1 : end;
	}
	return ok;
}

/* Column values follow their names, so columns are read twice: first to add them, then to fill them. */
struct frame *wire_get_frame(struct wire_reader *r)
{
	uint64_t rows = wire_get_u64(r);
	uint32_t columns = wire_get_u32(r);
	int date_column = (int)wire_get_u32(r);
	struct frame *f = frame_new();
	bool ok = f && !r->failed && columns <= FRAME_MAX_COLUMNS && rows <= WIRE_MAX / 8 && date_column >= -1 &&
	          date_column < (int)columns;
	const char *values[FRAME_MAX_COLUMNS] = { NULL };
	size_t len[FRAME_MAX_COLUMNS] = { 0 };
	for (uint32_t c = 0; ok && c < columns; c++) {
		ok = get_column(r, f);
		if (ok && f->column[c].type == COLUMN_TEXT)
			values[c] = wire_get_bytes(r, &len[c]);
		else if (ok)
			values[c] = take(r, rows * 8);
		ok = ok && !r->failed;
	}
	for (uint64_t i = 0; ok && i < rows; i++)
		ok = !frame_add_row(f, NULL);
	for (uint32_t c = 0; ok && rows && c < columns; c++) {
		if (f->column[c].type == COLUMN_NUMBER)
			memcpy(f->column[c].number, values[c], rows * 8);
		else if (f->column[c].type == COLUMN_DATE)
			memcpy(f->column[c].date, values[c], rows * 8);
		else
			ok = set_texts(f, (int)c, values[c], len[c]);
	}
	if (!ok) {
		frame_free(f);
		r->failed = true;
		return NULL;
	}
	f->date_column = date_column;
	return f;
}

static bool send_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool wire_send(int fd, enum wire_type type, const struct strbuf *payload)
{
	char header[HEADER_BYTES];
	uint64_t len = payload ? payload->len : 0;
	memcpy(header, &len, sizeof len);
	header[sizeof len] = (char)type;
	return (!payload || strbuf_ok(payload)) && send_all(fd, header, sizeof header) &&
	       (!len || send_all(fd, payload->s, len));
}

void wire_inbox_init(struct wire_inbox *in)
{
	strbuf_init(&in->bytes, WIRE_MAX);
	in->used = 0;
}

void wire_inbox_fini(struct wire_inbox *in)
{
	strbuf_fini(&in->bytes);
}

bool wire_fill(struct wire_inbox *in, int fd)
{
	char piece[65536];
	ssize_t n = read(fd, piece, sizeof piece);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	strbuf_add(&in->bytes, piece, (size_t)n);
	return n > 0 && strbuf_ok(&in->bytes);
}

bool wire_next(struct wire_inbox *in, enum wire_type *type, struct wire_reader *payload)
{
	if (in->used) {   /* forget the message given last time */
		memmove(in->bytes.s, in->bytes.s + in->used, in->bytes.len - in->used);
		in->bytes.len -= in->used;
		in->used = 0;
	}
	uint64_t len;
	if (in->bytes.len < HEADER_BYTES)
		return false;
	memcpy(&len, in->bytes.s, sizeof len);
	if (in->bytes.len - HEADER_BYTES < len)
		return false;
	*type = (enum wire_type)(unsigned char)in->bytes.s[sizeof len];
	payload->at = in->bytes.s + HEADER_BYTES;
	payload->end = payload->at + len;
	payload->failed = false;
	in->used = HEADER_BYTES + (size_t)len;
	return true;
}

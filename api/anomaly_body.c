#include "api/anomaly_body.h"

#include <math.h>

#include "api/json_write.h"
#include "api/number.h"
#include "model/series/calendar.h"

#define NAME_MAX_BYTES 64
#define TIMEOUT_MAX_MS 3600000
#define SCORE_MAX      1e9
#define COUNT(table)   (sizeof(table) / sizeof *(table))
#define KNOWN(s, name, table) scan_known(s, name, table, COUNT(table))

static bool read_parameters(struct scan *s, struct anomaly_body *b)
{
	static const char *const known[] = { "threshold", "deviations", "smoothing", "gap", "timeout_ms" };
	struct text name;
	bool found = false;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: scan_real(s, 0, SCORE_MAX, &b->threshold); break;
		case 1: found = scan_real(s, 0, SCORE_MAX, &b->deviations); break;
		case 2: scan_int(s, 1, ANOMALY_MAX_ROWS, &b->smoothing); break;
		case 3: scan_int(s, 0, ANOMALY_MAX_ROWS, &b->gap); break;
		case 4: scan_integer(s, 1, TIMEOUT_MAX_MS, &b->timeout_ms); break;
		}
	}
	if (!s->rc && found && !isnan(b->threshold))
		return scan_fail(s, ERR_INVALID, "\"deviations\" finds a threshold; leave it out where \"threshold\" gives one");
	return !s->rc;
}

static bool check_series(struct scan *s, const struct series_input *in)
{
	if (s->rc || !series_check(s, in))
		return false;
	if (in->column && in->column[0].n > ANOMALY_MAX_ROWS)
		return scan_fail(s, ERR_INVALID, "the series has %zu rows, the limit is %d", in->column[0].n, ANOMALY_MAX_ROWS);
	return true;
}

enum err anomaly_body_parse(const char *text, size_t len, struct arena *a, struct anomaly_body *out, struct error *e)
{
	static const char *const known[] = { SERIES_MEMBERS, "model", "version", "parameters" };
	struct anomaly_body b = { .threshold = NAN, .deviations = ANOMALY_DEVIATIONS, .gap = -1 };
	struct number_pool pool = { 0 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		int which = KNOWN(&s, name, known);
		switch (which) {
		case SERIES_OWN: scan_copy(&s, NAME_MAX_BYTES, &b.model); break;
		case SERIES_OWN + 1: scan_int(&s, 1, INT32_MAX, &b.version); break;
		case SERIES_OWN + 2: read_parameters(&s, &b); break;
		default: series_member(&s, which, &pool, &b.series);
		}
	}
	check_series(&s, &b.series);
	scan_end(&s);
	if (!b.model)
		scan_missing(&s, "model");
	if (!s.rc)
		*out = b;
	return s.rc;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void write_scores(const struct anomaly_answer *a, struct strbuf *out)
{
	strbuf_adds(out, ",\"scores\":[");
	for (size_t i = 0; i < a->skipped; i++)
		strbuf_adds(out, "null,");
	for (size_t i = 0; i < a->rows; i++) {
		if (i)
			strbuf_addc(out, ',');
		number_write(out, a->score[i]);   /* NaN is null */
	}
	strbuf_addc(out, ']');
}

static void write_date(struct strbuf *out, const char *name, const int64_t *date)
{
	char text[32];
	if (date)
		date_format(*date, text);
	json_member_text(out, name, date ? text : NULL);
}

static void write_flag(const struct anomaly_answer *a, size_t i, struct strbuf *out)
{
	const struct anomaly_flag *f = &a->flag[i];
	strbuf_addf(out, "{\"from\":%zu,\"to\":%zu", f->from + a->skipped, f->to + a->skipped);
	write_date(out, "start", a->start ? &a->start[i] : NULL);
	write_date(out, "end", a->end ? &a->end[i] : NULL);
	json_member_number(out, "score", f->score);
	strbuf_addc(out, '}');
}

void anomaly_render(const struct anomaly_answer *a, struct strbuf *out)
{
	strbuf_adds(out, "{\"model\":");
	json_write_string(out, a->model);
	strbuf_addf(out, ",\"version\":%d,\"rows\":%zu,\"first_scored\":%zu,\"probation\":%zu", a->version,
	            a->skipped + a->rows, a->skipped + a->first, a->skipped + a->probation);
	json_member_int(out, "smoothing", a->smoothing);
	json_member_int(out, "gap", a->gap);
	json_member_number(out, "threshold", a->threshold);
	write_scores(a, out);
	strbuf_adds(out, ",\"flags\":[");
	for (size_t i = 0; i < a->flags; i++) {
		json_comma(out, (int)i);
		write_flag(a, i, out);
	}
	strbuf_adds(out, "]}");
}

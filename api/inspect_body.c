/* inspect_body.c - see inspect_body.h. */
#include "api/inspect_body.h"

#include <stdio.h>
#include <string.h>

#include "api/json_write.h"
#include "api/number.h"

bool inspect_names_read(struct scan *s, unsigned offered, unsigned *what)
{
	static const struct { const char *name; unsigned bit; } all[] = {
		{ "attention", INSPECT_ATTENTION }, { "gates", INSPECT_GATES }, { "states", INSPECT_STATES },
	};
	const char *known[sizeof all / sizeof *all];
	unsigned bit[sizeof all / sizeof *all];
	size_t n = 0;
	for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
		if (!(offered & all[k].bit))
			continue;
		known[n] = all[k].name;
		bit[n++] = all[k].bit;
	}
	scan_array(s);
	while (scan_element(s)) {
		int i = scan_choice(s, known, n);
		if (i >= 0)
			*what |= bit[i];
	}
	return !s->rc;
}

void inspect_part_name(const struct inspector *i, int trace, const struct trace_view *v, char out[INSPECT_PART])
{
	char channel[PIPELINE_CHANNEL_NAME];
	const char *memory = v->kind == TRACE_MEMORY ? ".c" : "";
	if (i->traces == 1) {
		snprintf(out, INSPECT_PART, "%s%s", v->part, memory);
		return;
	}
	pipeline_channel_name(i->pipeline, trace, channel);
	snprintf(out, INSPECT_PART, "%s[%s]%s", v->part, channel, memory);
}

/* ---- numbers -------------------------------------------------------------- */

static void write_row(struct strbuf *out, const float *v, int n)
{
	strbuf_addc(out, '[');
	for (int u = 0; u < n; u++) {
		json_comma(out, u);
		number_write_float(out, v[u]);
	}
	strbuf_addc(out, ']');
}

static void write_view(struct strbuf *out, const struct trace_view *v)
{
	strbuf_addc(out, '[');
	for (int t = 0; t < v->steps; t++) {
		json_comma(out, t);
		write_row(out, trace_row(v, t), v->units);
	}
	strbuf_addc(out, ']');
}

static void write_square(struct strbuf *out, const float *shares, int T)
{
	strbuf_addc(out, '[');
	for (int t = 0; t < T; t++) {
		json_comma(out, t);
		write_row(out, shares + (size_t)t * (size_t)T, T);
	}
	strbuf_addc(out, ']');
}

/* ---- health --------------------------------------------------------------- */

static void write_correlations(struct strbuf *out, struct inspector *i, const struct trace_view *v)
{
	int channels = i->net->inputs;
	inspect_course(i, v);
	strbuf_adds(out, ",\"correlation\":{");
	for (int c = 0; c < channels; c++) {
		char name[PIPELINE_CHANNEL_NAME];
		pipeline_channel_name(i->pipeline, c, name);
		json_comma(out, c);
		json_write_string(out, name);
		strbuf_addc(out, ':');
		number_write(out, correlation(v->steps, i->course, i->x + c, channels));
	}
	strbuf_addc(out, '}');
}

static void write_health(struct strbuf *out, struct inspector *i, const struct trace_view *v)
{
	struct gate_health h;
	gate_health(v, &h);
	strbuf_adds(out, "{\"mean\":");
	number_write(out, h.mean);
	json_member_number(out, "low", h.low);
	json_member_number(out, "high", h.high);
	json_member_number(out, "variation", h.variation);
	json_member_int(out, "still", h.still);
	if (inspect_follows_input(i, v))
		write_correlations(out, i, v);
	strbuf_addc(out, '}');
}

/* ---- members -------------------------------------------------------------- */

/* One gate's value, in the object of its part; the part's gates stand together, `before` is the last written. */
static void write_gate(struct strbuf *out, struct inspector *i, int trace, const struct trace_view *before,
                       const struct trace_view *v, bool health)
{
	char part[INSPECT_PART];
	if (before && strcmp(before->part, v->part) == 0) {
		strbuf_addc(out, ',');
	} else {
		strbuf_adds(out, before ? "}," : "");
		inspect_part_name(i, trace, v, part);
		json_write_string(out, part);
		strbuf_adds(out, ":{");
	}
	strbuf_addf(out, "\"%s\":", v->name);
	if (health)
		write_health(out, i, v);
	else
		write_view(out, v);
}

static void write_gates(struct strbuf *out, struct inspector *i, bool health)
{
	for (int k = 0; k < i->traces; k++) {
		const struct trace_view *before = NULL;
		strbuf_adds(out, k ? "," : "");
		for (int n = 0; n < i->trace[k].n; n++) {
			const struct trace_view *v = &i->trace[k].view[n];
			if (!inspect_wants(v, INSPECT_GATES))
				continue;
			write_gate(out, i, k, before, v, health);
			before = v;
		}
		strbuf_adds(out, before ? "}" : "");
	}
}

static void write_states(struct strbuf *out, const struct inspector *i)
{
	int written = 0;
	for (int k = 0; k < i->traces; k++) {
		for (int n = 0; n < i->trace[k].n; n++) {
			const struct trace_view *v = &i->trace[k].view[n];
			char part[INSPECT_PART];
			if (!inspect_wants(v, INSPECT_STATES))
				continue;
			json_comma(out, written++);
			inspect_part_name(i, k, v, part);
			json_write_string(out, part);
			strbuf_addc(out, ':');
			write_view(out, v);
		}
	}
}

static void write_heads(struct strbuf *out, struct inspector *i)
{
	for (int k = 0; k < i->net->layers; k++) {
		json_comma(out, k);
		strbuf_addf(out, "\"encoder.l%d\":[", k);
		for (int head = 0; head < i->net->heads; head++) {
			json_comma(out, head);
			write_square(out, inspect_head(i, k, head), i->T);
		}
		strbuf_addc(out, ']');
	}
}

void inspect_render(struct inspector *i, unsigned what, struct strbuf *out)
{
	if (what & INSPECT_GATES) {
		strbuf_adds(out, ",\"gates\":{");
		write_gates(out, i, false);
		strbuf_adds(out, "},\"health\":{");
		write_gates(out, i, true);
		strbuf_addc(out, '}');
	}
	if (what & INSPECT_STATES) {
		strbuf_adds(out, ",\"states\":{");
		write_states(out, i);
		strbuf_addc(out, '}');
	}
	if (what & INSPECT_ATTENTION && i->shares) {
		strbuf_adds(out, ",\"encoder_attention\":{");
		write_heads(out, i);
		strbuf_addc(out, '}');
	}
}

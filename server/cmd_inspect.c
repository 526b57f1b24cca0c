/* cmd_inspect.c - the inside of the forecast from the end of a file: how its gates fare, as tables, and heat maps of
 * attention, gates and states, a file each:
 *
 *     DIR/NAME.decoder.attention.svg    NAME.encoder.l0.reset.svg    NAME.encoder.l0_reverse.h.svg
 *     of a segment network NAME.encoder.l0.channel2.reset.svg, of a Transformer NAME.encoder.l0.head1.svg */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/inspect_body.h"
#include "server/commands.h"
#include "server/file.h"
#include "server/heat_map.h"
#include "server/series_model.h"

#define PICTURE_MAX (256u << 20)

struct look {
	const struct options *options;
	struct series_model model;
	struct inspector *inspector;
	struct strbuf picture;
	int written;                /* files */
};

/* ---- tables --------------------------------------------------------------- */

static void gate_label(const struct look *l, int trace, const struct trace_view *v, char *out, size_t cap)
{
	char part[INSPECT_PART];
	inspect_part_name(l->inspector, trace, v, part);
	snprintf(out, cap, "%s %s", part, v->name);
}

static void print_gate(const struct look *l, int trace, const struct trace_view *v)
{
	char label[INSPECT_PART + 16], still[32];
	struct gate_health h;
	gate_health(v, &h);
	gate_label(l, trace, v, label, sizeof label);
	snprintf(still, sizeof still, "%d/%d", h.still, v->units);
	printf("%-32s %8.4f %7.1f %% %7.1f %% %10.4f %10s\n", label, h.mean, 100 * h.low, 100 * h.high, h.variation, still);
}

static void print_correlations(const struct look *l, int trace, const struct trace_view *v)
{
	struct inspector *i = l->inspector;
	char label[INSPECT_PART + 16], channel[PIPELINE_CHANNEL_NAME];
	if (!inspect_follows_input(i, v))
		return;
	gate_label(l, trace, v, label, sizeof label);
	printf("%-32s", label);
	inspect_course(i, v);
	for (int c = 0; c < i->net->inputs; c++) {
		double r = correlation(v->steps, i->course, i->x + c, i->net->inputs);
		pipeline_channel_name(i->pipeline, c, channel);
		if (isnan(r))
			printf("  %s -", channel);
		else
			printf("  %s %+.4f", channel, r);
	}
	printf("\n");
}

static void each_gate(const struct look *l, void (*print)(const struct look *l, int trace, const struct trace_view *v))
{
	for (int k = 0; k < l->inspector->traces; k++)
		for (int n = 0; n < l->inspector->trace[k].n; n++)
			if (inspect_wants(&l->inspector->trace[k].view[n], INSPECT_GATES))
				print(l, k, &l->inspector->trace[k].view[n]);
}

static void print_tables(const struct look *l)
{
	if (!inspect_offers(l->inspector, INSPECT_GATES)) {
		printf("%s has no gates.\n", l->model.version.name);
		return;
	}
	printf("%-32s %8s %9s %9s %10s %10s\n", "gate", "mean", "below 0.1", "above 0.9", "variation", "still");
	each_gate(l, print_gate);
	printf("\nCorrelation of gates, the mean of their units, with the inputs (-: one of them never changes)\n");
	each_gate(l, print_correlations);
	printf("\n");
}

/* ---- pictures ------------------------------------------------------------- */

static enum err write_map(struct look *l, const struct heat_map *m, const char *file, struct error *e)
{
	const struct options *o = l->options;
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s.%s.%s", o->output, l->model.version.name, file, o->format) >= (int)sizeof path)
		return fail(e, ERR_INVALID, "--output", "the path is too long");
	strbuf_reset(&l->picture);
	enum err rc = strcmp(o->format, "png") ? heat_map_svg(m, &l->picture, e) : heat_map_png(m, &l->picture, e);
	if (!rc)
		rc = file_write(path, &l->picture, e);
	l->written += !rc;
	return rc;
}

/* What a full ink stands for: 1 where values are bounded by it, else the largest there is. */
static float full_ink(const struct trace_view *v)
{
	float most = 0;
	if (v->kind == TRACE_GATE || v->kind == TRACE_CANDIDATE)
		return 1;
	for (int t = 0; t < v->steps; t++)
		for (int u = 0; u < v->units; u++)
			most = fmaxf(most, fabsf(trace_row(v, t)[u]));
	return most > 0 ? most : 1;
}

/* The steps of a view: the window's count up to 0, the last known; a forecast's from 1. */
static struct heat_axis steps_of(const struct look *l, const struct trace_view *v)
{
	struct heat_axis a = { .n = v->steps, .stride = v->stride, .first = 1, .label = "step of the forecast" };
	if (l->inspector->traces > 1) {
		a.label = "segment";
	} else if (v->steps == l->inspector->T && strcmp(v->part, "decoder") != 0) {
		a.label = "step of the window (0: the last)";
		a.first = 1 - v->steps;
	}
	return a;
}

static struct heat_map map_of(const struct look *l, const struct trace_view *v, const char *title)
{
	struct heat_map m = { .title = title, .value = v->first, .size = full_ink(v) };
	struct heat_axis across = { .n = v->units, .stride = 1 };
	if (v->kind == TRACE_ATTENTION) {
		across.label = "step of the window (0: the last)";
		across.first = 1 - v->units;
		m.row = steps_of(l, v);
		m.column = across;
	} else {
		across.label = "unit";
		m.row = across;
		m.column = steps_of(l, v);
		m.negative = v->kind != TRACE_GATE;
	}
	return m;
}

static enum err draw_view(struct look *l, int trace, const struct trace_view *v, struct error *e)
{
	char title[STORE_NAME_MAX + INSPECT_PART + 20], label[INSPECT_PART + 16], file[TRACE_PART + 48], channel[24] = "";
	gate_label(l, trace, v, label, sizeof label);
	snprintf(title, sizeof title, "%s: %s", l->model.version.name, label);
	if (l->inspector->traces > 1)
		snprintf(channel, sizeof channel, ".channel%d", trace);
	snprintf(file, sizeof file, "%s%s.%s", v->part, channel, v->name);
	struct heat_map m = map_of(l, v, title);
	return write_map(l, &m, file, e);
}

static enum err draw_head(struct look *l, int layer, int head, struct error *e)
{
	int T = l->inspector->T;
	char title[STORE_NAME_MAX + 64], file[48];
	snprintf(title, sizeof title, "%s: encoder.l%d attention of head %d", l->model.version.name, layer, head);
	snprintf(file, sizeof file, "encoder.l%d.head%d", layer, head);
	const struct heat_axis axis = { .n = T, .first = 1 - T };
	struct heat_map m = { .title = title, .row = axis, .column = axis, .value = inspect_head(l->inspector, layer, head),
	                      .size = 0 };
	m.row.label = "step that looks";
	m.row.stride = T;
	m.column.label = "step that is looked at (0: the last)";
	m.column.stride = 1;
	for (int i = 0; i < T * T; i++)
		m.size = fmaxf(m.size, m.value[i]);
	return write_map(l, &m, file, e);
}

static enum err draw(struct look *l, struct error *e)
{
	const struct inspector *i = l->inspector;
	enum err rc = ERR_OK;
	if (mkdir(l->options->output, 0777) && errno != EEXIST)
		return fail(e, ERR_IO, l->options->output, "cannot create: %s", strerror(errno));
	for (int k = 0; k < i->traces; k++)
		for (int n = 0; !rc && n < i->trace[k].n; n++)
			rc = draw_view(l, k, &i->trace[k].view[n], e);
	for (int k = 0; i->shares && k < i->net->layers; k++)
		for (int head = 0; !rc && head < i->net->heads; head++)
			rc = draw_head(l, k, head, e);
	return rc;
}

/* ---- the command ---------------------------------------------------------- */

static enum err look(struct look *l, const struct frame *f, struct error *e)
{
	struct series_model *m = &l->model;
	enum err rc = series_model_context(m, f, l->options->argument[1], e);
	if (!rc)
		rc = inspector_new(&m->forecaster->pipeline, &m->forecaster->net, &l->inspector, e);
	if (rc)
		return rc;
	inspect_run(l->inspector, m->version.weights, m->context);
	print_tables(l);
	rc = draw(l, e);
	if (!rc)
		printf("%d pictures in %s\n", l->written, l->options->output);
	return rc;
}

int command_inspect(const struct options *o)
{
	struct look l = { .options = o };
	struct series_file file = { 0 };
	struct error e;
	if (strcmp(o->format, "svg") && strcmp(o->format, "png")) {
		fprintf(stderr, "gatecast: --format: \"%s\" is not svg or png\n", o->format);
		return 2;
	}
	strbuf_init(&l.picture, PICTURE_MAX);
	enum err rc = series_model_load(&l.model, o->db, o->argument[0], (int)o->version, &e);
	if (!rc)
		rc = series_file_read(o->argument[1], NULL, &file, &e);
	if (!rc)
		rc = look(&l, file.frame, &e);
	inspector_free(l.inspector);
	strbuf_fini(&l.picture);
	series_model_fini(&l.model);
	series_file_fini(&file);
	return rc ? command_failed(&e) : 0;
}

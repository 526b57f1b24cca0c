/* import_options.c - see import_options.h. */
#include "api/import_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/utf8.h"

#define WINDOW_DEFAULT 30
#define NUMBER_BYTES 12

/* --- what the caller says ------------------------------------------------------------------------------------------- */

/* The index of text in names, which end with NULL; 0 where nothing was said. */
static enum err choose(const char *option, const char *text, const char *const *names, int *out, struct error *e)
{
	*out = 0;
	for (int i = 0; text && names[i]; i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return ERR_OK;
		}
	}
	if (!text)
		return ERR_OK;
	return fail(e, ERR_INVALID, option, "%s is %s or %s, not \"%.40s\"", option, names[0], names[1], text);
}

enum err import_choices(const struct import_options *o, struct net_spec *s, struct error *e)
{
	static const char *const nonlinearities[] = { "tanh", "relu", NULL }, *const decoders[] = { "last", "mean", NULL };
	int relu, mean;
	enum err rc = choose("nonlinearity", o->nonlinearity, nonlinearities, &relu, e);
	if (!rc)
		rc = choose("decoder", o->decoder, decoders, &mean, e);
	if (rc)
		return rc;
	if (o->nonlinearity && s->encoder != ENCODER_RNN)
		return fail(e, ERR_INVALID, "nonlinearity", "nonlinearity is for an RNN; the file holds another cell");
	if (o->decoder && s->decoder == DECODER_ATTENTION)
		return fail(e, ERR_INVALID, "decoder", "the file brings an attention decoder of its own");
	s->relu = relu;
	if (mean)
		s->decoder = DECODER_MEAN;
	return ERR_OK;
}

/* Our decoder's head has a row a target; which steps it takes is not in the file. */
static enum err apply_steps(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	s->targets = o->targets ? o->targets : rows;
	s->horizon = o->horizon;
	if (!o->horizon)
		return fail(e, ERR_INVALID, "horizon", "the weights of an attention decoder do not say the horizon; give it");
	if (s->targets != rows)
		return fail(e, ERR_INVALID, "targets", "the head has %d rows, so there are as many targets, not %d", rows, s->targets);
	return ERR_OK;
}

/* One head for all steps: rows = horizon * targets. */
static enum err apply_rows(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	int known = o->targets ? o->targets : o->horizon ? o->horizon : 1;
	if (rows % known || (o->targets && o->horizon && rows / known != o->horizon))
		return fail(e, ERR_INVALID, o->horizon ? "horizon" : "targets", "the head has %d rows, which are not horizon * targets "
		            "(horizon %d, targets %d; 0: not given)", rows, o->horizon, o->targets);
	s->targets = o->targets || !o->horizon ? known : rows / known;
	s->horizon = rows / s->targets;
	return ERR_OK;
}

enum err import_sizes(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	s->levels = 1;
	return s->decoder == DECODER_ATTENTION ? apply_steps(o, rows, s, e) : apply_rows(o, rows, s, e);
}

/* --- names of columns ----------------------------------------------------------------------------------------------- */

/* The list's pieces, in place; -1 for too many. */
static int split(char *list, const char **out, int most)
{
	int n = 0;
	for (char *at = list; at;) {
		if (n == most)
			return -1;
		out[n++] = strsep(&at, ",");
	}
	return n;
}

enum err import_pipeline(const struct import_options *o, const struct net_spec *s, struct pipeline *p, struct error *e)
{
	const char *name[PIPELINE_MAX_COLUMNS];
	char generated[PIPELINE_MAX_COLUMNS][8];
	int n = o->columns ? 0 : s->inputs;
	char *list = strdup(o->columns ? o->columns : "");
	if (!list)
		return fail_nomem(e);
	if (o->columns && utf8_valid(list, strlen(list)))
		n = split(list, name, PIPELINE_MAX_COLUMNS);
	for (int i = 0; !o->columns && i < n && i < PIPELINE_MAX_COLUMNS; i++) {
		snprintf(generated[i], sizeof generated[i], "x%d", i);
		name[i] = generated[i];
	}
	enum err rc = n == s->inputs ? pipeline_init_raw(p, name, n, s->targets, import_window(o), s->horizon, e)
		: fail(e, ERR_INVALID, "columns", "the network reads %d columns; columns has to name as many, in UTF-8", s->inputs);
	free(list);
	return rc;
}

/* --- texts ---------------------------------------------------------------------------------------------------------- */

int import_window(const struct import_options *o)
{
	return o->window ? o->window : WINDOW_DEFAULT;
}

enum err import_vocabulary(enum token_unit unit, int n, struct vocabulary **out, struct error *e)
{
	char (*number)[NUMBER_BYTES] = calloc((size_t)n, sizeof *number);
	const char **token = calloc((size_t)n, sizeof *token);
	enum err rc = number && token ? ERR_OK : fail_nomem(e);
	for (int i = 0; !rc && i < n; i++) {
		if (unit == TOKEN_LABEL || i > TOKEN_UNKNOWN)
			snprintf(number[i], sizeof number[i], "%d", i);
		token[i] = number[i];
	}
	if (!rc)
		rc = vocabulary_new(unit, token, n, out, e);
	free(number);
	free(token);
	return rc;
}

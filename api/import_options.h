/* import_options.h - what foreign weights do not say, and the caller has to. Private to the import (model_import.c). */
#ifndef GATECAST_API_IMPORT_OPTIONS_H
#define GATECAST_API_IMPORT_OPTIONS_H

#include "api/model_import.h"
#include "model/nn/spec.h"
#include "model/series/pipeline.h"
#include "model/text/vocabulary.h"

/** nonlinearity and decoder, where the file leaves them open. */
enum err import_choices(const struct import_options *o, struct net_spec *s, struct error *e);
/** horizon, targets and levels of a head with so many rows. ERR_INVALID: where is the option that does not fit. */
enum err import_sizes(const struct import_options *o, int rows, struct net_spec *s, struct error *e);
/** Steps that are read: what was said, or 30. */
int import_window(const struct import_options *o);
/** Tokens that stand for their own numbers: a file of weights holds no words. Of a vocabulary of words the first two are special. */
enum err import_vocabulary(enum token_unit unit, int n, struct vocabulary **out, struct error *e);
/** Columns that are taken and given as they are. */
enum err import_pipeline(const struct import_options *o, const struct net_spec *s, struct pipeline *p, struct error *e);

#endif

/* series_model.h - a stored model of series and the file that a command holds it against. */
#ifndef GATECAST_SERVER_SERIES_MODEL_H
#define GATECAST_SERVER_SERIES_MODEL_H

#include "model/forecaster.h"
#include "server/series_file.h"
#include "storage/model_store.h"

struct series_model {
	struct model_version version;
	struct forecaster *forecaster;
	double *rows;                          /* [n][columns] of the file */
	const double *context;                 /* their end, which the model looks at */
};

/** A version (0: the latest) that forecasts, from the database file db. Zero *m before; fini it after, whatever comes. */
enum err series_model_load(struct series_model *m, const char *db, const char *name, int version, struct error *e);
/** The model's columns of the file; where = path. */
enum err series_model_context(struct series_model *m, const struct frame *f, const char *path, struct error *e);
void series_model_fini(struct series_model *m);

#endif

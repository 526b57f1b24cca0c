/* job_row.h - what job_event.c and job_checkpoint.c need of the table of jobs. Private to this folder. */
#ifndef GATECAST_STORAGE_JOB_ROW_H
#define GATECAST_STORAGE_JOB_ROW_H

#include "storage/db.h"

/** ERR_NOT_FOUND names the job. */
enum err job_row_exists(struct store *s, const char *id, struct error *e);
/** Fenced: the job made progress, so lost workers are counted from zero again. */
enum err job_row_got_checkpoint(struct store *s, const char *id, int64_t epoch, struct error *e);

#endif

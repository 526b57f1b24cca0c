/* fixture.h - a folder with one open database in it, and things to put there. */
#ifndef GATECAST_TESTS_STORAGE_FIXTURE_H
#define GATECAST_TESTS_STORAGE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/dataset.h"
#include "storage/job_store.h"
#include "storage/key_store.h"
#include "storage/model_store.h"
#include "tests/unit/check.h"

struct fixture {
	char folder[48];
	char path[80];
	struct store *s;   /* the writer */
	struct error e;
};

/** A fresh folder with an open writer. */
void fixture_open(struct fixture *f);
/** Only the folder; s stays NULL. */
void fixture_folder(struct fixture *f);
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f);   /* and remove the folder */
/** SQL behind the store's back; foreign keys are off, so that damage can be done. */
void fixture_sql(const struct fixture *f, const char *sql);
/** The integer that a query gives. */
long long fixture_int(const struct fixture *f, const char *sql);
/** Problems that store_check tells. */
int fixture_problems(struct fixture *f);

/** date, number (every 7th missing), text (every 3rd empty). */
struct frame *sample_frame(size_t rows);
/** Borrowed constants. */
struct model_blobs sample_blobs(void);
extern const char sample_sha256[DIGEST_HEX];

/** Put sample_frame(rows) as `name`; returns the id. */
int64_t put_dataset(struct fixture *f, const char *name, size_t rows);
/** Queue a job for model "m" on dataset `dataset`; id receives its id. */
void put_job(struct fixture *f, const char *dataset, char id[JOB_ID_MAX + 1]);
/** Claim; returns the epoch. */
int64_t claim_job(struct fixture *f, char id[JOB_ID_MAX + 1]);
enum job_status status_of(struct fixture *f, const char *id);

#define ck_ok(f, call) do { \
		enum err ck_rc = (call); \
		ck_assert_msg(ck_rc == ERR_OK, "%s: %s: %s", #call, err_row(ck_rc)->label, (f)->e.what); \
	} while (0)
#define ck_err(want, call) ck_assert_str_eq(err_row(call)->label, err_row(want)->label)

/** EXIT_FAILURE when anything failed or nothing ran. */
int run_suite(Suite *suite);

#endif

/* fixture.h - a folder with a database in it, and models so small that a test can train none. */
#ifndef GATECAST_TESTS_SERVER_FIXTURE_H
#define GATECAST_TESTS_SERVER_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/error.h"
#include "model/text_model.h"
#include "storage/store.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof (a)[0])

struct fixture {
	char folder[48];
	char path[80];
	struct error e;
};

/** A fresh folder; the database in it is created by whoever opens path. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);   /* and remove the folder */

enum { FIXTURE_TEXT = 12, FIXTURE_ANSWER = 6 };   /* tokens of the models of texts: of the window, of an answer */
enum { FIXTURE_WINDOW = 4, FIXTURE_HORIZON = 3 };   /* of every model here; one column, one target, no look-back */

/** Publish a version of a network with that many hidden units; its weights and so its answers follow from seed. */
int fixture_publish(struct store *s, const char *name, int hidden, uint64_t seed);
/** A version of a model of texts over the characters "a" to "z" and a blank: of the classifier two labels, "yes" and "no".
 *  What generates never ends a text by itself. */
int fixture_publish_text(struct store *s, const char *name, enum text_task task, uint64_t seed);
/** A context for the i-th caller: FIXTURE_WINDOW values. */
void fixture_context(int i, double out[FIXTURE_WINDOW]);

/** EXIT_FAILURE when anything failed or nothing ran. */
int run_suite(Suite *suite);

#define ck_ok(call) do { \
		enum err ck_rc = (call); \
		ck_assert_msg(ck_rc == ERR_OK, "%s: %s", #call, err_row(ck_rc)->label); \
	} while (0)
#define ck_err(want, call) ck_assert_str_eq(err_row(call)->label, err_row(want)->label)

#endif

/* main.c - runs the suites of this folder. */
#include <stdlib.h>

#include "tests/unit/api_predict/suites.h"

int main(void)
{
	SRunner *r = srunner_create(scan_suite());
	srunner_add_suite(r, forecast_suite());
	srunner_add_suite(r, inspect_suite());
	srunner_add_suite(r, predict_suite());
	srunner_add_suite(r, infer_suite());
	srunner_add_suite(r, session_suite());
	srunner_add_suite(r, text_suite());
	srunner_add_suite(r, anomaly_suite());
	srunner_add_suite(r, job_suite());
	srunner_add_suite(r, model_suite());
	srunner_add_suite(r, document_suite());
	srunner_add_suite(r, weights_suite());
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* suites.h - the suites of this folder, run by one program. */
#ifndef GATECAST_TEST_API_PREDICT_H
#define GATECAST_TEST_API_PREDICT_H

#include "tests/unit/check.h"

Suite *scan_suite(void);
Suite *forecast_suite(void);
Suite *inspect_suite(void);
Suite *predict_suite(void);
Suite *infer_suite(void);
Suite *session_suite(void);
Suite *text_suite(void);
Suite *anomaly_suite(void);
Suite *job_suite(void);
Suite *model_suite(void);
Suite *document_suite(void);
Suite *weights_suite(void);

#endif

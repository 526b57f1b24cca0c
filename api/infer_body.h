/* infer_body.h - the Open Inference Protocol's inference, in and out: POST /v2/models/{m}/infer.
 *
 *     {"id"?, "inputs": [{"name", "shape", "datatype", "data"}], "outputs"?, "parameters"?}
 *
 * With the extension binary_tensor_data the numbers follow the JSON as bytes, row-major and little-endian, and a header
 * says where:
 *
 *     Inference-Header-Content-Length: 102
 *     {"inputs":[{"name":"input","shape":[1,30,8],"datatype":"FP32","parameters":{"binary_data_size":960}}]}........
 *     └──────────────────────────────────────────── 102 ──────────────────────────────────────────────────┘└─ 960 ─
 *
 * The parameters sequence_id (a string or a whole number; "" and 0: none), sequence_start and sequence_end make a
 * request a piece of a series whose state is kept in between.
 *
 * The answer is in bytes when the output's parameter "binary_data" says so, or else the request's "binary_data_output":
 * FP32 to those who sent FP32, else FP64. Parameters that are unknown are ignored, other unknown members refused. */
#ifndef GATECAST_API_INFER_BODY_H
#define GATECAST_API_INFER_BODY_H

#include "api/forecast_body.h"

/** json_len: what the header says, or len. */
enum err infer_body_parse(const char *s, size_t len, size_t json_len, struct arena *a, struct tensor_body *out,
                          struct error *e);
/** value [rows][steps][targets], in the form that was asked for. Returns the JSON's length if bytes follow it, else 0. */
size_t infer_render(const char *model, int version, const struct tensor_body *asked, const double *value,
                    size_t rows, size_t steps, size_t targets, struct strbuf *out);

#endif

/* openapi.h - the OpenAPI 3.1 document, embedded from api/openapi.json at build time. */
#ifndef GATECAST_API_OPENAPI_H
#define GATECAST_API_OPENAPI_H

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_len;

#endif

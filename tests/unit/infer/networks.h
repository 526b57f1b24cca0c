/* networks.h - networks that between them take every path of inference, for the tests of bits. Sizes leave padding behind
 * the units of each direction. */
#ifndef GATECAST_TEST_INFER_NETWORKS_H
#define GATECAST_TEST_INFER_NETWORKS_H

#include "model/nn/spec.h"

enum { NETWORKS = 20 };

extern const struct net_spec networks[NETWORKS];

#endif

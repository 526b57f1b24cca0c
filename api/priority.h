/* priority.h - what a request says of its haste, in the two ways that it is said.
 *
 *     "priority": "interactive" | "bulk"     somebody waits for the answer, as is supposed; it is for the day's work
 *     "priority": 0, 1 | 2 …                 the same in the Open Inference Protocol: 1 is the highest, 0 the default */
#ifndef GATECAST_API_PRIORITY_H
#define GATECAST_API_PRIORITY_H

#include "api/scan.h"

bool priority_read(struct scan *s, bool *bulk);
bool priority_number_read(struct scan *s, bool *bulk);

#endif

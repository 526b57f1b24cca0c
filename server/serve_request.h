/* serve_request.h - take a whole request to its handler on the right lane. */
#ifndef GATECAST_SERVER_SERVE_REQUEST_H
#define GATECAST_SERVER_SERVE_REQUEST_H

struct request;

/** Ends in request_finish(), now or later, on this or another thread. */
void serve_request(struct request *r);

#endif

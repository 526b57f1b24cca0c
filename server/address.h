/* address.h - "HOST:PORT" texts: 127.0.0.1:8080, [::1]:8080, 0.0.0.0:80, localhost:8080. */
#ifndef GATECAST_SERVER_ADDRESS_H
#define GATECAST_SERVER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "model/base/error.h"

/** ERR_INVALID, where = the text. No name service is asked but for "localhost". */
enum err address_parse(const char *text, struct sockaddr_storage *out, struct error *e);
socklen_t address_len(const struct sockaddr_storage *a);
/** 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct sockaddr_storage *a);
void address_set_port(struct sockaddr_storage *a, unsigned port);
/** Whether nobody listens there: ERR_IO when someone does, or it is none of this machine's. */
enum err address_claim(const struct sockaddr_storage *a, const char *text, struct error *e);
void address_format(const struct sockaddr_storage *a, char out[64]);

#endif

/* cmd_health.c - GET /readyz from the admin listener, for a container's health check. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/address.h"
#include "server/commands.h"

#define PATIENCE_S 3

int command_health(const struct options *o)
{
	static const char ask[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_storage a;
	struct error e;
	char answer[64] = "";
	if (address_parse(o->admin, &a, &e)) {
		command_failed(&e);
		return 2;
	}
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ready = fd >= 0;
	if (ready) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		ready = !connect(fd, (struct sockaddr *)&a, address_len(&a)) &&
		        send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ask - 1 &&
		        recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 12 && !strncmp(answer + 8, " 200", 4);
		close(fd);
	}
	puts(ready ? "ready" : "not ready");
	return ready ? 0 : 1;
}

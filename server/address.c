#include "server/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err address_parse(const char *text, struct sockaddr_storage *out, struct error *e)
{
	const char *colon = strrchr(text, ':');
	char host[64], *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	size_t n = colon ? (size_t)(colon - text) : 0;
	if (!colon || !isdigit((unsigned char)colon[1]) || *end || port > 65535 || n == 0 || n >= sizeof host)
		return fail(e, ERR_INVALID, text, "\"%s\" is not HOST:PORT", text);
	bool bracketed = text[0] == '[' && text[n - 1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(bracketed ? n - 2 : n), text + bracketed);
	if (!strcmp(host, "localhost"))
		strcpy(host, "127.0.0.1");

	*out = (struct sockaddr_storage){ 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	if (!bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1)
		v4->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
		v6->sin6_family = AF_INET6;
	else
		return fail(e, ERR_INVALID, text, "\"%s\" is not a numeric address or localhost", host);
	address_set_port(out, (unsigned)port);
	return ERR_OK;
}

socklen_t address_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

bool address_is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

void address_set_port(struct sockaddr_storage *a, unsigned port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

enum err address_claim(const struct sockaddr_storage *a, const char *text, struct error *e)
{
	const int yes = 1;
	enum err rc = ERR_OK;
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
		|| bind(fd, (const struct sockaddr *)a, address_len(a)))
		rc = fail(e, ERR_IO, text, "cannot listen on %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

void address_format(const struct sockaddr_storage *a, char out[64])
{
	char host[INET6_ADDRSTRLEN] = "";
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(out, 64, "%s:%u", host, ntohs(v4->sin_port));
	} else {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(out, 64, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
}

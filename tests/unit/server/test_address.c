/* Addresses: what is read, what it means, and how it is written again. */
#include "server/address.h"

#include <unistd.h>

#include "tests/unit/server/fixture.h"

static const struct { const char *text, *out; bool loopback; } good[] = {
	{ "127.0.0.1:8080", "127.0.0.1:8080", true },
	{ "127.255.0.9:1", "127.255.0.9:1", true },
	{ "localhost:80", "127.0.0.1:80", true },
	{ "0.0.0.0:0", "0.0.0.0:0", false },
	{ "192.168.1.2:65535", "192.168.1.2:65535", false },
	{ "128.0.0.1:80", "128.0.0.1:80", false },
	{ "[::1]:8080", "[::1]:8080", true },
	{ "[::]:8080", "[::]:8080", false },
	{ "[fe80::1]:9", "[fe80::1]:9", false },
};

static const char *const bad[] = {
	"", ":", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8080x", "127.0.0.1:x",
	"127.0.0.1.5:80", "256.0.0.1:80", "example.org:80", "[127.0.0.1]:80", "[::1:80", "[]:80", "127.0.0.1 :80", "127.0.0.1: 80",
	"127.0.0.1:+80", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
};

START_TEST(accepted)
{
	struct sockaddr_storage a;
	char text[64];
	ck_ok(address_parse(good[_i].text, &a, NULL));
	address_format(&a, text);
	ck_assert_str_eq(text, good[_i].out);
	ck_assert_int_eq(address_is_loopback(&a), good[_i].loopback);
	ck_assert_uint_eq(address_len(&a), a.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}
END_TEST

START_TEST(refused)
{
	struct sockaddr_storage a;
	struct error e = { 0 };
	ck_assert_msg(address_parse(bad[_i], &a, &e) == ERR_INVALID, "%s", bad[_i]);
	ck_assert_int_eq(strncmp(e.where, bad[_i], 64), 0);
	ck_assert_int_ne(e.what[0], '\0');
}
END_TEST

START_TEST(another_port)
{
	static const char *const from[] = { "127.0.0.1:0", "[::1]:0" }, *const to[] = { "127.0.0.1:4711", "[::1]:4711" };
	struct sockaddr_storage a;
	char text[64];
	ck_ok(address_parse(from[_i], &a, NULL));
	address_set_port(&a, 4711);
	address_format(&a, text);
	ck_assert_str_eq(text, to[_i]);
}
END_TEST

/* Free, then taken by a socket that would share it, then free again. */
START_TEST(claims)
{
	const int yes = 1;
	struct sockaddr_storage a;
	struct error e = { 0 };
	socklen_t len = sizeof a;
	ck_ok(address_parse("127.0.0.1:0", &a, NULL));
	ck_ok(address_claim(&a, "127.0.0.1:0", &e));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes), 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, address_len(&a)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	ck_err(ERR_IO, address_claim(&a, "there", &e));
	ck_assert_str_eq(e.where, "there");
	close(fd);
	ck_ok(address_claim(&a, "there", &e));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("address");
	TCase *c = tcase_create("address");
	tcase_add_loop_test(c, accepted, 0, COUNT(good));
	tcase_add_loop_test(c, refused, 0, COUNT(bad));
	tcase_add_loop_test(c, another_port, 0, 2);
	tcase_add_test(c, claims);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

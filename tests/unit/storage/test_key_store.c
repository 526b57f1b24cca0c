/* API keys: scopes, the ring, revoking. */
#include "fixture.h"

#define ALL (KEY_PREDICT | KEY_READ | KEY_TRAIN | KEY_ADMIN)

static const struct { const char *text; bool ok; unsigned scopes; const char *formatted; } scope_cases[] = {
	{ "predict", true, KEY_PREDICT, "predict" },
	{ "read,predict", true, KEY_PREDICT | KEY_READ, "predict,read" },
	{ "predict,read,train", true, KEY_PREDICT | KEY_READ | KEY_TRAIN, "predict,read,train" },
	{ "admin", true, ALL, "admin" },
	{ "train,admin", true, ALL, "admin" },
	{ "read,read", true, KEY_READ, "read" },
	{ "", false, 0, NULL }, { "read,", false, 0, NULL }, { ",read", false, 0, NULL }, { "rea", false, 0, NULL },
	{ "reader", false, 0, NULL }, { "read predict", false, 0, NULL }, { "READ", false, 0, NULL },
};

START_TEST(scopes)
{
	unsigned got = 99;
	char text[32];
	ck_assert_int_eq(key_scopes_parse(scope_cases[_i].text, &got), scope_cases[_i].ok);
	ck_assert_uint_eq(got, scope_cases[_i].ok ? scope_cases[_i].scopes : 99);
	if (scope_cases[_i].ok) {
		key_scopes_format(got, text, sizeof text);
		ck_assert_str_eq(text, scope_cases[_i].formatted);
	}
}
END_TEST

START_TEST(format_fits)
{
	char text[13] = "############";
	key_scopes_format(KEY_PREDICT | KEY_READ | KEY_TRAIN, text, 10);
	ck_assert_str_eq(text, "predict");
	ck_assert_int_eq(text[10], '#');
}
END_TEST

static void add(struct fixture *f, unsigned bits, char text[KEY_TEXT_MAX], struct key_info *k)
{
	ck_ok(f, key_add(f->s, "someone", bits, text, k, &f->e));
}

static enum err check(struct fixture *f, const char *text, unsigned *bits)
{
	struct key_ring *ring;
	ck_ok(f, key_ring_load(f->s, &ring, &f->e));
	char id[KEY_ID_MAX];
	enum err rc = key_ring_check(ring, text, bits, id, &f->e);
	key_ring_free(ring);
	return rc;
}

START_TEST(ring)
{
	struct fixture f;
	struct key_info k[20];
	char text[20][KEY_TEXT_MAX], swapped[KEY_TEXT_MAX];
	unsigned bits = 0;
	fixture_open(&f);
	ck_err(ERR_AUTH, check(&f, "gc_0123456789abcdef.00", &bits));   /* an empty ring */
	for (int i = 0; i < 20; i++)
		add(&f, 1u + (unsigned)i % 7, text[i], &k[i]);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(check(&f, text[i], &bits), ERR_OK);
		ck_assert_uint_eq(bits, 1u + (unsigned)i % 7);
	}
	/* the id of one with the secret of another */
	snprintf(swapped, sizeof swapped, "gc_%s%s", k[0].id, strchr(text[1], '.'));
	bits = 99;
	ck_err(ERR_AUTH, check(&f, swapped, &bits));
	ck_assert_uint_eq(bits, 99);
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM api_key WHERE length(secret_sha256) = 64"), 20);
	fixture_close(&f);
	key_ring_free(NULL);
}
END_TEST

static const char *const wrong_texts[] = {
	"", "gc_", "gc_.", ".", "x", "gc_%s", "gc_%s.", "gc_%s.0", "GC_%s.0", "%s.0", "gc_%s0.1",
	"gc_0123456789012345678901234567890.1",
	"gc_%s.0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
};

START_TEST(wrong_keys)
{
	struct fixture f;
	struct key_info k;
	char text[KEY_TEXT_MAX], wrong[256];
	unsigned bits;
	fixture_open(&f);
	add(&f, KEY_READ, text, &k);
	const char *id_at = strstr(wrong_texts[_i], "%s");
	int before = id_at ? (int)(id_at - wrong_texts[_i]) : (int)strlen(wrong_texts[_i]);
	snprintf(wrong, sizeof wrong, "%.*s%s%s", before, wrong_texts[_i], id_at ? k.id : "", id_at ? id_at + 2 : "");
	ck_err(ERR_AUTH, check(&f, wrong, &bits));
	snprintf(wrong, sizeof wrong, "%s", text);
	wrong[strlen(wrong) - 1] ^= 1;
	ck_err(ERR_AUTH, check(&f, wrong, &bits));
	ck_assert_int_eq(check(&f, text, &bits), ERR_OK);
	fixture_close(&f);
}
END_TEST

START_TEST(revoking)
{
	struct fixture f;
	struct key_info a, b, *list;
	char text_a[KEY_TEXT_MAX], text_b[KEY_TEXT_MAX];
	unsigned bits;
	size_t n;
	fixture_open(&f);
	add(&f, KEY_ADMIN, text_a, &a);
	add(&f, KEY_READ, text_b, &b);
	ck_assert_uint_eq(a.scopes, ALL);
	ck_assert_int_eq(a.revoked_at_us, 0);
	ck_ok(&f, key_revoke(f.s, a.id, &f.e));
	ck_err(ERR_AUTH, check(&f, text_a, &bits));
	ck_assert_int_eq(check(&f, text_b, &bits), ERR_OK);
	ck_ok(&f, key_list(f.s, &list, &n, &f.e));
	ck_assert_uint_eq(n, 2);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(list[i].revoked_at_us > 0, strcmp(list[i].id, a.id) == 0);
	free(list);
	long long first = fixture_int(&f, "SELECT max(revoked_at_us) FROM api_key");
	ck_ok(&f, key_revoke(f.s, a.id, &f.e));           /* the first time counts */
	ck_assert_int_eq(fixture_int(&f, "SELECT max(revoked_at_us) FROM api_key"), first);
	ck_err(ERR_NOT_FOUND, key_revoke(f.s, "nobody", &f.e));
	ck_err(ERR_INVALID, key_add(f.s, "no name", KEY_READ, text_a, &a, &f.e));
	ck_err(ERR_INVALID, key_add(f.s, "name", 0, text_a, &a, &f.e));
	ck_err(ERR_INVALID, key_add(f.s, "name", 16, text_a, &a, &f.e));
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key_store");
	TCase *t = tcase_create("key_store");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, scopes, 0, sizeof scope_cases / sizeof *scope_cases);
	tcase_add_test(t, format_fits);
	tcase_add_test(t, ring);
	tcase_add_loop_test(t, wrong_keys, 0, sizeof wrong_texts / sizeof *wrong_texts);
	tcase_add_test(t, revoking);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}

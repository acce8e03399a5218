/* The file of subscribers: its lines, and who is let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "control/local_users.h"
#include "test_alloc.h"
#include "test_bytes.h"
#include "test_random.h"

static struct test_alloc mem;

static struct local_users *users_new(void)
{
	test_alloc_init(&mem);
	return local_users_new(&mem.alloc);
}

static void users_free(struct local_users *u)
{
	local_users_free(u);
	assert_int_equal(mem.blocks, 0);
}

static bool add(struct local_users *u, const char *line)
{
	char err[96] = "";
	bool ok = local_users_add_line(u, span_str(line), err);
	assert_int_equal(err[0] == '\0', ok);
	return ok;
}

static bool crypt_check(const char *password, const char *hash)
{
	return (strcmp(hash, "$6$x$hash") == 0 || strcmp(hash, "$1$x$hash") == 0) &&
	       strcmp(password, "pw") == 0;
}

static enum local_verdict pap(const struct local_users *u, const char *user, const char *password,
			      struct aaa_profile *p)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);

	m.proto = AUTH_PAP;
	m.user_len = (uint8_t)strlen(user);
	memcpy(m.user, user, m.user_len);
	m.password_len = (uint8_t)strlen(password);
	memcpy(m.password, password, m.password_len);
	return local_users_check(u, &m, crypt_check, p);
}

static void lines_of_all_forms(void **state)
{
	(void)state;
	struct local_users *u = users_new();
	struct aaa_profile p = {0};

	assert_true(add(u, ""));
	assert_true(add(u, "  # a comment"));
	assert_true(add(u, "a:x\r\n"));
	assert_true(add(u, " b : two words :10.0.0.9"));
	assert_true(add(u, "c:x:10.0.0.10:10.1.0.0/16, 10.2.3.4 ,"));
	assert_true(add(u, "d:x::10.3.0.0/16"));
	assert_true(add(u, "e:"));
	assert_int_equal(local_users_count(u), 5);
	assert_int_equal(pap(u, "a", "x", &p), LOCAL_ACCEPT);
	assert_true(p.ip_from_pool);
	assert_int_equal(pap(u, "b", " two words ", &p), LOCAL_ACCEPT);
	assert_int_equal(ip_addr_u32(&p.ip), 0x0A000009);
	assert_int_equal(pap(u, "c", "x", &p), LOCAL_ACCEPT);
	assert_int_equal(p.n_routes, 2);
	assert_int_equal(p.routes[0].len, 16);
	assert_int_equal(p.routes[1].len, 32);
	assert_int_equal(pap(u, "d", "x", &p), LOCAL_ACCEPT);
	assert_true(p.ip_from_pool);
	assert_int_equal(p.n_routes, 1);
	assert_int_equal(pap(u, "e", "", &p), LOCAL_ACCEPT);
	assert_int_equal(p.n_routes, 0);
	users_free(u);
}

static void bad_lines_are_refused_with_a_reason(void **state)
{
	(void)state;
	struct local_users *u = users_new();
	char err[96], many[400] = "m:x:10.0.0.1:", name[300];

	assert_false(add(u, "nocolon"));
	assert_false(add(u, ":password"));
	assert_false(add(u, "a:x:10.0.0"));
	assert_false(add(u, "a:x:2001:db8::1"));
	assert_false(add(u, "a:x:10.0.0.1:10.0.0.0/33"));
	assert_false(add(u, "a:x:10.0.0.1:0.0.0.0/0"));
	assert_false(add(u, "a:x:10.0.0.1:10.0.0.0/8:more"));
	for (unsigned i = 0; i <= LNS_ROUTES_MAX; i++)
		strcat(many, "10.0.0.0/8,");
	assert_false(add(u, many));
	memset(name, 'n', sizeof(name));
	memcpy(name + 254, ":x", 3);
	assert_false(add(u, name));
	memcpy(name + 253, ":x", 3);
	assert_true(add(u, name));
	assert_true(add(u, "a:x"));
	assert_false(local_users_add_line(u, span_str("a:y"), err));
	assert_non_null(strstr(err, "twice"));
	assert_int_equal(local_users_count(u), 2);
	users_free(u);
}

static void passwords_in_clear_and_hashed(void **state)
{
	(void)state;
	struct local_users *u = users_new();
	struct aaa_profile p = {0};

	add(u, "clear:pw");
	add(u, "six:{CRYPT}$6$x$hash");
	add(u, "one:$1$x$hash");
	assert_int_equal(pap(u, "clear", "pw", &p), LOCAL_ACCEPT);
	assert_int_equal(pap(u, "clear", "pwx", &p), LOCAL_BAD_PASSWORD);
	assert_int_equal(pap(u, "clear", "p", &p), LOCAL_BAD_PASSWORD);
	assert_int_equal(pap(u, "clear", "", &p), LOCAL_BAD_PASSWORD);
	assert_int_equal(pap(u, "Clear", "pw", &p), LOCAL_UNKNOWN_USER);
	assert_int_equal(pap(u, "six", "pw", &p), LOCAL_ACCEPT);
	assert_int_equal(pap(u, "six", "$6$x$hash", &p), LOCAL_BAD_PASSWORD);
	assert_int_equal(pap(u, "one", "pw", &p), LOCAL_ACCEPT);
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	m.proto = AUTH_CHAP;
	m.user_len = 3;
	memcpy(m.user, "six", 3);
	assert_int_equal(local_users_check(u, &m, crypt_check, &p), LOCAL_NO_CLEARTEXT);
	m.proto = AUTH_PAP;
	m.password_len = 3;
	memcpy(m.password, "pw\0", 3); /* a NUL must not cut it */
	assert_int_equal(local_users_check(u, &m, crypt_check, &p), LOCAL_BAD_PASSWORD);
	m.password_len = 2;
	assert_int_equal(local_users_check(u, &m, NULL, &p), LOCAL_BAD_PASSWORD);
	users_free(u);
}

static void chap_of_rfc_1994(void **state)
{
	(void)state;
	struct local_users *u = users_new();
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	struct aaa_profile p = {0};

	/* The user of RFC 2865 section 7.2; the challenge is the request's authenticator. */
	add(u, "flopsy:arctangent");
	m.proto = AUTH_CHAP;
	m.chap_id = 0x16;
	m.user_len = 6;
	memcpy(m.user, "flopsy", 6);
	m.challenge_len = 16;
	test_unhex("2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2", m.challenge, 16);
	test_unhex("e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75", m.response, 16);
	assert_int_equal(local_users_check(u, &m, crypt_check, &p), LOCAL_ACCEPT);
	m.chap_id++;
	assert_int_equal(local_users_check(u, &m, crypt_check, &p), LOCAL_BAD_PASSWORD);
	users_free(u);
}

static void any_bytes_are_survived(void **state)
{
	(void)state;
	struct local_users *u = users_new();
	struct test_random r = {3};
	static const char letters[] = "ab::..,,/10 #{crypt}$\0\n";
	char line[64], err[96];

	for (unsigned i = 0; i < 50000; i++) {
		size_t n = test_random_below(&r, sizeof(line));
		for (size_t k = 0; k < n; k++)
			line[k] = letters[test_random_below(&r, sizeof(letters) - 1)];
		char *copy = (char *)test_exact_copy(line, n);
		local_users_add_line(u, span_of(copy, n), err);
		free(copy);
	}
	users_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_all_forms),
		cmocka_unit_test(bad_lines_are_refused_with_a_reason),
		cmocka_unit_test(passwords_in_clear_and_hashed),
		cmocka_unit_test(chap_of_rfc_1994),
		cmocka_unit_test(any_bytes_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

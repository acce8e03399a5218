#include "control/cli_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct session_filter parsed(const char *a, const char *b, const char *c, const char *d)
{
	const char *words[] = {a, b, c, d};
	struct session_filter f;
	char reason[96];
	int n = 0;

	while (n < 4 && words[n])
		n++;
	if (!session_filter_parse(&f, (char *const *)words, n, reason))
		fail_msg("%s", reason);
	return f;
}

static bool refused(const char *a, const char *b)
{
	const char *words[] = {a, b};
	struct session_filter f;
	char reason[96] = "";
	bool ok = session_filter_parse(&f, (char *const *)words, b ? 2 : 1, reason);
	assert_true(ok == (reason[0] == '\0'));
	return !ok;
}

static struct session_view a_session(void)
{
	struct session_view v = {.key = {.tid = 7, .sid = 3}, .up = true, .user_len = 4};
	memcpy(v.user, "Fred", 4);
	v.ip = ip_addr_v4(0x0A000001);
	v.calling.n = 5;
	memcpy(v.calling.s, "01234", 5);
	return v;
}

static void all_pairs_must_hold(void **state)
{
	(void)state;
	struct session_view v = a_session();
	struct session_filter f = parsed("user", "fRED", "tun", "7");
	assert_true(session_filter_match(&f, &v));
	f = parsed("user", "fred", "tunnel", "8");
	assert_false(session_filter_match(&f, &v));
	f = parsed("user", "fre", NULL, NULL);
	assert_false(session_filter_match(&f, &v));
	f = parsed("ip", "10.0.0.1", "state", "up");
	assert_true(session_filter_match(&f, &v));
	f = parsed("ip", "10.0.0.2", NULL, NULL);
	assert_false(session_filter_match(&f, &v));
}

static void numbers_match_by_their_beginning(void **state)
{
	(void)state;
	struct session_view v = a_session();
	struct session_filter f = parsed("calling", "012", NULL, NULL);
	assert_true(session_filter_match(&f, &v));
	f = parsed("calling", "012345", NULL, NULL);
	assert_false(session_filter_match(&f, &v));
	f = parsed("calling", "12", NULL, NULL);
	assert_false(session_filter_match(&f, &v));
}

static void states_exclude_each_other(void **state)
{
	(void)state;
	struct session_view v = a_session();
	struct session_filter up = parsed("state", "up", NULL, NULL);
	struct session_filter opening = parsed("state", "o", NULL, NULL);
	struct session_filter dying = parsed("state", "dy", NULL, NULL);
	v.dying = true;
	assert_false(session_filter_match(&up, &v));
	assert_true(session_filter_match(&dying, &v));
	v = a_session();
	v.up = false;
	assert_true(session_filter_match(&opening, &v));
	assert_false(session_filter_match(&dying, &v));
}

static void nothing_asked_is_everything(void **state)
{
	(void)state;
	struct session_view v = {0};
	struct session_filter f = parsed(NULL, NULL, NULL, NULL);
	assert_true(session_filter_match(&f, &v));
	f = parsed("detail", NULL, NULL, NULL);
	assert_true(f.detail);
	assert_true(session_filter_match(&f, &v));
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	assert_true(refused("user", NULL));
	assert_true(refused("nonsense", "x"));
	assert_true(refused("ip", "1.2.3"));
	assert_true(refused("tunnel", "0"));
	assert_true(refused("tunnel", "65536"));
	assert_true(refused("state", "x"));
	assert_true(refused("", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pairs_must_hold),
		cmocka_unit_test(numbers_match_by_their_beginning),
		cmocka_unit_test(states_exclude_each_other),
		cmocka_unit_test(nothing_asked_is_everything),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

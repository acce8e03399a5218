/* Usage files: their exact text, when they are made, who is in them; on a real disk at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/usage_io.h"
#include "core_kit.h"
#include "test_rcu.h"

static struct core_kit *usage_kit(void)
{
	struct core_kit *k = kit_new();

	kit_pool(k, "10.1.0.0/24");
	kit_user(k, "nemo:secret:10.9.0.1");
	kit_user(k, "flopsy:secret:10.9.0.2");
	k->conf.allow_duplicate_users = true;
	k->conf.tun_address = ip_addr_v4(0xCB007101);
	snprintf(k->conf.accounting_dir, sizeof(k->conf.accounting_dir), "/var/usage");
	kit_start(k);
	return k;
}

static struct sess_key up(struct core_kit *k, uint16_t sid, const char *user)
{
	struct sess_key key = kit_key(1, sid, sid);

	kit_session_new(k, key);
	kit_auth_pap(k, key, user, "secret");
	kit_session_up(k, key);
	return key;
}

/* What forwarding would have counted. */
static void traffic(struct core_kit *k, struct sess_key key, uint64_t from, uint64_t to)
{
	struct session_view v;

	assert_true(core_session_find(k->core, key.tid, key.sid, k->now, &v));
	struct dp_counters *c = dp_slot_counters_own(k->tables, key.sid % KIT_WORKERS, v.slot);
	atomic_fetch_add(&c->up_bytes, from);
	atomic_fetch_add(&c->down_bytes, to);
}

static void the_text_is_that_of_older_releases(void **state)
{
	(void)state;
	struct core_kit *k = usage_kit();
	struct sess_key a = up(k, 3, "nemo"), b = up(k, 4, "flopsy");

	up(k, 5, "nemo"); /* without a byte: not listed */
	traffic(k, a, 1000, 20000);
	traffic(k, b, 1, 5000000000);
	kit_advance(k, NSEC_S(299));
	assert_int_equal(k->n_usage, 0);
	kit_advance(k, NSEC_S(1));
	assert_string_equal(k->usage, "# dslwatch.pl dump file V1.01\n"
				      "# host: lns\n"
				      "# endpoint: 203.0.113.1\n"
				      "# time: 1763801300\n"
				      "# uptime: 300\n"
				      "# format: username ip qos uptxoctets downrxoctets\n"
				      "nemo 10.9.0.1 1 1000 20000\n"
				      "flopsy 10.9.0.2 1 1 5000000000\n"
				      "--\n");
	/* Since then only one has done anything. */
	k->usage[0] = '\0';
	k->conf.account_all_origin = true;
	traffic(k, a, 7, 0);
	kit_advance(k, NSEC_S(300));
	assert_non_null(strstr(k->usage, "downrxoctets origin(L=LAC, R=Remote LNS, P=PPPOE)\n"
					 "nemo 10.9.0.1 1 7 0 L\n--\n"));
	assert_int_equal(kit_free(k), 0);
}

static void nothing_happened_so_there_is_no_file(void **state)
{
	(void)state;
	struct core_kit *k = usage_kit();

	up(k, 3, "nemo");
	kit_advance(k, NSEC_S(1000));
	assert_int_equal(k->n_usage, 0);
	assert_int_equal(kit_free(k), 0);
}

static void who_ended_is_told_within_a_minute(void **state)
{
	(void)state;
	struct core_kit *k = usage_kit();
	struct sess_key a = up(k, 3, "nemo"), b = up(k, 4, "flopsy");
	struct sess_counters n = {.up_bytes = 50, .down_bytes = 70};

	traffic(k, b, 1, 1);
	kit_session_gone(k, a, &n);
	kit_advance(k, NSEC_S(59));
	assert_int_equal(k->n_usage, 0);
	kit_advance(k, NSEC_S(1));
	assert_int_equal(k->n_usage, 1);
	assert_non_null(strstr(k->usage, "octets\nnemo 10.9.0.1 1 50 70\n--\n"));
	kit_advance(k, NSEC_S(240));
	assert_int_equal(k->n_usage, 2);
	assert_non_null(strstr(k->usage, "octets\nflopsy 10.9.0.2 1 1 1\n--\n"));
	assert_int_equal(kit_free(k), 0);
}

static void names_are_escaped_so_that_lines_stay_lines(void **state)
{
	(void)state;
	struct core_kit *k = usage_kit();
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	struct sess_key key = kit_key(1, 3, 3);

	kit_conf_radius(k);
	core_conf(k->core, &k->conf, k->users, k->now);
	kit_session_new(k, key);
	m.key = key;
	m.proto = AUTH_PAP;
	m.user_len = LNS_USER_MAX;
	for (unsigned i = 0; i < LNS_USER_MAX; i++)
		m.user[i] = (uint8_t)i;
	m.password_len = 1;
	kit_msg(k, key.sid, &m.msg);
	kit_answer(k, RAD_ACCESS_ACCEPT, NULL);
	kit_session_up(k, key);
	traffic(k, key, 1, 2);
	kit_advance(k, NSEC_S(300));
	const char *line = strstr(k->usage, "octets\n");
	assert_non_null(line);
	assert_memory_equal(line + 7, "\\x00\\x01\\x02", 12);
	assert_non_null(strstr(line, "\\x1F\\x20!\"#"));
	assert_non_null(strstr(line, "XYZ[\\x5C]^_"));
	assert_non_null(strstr(line, "}~\\x7F\\x80"));
	assert_non_null(strstr(line, "\\xFB\\xFC 10.1.0."));
	assert_int_equal(kit_free(k), 0);
}

static void many_sessions_are_told_in_slices_and_each_once(void **state)
{
	(void)state;
	enum { N = 1500 };
	struct core_kit *k = usage_kit();

	for (uint16_t i = 1; i <= N; i++)
		traffic(k, up(k, i, i % 2 ? "nemo" : "flopsy"), i, 0);
	kit_advance(k, NSEC_S(300));
	assert_int_equal(k->n_usage, 0); /* the first slice */
	/* One that was told, one that comes, one that is new. */
	struct sess_counters same = {.up_bytes = 1}, more = {.up_bytes = N};
	kit_session_gone(k, kit_key(1, 1, 1), &same);
	kit_session_gone(k, kit_key(1, N, N), &more);
	traffic(k, up(k, N + 1, "nemo"), 99999, 0);
	for (unsigned i = 0; i < 5; i++)
		kit_advance(k, NSEC_MS(1));
	assert_int_equal(k->n_usage, 1);
	unsigned lines = 0;
	uint64_t sum = 0;
	for (const char *s = k->usage; (s = strchr(s, '\n')) != NULL && s[1] != '\0'; s++) {
		unsigned long long from;
		if (sscanf(s + 1, "%*s %*s %*d %llu", &from) == 1 && s[1] != '#') {
			lines++;
			sum += from;
		}
	}
	assert_int_equal(lines, N);
	assert_int_equal(sum, (uint64_t)N * (N + 1) / 2);
	assert_int_equal(kit_free(k), 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char dir[] = "/tmp/l2tpns-usage-XXXXXX";

static void files_are_named_by_their_time_and_complete(void **state)
{
	(void)state;
	char path[128], stamp[16], text[64];
	time_t t = 1763800000;
	struct tm tm;
	struct usage_io *io = usage_io_new();

	usage_io_text(io, dir, t, span_str("one "), false);
	usage_io_text(io, dir, t, span_str("two"), true);
	usage_io_text(io, dir, t, span_str("within the same second"), true);
	usage_io_text(io, "/nonexistent", t, span_str("lost"), true);
	usage_io_text(io, dir, t + 60, span_str("half"), false);
	usage_io_free(io);
	for (unsigned i = 0; i < 2; i++, t++) {
		localtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
		snprintf(path, sizeof(path), "%s/%s", dir, stamp);
		FILE *f = fopen(path, "r");
		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		fclose(f);
		assert_string_equal(text, i == 0 ? "one two" : "within the same second");
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0); /* there is nothing else */
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void a_bad_directory_is_refused_by_name(void **state)
{
	(void)state;
	char reason[USAGE_REASON];

	assert_false(usage_io_check("usage", reason));
	assert_string_equal(reason, "accounting_dir: usage: not an absolute path");
	assert_false(usage_io_check("/dev/null", reason));
	assert_string_equal(reason, "accounting_dir: /dev/null: not a directory");
	assert_false(usage_io_check("/nonexistent", reason));
	assert_true(usage_io_check(dir, reason));
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? test_rcu_start(state) : -1;
}

static int remove_dir(void **state)
{
	test_rcu_stop(state);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_that_of_older_releases),
		cmocka_unit_test(nothing_happened_so_there_is_no_file),
		cmocka_unit_test(who_ended_is_told_within_a_minute),
		cmocka_unit_test(names_are_escaped_so_that_lines_stay_lines),
		cmocka_unit_test(many_sessions_are_told_in_slices_and_each_once),
		cmocka_unit_test(files_are_named_by_their_time_and_complete),
		cmocka_unit_test(a_bad_directory_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

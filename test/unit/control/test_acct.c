/* Accounting of the control core: On and Off, what records say, when they are sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_kit.h"
#include "journal_kit.h"
#include "test_rcu.h"

static struct core_kit *acct_kit(void)
{
	struct core_kit *k = kit_new();
	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.radius_accounting = true;
	kit_start(k);
	return k;
}

static uint32_t number_of(const struct kit_send *s, uint8_t attribute)
{
	struct span v;
	assert_true(kit_find_attr(s, attribute, &v));
	return span_u32(&v);
}

static uint32_t status_of(const struct kit_send *s)
{
	assert_int_equal(s->bytes[0], RAD_ACCOUNTING_REQUEST);
	return number_of(s, RAD_ACCT_STATUS_TYPE);
}

enum { START = 1, STOP = 2, INTERIM = 3, ON = 7, OFF = 8 };

static struct sess_key session_up(struct core_kit *k, uint16_t sid, void (*put)(struct wbuf *w))
{
	struct sess_key key = kit_key(1, sid, sid);

	kit_session_new(k, key);
	kit_auth_pap(k, key, "nemo", "x");
	kit_answer(k, RAD_ACCESS_ACCEPT, put);
	kit_session_up(k, key);
	return key;
}

static void the_service_says_on_and_off(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();
	struct span v;

	assert_int_equal(k->n_sends, 1);
	assert_int_equal(status_of(kit_sent(k)), ON);
	assert_true(kit_find_attr(kit_sent(k), RAD_NAS_IDENTIFIER, &v));
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_SESSION_ID, &v));
	assert_int_equal(number_of(kit_sent(k), RAD_ACCT_DELAY_TIME), 0);
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	core_conf(k->core, &k->conf, k->users, k->now); /* a reload says nothing */
	assert_int_equal(k->n_sends, 1);

	struct sess_key key = session_up(k, 3, NULL);
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	core_shutdown(k->core, k->now);
	core_leave(k->core, k->now);
	assert_int_equal(status_of(kit_sent(k)), START); /* the session comes first */
	kit_session_gone(k, key, NULL);
	assert_int_equal(status_of(kit_sent(k)), STOP);
	kit_advance(k, NSEC_MS(10));
	assert_int_equal(status_of(kit_sent(k)), STOP); /* not acknowledged yet */
	assert_true(core_busy(k->core));
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	kit_advance(k, NSEC_MS(10));
	assert_int_equal(status_of(kit_sent(k)), OFF);
	assert_true(core_busy(k->core));
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	assert_false(core_busy(k->core));
	assert_int_equal(kit_free(k), 0);
}

/* RFC 3162 2.1 */
static void a_nas_with_ipv6_says_so(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	struct ip_addr v6 = {.family = 6, .b = {0x20, 1, 0xd, 0xb8, [15] = 9}};
	struct span v;

	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.radius_accounting = true;
	k->conf.bind_address = v6;
	kit_start(k);
	assert_int_equal(status_of(kit_sent(k)), ON);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(kit_find_attr(kit_sent(k), RAD_NAS_IPV6_ADDRESS, &v));
		assert_true(span_equal(v, span_of(v6.b, 16)));
		assert_false(kit_find_attr(kit_sent(k), RAD_NAS_IP_ADDRESS, &v));
		if (i == 0) {
			kit_session_new(k, kit_key(1, 3, 3));
			kit_auth_pap(k, kit_key(1, 3, 3), "nemo", "x");
			assert_int_equal(kit_sent(k)->bytes[0], RAD_ACCESS_REQUEST);
		}
	}
	assert_int_equal(kit_free(k), 0);
}

static void leaving_with_sessions_says_off_at_once(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();

	session_up(k, 3, NULL);
	core_leave(k->core, k->now);
	assert_int_equal(status_of(kit_sent(k)), OFF);
	assert_int_equal(kit_free(k), 0);
}

static void accounting_that_is_switched_on_later_says_on(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();
	kit_conf_radius(k);
	kit_start(k);
	assert_int_equal(k->n_sends, 0);
	k->conf.radius_accounting = true;
	core_conf(k->core, &k->conf, NULL, k->now);
	assert_int_equal(status_of(kit_sent(k)), ON);
	core_leave(k->core, k->now);
	assert_int_equal(status_of(kit_sent(k)), OFF);
	assert_int_equal(kit_free(k), 0);
}

/* Records wait for a server that takes them; nobody waits for one at the end. */
static void with_servers_for_logins_only_records_wait(void **state)
{
	(void)state;
	struct core_kit *k = kit_new();

	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.n_radius = 0;
	k->conf.radius_accounting = true;
	snprintf(k->conf.radius_servers, sizeof(k->conf.radius_servers), "192.0.2.1,auth-only");
	kit_start(k);
	assert_int_equal(k->n_sends, 0);
	struct sess_key key = session_up(k, 3, NULL);
	assert_int_equal(kit_sent(k)->bytes[0], RAD_ACCESS_REQUEST);
	kit_advance(k, NSEC_S(100));
	assert_int_equal(kit_sent(k)->bytes[0], RAD_ACCESS_REQUEST);

	snprintf(k->conf.radius_servers, sizeof(k->conf.radius_servers), "192.0.2.1");
	core_conf(k->core, &k->conf, k->users, k->now);
	unsigned told = 0, seen = k->n_sends;
	for (unsigned i = 0; i < 30 && told != (1u << ON | 1u << START); i++) {
		kit_advance(k, NSEC_S(1));
		if (k->n_sends == seen)
			continue;
		seen = k->n_sends;
		told |= 1u << status_of(kit_sent(k));
		assert_in_range(number_of(kit_sent(k), RAD_ACCT_DELAY_TIME), 100, 130);
		kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	}
	assert_int_equal(told, 1u << ON | 1u << START);

	snprintf(k->conf.radius_servers, sizeof(k->conf.radius_servers), "192.0.2.1,auth-only");
	core_conf(k->core, &k->conf, k->users, k->now);
	kit_session_gone(k, key, NULL);
	core_shutdown(k->core, k->now);
	core_leave(k->core, k->now);
	kit_advance(k, NSEC_MS(10));
	assert_false(core_busy(k->core));
	assert_int_equal(kit_free(k), 0);
}

static void put_interim(struct wbuf *w)
{
	rad_put_u32(w, RAD_ACCT_INTERIM_INTERVAL, 300);
}

static void put_short_interim(struct wbuf *w)
{
	rad_put_u32(w, RAD_ACCT_INTERIM_INTERVAL, 1);
}

/* Seconds from the Start to the first interim record. */
static unsigned first_interim_s(struct core_kit *k, uint16_t sid, void (*put)(struct wbuf *w))
{
	struct sess_key key = session_up(k, sid, put);
	unsigned s = 0;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	for (; s < 1000 && status_of(kit_sent(k)) != INTERIM; s++)
		kit_advance(k, NSEC_S(1));
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	kit_session_gone(k, key, NULL);
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	return s;
}

static void interim_records_are_spread_around_the_servers_interval(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();
	unsigned low = 1000, high = 0;

	k->conf.radius_interim = 600;
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	for (uint16_t i = 0; i < 20; i++) {
		unsigned s = first_interim_s(k, i + 1u, put_interim);
		low = s < low ? s : low;
		high = s > high ? s : high;
	}
	assert_in_range(low, 270, 300);
	assert_in_range(high, 300, 331);
	assert_true(high - low > 10);
	assert_in_range(first_interim_s(k, 30, NULL), 540, 661);
	assert_in_range(first_interim_s(k, 31, put_short_interim), 54, 67);
	assert_int_equal(kit_free(k), 0);
}

static void put_no_interim(struct wbuf *w)
{
	rad_put_u32(w, RAD_ACCT_INTERIM_INTERVAL, UINT32_MAX);
}

static void an_interval_of_a_century_is_one(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	assert_int_equal(first_interim_s(k, 1, put_no_interim), 1000);
	assert_int_equal(kit_free(k), 0);
}

static void a_name_of_ours_that_is_longer_than_an_attribute_is_cut(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();
	struct span v;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	memset(k->conf.hostname, 'n', 255);
	session_up(k, 3, NULL);
	assert_int_equal(status_of(kit_sent(k)), START);
	assert_true(kit_find_attr(kit_sent(k), RAD_TUNNEL_SERVER_AUTH_ID, &v));
	assert_int_equal(v.n, RAD_VALUE_MAX);
	assert_true(kit_find_attr(kit_sent(k), RAD_NAS_IDENTIFIER, &v));
	assert_int_equal(v.n, RAD_VALUE_MAX);
	assert_int_equal(kit_free(k), 0);
}

static void the_name_is_told_as_that_session_said_it(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();
	struct sess_key key = kit_key(1, 4, 4);
	struct span v;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	session_up(k, 3, NULL);
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	kit_session_new(k, key);
	kit_auth_pap(k, key, "NEMO", "x"); /* the same user: ends the other */
	kit_answer(k, RAD_ACCESS_ACCEPT, NULL);
	kit_session_gone(k, kit_key(1, 3, 3), NULL);
	assert_int_equal(status_of(kit_sent(k)), STOP);
	assert_true(kit_find_attr(kit_sent(k), RAD_USER_NAME, &v));
	assert_true(span_equal(v, span_str("nemo")));
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	kit_session_up(k, key);
	assert_int_equal(status_of(kit_sent(k)), START);
	assert_true(kit_find_attr(kit_sent(k), RAD_USER_NAME, &v));
	assert_true(span_equal(v, span_str("NEMO")));
	assert_int_equal(kit_free(k), 0);
}

static void a_record_says_how_the_session_was_let_in(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();

	session_up(k, 3, NULL);
	assert_int_equal(number_of(kit_sent(k), RAD_ACCT_AUTHENTIC), 1);
	assert_in_range(number_of(kit_sent(k), RAD_EVENT_TIMESTAMP), 1763800000, 1763900000);
	struct span v;
	assert_true(kit_find_attr(kit_sent(k), RAD_ACCT_TUNNEL_CONNECTION, &v));
	assert_int_equal(v.n, 2);
	assert_memory_equal(v.p, "77", 2);
	assert_int_equal(kit_free(k), 0);
}

/* Answers every accounting request since `from`; returns how many there were. */
static unsigned answer_since(struct core_kit *k, unsigned from)
{
	unsigned n = 0;

	for (unsigned i = from; i < k->n_sends; i++, n++) {
		struct kit_send s = k->sends[i % KIT_SENDS];
		kit_answer_to(k, &s, RAD_ACCOUNTING_RESPONSE, NULL);
	}
	return n;
}

static void records_that_no_server_took_are_told_later_in_order(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	struct sess_key key = session_up(k, 3, NULL);
	for (unsigned i = 0; i < 60; i++) /* the servers are silent */
		kit_advance(k, NSEC_S(1));
	assert_int_equal(counter_get(&k->counters, C_ACCT_LATE) > 0, true);
	unsigned before = k->n_sends;
	kit_session_gone(k, key, NULL);
	assert_int_equal(k->n_sends, before); /* behind the Start */
	assert_true(core_busy(k->core));

	/* They are back: the Start and then the Stop, each with its age. */
	uint32_t seen[8], delay[8];
	unsigned n = 0;
	for (unsigned i = 0; i < 120 && core_busy(k->core); i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_S(1));
		for (unsigned m = from; m < k->n_sends && n < 8; m++, n++) {
			seen[n] = status_of(&k->sends[m % KIT_SENDS]);
			delay[n] = number_of(&k->sends[m % KIT_SENDS], RAD_ACCT_DELAY_TIME);
		}
		answer_since(k, from);
	}
	assert_false(core_busy(k->core));
	assert_int_equal(n, 2);
	assert_int_equal(seen[0], START);
	assert_in_range(delay[0], 40, 120); /* as of its first repetition to that server */
	assert_int_equal(seen[1], STOP);
	assert_in_range(delay[1], 0, 60);
	assert_int_equal(counter_get(&k->counters, C_ACCT_LOST), 0);
	assert_int_equal(kit_free(k), 0);
}

static void many_late_records_come_through_and_none_twice(void **state)
{
	(void)state;
	enum { N = 500 };
	struct core_kit *k = acct_kit();
	static uint8_t told[N + 1][3];

	k->conf.allow_duplicate_users = true;
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	for (uint16_t i = 0; i < 200; i++)
		session_up(k, i + 1u, NULL);
	for (unsigned i = 0; i < 60; i++)
		kit_advance(k, NSEC_S(1));
	for (uint16_t i = 0; i < 200; i++)
		kit_session_gone(k, kit_key(1, i + 1u, i + 1u), NULL);
	memset(told, 0, sizeof(told));
	for (unsigned i = 0; i < 20000 && core_busy(k->core); i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_MS(20));
		for (unsigned m = from; m < k->n_sends; m++) {
			const struct kit_send *s = &k->sends[m % KIT_SENDS];
			told[number_of(s, RAD_NAS_PORT) & 0xFF][status_of(s)]++;
		}
		assert_true(k->n_sends - from <= KIT_SENDS);
		answer_since(k, from);
	}
	assert_false(core_busy(k->core));
	for (unsigned i = 1; i <= 200; i++) {
		assert_int_equal(told[i][START], 1);
		assert_int_equal(told[i][STOP], 1);
	}
	assert_int_equal(kit_free(k), 0);
}

static void late_records_that_remain_are_freed_and_said(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();

	session_up(k, 3, NULL);
	for (unsigned i = 0; i < 60; i++)
		kit_advance(k, NSEC_S(1));
	assert_int_equal(kit_free(k), 0);
}

/* ---- the journal ----------------------------------------------------------------------------- */

static struct journal_kit files;

static struct core_kit *journal_core(nsec now)
{
	struct core_kit *k = kit_new();

	kit_pool(k, "10.1.0.0/24");
	kit_conf_radius(k);
	k->conf.radius_accounting = true;
	k->conf.allow_duplicate_users = true;
	k->journal = files.journal;
	k->now = now;
	kit_start(k);
	return k;
}

static struct core_kit *journal_kit_core(void)
{
	jkit_init(&files, 1 << 20);
	return journal_core((nsec){NSEC_S(1000)});
}

static void journal_answers(struct core_kit *k)
{
	while (files.reading) {
		struct jkit_file *f = jkit_file(&files, files.read_file);
		assert_non_null(f);
		files.reading = false;
		core_journal_read(k->core, files.read_file, files.read_at,
				  span_of(f->bytes + files.read_at, files.read_n), k->now);
		core_turn(k->core, k->now);
	}
}

/* Time passes and the disk answers; so do the servers when `answers`. */
static void pass(struct core_kit *k, unsigned seconds, bool answers)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_MS(100));
		journal_answers(k);
		if (answers)
			answer_since(k, from);
	}
}

static uint64_t depth(const struct core_kit *k)
{
	struct core_acct_view v;
	core_acct_view(k->core, &v);
	return v.journal_depth;
}

static void the_end(struct core_kit *k)
{
	assert_int_equal(kit_free(k), 0);
	assert_int_equal(jkit_free(&files), 0);
}

/* The process ends without a word, and another one begins. */
static struct core_kit *crash(struct core_kit *k)
{
	struct journal_loaded worst;
	nsec now = k->now;

	assert_int_equal(kit_free(k), 0);
	jkit_crash(&files);
	jkit_load(&files, &worst);
	assert_int_equal(worst.bad_bytes, 0);
	return journal_core(now);
}

static void what_was_answered_is_not_told_by_the_next_process(void **state)
{
	(void)state;
	struct core_kit *k = journal_kit_core();

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL); /* Accounting-On */
	session_up(k, 3, NULL);
	assert_int_equal(depth(k), 1);
	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	assert_int_equal(depth(k), 0);
	session_up(k, 4, NULL); /* this Start is not answered */
	kit_advance(k, NSEC_MS(1));
	k = crash(k);
	assert_int_equal(depth(k), 2); /* it, and Accounting-On */
	unsigned from = k->n_sends;
	pass(k, 1, false);
	assert_true(k->n_sends > from);
	assert_int_equal(status_of(&k->sends[from % KIT_SENDS]), START);
	the_end(k);
}

/* What is sent until the journal is empty, and how old it was. */
static unsigned replayed(struct core_kit *k, uint32_t *seen, uint32_t *delay, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 600 && depth(k) > 0; i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_MS(100));
		journal_answers(k);
		for (unsigned m = from; m < k->n_sends && n < max; m++, n++) {
			seen[n] = status_of(&k->sends[m % KIT_SENDS]);
			delay[n] = number_of(&k->sends[m % KIT_SENDS], RAD_ACCT_DELAY_TIME);
		}
		answer_since(k, from);
	}
	assert_int_equal(depth(k), 0);
	return n;
}

static void records_of_before_come_first_with_their_age(void **state)
{
	(void)state;
	uint32_t seen[32], delay[32];
	struct core_kit *k = journal_kit_core();

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	for (uint16_t i = 0; i < 4; i++)
		session_up(k, i + 1u, NULL);
	pass(k, 100, false);
	for (uint16_t i = 0; i < 4; i++)
		kit_session_gone(k, kit_key(1, i + 1u, i + 1u), NULL);
	pass(k, 100, false);
	k = crash(k);
	assert_int_equal(depth(k), 9);
	assert_int_equal(replayed(k, seen, delay, 32), 9);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(seen[i], START);
		assert_in_range(delay[i], 199, 220);
		assert_int_equal(seen[i + 4], STOP);
		assert_in_range(delay[i + 4], 99, 120);
	}
	assert_int_equal(seen[8], ON);
	the_end(k);
}

/* Answers all accounting requests since `from` but those of one session. */
static void answer_others(struct core_kit *k, unsigned from, uint32_t poison)
{
	for (unsigned i = from; i < k->n_sends; i++) {
		struct kit_send s = k->sends[i % KIT_SENDS];
		struct span v;
		if (!kit_find_attr(&s, RAD_NAS_PORT, &v) || (span_u32(&v) & 0xFFFF) != poison)
			kit_answer_to(k, &s, RAD_ACCOUNTING_RESPONSE, NULL);
	}
}

static void one_record_that_servers_refuse_holds_up_no_other(struct core_kit *k)
{
	struct core_acct_view v;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	session_up(k, 9, NULL); /* its records are not taken */
	for (uint16_t i = 0; i < 200; i++) {
		unsigned from = k->n_sends;
		uint16_t sid = (uint16_t)(100 + i);
		session_up(k, sid, NULL);
		kit_session_gone(k, kit_key(1, sid, sid), NULL);
		kit_advance(k, NSEC_MS(500));
		journal_answers(k);
		answer_others(k, from, 9);
	}
	core_acct_view(k->core, &v);
	assert_int_equal(v.waiting, 0);
	assert_int_equal(v.postponed + v.under_way, 1);
	assert_false(v.silent);
	pass(k, 300, true); /* it is tried again, and taken at last */
	core_acct_view(k->core, &v);
	assert_int_equal(v.waiting + v.postponed + v.under_way + v.journal_depth, 0);
}

static void a_refused_record_in_memory(void **state)
{
	(void)state;
	struct core_kit *k = acct_kit();
	k->conf.allow_duplicate_users = true;
	one_record_that_servers_refuse_holds_up_no_other(k);
	assert_int_equal(kit_free(k), 0);
}

static void a_refused_record_in_the_journal(void **state)
{
	(void)state;
	struct core_kit *k = journal_kit_core();
	one_record_that_servers_refuse_holds_up_no_other(k);
	the_end(k);
}

/* On an idle system nothing else proves that the server is alive. */
static void a_refused_record_alone_gives_way_after_a_while(void **state)
{
	(void)state;
	struct core_kit *k = journal_kit_core();
	struct core_acct_view v;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	session_up(k, 9, NULL);
	for (unsigned i = 0; i < 200; i++) {
		unsigned from = k->n_sends;
		kit_advance(k, NSEC_S(1));
		journal_answers(k);
		answer_others(k, from, 9);
		if (i == 100)
			session_up(k, 10, NULL);
	}
	core_acct_view(k->core, &v);
	assert_int_equal(v.waiting, 0);
	assert_int_equal(v.journal_depth, 1);
	the_end(k);
}

static void a_journal_without_room_leaves_memory(void **state)
{
	(void)state;
	struct core_kit *k = journal_kit_core();
	struct core_acct_view v;

	kit_answer(k, RAD_ACCOUNTING_RESPONSE, NULL);
	files.behind = true;
	session_up(k, 3, NULL);
	assert_int_equal(counter_get(&k->counters, C_ACCT_JOURNAL_REFUSED), 1);
	pass(k, 100, false);
	core_acct_view(k->core, &v);
	assert_int_equal(v.journal_depth, 0);
	assert_int_equal(v.waiting + v.under_way, 1);
	pass(k, 100, true);
	core_acct_view(k->core, &v);
	assert_int_equal(v.waiting + v.under_way, 0);
	the_end(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_service_says_on_and_off),
		cmocka_unit_test(a_nas_with_ipv6_says_so),
		cmocka_unit_test(leaving_with_sessions_says_off_at_once),
		cmocka_unit_test(accounting_that_is_switched_on_later_says_on),
		cmocka_unit_test(with_servers_for_logins_only_records_wait),
		cmocka_unit_test(interim_records_are_spread_around_the_servers_interval),
		cmocka_unit_test(records_that_no_server_took_are_told_later_in_order),
		cmocka_unit_test(many_late_records_come_through_and_none_twice),
		cmocka_unit_test(late_records_that_remain_are_freed_and_said),
		cmocka_unit_test(a_record_says_how_the_session_was_let_in),
		cmocka_unit_test(what_was_answered_is_not_told_by_the_next_process),
		cmocka_unit_test(records_of_before_come_first_with_their_age),
		cmocka_unit_test(a_refused_record_in_memory),
		cmocka_unit_test(a_refused_record_in_the_journal),
		cmocka_unit_test(a_refused_record_alone_gives_way_after_a_while),
		cmocka_unit_test(a_journal_without_room_leaves_memory),
		cmocka_unit_test(an_interval_of_a_century_is_one),
		cmocka_unit_test(the_name_is_told_as_that_session_said_it),
		cmocka_unit_test(a_name_of_ours_that_is_longer_than_an_attribute_is_cut),
	};
	return cmocka_run_group_tests(tests, test_rcu_start, test_rcu_stop);
}

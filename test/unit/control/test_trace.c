/* A subscriber's conversation: packets in words, who is followed, what is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "control/trace_text.h"
#include "core_kit.h"

/* ---- words ----------------------------------------------------------------------------------- */

static void expect_ppp(const char *want, bool sent, const void *frame, size_t n)
{
	char line[TRACE_LINE_MAX];

	trace_ppp(sent, span_of(frame, n), line);
	assert_string_equal(line, want);
}

#define PPP(want, sent, ...)                                                                       \
	do {                                                                                       \
		static const uint8_t f[] = {__VA_ARGS__};                                          \
		expect_ppp(want, sent, f, sizeof(f));                                              \
	} while (0)

static void ppp_in_words(void **state)
{
	(void)state;
	PPP("LCP    -> Configure-Request id 7, MRU 1462, Authentication CHAP-MD5, "
	    "Magic-Number 0x12345678",
	    true, 0xC0, 0x21, 1, 7, 0, 19, 1, 4, 0x05, 0xB6, 3, 5, 0xC2, 0x23, 5, 5, 6, 0x12, 0x34,
	    0x56, 0x78);
	PPP("LCP    <- Configure-Reject id 1, PFC, option 99 abcd", false, 0xFF, 0x03, 0xC0, 0x21,
	    4, 1, 0, 10, 7, 2, 99, 4, 0xAB, 0xCD);
	PPP("LCP    <- Configure-Request id 1, an option with a length that lies", false, 0xC0,
	    0x21, 1, 1, 0, 6, 1, 9);
	PPP("LCP    <- Terminate-Request id 2 \"bye?\"", false, 0xC0, 0x21, 5, 2, 0, 8, 'b', 'y',
	    'e', 7);
	PPP("LCP    <- code 77 id 2", false, 0xC0, 0x21, 77, 2, 0, 4);
	PPP("IPCP   -> Configure-Nak id 3, IP-Address 198.18.0.1, Primary-DNS 9.9.9.9", true, 0x80,
	    0x21, 3, 3, 0, 16, 3, 6, 198, 18, 0, 1, 129, 6, 9, 9, 9, 9);
	PPP("CHAP   -> Challenge id 4 of \"lns\"", true, 0xC2, 0x23, 1, 4, 0, 10, 2, 0xAA, 0xBB,
	    'l', 'n', 's');
	PPP("CHAP   <- Failure id 4 \"no\"", false, 0xC2, 0x23, 4, 4, 0, 6, 'n', 'o');
	PPP("PAP    <- Authenticate-Request id 1 user \"joe\"", false, 0xC0, 0x23, 1, 1, 0, 12, 3,
	    'j', 'o', 'e', 3, 'p', 'w', 'd');
	PPP("PPP    <- protocol 0x8281, Configure-Request id 1", false, 0x82, 0x81, 1, 1, 0, 4);
	PPP("PPP    <- a frame cut short", false, 0xC0);
	PPP("LCP    <- protocol 0xc021, malformed", false, 0xC0, 0x21, 1, 1);
}

static void l2tp_in_words(void **state)
{
	static const uint8_t icrq[] = {0x80, 8, 0, 0, 0, 0,  0,	  10,	    /* Message Type */
				       0x80, 8, 0, 0, 0, 14, 0,	  9,	    /* session */
				       0x80, 9, 0, 0, 0, 22, '0', '4', '1', /* calling */
				       0xC0, 8, 0, 0, 0, 21, 1,	  2,	    /* called, hidden */
				       0,    7, 0, 9, 0, 1,  1};	    /* a vendor's */
	static const uint8_t cdn[] = {0x80, 14, 0, 0, 0, 1, 0, 2, 0, 7, 'g', 'o', 'n', 'e'};
	char line[TRACE_LINE_MAX];
	(void)state;

	trace_l2tp(10, false, span_of(icrq, sizeof(icrq)), line);
	assert_string_equal(line, "L2TP   <- ICRQ, Assigned Session ID 9, Calling Number 041, "
				  "Called Number (hidden), AVP 9/1");
	trace_l2tp(14, true, span_of(cdn, sizeof(cdn)), line);
	assert_string_equal(line, "L2TP   -> CDN, Result Code 2 error 7 \"gone\"");
	trace_l2tp(99, true, span_of(NULL, 0), line);
	assert_string_equal(line, "L2TP   -> message 99");
}

static void radius_in_words(void **state)
{
	static const uint8_t attrs[] = {1,  5,	'j', 'o', 'e',	  /* User-Name */
					2,  6,	1,   2,	  3,   4, /* User-Password */
					8,  6,	10,  0,	  0,   1, /* Framed-IP-Address */
					26, 12, 0,   0,	  0,   9, 1, 6, 'a', '=', 'b', '\n'};
	char line[TRACE_LINE_MAX];
	(void)state;

	trace_radius(RAD_ACCESS_REQUEST, true, span_of(attrs, sizeof(attrs)), line);
	assert_string_equal(line,
			    "RADIUS -> Access-Request, User-Name joe, User-Password (4 bytes), "
			    "Framed-IP-Address 10.0.0.1, Cisco-AVPair a=b?");
}

/* Any bytes are a line of printable characters that ends within its bounds. */
static void any_bytes_are_a_line(void **state)
{
	struct test_random rnd = {4};
	uint8_t bytes[300];
	char line[TRACE_LINE_MAX + 1];
	(void)state;

	for (unsigned i = 0; i < 20000; i++) {
		size_t n = test_random_below(&rnd, sizeof(bytes) + 1);
		test_random_fill(&rnd, bytes, n);
		if (n > 2 && i % 2) { /* something like LCP */
			bytes[0] = 0xC0;
			bytes[1] = 0x21;
		}
		line[TRACE_LINE_MAX] = 0x55;
		if (i % 3 == 0)
			trace_ppp(i % 2, span_of(bytes, n), line);
		else if (i % 3 == 1)
			trace_l2tp(bytes[0], i % 2, span_of(bytes, n), line);
		else
			trace_radius(bytes[0], i % 2, span_of(bytes, n), line);
		assert_int_equal(line[TRACE_LINE_MAX], 0x55);
		size_t len = strnlen(line, TRACE_LINE_MAX);
		assert_in_range(len, 1, TRACE_LINE_MAX - 1);
		for (size_t k = 0; k < len; k++)
			assert_in_range(line[k], 0x20, 0x7E);
	}
}

/* ---- who is followed ------------------------------------------------------------------------- */

static void tell(struct core_kit *k, struct sess_key key, int64_t at_ms, uint8_t id)
{
	const uint8_t frame[] = {0xC0, 0x21, 9, id, 0, 8, 0, 0, 0, 0};
	struct msg_trace m = MSG_INIT(MSG_TRACE, struct msg_trace);

	m.key = key;
	m.at = nsec_add(k->now, NSEC_MS(at_ms));
	m.what = TRACE_PPP;
	m.n = sizeof(frame);
	memcpy(m.bytes, frame, sizeof(frame));
	m.msg.len = (uint16_t)(offsetof(struct msg_trace, bytes) + m.n);
	kit_msg(k, key.sid, &m.msg);
}

static void expect_echo(struct core_kit *k, unsigned id, unsigned number)
{
	struct trace_view v;
	char want[64];

	assert_true(core_trace_next(k->core, id, &v));
	snprintf(want, sizeof(want), "LCP    <- Echo-Request id %u", number);
	assert_string_equal(v.text, want);
}

static void login(struct core_kit *k, struct sess_key key, const char *user)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);

	m.key = key;
	m.proto = AUTH_PAP;
	m.user_len = (uint8_t)strlen(user);
	memcpy(m.user, user, m.user_len);
	kit_msg(k, key.sid, &m.msg);
}

static void what_came_before_the_name_is_remembered(void **state)
{
	struct core_kit *k = kit_new();
	struct sess_key his = kit_key(1, 1, 1), other = kit_key(1, 2, 2);
	struct trace_view v;
	(void)state;

	kit_start(k);
	unsigned id = core_trace_start(k->core, span_str("JOE"), k->now);
	assert_int_not_equal(id, 0);
	struct trace_names names;
	core_trace_names(k->core, &names);
	assert_int_equal(names.n, 1);
	assert_true(trace_names_has(&names, (const uint8_t *)"joe", 3));
	tell(k, his, -1, 1); /* before its session is known */
	kit_session_new(k, his);
	kit_session_new(k, other);
	tell(k, other, 3, 9);
	tell(k, his, -2, 0); /* overtaken on its way */
	assert_false(core_trace_next(k->core, id, &v));
	login(k, other, "jim");
	assert_false(core_trace_next(k->core, id, &v));
	login(k, his, "joe");
	expect_echo(k, id, 0);
	expect_echo(k, id, 1);
	while (core_trace_next(k->core, id, &v)) /* what became of the login */
		assert_memory_equal(v.text, "--     ", 7);
	tell(k, other, 4, 9);
	tell(k, his, 4, 2);
	expect_echo(k, id, 2);
	assert_false(core_trace_next(k->core, id, &v));
	core_trace_end(k->core, id);
	tell(k, his, 5, 3); /* under way: nobody cares */
	core_trace_names(k->core, &names);
	assert_int_equal(names.n, 0);
	assert_int_equal(kit_free(k), 0);
}

static void sessions_that_are_there_are_told_to_tell(void **state)
{
	struct core_kit *k = kit_new();
	struct sess_key key = kit_key(1, 1, 1);
	(void)state;

	kit_start(k);
	kit_session_new(k, key);
	login(k, key, "joe");
	unsigned id = core_trace_start(k->core, span_str("joe"), k->now);
	const struct msg_session_change *m = kit_posted(k, MSG_SESSION_CHANGE);
	assert_non_null(m);
	assert_true(m->has_trace && m->trace);
	assert_true(sess_key_equal(m->key, key));
	tell(k, key, 1, 5);
	expect_echo(k, id, 5);
	assert_int_equal(kit_free(k), 0); /* ends the trace */
}

static void traces_are_bounded(void **state)
{
	struct core_kit *k = kit_new();
	struct sess_key key = kit_key(1, 1, 1);
	unsigned ids[LNS_TRACES_MAX], lines = 0;
	struct trace_view v;
	(void)state;

	kit_start(k);
	size_t before = k->mem.held;
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		assert_int_not_equal(ids[i] = core_trace_start(k->core, span_str("joe"), k->now),
				     0);
	assert_int_equal(core_trace_start(k->core, span_str("jim"), k->now), 0);
	assert_int_equal(core_trace_start(k->core, span_str(""), k->now), 0);
	kit_session_new(k, key);
	for (unsigned i = 0; i < 5000; i++)
		tell(k, kit_key(1, 77, 7), 0, 1); /* a name never comes: the backlog is a ring */
	login(k, key, "joe");
	for (unsigned i = 0; i < 2000; i++)
		tell(k, key, 1, (uint8_t)i);
	while (core_trace_next(k->core, ids[0], &v))
		lines++;
	assert_in_range(lines, 100, 600);
	tell(k, key, 2, 1);
	assert_true(core_trace_next(k->core, ids[0], &v));
	assert_int_equal(v.lost, 0); /* was told with the first line */
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		core_trace_end(k->core, ids[i]);
	core_trace_end(k->core, ids[0]); /* twice does no harm */
	assert_in_range(k->mem.held, before, before + 200000); /* tables of the session */
	assert_int_equal(kit_free(k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ppp_in_words),
		cmocka_unit_test(l2tp_in_words),
		cmocka_unit_test(radius_in_words),
		cmocka_unit_test(any_bytes_are_a_line),
		cmocka_unit_test(what_came_before_the_name_is_remembered),
		cmocka_unit_test(sessions_that_are_there_are_told_to_tell),
		cmocka_unit_test(traces_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The load generator's subscriber, against conversations written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lg_ppp.h"

struct wire {
	struct lg_ppp ppp;
	struct lg_ppp_conf conf;
	struct lg_ppp_env env;
	uint8_t last[LG_PPP_FRAME_MAX];
	size_t n;
	unsigned sent;
};

static void keep(void *ctx, struct span frame)
{
	struct wire *w = ctx;
	memcpy(w->last, frame.p, frame.n);
	w->n = frame.n;
	w->sent++;
}

static void begin(struct wire *w)
{
	*w = (struct wire){.conf = {.mru = 1462,
				    .tries = 3,
				    .allow_pap = true,
				    .allow_chap = true,
				    .want_dns = true}};
	w->env = (struct lg_ppp_env){.conf = &w->conf,
				     .user = span_str("user1"),
				     .password = span_str("secret"),
				     .ctx = w,
				     .send = keep};
	lg_ppp_start(&w->ppp, 0x01020304, &w->env);
}

#define RX(w, ...)                                                                                 \
	lg_ppp_rx(&(w)->ppp,                                                                       \
		  span_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})), \
		  &(w)->env)

#define SENT(w, ...)                                                                               \
	do {                                                                                       \
		const uint8_t want_[] = {__VA_ARGS__};                                             \
		assert_int_equal((w)->n, sizeof(want_));                                           \
		assert_memory_equal((w)->last, want_, sizeof(want_));                              \
	} while (0)

static void lcp_with_chap_opens(struct wire *w)
{
	SENT(w, 0xC0, 0x21, 1, 1, 0, 14, 1, 4, 0x05, 0xB6, 5, 6, 1, 2, 3, 4);
	assert_int_equal(RX(w, 0xC0, 0x21, 1, 9, 0, 15, 3, 5, 0xC2, 0x23, 5, 5, 6, 9, 9, 9, 9),
			 LG_PPP_NOTHING);
	SENT(w, 0xC0, 0x21, 2, 9, 0, 15, 3, 5, 0xC2, 0x23, 5, 5, 6, 9, 9, 9, 9);
	assert_int_equal(RX(w, 0xC0, 0x21, 2, 1, 0, 14, 1, 4, 0x05, 0xB6, 5, 6, 1, 2, 3, 4),
			 LG_PPP_PROGRESS);
	assert_int_equal(w->ppp.phase, LG_PHASE_AUTH);
}

static void a_chap_dial_ends_open(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	lcp_with_chap_opens(&w);
	RX(&w, 0xC2, 0x23, 1, 7, 0, 8, 2, 0xAA, 0xBB, 'x');
	assert_int_equal(w.last[2], 2);
	assert_int_equal(w.last[3], 7);
	assert_int_equal(w.last[6], 16);
	assert_memory_equal(w.last + 23, "user1", 5);
	assert_int_equal(RX(&w, 0xC2, 0x23, 3, 7, 0, 4), LG_PPP_PROGRESS);
	SENT(&w, 0x80, 0x21, 1, 1, 0, 16, 3, 6, 0, 0, 0, 0, 129, 6, 0, 0, 0, 0);
	RX(&w, 0x80, 0x21, 3, 1, 0, 16, 3, 6, 10, 0, 0, 5, 129, 6, 192, 0, 2, 53);
	SENT(&w, 0x80, 0x21, 1, 2, 0, 16, 3, 6, 10, 0, 0, 5, 129, 6, 192, 0, 2, 53);
	RX(&w, 0x80, 0x21, 1, 1, 0, 10, 3, 6, 10, 0, 0, 1);
	SENT(&w, 0x80, 0x21, 2, 1, 0, 10, 3, 6, 10, 0, 0, 1);
	assert_int_equal(RX(&w, 0x80, 0x21, 2, 2, 0, 16, 3, 6, 10, 0, 0, 5, 129, 6, 192, 0, 2, 53),
			 LG_PPP_OPENED);
	assert_int_equal(w.ppp.ip, 0x0A000005);
}

static void an_unwanted_authentication_is_naked(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	w.conf.allow_pap = false;
	RX(&w, 0xC0, 0x21, 1, 9, 0, 8, 3, 4, 0xC0, 0x23);
	SENT(&w, 0xC0, 0x21, 3, 9, 0, 9, 3, 5, 0xC2, 0x23, 5);
	assert_int_equal(w.ppp.phase, LG_PHASE_LCP);
}

static void unknown_options_are_rejected(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	RX(&w, 0xC0, 0x21, 1, 9, 0, 12, 17, 4, 6, 78, 5, 4, 1, 1);
	SENT(&w, 0xC0, 0x21, 4, 9, 0, 8, 17, 4, 6, 78);
}

static void an_answer_to_another_request_is_ignored(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	RX(&w, 0xC0, 0x21, 1, 9, 0, 4);
	assert_int_equal(RX(&w, 0xC0, 0x21, 2, 2, 0, 4), LG_PPP_NOTHING);
	assert_int_equal(w.ppp.phase, LG_PHASE_LCP);
}

static void echo_and_terminate_are_answered(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	lcp_with_chap_opens(&w);
	RX(&w, 0xC0, 0x21, 9, 4, 0, 10, 0, 0, 0, 0, 'h', 'i');
	SENT(&w, 0xC0, 0x21, 10, 4, 0, 10, 1, 2, 3, 4, 'h', 'i');
	assert_int_equal(RX(&w, 0xC0, 0x21, 5, 6, 0, 4), LG_PPP_TERMINATED);
	SENT(&w, 0xC0, 0x21, 6, 6, 0, 4);
}

static void it_gives_up(void **state)
{
	(void)state;
	struct wire w;
	begin(&w);
	assert_int_equal(lg_ppp_timeout(&w.ppp, &w.env), LG_PPP_NOTHING);
	assert_int_equal(lg_ppp_timeout(&w.ppp, &w.env), LG_PPP_NOTHING);
	assert_int_equal(lg_ppp_timeout(&w.ppp, &w.env), LG_PPP_GAVE_UP);
	assert_int_equal(w.sent, 3);
}

static void every_truncation_does_nothing(void **state)
{
	(void)state;
	const uint8_t frame[] = {0xC0, 0x21, 1, 9, 0, 15, 3, 5, 0xC2, 0x23, 5, 5, 6, 9, 9, 9, 9};
	for (size_t n = 0; n < sizeof(frame); n++) {
		struct wire w;
		begin(&w);
		assert_int_equal(lg_ppp_rx(&w.ppp, span_of(frame, n), &w.env), LG_PPP_NOTHING);
		assert_int_equal(w.sent, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chap_dial_ends_open),
		cmocka_unit_test(an_unwanted_authentication_is_naked),
		cmocka_unit_test(unknown_options_are_rejected),
		cmocka_unit_test(an_answer_to_another_request_is_ignored),
		cmocka_unit_test(echo_and_terminate_are_answered),
		cmocka_unit_test(it_gives_up),
		cmocka_unit_test(every_truncation_does_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The reliable channel: order, windows, retransmission, wrap, and two channels that talk over a
 * network which loses, doubles and turns around what it carries.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "l2tp/l2tp_chan.h"
#include "test_alloc.h"
#include "test_random.h"

static const struct l2tp_chan_conf conf = {.max_retries = 5, .cap_s = 8};
static struct test_alloc mem;
static struct l2tp_chan chan;

static nsec at_ms(int64_t ms)
{
	return (nsec){NSEC_S(1000) + NSEC_MS(ms)};
}

static int setup(void **state)
{
	(void)state;
	test_alloc_init(&mem);
	l2tp_chan_init(&chan, &mem.alloc, 8);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(l2tp_chan_check(&chan));
	l2tp_chan_fini(&chan);
	assert_int_equal(mem.blocks, 0);
	return 0;
}

/* Queues a message whose body is one number. */
static void queue(struct l2tp_chan *c, uint16_t number)
{
	uint8_t bytes[32];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_hdr_begin(&w, 1, 0);
	wbuf_u16(&w, number);
	l2tp_hdr_finish(&w);
	assert_true(l2tp_chan_queue(c, wbuf_written(&w)));
}

/* Gives the channel a message with this Ns and Nr and one number. */
static enum l2tp_chan_verdict rx(struct l2tp_chan *c, uint16_t ns, uint16_t nr, uint16_t number,
				 nsec now)
{
	uint8_t bytes[32];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct l2tp_hdr h;
	enum drop why;

	l2tp_hdr_begin(&w, 1, 0);
	wbuf_u16(&w, number);
	l2tp_hdr_finish(&w);
	l2tp_hdr_stamp(bytes, w.n, ns, nr);
	assert_true(l2tp_hdr_decode_control(wbuf_written(&w), &h, &why));
	return l2tp_chan_rx(c, &h, wbuf_written(&w), now);
}

static enum l2tp_chan_verdict rx_ack(struct l2tp_chan *c, uint16_t ns, uint16_t nr, nsec now)
{
	struct l2tp_hdr h = {.ns = ns, .nr = nr};

	return l2tp_chan_rx(c, &h, span_of(NULL, 0), now);
}

/* Sends all that may go; returns how many, and the last one's Ns. */
static unsigned drain(struct l2tp_chan *c, nsec now, uint16_t *last_ns)
{
	struct l2tp_hdr h;
	enum drop why;
	unsigned n = 0;

	for (;;) {
		struct span m = l2tp_chan_tx(c, &conf, now);
		if (m.n == 0)
			return n;
		n++;
		assert_true(l2tp_hdr_decode_control(m, &h, &why));
		if (last_ns)
			*last_ns = h.ns;
	}
}

static uint16_t number_of(struct span datagram)
{
	struct l2tp_hdr h;
	enum drop why;

	assert_true(l2tp_hdr_decode_control(datagram, &h, &why));
	return span_u16(&h.body);
}

static void messages_in_order_are_taken(void **state)
{
	(void)state;
	for (uint16_t ns = 0; ns < 20; ns++)
		assert_int_equal(rx(&chan, ns, 0, ns, at_ms(0)), L2TP_CHAN_NEXT);
	assert_int_equal(chan.nr, 20);
	assert_true(chan.ack_due);
}

static void ahead_of_order_is_kept_and_given_later(void **state)
{
	(void)state;
	assert_int_equal(rx(&chan, 2, 0, 102, at_ms(0)), L2TP_CHAN_STORED);
	assert_int_equal(rx(&chan, 1, 0, 101, at_ms(0)), L2TP_CHAN_STORED);
	assert_int_equal(rx(&chan, 2, 0, 102, at_ms(0)), L2TP_CHAN_DUPLICATE);
	assert_int_equal(rx(&chan, 7, 0, 107, at_ms(0)), L2TP_CHAN_STORED);
	assert_int_equal(rx(&chan, 8, 0, 108, at_ms(0)), L2TP_CHAN_OUTSIDE);
	assert_null(l2tp_chan_next_stored(&chan));
	assert_int_equal(rx(&chan, 0, 0, 100, at_ms(0)), L2TP_CHAN_NEXT);
	for (uint16_t want = 101; want <= 102; want++) {
		struct l2tp_chan_msg *m = l2tp_chan_next_stored(&chan);
		assert_non_null(m);
		assert_int_equal(number_of(l2tp_chan_msg_span(m)), want);
		l2tp_chan_msg_free(&chan, m);
	}
	assert_null(l2tp_chan_next_stored(&chan));
	assert_int_equal(chan.nr, 3);
}

static void a_duplicate_is_acknowledged_again(void **state)
{
	(void)state;
	uint8_t bytes[12];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	rx(&chan, 0, 0, 0, at_ms(0));
	assert_true(l2tp_chan_zlb(&chan, 5, &w, at_ms(0)));
	assert_int_equal(w.n, 12);
	assert_int_equal(bytes[11], 1); /* Nr */
	assert_false(l2tp_chan_zlb(&chan, 5, &w, at_ms(0)));
	assert_int_equal(rx(&chan, 0, 0, 0, at_ms(1)), L2TP_CHAN_DUPLICATE);
	assert_true(chan.ack_due);
}

static void a_zlb_is_not_acknowledged(void **state)
{
	(void)state;
	assert_int_equal(rx_ack(&chan, 0, 0, at_ms(0)), L2TP_CHAN_ACK);
	assert_false(chan.ack_due);
	assert_int_equal(chan.nr, 0);
}

static void an_acknowledgement_of_nothing_sent_is_refused(void **state)
{
	(void)state;
	queue(&chan, 0);
	assert_int_equal(rx(&chan, 0, 1, 0, at_ms(0)), L2TP_CHAN_OUTSIDE); /* not sent yet */
	assert_int_equal(drain(&chan, at_ms(0), NULL), 1);
	assert_int_equal(rx(&chan, 0, 2, 0, at_ms(0)), L2TP_CHAN_OUTSIDE);
	assert_int_equal(chan.nr, 0);
	assert_int_equal(rx(&chan, 0, 1, 0, at_ms(0)), L2TP_CHAN_NEXT);
	assert_true(l2tp_chan_idle(&chan));
}

static void a_reply_carries_the_acknowledgement(void **state)
{
	(void)state;
	rx(&chan, 0, 0, 0, at_ms(0));
	queue(&chan, 1);
	assert_int_equal(drain(&chan, at_ms(0), NULL), 1);
	assert_false(chan.ack_due);
}

/* Appendix A: the window opens by one per acknowledged message, up to the peer's. */
static void the_window_opens_slowly(void **state)
{
	(void)state;
	uint16_t ns;

	l2tp_chan_peer_window(&chan, 4);
	for (uint16_t i = 0; i < 40; i++)
		queue(&chan, i);
	assert_int_equal(drain(&chan, at_ms(0), &ns), 1);
	rx_ack(&chan, 0, 1, at_ms(10));
	assert_int_equal(drain(&chan, at_ms(10), &ns), 2);
	rx_ack(&chan, 0, 3, at_ms(20));
	assert_int_equal(drain(&chan, at_ms(20), &ns), 4);
	assert_int_equal(ns, 6);
	rx_ack(&chan, 0, 7, at_ms(30));
	assert_int_equal(drain(&chan, at_ms(30), &ns), 4); /* the peer's window */
	assert_int_equal(drain(&chan, at_ms(30), &ns), 0);
}

static void a_window_of_zero_counts_as_one(void **state)
{
	(void)state;
	l2tp_chan_peer_window(&chan, 0);
	queue(&chan, 0);
	queue(&chan, 1);
	assert_int_equal(drain(&chan, at_ms(0), NULL), 1);
	rx_ack(&chan, 0, 1, at_ms(0));
	assert_int_equal(drain(&chan, at_ms(0), NULL), 1);
}

static void silence_is_answered_after_1_2_4_8_8_seconds(void **state)
{
	static const int64_t due_s[] = {1, 3, 7, 15, 23};

	(void)state;
	queue(&chan, 7);
	assert_int_equal(drain(&chan, at_ms(0), NULL), 1);
	for (unsigned i = 0; i < 5; i++) {
		nsec due = at_ms(due_s[i] * 1000);
		assert_int_equal(l2tp_chan_timer(&chan, &conf, (nsec){due.ns - 1}), L2TP_CHAN_WAIT);
		assert_int_equal(chan.deadline.ns, due.ns);
		assert_int_equal(l2tp_chan_timer(&chan, &conf, due), L2TP_CHAN_RESEND);
		assert_int_equal(drain(&chan, due, NULL), 1);
	}
	assert_int_equal(l2tp_chan_timer(&chan, &conf, at_ms(30999)), L2TP_CHAN_WAIT);
	assert_int_equal(l2tp_chan_timer(&chan, &conf, at_ms(31000)), L2TP_CHAN_DEAD);
	assert_int_equal(chan.resends, 5);
	assert_int_equal(l2tp_chan_cycle_s(&conf), 31);
}

static void progress_starts_the_count_anew(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 3; i++)
		queue(&chan, i);
	drain(&chan, at_ms(0), NULL);
	assert_int_equal(l2tp_chan_timer(&chan, &conf, at_ms(1000)), L2TP_CHAN_RESEND);
	drain(&chan, at_ms(1000), NULL);
	assert_int_equal(chan.tries, 1);
	rx_ack(&chan, 0, 1, at_ms(1500));
	assert_int_equal(chan.tries, 0);
	assert_int_equal(drain(&chan, at_ms(1500), NULL), 2);
}

/* After a loss the oldest goes first, alone, and what the peer kept is not sent again. */
static void only_what_is_missing_goes_again(void **state)
{
	(void)state;
	uint16_t ns;

	for (uint16_t i = 0; i < 4; i++)
		queue(&chan, i);
	drain(&chan, at_ms(0), NULL);
	rx_ack(&chan, 0, 1, at_ms(1));
	assert_int_equal(drain(&chan, at_ms(1), NULL), 2); /* 1 and 2; 1 is lost */
	assert_int_equal(l2tp_chan_timer(&chan, &conf, at_ms(1001)), L2TP_CHAN_RESEND);
	assert_int_equal(drain(&chan, at_ms(1001), &ns), 1);
	assert_int_equal(ns, 1);
	rx_ack(&chan, 0, 3, at_ms(1002));
	assert_int_equal(drain(&chan, at_ms(1002), &ns), 1);
	assert_int_equal(ns, 3);
	assert_int_equal(chan.resends, 1);
}

static void numbers_wrap(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 70000; i++) {
		uint16_t n = (uint16_t)i, ns;
		queue(&chan, n);
		assert_int_equal(drain(&chan, at_ms(i), &ns), 1);
		assert_int_equal(ns, n);
		if (i % 3 == 0) { /* one ahead, then the missing one */
			assert_int_equal(rx(&chan, (uint16_t)(n + 1), n, 1, at_ms(i)),
					 L2TP_CHAN_STORED);
			assert_int_equal(rx(&chan, n, (uint16_t)(n + 1), 0, at_ms(i)),
					 L2TP_CHAN_NEXT);
			struct l2tp_chan_msg *m = l2tp_chan_next_stored(&chan);
			assert_non_null(m);
			l2tp_chan_msg_free(&chan, m);
		} else if (i % 3 == 1) {
			assert_int_equal(rx(&chan, n, (uint16_t)(n + 1), 0, at_ms(i)),
					 L2TP_CHAN_DUPLICATE);
		} else {
			assert_int_equal(rx(&chan, n, (uint16_t)(n + 1), 0, at_ms(i)),
					 L2TP_CHAN_NEXT);
		}
		assert_true(l2tp_chan_idle(&chan));
	}
}

/* A window that is no power of two keeps its slots apart where numbers wrap. */
static void the_store_survives_the_wrap(void **state)
{
	(void)state;
	l2tp_chan_fini(&chan);
	l2tp_chan_init(&chan, &mem.alloc, 6);
	chan.nr = 65533;
	for (uint16_t i = 1; i < 6; i++)
		assert_int_equal(rx(&chan, (uint16_t)(65533 + i), 0, i, at_ms(0)),
				 L2TP_CHAN_STORED);
	assert_int_equal(rx(&chan, 65533, 0, 0, at_ms(0)), L2TP_CHAN_NEXT);
	for (uint16_t i = 1; i < 6; i++) {
		struct l2tp_chan_msg *m = l2tp_chan_next_stored(&chan);
		assert_non_null(m);
		assert_int_equal(number_of(l2tp_chan_msg_span(m)), i);
		l2tp_chan_msg_free(&chan, m);
	}
	assert_int_equal(chan.nr, 3);
}

static void what_was_never_sent_can_be_forgotten(void **state)
{
	(void)state;
	uint16_t ns;

	for (uint16_t i = 0; i < 10; i++)
		queue(&chan, i);
	drain(&chan, at_ms(0), NULL);
	l2tp_chan_drop_unsent(&chan);
	assert_int_equal(chan.queued, 1);
	queue(&chan, 99);
	rx_ack(&chan, 0, 1, at_ms(1));
	assert_int_equal(drain(&chan, at_ms(1), &ns), 1);
	assert_int_equal(ns, 1);
	l2tp_chan_drop_all(&chan);
	assert_true(l2tp_chan_idle(&chan));
	assert_int_equal(mem.blocks, 0);
}

static void during_a_resend_the_unsent_can_be_forgotten(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 6; i++)
		queue(&chan, i);
	drain(&chan, at_ms(0), NULL);
	rx_ack(&chan, 0, 1, at_ms(1));
	drain(&chan, at_ms(1), NULL); /* 1 and 2 */
	assert_int_equal(l2tp_chan_timer(&chan, &conf, at_ms(1001)), L2TP_CHAN_RESEND);
	drain(&chan, at_ms(1001), NULL); /* 1 again */
	l2tp_chan_drop_unsent(&chan);
	assert_true(l2tp_chan_check(&chan));
	assert_int_equal(chan.queued, 2);
	queue(&chan, 50);
	rx_ack(&chan, 0, 3, at_ms(1100));
	uint16_t ns;
	assert_int_equal(drain(&chan, at_ms(1100), &ns), 1);
	assert_int_equal(ns, 3);
}

static void out_of_memory_is_a_loss_not_a_crash(void **state)
{
	(void)state;
	uint8_t bytes[16] = {0xC8, 2};

	mem.fail_after = mem.gets;
	assert_false(l2tp_chan_queue(&chan, span_of(bytes, sizeof(bytes))));
	assert_int_equal(rx(&chan, 1, 0, 1, at_ms(0)), L2TP_CHAN_LOST);
	mem.fail_after = mem.gets + 1;
	assert_int_equal(rx(&chan, 1, 0, 1, at_ms(0)), L2TP_CHAN_LOST);
	assert_false(chan.ack_due);
	mem.fail_after = SIZE_MAX;
	assert_int_equal(rx(&chan, 1, 0, 1, at_ms(0)), L2TP_CHAN_STORED);
}

/* ---- two channels and a bad network ---- */

enum { FLIGHT = 64, TALK = 3000 };

struct net {
	uint8_t bytes[FLIGHT][32];
	size_t n[FLIGHT];
	unsigned count;
};

struct side {
	struct l2tp_chan chan;
	uint16_t next_out, next_in;
	struct net to; /* on their way to this side */
};

static void net_put(struct net *net, struct span m, struct test_random *r)
{
	unsigned copies = (unsigned)(test_random_below(r, 10) == 0 ? 2 : 1);

	if (test_random_below(r, 100) < 20)
		return; /* lost */
	while (copies-- && net->count < FLIGHT) {
		memcpy(net->bytes[net->count], m.p, m.n);
		net->n[net->count++] = m.n;
	}
}

/* Takes any datagram out: later ones may overtake. */
static bool net_take(struct net *net, uint8_t out[32], size_t *n, struct test_random *r)
{
	if (net->count == 0)
		return false;
	unsigned i = (unsigned)test_random_below(r, net->count);
	*n = net->n[i];
	memcpy(out, net->bytes[i], *n);
	net->count--;
	memmove(net->bytes[i], net->bytes[net->count], 32);
	net->n[i] = net->n[net->count];
	return true;
}

static void take_number(struct side *s, struct span datagram)
{
	assert_int_equal(number_of(datagram), s->next_in);
	s->next_in++;
}

static void side_turn(struct side *s, struct side *peer, struct test_random *r, nsec now)
{
	uint8_t bytes[32];
	size_t n;
	struct l2tp_hdr h;
	enum drop why;

	while (net_take(&s->to, bytes, &n, r)) {
		assert_true(l2tp_hdr_decode_control(span_of(bytes, n), &h, &why));
		if (l2tp_chan_rx(&s->chan, &h, span_of(bytes, n), now) == L2TP_CHAN_NEXT) {
			take_number(s, span_of(bytes, n));
			struct l2tp_chan_msg *m;
			while ((m = l2tp_chan_next_stored(&s->chan)) != NULL) {
				take_number(s, l2tp_chan_msg_span(m));
				l2tp_chan_msg_free(&s->chan, m);
			}
		}
	}
	while (s->next_out < TALK && s->chan.queued < 20)
		queue(&s->chan, s->next_out++);
	assert_int_not_equal(l2tp_chan_timer(&s->chan, &conf, now), L2TP_CHAN_DEAD);
	struct span m;
	while ((m = l2tp_chan_tx(&s->chan, &conf, now)).n)
		net_put(&peer->to, m, r);
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	if (l2tp_chan_zlb(&s->chan, 1, &w, now))
		net_put(&peer->to, wbuf_written(&w), r);
	assert_true(l2tp_chan_check(&s->chan));
}

static void two_channels_talk_over_a_bad_network(void **state)
{
	(void)state;
	struct test_random r = {.state = 4711};
	static struct side a, b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	l2tp_chan_init(&a.chan, &mem.alloc, 16);
	l2tp_chan_init(&b.chan, &mem.alloc, 4);
	l2tp_chan_peer_window(&a.chan, 4);
	l2tp_chan_peer_window(&b.chan, 16);
	/* Close to the wrap on one side. */
	a.chan.ns = a.chan.peer_nr = a.chan.sent = 64000;
	b.chan.nr = 64000;
	for (int64_t ms = 0; ms < 40000000; ms += 50) {
		side_turn(&a, &b, &r, at_ms(ms));
		side_turn(&b, &a, &r, at_ms(ms));
		if (a.next_in == TALK && b.next_in == TALK && l2tp_chan_idle(&a.chan) &&
		    l2tp_chan_idle(&b.chan))
			break;
	}
	assert_int_equal(a.next_in, TALK);
	assert_int_equal(b.next_in, TALK);
	l2tp_chan_fini(&a.chan);
	l2tp_chan_fini(&b.chan);
}

int main(void)
{
#define CHAN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CHAN_TEST(messages_in_order_are_taken),
		CHAN_TEST(ahead_of_order_is_kept_and_given_later),
		CHAN_TEST(a_duplicate_is_acknowledged_again),
		CHAN_TEST(a_zlb_is_not_acknowledged),
		CHAN_TEST(an_acknowledgement_of_nothing_sent_is_refused),
		CHAN_TEST(a_reply_carries_the_acknowledgement),
		CHAN_TEST(the_window_opens_slowly),
		CHAN_TEST(a_window_of_zero_counts_as_one),
		CHAN_TEST(silence_is_answered_after_1_2_4_8_8_seconds),
		CHAN_TEST(progress_starts_the_count_anew),
		CHAN_TEST(only_what_is_missing_goes_again),
		CHAN_TEST(numbers_wrap),
		CHAN_TEST(the_store_survives_the_wrap),
		CHAN_TEST(what_was_never_sent_can_be_forgotten),
		CHAN_TEST(during_a_resend_the_unsent_can_be_forgotten),
		CHAN_TEST(out_of_memory_is_a_loss_not_a_crash),
		CHAN_TEST(two_channels_talk_over_a_bad_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

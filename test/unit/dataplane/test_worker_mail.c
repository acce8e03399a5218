/* worker_mail: order, full rings, waking, between real threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/worker_mail.h"
#include "test_alloc.h"

static void send_number(struct mail *m, unsigned from, unsigned to, uint64_t number,
			struct counters *c)
{
	struct msg_tunnel_query q = MSG_INIT(MSG_TUNNEL_QUERY, struct msg_tunnel_query);

	q.cookie = number;
	mail_send(m, from, to, &q.msg, span_of(NULL, 0), c);
}

static uint64_t number_of(const struct msg *m)
{
	assert_int_equal(m->kind, MSG_TUNNEL_QUERY);
	return ((const struct msg_tunnel_query *)m)->cookie;
}

static const char password[] = "not for the heap";

static void searching_put(void *ctx, void *p, size_t n)
{
	const char *bytes = p;

	(void)ctx;
	for (size_t i = 0; i + sizeof(password) <= n; i++)
		assert_memory_not_equal(bytes + i, password, sizeof(password));
	free(p);
}

static void a_login_that_waited_leaves_nothing_behind(void **state)
{
	(void)state;
	struct mail *m = mail_new(&(struct alloc){.get = test_plain_get, .put = searching_put}, 2);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct msg_auth_req login = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);
	unsigned from;

	memset(c, 0, sizeof(*c));
	memcpy(login.password, password, sizeof(password));
	while (mail_waiting(m, 0) < 10)
		mail_send(m, 0, 2, &login.msg, span_of(NULL, 0), c);
	while (mail_next(m, 2, &from))
		;
	assert_int_equal(mail_flush(m, 0), 0);
	while (mail_next(m, 2, &from))
		;
	mail_free(m);
	free(c);
}

/* Many workers have small rings. */
enum { MANY_WORKERS = 64 };

static void fill_a_ring(unsigned n_workers)
{
	struct mail *m = mail_new(&test_plain_alloc, n_workers);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct msg_l2tp_control packet = MSG_INIT(MSG_L2TP_CONTROL, struct msg_l2tp_control);
	enum { MANY = 100000 };
	unsigned from, got = 0;

	memset(c, 0, sizeof(*c));
	for (uint64_t i = 0; i < MANY; i++)
		send_number(m, 0, 1, i, c);
	assert_true(mail_waiting(m, 0) > 0);
	mail_send(m, 0, 1, &packet.msg, span_of(NULL, 0), c);
	assert_int_equal(counter_drops(c, DROP_RING_FULL), 1);
	for (struct msg *msg; got < MANY;) {
		mail_flush(m, 0);
		while ((msg = mail_next(m, 1, &from))) {
			assert_int_equal(from, 0);
			assert_int_equal(number_of(msg), got);
			got++;
		}
	}
	assert_int_equal(mail_waiting(m, 0), 0);
	assert_true(mail_is_empty(m, 1));
	mail_free(m);
	free(c);
}

static void a_full_ring_loses_packets_but_no_messages(void **state)
{
	(void)state;
	fill_a_ring(2);
	fill_a_ring(MANY_WORKERS);
}

/* A subscriber's packets may not fill all of it: an echo or a HELLO behind them gets through. */
static void fill_with_data(unsigned n_workers, unsigned n_control)
{
	struct mail *m = mail_new(&test_plain_alloc, n_workers);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct msg_ppp_frame frame = MSG_INIT(MSG_PPP_FRAME, struct msg_ppp_frame);
	static const uint8_t bytes[1400];
	unsigned from, data = 0, control = 0;

	memset(c, 0, sizeof(*c));
	frame.msg.len = (uint16_t)(sizeof(frame) + sizeof(bytes));
	for (; mail_takes_data(m, 0, 1); data++)
		mail_send(m, 0, 1, &frame.msg, span_of(bytes, sizeof(bytes)), c);
	assert_int_equal(counter_drops(c, DROP_RING_FULL), 0);
	assert_true(mail_takes_data(m, 1, 0)); /* another pair has its own */
	frame.msg.len = (uint16_t)(sizeof(frame) + 12);
	for (; control < n_control; control++)
		mail_send(m, 0, 1, &frame.msg, span_of(bytes, 12), c);
	assert_int_equal(counter_drops(c, DROP_RING_FULL), 0);
	assert_false(mail_takes_data(m, 0, 1));
	for (unsigned i = 0; i < data + control; i++)
		assert_non_null(mail_next(m, 1, &from));
	assert_null(mail_next(m, 1, &from));
	assert_true(mail_takes_data(m, 0, 1));
	mail_free(m);
	free(c);
}

static void data_leaves_room_for_control(void **state)
{
	(void)state;
	fill_with_data(2, 1000);
	fill_with_data(MANY_WORKERS, 100);
}

/* The longest message that there is fits even into a small ring, and a long one behind it. */
static void the_longest_message_fits(void **state)
{
	(void)state;
	struct mail *m = mail_new(&test_plain_alloc, MANY_WORKERS);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct msg_l2tp_control packet = MSG_INIT(MSG_L2TP_CONTROL, struct msg_l2tp_control);
	static const uint8_t bytes[MSG_MAX];
	unsigned from;

	memset(c, 0, sizeof(*c));
	packet.msg.len = MSG_MAX;
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned j = 0; j < 2; j++)
			mail_send(m, 3, 5, &packet.msg, span_of(bytes, MSG_MAX - sizeof(packet)),
				  c);
		for (unsigned j = 0; j < 2; j++)
			assert_int_equal(mail_next(m, 5, &from)->len, MSG_MAX);
		assert_null(mail_next(m, 5, &from));
	}
	assert_int_equal(counter_drops(c, DROP_RING_FULL), 0);
	mail_free(m);
	free(c);
}

static void a_sender_that_never_stops_does_not_silence_the_others(void **state)
{
	(void)state;
	struct mail *m = mail_new(&test_plain_alloc, 2);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	enum { ENDLESS = 1000, PATIENCE = 200 };
	unsigned from = 0, taken = 0;

	memset(c, 0, sizeof(*c));
	for (uint64_t i = 0; i < ENDLESS; i++)
		send_number(m, 0, 1, i, c);
	assert_non_null(mail_next(m, 1, &from));
	send_number(m, mail_control(m), 1, 0, c);
	for (; taken < PATIENCE && from != mail_control(m); taken++) {
		send_number(m, 0, 1, 0, c);
		assert_non_null(mail_next(m, 1, &from));
	}
	assert_int_equal(from, mail_control(m));
	while (mail_next(m, 1, &from))
		;
	mail_free(m);
	free(c);
}

static void a_packet_travels_behind_its_header(void **state)
{
	(void)state;
	struct mail *m = mail_new(&test_plain_alloc, 1);
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct msg_ppp_frame frame = MSG_INIT(MSG_PPP_FRAME, struct msg_ppp_frame);
	static const uint8_t bytes[] = "frame";
	unsigned from;

	memset(c, 0, sizeof(*c));
	frame.sid = 7;
	frame.msg.len = (uint16_t)(sizeof(frame) + sizeof(bytes));
	mail_send(m, 0, 0, &frame.msg, span_of(bytes, sizeof(bytes)), c);
	const struct msg *msg = mail_next(m, 0, &from);
	assert_non_null(msg);
	assert_int_equal(((const struct msg_ppp_frame *)msg)->sid, 7);
	assert_memory_equal((const struct msg_ppp_frame *)msg + 1, bytes, sizeof(bytes));
	assert_null(mail_next(m, 0, &from));
	mail_free(m);
	free(c);
}

/* Kilobytes of this process that may not get huge pages. */
static unsigned long small_pages_kb(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long size = 0, sum = 0;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Size: %lu kB", &size);
		if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " nh"))
			sum += size;
	}
	fclose(f);
	return sum;
}

/* With huge pages a message between two would cost 2 MB, and an idle program with many workers
 * hundreds. */
static void rings_have_small_pages(void **state)
{
	(void)state;
	unsigned long before = small_pages_kb();

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
		skip();
	struct mail *m = mail_new(&test_plain_alloc, 3);
	assert_true(small_pages_kb() - before >= 16 * 1024);
	mail_free(m);
}

/* ---- threads: each sends numbers to all others, sleeps when there is nothing, loses nothing  */

enum { WORKERS = 3, NUMBERS = 60000 };

struct player {
	struct mail *mail;
	unsigned self;
	struct counters *counters;
	uint64_t got[WORKERS + 1];
	pthread_t thread;
};

static void receive_all(struct player *p)
{
	const struct msg *m;
	unsigned from;

	while ((m = mail_next(p->mail, p->self, &from))) {
		assert_int_equal(number_of(m), p->got[from]);
		p->got[from]++;
	}
}

static bool has_all(const struct player *p)
{
	for (unsigned i = 0; i <= WORKERS; i++)
		if (p->got[i] != NUMBERS)
			return false;
	return true;
}

static void nap(struct player *p)
{
	struct pollfd fd = {.fd = mail_fd(p->mail, p->self), .events = POLLIN};

	if (!mail_sleep(p->mail, p->self))
		return;
	/* A lost wake-up shows as a failure, not as a slow test. */
	assert_true(mail_waiting(p->mail, p->self) || poll(&fd, 1, 20000) == 1);
	mail_awake(p->mail, p->self);
}

static void *play(void *arg)
{
	struct player *p = arg;

	for (uint64_t i = 0; i < NUMBERS || mail_waiting(p->mail, p->self) || !has_all(p);) {
		for (unsigned burst = 0; i < NUMBERS && burst < 20; burst++, i++)
			for (unsigned to = 0; to <= WORKERS; to++)
				send_number(p->mail, p->self, to, i, p->counters);
		mail_flush(p->mail, p->self);
		receive_all(p);
		if (i == NUMBERS && !has_all(p))
			nap(p);
	}
	return NULL;
}

static void threads_lose_nothing_and_wake_each_other(void **state)
{
	(void)state;
	struct mail *m = mail_new(&test_plain_alloc, WORKERS);
	static struct player players[WORKERS + 1];

	for (unsigned i = 0; i <= WORKERS; i++) {
		players[i] = (struct player){.mail = m, .self = i};
		players[i].counters = aligned_alloc(64, (sizeof(struct counters) + 63) / 64 * 64);
		memset(players[i].counters, 0, sizeof(struct counters));
	}
	for (unsigned i = 0; i <= WORKERS; i++)
		assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
	for (unsigned i = 0; i <= WORKERS; i++) {
		pthread_join(players[i].thread, NULL);
		assert_true(has_all(&players[i]));
		free(players[i].counters);
	}
	mail_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_ring_loses_packets_but_no_messages),
		cmocka_unit_test(a_login_that_waited_leaves_nothing_behind),
		cmocka_unit_test(data_leaves_room_for_control),
		cmocka_unit_test(the_longest_message_fits),
		cmocka_unit_test(rings_have_small_pages),
		cmocka_unit_test(a_sender_that_never_stops_does_not_silence_the_others),
		cmocka_unit_test(a_packet_travels_behind_its_header),
		cmocka_unit_test(threads_lose_nothing_and_wake_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

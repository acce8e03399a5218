/*
 * io_udp and io_tun when the kernel refuses: the calls are the real ones (linked with --wrap), but
 * the next one fails when it was told so. What is lost is counted, nothing else is lost, and what
 * comes next works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dataplane/io_tun.h"
#include "dataplane/io_udp.h"
#include "test_alloc.h"

/* ---- the kernel's refusals ------------------------------------------------------------------- */

enum call { RECVMMSG, SENDMMSG, SENDMSG, READ, WRITEV, CALLS };

static int fault[CALLS]; /* errno of the next call, once */

static bool is_refused(enum call c)
{
	if (!fault[c])
		return false;
	errno = fault[c];
	fault[c] = 0;
	return true;
}

int __real_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t)
{
	return is_refused(RECVMMSG) ? -1 : __real_recvmmsg(fd, m, n, flags, t);
}

int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	return is_refused(SENDMMSG) ? -1 : __real_sendmmsg(fd, m, n, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return is_refused(SENDMSG) ? -1 : __real_sendmsg(fd, m, flags);
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n)
{
	return is_refused(READ) ? -1 : __real_read(fd, p, n);
}

ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	return is_refused(WRITEV) ? -1 : __real_writev(fd, iov, n);
}

/* ---- a socket and its peer ------------------------------------------------------------------- */

enum { BUFFER = 1 << 20, PACKET = 40 };

static struct test_alloc heap;

struct rig {
	struct counters *counters;
	struct io_udp *udp;
	int peer;		   /* connected to it */
	struct dp_session session; /* its path leads to the peer */
};

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in at;
	socklen_t n = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	return at;
}

static struct counters *counters_new(void)
{
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);

	assert_non_null(c);
	memset(c, 0, sizeof(*c));
	return c;
}

static void rig_up(struct rig *r)
{
	test_alloc_init(&heap);
	*r = (struct rig){.counters = counters_new()};
	struct io_udp_conf conf = {
		.alloc = &heap.alloc,
		.counters = r->counters,
		.bind.ip = ip_addr_v4(INADDR_LOOPBACK),
		.buffer = BUFFER,
		.gso = true,
	};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	r->udp = io_udp_open(&conf);
	if (!r->udp) { /* no UDP_SEGMENT here */
		free(r->counters);
		skip();
	}
	r->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(r->peer, (struct sockaddr *)&any, sizeof(any)), 0);
	struct sockaddr_in to = name_of(io_udp_fd(r->udp)), from = name_of(r->peer);
	assert_int_equal(connect(r->peer, (struct sockaddr *)&to, sizeof(to)), 0);
	r->session.spec.path.peer =
		(struct sock_addr){.ip = ip_addr_v4(INADDR_LOOPBACK), .port = ntohs(from.sin_port)};
}

static void rig_down(struct rig *r)
{
	io_udp_close(r->udp);
	close(r->peer);
	free(r->counters);
	assert_int_equal(heap.held, 0);
}

/* Datagrams first..first+n-1, which only differ in their first byte. */
static void send_run(struct rig *r, uint8_t first, unsigned n)
{
	static uint8_t bytes[8][PACKET];
	struct dp_tx tx[8];
	uint16_t order[8];

	for (unsigned i = 0; i < n; i++) {
		bytes[i][0] = (uint8_t)(first + i);
		tx[i] = (struct dp_tx){
			.session = &r->session, .body = bytes[i], .body_n = sizeof(bytes[i])};
		order[i] = (uint16_t)i;
	}
	io_udp_send_batch(r->udp, tx, order, n);
	io_udp_flush(r->udp);
}

static void send_single(struct rig *r, uint8_t number)
{
	uint8_t bytes[PACKET] = {number};

	io_udp_send(r->udp, &r->session.spec.path, span_of(bytes, sizeof(bytes)), span_of(NULL, 0));
}

static void expect_at_peer(struct rig *r, const char *numbers)
{
	uint8_t bytes[2 * PACKET];

	for (; *numbers; numbers++) {
		assert_int_equal(recv(r->peer, bytes, sizeof(bytes), 0), PACKET);
		assert_int_equal(bytes[0], *numbers);
	}
	assert_int_equal(recv(r->peer, bytes, sizeof(bytes), 0), -1);
}

static const int refusals[] = {ENOBUFS, ENOMEM, EAGAIN, EIO, ENETDOWN, ENETUNREACH, EPERM};
enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };

/* ---- the socket ------------------------------------------------------------------------------ */

static void a_refused_datagram_is_counted_and_the_others_leave(void **state)
{
	(void)state;
	struct rig r;

	rig_up(&r);
	for (unsigned i = 0; i < REFUSALS; i++) {
		send_single(&r, 'a');
		send_single(&r, 'b');
		send_single(&r, 'c');
		fault[SENDMMSG] = refusals[i];
		io_udp_flush(r.udp);
		expect_at_peer(&r, "bc");
		assert_int_equal(counter_drops(r.counters, DROP_SOCKET_SEND), i + 1);
	}
	assert_int_equal(counter_get(r.counters, C_L2TP_TX_PACKETS), 2 * REFUSALS);
	rig_down(&r);
}

static void a_signal_loses_nothing(void **state)
{
	(void)state;
	struct rig r;

	rig_up(&r);
	send_single(&r, 'a');
	fault[SENDMMSG] = EINTR;
	io_udp_flush(r.udp);
	expect_at_peer(&r, "a");
	assert_int_equal(counter_drops(r.counters, DROP_SOCKET_SEND), 0);
	rig_down(&r);
}

/* A device that cannot cut says EIO, too long for the way is EMSGSIZE or EINVAL. */
static void a_refused_run_leaves_one_by_one(void **state)
{
	(void)state;
	static const int why[] = {EIO, EMSGSIZE, EINVAL};
	struct rig r;

	for (unsigned i = 0; i < 3; i++) {
		rig_up(&r);
		fault[SENDMMSG] = why[i];
		send_run(&r, 'a', 4);
		expect_at_peer(&r, "abcd");
		assert_int_equal(counter_drops(r.counters, DROP_SOCKET_SEND), 0);
		assert_int_equal(counter_get(r.counters, C_L2TP_TX_PACKETS), 4);
		rig_down(&r);
	}
	rig_up(&r);
	fault[SENDMMSG] = EIO;
	fault[SENDMSG] = ENOBUFS;
	send_run(&r, 'a', 4);
	expect_at_peer(&r, "bcd");
	assert_int_equal(counter_drops(r.counters, DROP_SOCKET_SEND), 1);
	assert_int_equal(counter_get(r.counters, C_L2TP_TX_PACKETS), 3);
	rig_down(&r);
}

/* How many of a run are lost tells how it was sent. */
static unsigned lost_of_eight(struct rig *r)
{
	uint64_t before = counter_drops(r->counters, DROP_SOCKET_SEND);

	fault[SENDMMSG] = ENOBUFS;
	send_run(r, 'a', 8);
	while (recv(r->peer, (uint8_t[PACKET]){0}, PACKET, 0) >= 0)
		continue;
	return (unsigned)(counter_drops(r->counters, DROP_SOCKET_SEND) - before);
}

static void where_runs_are_refused_they_are_seldom_tried(void **state)
{
	(void)state;
	struct rig r;
	unsigned runs = 0;

	rig_up(&r);
	assert_int_equal(lost_of_eight(&r), 8);
	fault[SENDMMSG] = EIO;
	send_run(&r, 'a', 4);
	expect_at_peer(&r, "abcd");
	while (lost_of_eight(&r) == 1)
		runs++;
	assert_in_range(runs, 100, 1000);
	assert_int_equal(lost_of_eight(&r), 8);
	rig_down(&r);
}

static void a_failed_receive_is_counted_and_what_waits_comes_later(void **state)
{
	(void)state;
	static const uint8_t bytes[PACKET] = {'x'};
	struct rig r;
	unsigned n;

	rig_up(&r);
	for (unsigned i = 0; i < REFUSALS; i++) {
		uint64_t before = counter_get(r.counters, C_SOCKET_ERRORS);
		assert_int_equal(send(r.peer, bytes, sizeof(bytes), 0), sizeof(bytes));
		fault[RECVMMSG] = refusals[i];
		assert_int_equal(io_udp_read(r.udp, &n), 0);
		assert_int_equal(counter_get(r.counters, C_SOCKET_ERRORS) - before,
				 refusals[i] != EAGAIN);
		assert_int_equal(io_udp_read(r.udp, &n), 1);
		assert_int_equal(n, 1);
		assert_int_equal(io_udp_datagrams(r.udp)[0].p[0], 'x');
	}
	assert_int_equal(counter_get(r.counters, C_L2TP_RX_PACKETS), REFUSALS);
	rig_down(&r);
}

/* What is too short is no datagram for us, but the kernel had something. */
static void what_is_too_short_was_there(void **state)
{
	(void)state;
	struct rig r;
	unsigned n;

	rig_up(&r);
	assert_int_equal(send(r.peer, "", 0, 0), 0);
	assert_int_equal(send(r.peer, "short", 5, 0), 5);
	assert_int_equal(send(r.peer, "enough", 6, 0), 6);
	assert_int_equal(io_udp_read(r.udp, &n), 3);
	assert_int_equal(n, 1);
	assert_int_equal(counter_drops(r.counters, DROP_L2TP_SHORT), 2);
	rig_down(&r);
}

/* ---- the TUN queue --------------------------------------------------------------------------- */

/* Packets instead of a device: what is written to one end is read from the other. */
static struct io_tun *tun_up(struct counters *c, int *other)
{
	int ends[2];

	test_alloc_init(&heap);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	*other = ends[1];
	struct io_tun *t = io_tun_open(&heap.alloc, c, ends[0], io_backend_features(IO_PLAIN));
	assert_non_null(t);
	return t;
}

static void a_packet_that_the_device_refuses_is_counted(void **state)
{
	(void)state;
	struct counters *c = counters_new();
	static const uint8_t bytes[PACKET] = {0x45, 'y'};
	struct dp_merged three = {.head = span_of(bytes, sizeof(bytes)), .packets = 3};
	uint8_t out[2 * PACKET];
	int other;
	struct io_tun *t = tun_up(c, &other);

	for (unsigned i = 0; i < REFUSALS; i++) {
		fault[WRITEV] = refusals[i];
		io_tun_write_merged(t, &three);
		assert_int_equal(counter_drops(c, DROP_TUN_SEND), 3 * (i + 1));
		assert_int_equal(recv(other, out, sizeof(out), 0), -1);
		io_tun_write(t, span_of(bytes, sizeof(bytes)));
		assert_int_equal(recv(other, out, sizeof(out), 0), PACKET);
		assert_int_equal(out[1], 'y');
	}
	assert_int_equal(counter_get(c, C_TUN_TX_PACKETS), REFUSALS);
	io_tun_close(t);
	close(other);
	free(c);
	assert_int_equal(heap.held, 0);
}

static void a_failed_read_is_counted_and_what_waits_comes_later(void **state)
{
	(void)state;
	struct counters *c = counters_new();
	static const uint8_t bytes[PACKET] = {0x45, 'z'};
	int other;
	struct io_tun *t = tun_up(c, &other);

	for (unsigned i = 0; i < REFUSALS; i++) {
		uint64_t before = counter_get(c, C_TUN_ERRORS);
		assert_int_equal(send(other, bytes, sizeof(bytes), 0), sizeof(bytes));
		fault[READ] = refusals[i];
		assert_int_equal(io_tun_read(t), 0);
		assert_int_equal(counter_get(c, C_TUN_ERRORS) - before, refusals[i] != EAGAIN);
		assert_int_equal(io_tun_read(t), 1);
		assert_int_equal(io_tun_packets(t)[0].p[1], 'z');
	}
	io_tun_close(t);
	close(other);
	free(c);
	assert_int_equal(heap.held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_datagram_is_counted_and_the_others_leave),
		cmocka_unit_test(a_signal_loses_nothing),
		cmocka_unit_test(a_refused_run_leaves_one_by_one),
		cmocka_unit_test(where_runs_are_refused_they_are_seldom_tried),
		cmocka_unit_test(a_failed_receive_is_counted_and_what_waits_comes_later),
		cmocka_unit_test(what_is_too_short_was_there),
		cmocka_unit_test(a_packet_that_the_device_refuses_is_counted),
		cmocka_unit_test(a_failed_read_is_counted_and_what_waits_comes_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

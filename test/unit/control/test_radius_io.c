/* The UDP sockets of the RADIUS client, on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/radius_io.h"
#include "test_alloc.h"

enum { TAG = 3, WAIT_MS = 2000 };

struct server {
	int fd;
	struct sock_addr addr;
};

static struct server server_open(void)
{
	struct server s = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);

	assert_true(s.fd >= 0);
	assert_int_equal(bind(s.fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(getsockname(s.fd, (struct sockaddr *)&in, &n), 0);
	s.addr = (struct sock_addr){.ip = ip_addr_v4(INADDR_LOOPBACK), .port = ntohs(in.sin_port)};
	return s;
}

/* Takes one datagram and sends it back; returns the client's port. */
static uint16_t server_echo(const struct server *s)
{
	char bytes[4096];
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	ssize_t n = recvfrom(s->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_n);

	assert_true(n > 0);
	assert_int_equal(sendto(s->fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, from_n), n);
	return ntohs(from.sin_port);
}

struct got {
	unsigned n, last_sock;
	struct sock_addr from;
	size_t bytes;
};

static void on_datagram(void *ctx, unsigned sock, const struct sock_addr *from,
			struct span datagram)
{
	struct got *g = ctx;
	g->n++;
	g->last_sock = sock;
	g->from = *from;
	g->bytes = datagram.n;
}

static struct test_alloc mem;
static int epoll_fd;

static struct radius_io *io_new(uint16_t min, uint16_t max)
{
	test_alloc_init(&mem);
	epoll_fd = epoll_create1(0);
	return radius_io_new(&mem.alloc, epoll_fd, (uint64_t)TAG << 32, min, max);
}

static const struct ip_addr any;

static void io_free(struct radius_io *io)
{
	radius_io_free(io);
	close(epoll_fd);
	assert_int_equal(mem.blocks, 0);
}

/* Waits for one socket to be readable; returns its number. */
static unsigned wait_readable(void)
{
	struct epoll_event ev;

	assert_int_equal(epoll_wait(epoll_fd, &ev, 1, WAIT_MS), 1);
	assert_int_equal(ev.data.u64 >> 32, TAG);
	return (unsigned)(ev.data.u64 & 0xFFFF);
}

static void a_datagram_goes_and_comes_back(void **state)
{
	(void)state;
	struct radius_io *io = io_new(0, 0);
	struct server s = server_open();
	struct got g = {0};

	assert_true(radius_io_send(io, 7, &s.addr, &any, span_str("hello")));
	server_echo(&s);
	assert_int_equal(wait_readable(), 7);
	assert_int_equal(radius_io_read(io, 7, on_datagram, &g), 1);
	assert_int_equal(g.last_sock, 7);
	assert_int_equal(g.bytes, 5);
	assert_true(sock_addr_equal(&g.from, &s.addr));
	assert_int_equal(radius_io_read(io, 7, on_datagram, &g), 0);
	assert_int_equal(radius_io_read(io, 8, on_datagram, &g), 0); /* not open */
	radius_io_close(io, 7);
	radius_io_close(io, 7);
	assert_int_equal(radius_io_read(io, 7, on_datagram, &g), 0);
	close(s.fd);
	io_free(io);
}

static void many_are_read_in_batches(void **state)
{
	(void)state;
	enum { N = 100 };
	struct radius_io *io = io_new(0, 0);
	struct server s = server_open();
	struct got g = {0};

	for (unsigned i = 0; i < N; i++) {
		assert_true(radius_io_send(io, 0, &s.addr, &any, span_str("hello")));
		server_echo(&s);
	}
	unsigned calls = 0;
	while (g.n < N) {
		assert_int_equal(wait_readable(), 0);
		radius_io_read(io, 0, on_datagram, &g);
		assert_true(++calls <= N);
	}
	assert_true(calls < N / 4);
	assert_int_equal(radius_io_overflows(io), 0);
	close(s.fd);
	io_free(io);
}

static void local_ports_come_from_the_range(void **state)
{
	(void)state;
	struct server s = server_open(), taken = server_open();
	uint16_t low = taken.addr.port; /* the first of the range cannot be had */

	if (low > 65000)
		skip();
	struct radius_io *io = io_new(low, (uint16_t)(low + 3));
	unsigned opened = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (!radius_io_send(io, i, &s.addr, &any, span_str("x")))
			continue;
		uint16_t port = server_echo(&s);
		assert_in_range(port, low + 1, low + 3);
		opened++;
	}
	assert_true(opened <= 3);
	assert_true(radius_io_send_failures(io) >= 1); /* four sockets, three ports or fewer */
	close(s.fd);
	close(taken.fd);
	io_free(io);
}

/* All of 127.0.0.0/8 is ours. */
static void a_datagram_leaves_from_the_address_that_is_wanted(void **state)
{
	(void)state;
	struct radius_io *io = io_new(0, 0);
	struct server s = server_open();
	struct ip_addr from = ip_addr_v4(0x7F000042), not_ours = ip_addr_v4(0xC0000201);
	struct sockaddr_in peer;
	socklen_t n = sizeof(peer);
	char byte;

	assert_true(radius_io_send(io, 0, &s.addr, &from, span_str("x")));
	assert_int_equal(recvfrom(s.fd, &byte, 1, 0, (struct sockaddr *)&peer, &n), 1);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), 0x7F000042);
	assert_false(radius_io_send(io, 0, &s.addr, &not_ours, span_str("x")));
	assert_int_equal(radius_io_send_failures(io), 1);
	close(s.fd);
	io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_goes_and_comes_back),
		cmocka_unit_test(a_datagram_leaves_from_the_address_that_is_wanted),
		cmocka_unit_test(many_are_read_in_batches),
		cmocka_unit_test(local_ports_come_from_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* io_udp: what another socket of this machine sent as one datagram is taken apart, all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/io_udp.h"
#include "test_alloc.h"

enum { SIZE = 12, BUFFER = 4 << 20, WHOLES = 16 };

/* A sender whose datagrams of SIZE bytes travel joined; -1: this kernel does not join. */
static int joined_sender(const struct io_udp *to)
{
	struct sockaddr_in at;
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = SIZE;

	assert_int_equal(getsockname(io_udp_fd(to), (struct sockaddr *)&at, &n), 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The most datagrams that this kernel sends as one. */
static unsigned send_joined(int fd)
{
	static uint8_t bytes[128 * SIZE];

	for (unsigned n = 128; n >= 64; n /= 2) {
		if (send(fd, bytes, (size_t)n * SIZE, 0) == (ssize_t)n * SIZE)
			return n;
		assert_int_equal(errno, EINVAL);
	}
	return 0;
}

static void all_of_the_longest_runs_are_taken(void **state)
{
	(void)state;
	struct counters *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
	struct io_udp_conf conf = {
		.alloc = &test_plain_alloc,
		.counters = c,
		.bind.ip = ip_addr_v4(INADDR_LOOPBACK),
		.buffer = BUFFER,
		.gro = true,
	};
	unsigned sent = 0, got = 0, n;

	memset(c, 0, sizeof(*c));
	struct io_udp *u = io_udp_open(&conf);
	if (!u)
		skip(); /* no UDP_GRO here */
	int fd = joined_sender(u);
	if (fd < 0)
		skip();
	for (unsigned i = 0; i < WHOLES; i++)
		sent += send_joined(fd);
	while (io_udp_read(u, &n) != 0) {
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(io_udp_datagrams(u)[i].n, SIZE);
		got += n;
	}
	assert_int_equal(got, sent);
	assert_int_equal(counter_drops(c, DROP_SOCKET_FULL), 0);
	close(fd);
	io_udp_close(u);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_the_longest_runs_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

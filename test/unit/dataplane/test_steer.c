/* The steering program, through the kernel: a SO_REUSEPORT group on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wbuf.h"
#include "dataplane/steer.h"

enum { N = 3 };

struct group {
	int fds[N];
	int sender;
	struct sockaddr_in to;
};

static int bound_socket(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
	socklen_t n = sizeof(*at);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &n), 0);
	return fd;
}

static int set_up(void **state)
{
	static struct group g;

	g.to = (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (unsigned i = 0; i < N; i++)
		g.fds[i] = bound_socket(&g.to);
	g.sender = socket(AF_INET, SOCK_DGRAM, 0);
	*state = &g;
	return 0;
}

static int tear_down(void **state)
{
	struct group *g = *state;

	for (unsigned i = 0; i < N; i++)
		close(g->fds[i]);
	close(g->sender);
	return 0;
}

/* A busy kernel delivers a moment later than it sends. */
static void await_any(const struct group *g)
{
	struct pollfd fds[N];

	for (unsigned i = 0; i < N; i++)
		fds[i] = (struct pollfd){.fd = g->fds[i], .events = POLLIN};
	assert_true(poll(fds, N, 5000) > 0);
}

/* Sends a datagram and returns who got it. */
static int owner_of(struct group *g, const void *p, size_t n)
{
	uint8_t got[100];
	int who = -1;

	assert_int_equal(sendto(g->sender, p, n, 0, (struct sockaddr *)&g->to, sizeof(g->to)), n);
	await_any(g);
	for (unsigned i = 0; i < N; i++)
		if (recv(g->fds[i], got, sizeof(got), MSG_DONTWAIT) >= 0) {
			assert_int_equal(who, -1);
			who = (int)i;
		}
	return who;
}

static int owner_of_header(struct group *g, uint16_t flags, uint16_t tid, uint16_t sid)
{
	uint8_t bytes[20] = {0};
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	wbuf_u16(&w, flags);
	if (flags & 0x4000)
		wbuf_u16(&w, 12);
	wbuf_u16(&w, tid);
	wbuf_u16(&w, sid);
	return owner_of(g, bytes, 12);
}

static void ids_choose_the_socket(void **state)
{
	struct group *g = *state;

	assert_true(steer_attach(g->fds[0], N));
	for (unsigned id = 1; id < 400; id += 3) {
		uint16_t a = (uint16_t)(id * 161), b = (uint16_t)(id * 77);
		assert_int_equal(owner_of_header(g, 0x0002, a, b), b % N);
		assert_int_equal(owner_of_header(g, 0x4002, a, b), b % N);
		assert_int_equal(owner_of_header(g, 0x0A02, a, b), b % N);
		if (a)
			assert_int_equal(owner_of_header(g, 0xC802, a, b), a % N);
	}
}

static void a_new_tunnel_stays_with_its_address(void **state)
{
	struct group *g = *state;

	assert_true(steer_attach(g->fds[0], N));
	int first = owner_of_header(g, 0xC802, 0, 0);
	assert_true(first >= 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(owner_of_header(g, 0xC802, 0, 0), first);
}

static void short_datagrams_arrive_somewhere(void **state)
{
	struct group *g = *state;
	static const uint8_t bytes[8] = {0xC8, 2};

	assert_true(steer_attach(g->fds[0], N));
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_true(owner_of(g, bytes, n) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_choose_the_socket),
		TEST(a_new_tunnel_stays_with_its_address),
		TEST(short_datagrams_arrive_somewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

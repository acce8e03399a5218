/*
 * bgp_talker.c - a BGP neighbour that misbehaves: connects, says OPEN and KEEPALIVE as it should,
 *and then does one of
 *
 *	flood      UPDATEs of a large table without an end, as fast as they are taken
 *	chatter    KEEPALIVEs, the smallest messages, as fast as they are taken
 *	refresh    asks for all routes over and over, and reads them
 *	stall      reads nothing any more, with a small window, and keeps the session alive
 *	garbage    4096 random bytes in place of every message, connecting anew each time
 *	broken     a good header, random bytes behind it, connecting anew each time
 *
 * for some seconds. Prints what it did as one line of JSON. A test program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bgp/bgp_update.h"

enum {
	ROOM = 256 * 1024,
	SMALL_WINDOW = 2048,
	GARBAGE = 4096,
	KEEPALIVE_MS = 1000,
	AGAIN_MS = 200
};

struct talker {
	struct in_addr to, from;
	uint32_t as;
	double seconds;
	const char *mode;
	int fd;
	uint32_t random;
	double end;
	uint64_t connections, sent, received;
	uint8_t out[ROOM];
};

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool is(const struct talker *t, const char *mode)
{
	return strcmp(t->mode, mode) == 0;
}

static uint8_t random_byte(struct talker *t)
{
	t->random = t->random * 1664525u + 1013904223u;
	return (uint8_t)(t->random >> 24);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static size_t hello(struct talker *t)
{
	struct wbuf w = wbuf_of(t->out, sizeof(t->out));
	struct bgp_open open = {.as = t->as,
				.hold_s = 90,
				.id = ip_addr_v4(ntohl(t->from.s_addr)),
				.family = {true, true},
				.as4 = true,
				.refresh = true};

	bgp_open_encode(&w, &open, false);
	bgp_keepalive_encode(&w);
	return w.n;
}

static void one_update(struct talker *t, struct wbuf *w, uint32_t number)
{
	static uint8_t bytes[BGP_MESSAGE_MAX];
	struct wbuf prefixes = wbuf_of(bytes, sizeof(bytes));
	struct bgp_attrs a = {
		.as4 = true, .as = t->as, .next_hop = {ip_addr_v4(ntohl(t->from.s_addr))}};

	for (uint32_t i = 0; i < 900; i++) {
		struct ip_prefix p = {ip_addr_v4((number * 900 + i) << 8), 24};
		bgp_prefix_encode(&prefixes, &p);
	}
	bgp_announce_encode(w, &a, BGP_IPV4, wbuf_written(&prefixes));
}

static void one_refresh(struct wbuf *w)
{
	size_t at = bgp_message_begin(w, BGP_ROUTE_REFRESH);

	wbuf_u16(w, 1);
	wbuf_u8(w, 0);
	wbuf_u8(w, BGP_SAFI_UNICAST);
	bgp_message_end(w, at);
}

/* As much as there is room for. */
static size_t volley(struct talker *t)
{
	struct wbuf w = wbuf_of(t->out, sizeof(t->out));

	for (uint32_t i = 0; w.n + BGP_MESSAGE_MAX < sizeof(t->out); i++) {
		if (is(t, "flood"))
			one_update(t, &w, i);
		else if (is(t, "refresh"))
			one_refresh(&w);
		else
			bgp_keepalive_encode(&w);
		if (is(t, "stall"))
			break;
	}
	return w.n;
}

static size_t rubbish(struct talker *t)
{
	struct wbuf w = wbuf_of(t->out, sizeof(t->out));

	if (is(t, "broken")) {
		w.n = hello(t);
		size_t at = bgp_message_begin(&w, BGP_UPDATE);
		while (w.n < at + GARBAGE)
			wbuf_u8(&w, random_byte(t));
		bgp_message_end(&w, at);
		return w.n;
	}
	while (w.n < GARBAGE)
		wbuf_u8(&w, random_byte(t));
	return w.n;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

static bool dial(struct talker *t)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(BGP_PORT), .sin_addr = t->to};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = t->from};
	struct timeval limit = {.tv_sec = 2};
	int small = SMALL_WINDOW;

	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (is(t, "stall"))
		setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (bind(t->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(t->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return false;
	t->connections++;
	return true;
}

static bool say(struct talker *t, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t some = send(t->fd, t->out + at, n - at, MSG_NOSIGNAL);
		if (some < 0 && errno == EAGAIN && now_s() < t->end)
			continue;
		if (some <= 0)
			return false;
		at += (size_t)some;
		t->sent += (uint64_t)some;
	}
	return true;
}

/* False when the other side has closed. */
static bool listen_a_while(struct talker *t, int ms)
{
	static uint8_t bytes[ROOM];
	struct pollfd p = {.fd = t->fd, .events = POLLIN};

	while (poll(&p, 1, ms) > 0) {
		ssize_t n = recv(t->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		t->received += (uint64_t)n;
		ms = 0;
	}
	return true;
}

static void talk(struct talker *t)
{
	bool reads = !is(t, "stall");

	if (!say(t, hello(t)))
		return;
	listen_a_while(t, 500);
	while (now_s() < t->end && say(t, volley(t))) {
		if (!reads)
			poll(NULL, 0, KEEPALIVE_MS);
		else if (!listen_a_while(t, 0))
			return;
	}
}

static void talk_rubbish(struct talker *t)
{
	say(t, rubbish(t));
	while (now_s() < t->end && listen_a_while(t, 100))
		;
}

static void run(struct talker *t)
{
	t->end = now_s() + t->seconds;
	while (now_s() < t->end) {
		if (!dial(t)) {
			poll(NULL, 0, 10);
		} else if (is(t, "garbage") || is(t, "broken")) {
			talk_rubbish(t);
		} else {
			talk(t);
			poll(NULL, 0, AGAIN_MS);
		}
		close(t->fd);
	}
}

/* ---- options --------------------------------------------------------------------------------- */

static const struct option options[] = {
	{"to", required_argument, NULL, 't'},	{"from", required_argument, NULL, 'f'},
	{"as", required_argument, NULL, 'a'},	{"seconds", required_argument, NULL, 's'},
	{"mode", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0},
};

static bool option(struct talker *t, int o)
{
	switch (o) {
	case 't':
		return inet_pton(AF_INET, optarg, &t->to) == 1;
	case 'f':
		return inet_pton(AF_INET, optarg, &t->from) == 1;
	case 'a':
		t->as = (uint32_t)strtoul(optarg, NULL, 10);
		return t->as != 0;
	case 's':
		t->seconds = strtod(optarg, NULL);
		return t->seconds > 0;
	case 'm':
		t->mode = optarg;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static struct talker t = {.seconds = 5, .mode = "flood", .random = 1};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!option(&t, o)) {
			fprintf(stderr, "usage: bgp_talker --to IP --from IP --as N --mode MODE "
					"[--seconds S]\n");
			return 2;
		}
	}
	run(&t);
	printf("{\"mode\":\"%s\",\"connections\":%llu,\"sent\":%llu,\"received\":%llu}\n", t.mode,
	       (unsigned long long)t.connections, (unsigned long long)t.sent,
	       (unsigned long long)t.received);
	return 0;
}

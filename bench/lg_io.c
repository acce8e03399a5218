#include "lg.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFER = 16 << 20,
	TURNS_MAX = 16,		/* receives of one socket before the others are looked at */
	CORE_MARK = 0xFFFF0001, /* sockets of the LAC have their index */
	TUN_MARK = 0xFFFF0002,
	INPUT_MARK = 0xFFFF0003,
};

/* Room for one recvmmsg(). */
struct lg_rx {
	struct mmsghdr msg[LG_BATCH];
	struct iovec iov[LG_BATCH];
	struct sockaddr_in from[LG_BATCH];
	uint8_t control[LG_BATCH][CMSG_SPACE(sizeof(int))];
	uint8_t room[LG_BATCH][LG_DATAGRAM];
};

nsec lg_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (nsec){t.tv_sec * INT64_C(1000000000) + t.tv_nsec};
}

/* ---- opening --------------------------------------------------------------------------------- */

int lg_io_enter(const char *netns)
{
	char path[256];
	int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (before < 0)
		return -1;
	snprintf(path, sizeof(path), "%s%s", netns[0] == '/' ? "" : "/run/netns/", netns);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
		lg_say("cannot enter network namespace %s: %s", path, strerror(errno));
		close(before);
		before = -1;
	}
	if (fd >= 0)
		close(fd);
	return before;
}

void lg_io_leave(int before)
{
	if (before < 0)
		return;
	if (setns(before, CLONE_NEWNET) != 0)
		abort(); /* nothing sensible can be done in the wrong namespace */
	close(before);
}

static void big_buffer(int fd, int plain, int forced)
{
	int size = BUFFER;
	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static int udp_socket(struct in_addr addr, unsigned port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr = addr, .sin_port = htons((uint16_t)port)};
	int one = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	big_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE);
	big_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE);
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		lg_say("cannot bind UDP port %u: %s", port, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static bool watch(struct lg *g, int fd, uint32_t mark)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = mark};
	return epoll_ctl(g->poll, EPOLL_CTL_ADD, fd, &e) == 0;
}

bool lg_io_watch_tun(struct lg *g, int fd)
{
	return watch(g, fd, TUN_MARK);
}

/* Once: steps that wait there must not keep the loop awake while another one runs. */
bool lg_io_await_input(struct lg *g)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = INPUT_MARK};

	g->input = false;
	return epoll_ctl(g->poll, EPOLL_CTL_MOD, STDIN_FILENO, &e) == 0 ||
	       epoll_ctl(g->poll, EPOLL_CTL_ADD, STDIN_FILENO, &e) == 0;
}

static bool open_lac(struct lg *g)
{
	const struct lg_conf *c = &g->conf;
	unsigned per_source = c->ports;
	for (unsigned i = 0; i < g->n_socks; i++)
		g->socks[i].fd = -1;
	for (unsigned i = 0; i < g->n_socks; i++) {
		g->socks[i].fd =
			udp_socket(c->sources[i / per_source], c->port_base + i % per_source);
		if (g->socks[i].fd < 0 || !watch(g, g->socks[i].fd, i))
			return false;
	}
	return true;
}

static bool open_in(struct lg *g, const char *netns, bool (*open_sockets)(struct lg *))
{
	int before = -1;
	if (netns && (before = lg_io_enter(netns)) < 0)
		return false;
	bool ok = open_sockets(g);
	lg_io_leave(before);
	return ok;
}

static bool open_core(struct lg *g)
{
	g->core = udp_socket(g->conf.core_addr, g->conf.core_port);
	return g->core >= 0 && watch(g, g->core, CORE_MARK);
}

static void rx_prepare(struct lg_rx *rx)
{
	for (unsigned i = 0; i < LG_BATCH; i++) {
		rx->iov[i] = (struct iovec){rx->room[i], LG_DATAGRAM};
		rx->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &rx->from[i],
			.msg_namelen = sizeof(rx->from[i]),
			.msg_iov = &rx->iov[i],
			.msg_iovlen = 1,
			.msg_control = rx->control[i],
			.msg_controllen = sizeof(rx->control[i]),
		};
	}
}

bool lg_io_open(struct lg *g)
{
	g->core = g->tun = -1;
	g->n_socks = g->conf.n_sources * g->conf.ports;
	g->socks = calloc(g->n_socks, sizeof(*g->socks));
	g->flush = calloc(g->n_socks, sizeof(*g->flush));
	g->opening = calloc(g->n_socks, sizeof(*g->opening));
	g->rx = malloc(sizeof(*g->rx));
	g->poll = epoll_create1(EPOLL_CLOEXEC);
	if (!g->socks || !g->flush || !g->opening || !g->rx || g->poll < 0)
		return false;
	rx_prepare(g->rx);
	if (!open_in(g, g->conf.netns, open_lac))
		return false;
	return !g->conf.core_addr.s_addr || open_in(g, g->conf.core_netns, open_core);
}

void lg_io_close(struct lg *g)
{
	for (unsigned i = 0; g->socks && i < g->n_socks; i++) {
		if (g->socks[i].fd >= 0)
			close(g->socks[i].fd);
		free(g->socks[i].out);
	}
	if (g->core >= 0)
		close(g->core);
	lg_tun_close(g);
	if (g->poll >= 0)
		close(g->poll);
	free(g->socks);
	free(g->flush);
	free(g->opening);
	free(g->rx);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void flush_socket(struct lg *g, struct lg_sock *s)
{
	struct lg_out *o = s->out;
	unsigned done = 0;
	while (done < o->n) {
		int n = sendmmsg(s->fd, o->msg + done, o->n - done, 0);
		if (n > 0) {
			done += (unsigned)n;
			g->stats.tx_datagrams += (unsigned)n;
			continue;
		}
		/* ICMP errors and full queues cost one datagram: the protocols repeat it */
		g->stats.tx_errors++;
		done++;
	}
	o->n = 0;
}

void lg_io_flush(struct lg *g)
{
	for (unsigned i = 0; i < g->n_flush; i++) {
		struct lg_sock *s = &g->socks[g->flush[i]];
		s->queued = false;
		flush_socket(g, s);
	}
	g->n_flush = 0;
}

static struct lg_out *out_of(struct lg_sock *s)
{
	if (s->out)
		return s->out;
	struct lg_out *o = s->out = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	for (unsigned i = 0; i < LG_BATCH; i++) {
		o->iov[i].iov_base = o->room[i];
		o->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &o->to[i],
			.msg_namelen = sizeof(o->to[i]),
			.msg_iov = &o->iov[i],
			.msg_iovlen = 1,
		};
	}
	return o;
}

void lg_io_send(struct lg *g, unsigned sock, const struct sockaddr_in *to, struct span datagram)
{
	struct lg_sock *s = &g->socks[sock];
	struct lg_out *o = out_of(s);
	if (!o || datagram.n > LG_SLOT) {
		g->stats.tx_errors++;
		return;
	}
	if (o->n == LG_BATCH)
		flush_socket(g, s);
	memcpy(o->room[o->n], datagram.p, datagram.n);
	o->iov[o->n].iov_len = datagram.n;
	o->to[o->n] = *to;
	o->n++;
	if (!s->queued) {
		s->queued = true;
		g->flush[g->n_flush++] = (uint16_t)sock;
	}
}

unsigned lg_io_send_run(int fd, const struct sockaddr_in *to, struct span all, unsigned each)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct iovec iov = {(void *)all.p, all.n};
	struct sockaddr_in peer = *to;
	struct msghdr m = {
		.msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = &iov, .msg_iovlen = 1};
	if (all.n > each) {
		uint16_t size = (uint16_t)each;
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	return sendmsg(fd, &m, 0) < 0 ? 0 : (unsigned)((all.n + each - 1) / each);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Length of the datagrams that the kernel put together, or 0. */
static unsigned segment_size(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int size;
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 ? (unsigned)size : 0;
	}
	return 0;
}

static void deliver(struct lg *g, uint32_t mark, const struct sockaddr_in *from, struct span one)
{
	g->stats.rx_datagrams++;
	if (mark == CORE_MARK)
		lg_traffic_core_rx(g, from, one);
	else
		lg_lac_rx(g, mark, from, one);
}

static void deliver_all(struct lg *g, uint32_t mark, unsigned i)
{
	struct lg_rx *rx = g->rx;
	struct msghdr *m = &rx->msg[i].msg_hdr;
	struct span all = span_of(rx->room[i], rx->msg[i].msg_len);
	unsigned size = segment_size(m);
	if (size == 0)
		size = (unsigned)all.n;
	while (all.n > 0)
		deliver(g, mark, &rx->from[i], span_sub(&all, all.n < size ? all.n : size));
	m->msg_namelen = sizeof(rx->from[i]);
	m->msg_controllen = sizeof(rx->control[i]);
}

static void receive_from(struct lg *g, int fd, uint32_t mark)
{
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		int n = recvmmsg(fd, g->rx->msg, LG_BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			deliver_all(g, mark, (unsigned)i);
		if (n < LG_BATCH)
			return;
	}
}

void lg_io_receive(struct lg *g, int64_t wait_ns)
{
	struct epoll_event e[LG_BATCH];
	struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
	int n = epoll_pwait2(g->poll, e, LG_BATCH, &wait, NULL);
	if (n <= 0)
		return;
	g->now = lg_clock();
	for (int i = 0; i < n; i++) {
		uint32_t mark = e[i].data.u32;
		if (mark == TUN_MARK) {
			lg_tun_read(g);
			continue;
		}
		if (mark == INPUT_MARK) {
			g->input = true;
			continue;
		}
		receive_from(g, mark == CORE_MARK ? g->core : g->socks[mark].fd, mark);
	}
}

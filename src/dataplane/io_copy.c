#include "dataplane/io_copy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wbuf.h"

enum {
	MESSAGES = 128,
	ARENA = 256 * 1024,
	SOCKET_BUFFER = 4 << 20,
	DATAGRAM_MAX = 65507,
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct io_copy {
	const struct alloc *alloc;
	struct counters *counters;
	int fd4, fd6; /* -1: not opened yet */
	unsigned n;
	size_t used;
	struct mmsghdr msgs[MESSAGES];
	struct iovec iov[MESSAGES];
	union address to[MESSAGES];
	uint8_t arena[ARENA];
};

struct io_copy *io_copy_open(const struct alloc *a, struct counters *counters)
{
	struct io_copy *c = alloc_get(a, sizeof(*c));

	if (!c)
		return NULL;
	c->alloc = a;
	c->counters = counters;
	c->fd4 = c->fd6 = -1;
	return c;
}

void io_copy_close(struct io_copy *c)
{
	if (!c)
		return;
	if (c->fd4 >= 0)
		close(c->fd4);
	if (c->fd6 >= 0)
		close(c->fd6);
	alloc_put(c->alloc, c, sizeof(*c));
}

/* Not connected, so that a collector's ICMP errors reach nobody. The path may be narrower than the
 * packet: it is fragmented then. */
static int open_socket(int family)
{
	int buffer = SOCKET_BUFFER, never = IP_PMTUDISC_DONT;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof(never));
	return fd;
}

static int socket_for(struct io_copy *c, int family)
{
	int *fd = family == AF_INET ? &c->fd4 : &c->fd6;

	if (*fd < 0)
		*fd = open_socket(family);
	return *fd;
}

static socklen_t address_of(const struct sock_addr *a, union address *out)
{
	if (a->ip.family == 4) {
		out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
		memcpy(&out->v4.sin_addr, a->ip.b, 4);
		return sizeof(out->v4);
	}
	out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	memcpy(&out->v6.sin6_addr, a->ip.b, 16);
	return sizeof(out->v6);
}

void io_copy_send(struct io_copy *c, const struct sock_addr *to, struct span head, struct span body)
{
	size_t n = head.n + body.n;

	if (n > DATAGRAM_MAX) {
		counter_add(c->counters, C_INTERCEPT_LOST, 1);
		return;
	}
	if (c->n == MESSAGES || c->used + n > ARENA)
		io_copy_flush(c);
	struct wbuf w = wbuf_of(c->arena + c->used, n);
	wbuf_span(&w, head);
	wbuf_span(&w, body);
	c->used += n;
	c->iov[c->n] = (struct iovec){w.p, n};
	c->msgs[c->n].msg_hdr = (struct msghdr){
		.msg_name = &c->to[c->n],
		.msg_namelen = address_of(to, &c->to[c->n]),
		.msg_iov = &c->iov[c->n],
		.msg_iovlen = 1,
	};
	c->n++;
}

/* How many messages from `first` on go to the same family. */
static unsigned run_of(const struct io_copy *c, unsigned first)
{
	unsigned n = 1;

	while (first + n < c->n && c->to[first + n].any.sa_family == c->to[first].any.sa_family)
		n++;
	return n;
}

static void send_run(struct io_copy *c, unsigned first, unsigned n)
{
	int fd = socket_for(c, c->to[first].any.sa_family);

	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, c->msgs + first + done, n - done, MSG_DONTWAIT);
		if (sent > 0) {
			counter_add(c->counters, C_INTERCEPTED, (uint64_t)sent);
			done += (unsigned)sent;
		} else if (errno != EINTR) {
			counter_add(c->counters, C_INTERCEPT_LOST, 1);
			done++; /* this one is refused; the next may go elsewhere */
		}
	}
}

void io_copy_flush(struct io_copy *c)
{
	for (unsigned done = 0, n; done < c->n; done += n) {
		n = run_of(c, done);
		send_run(c, done, n);
	}
	c->n = 0;
	c->used = 0;
}

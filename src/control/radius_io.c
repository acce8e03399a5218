#include "control/radius_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"

enum {
	SOCKETS = 4096,		  /* numbers that rad_client uses */
	BATCH = 32,		  /* datagrams per system call */
	DATAGRAM = 4096,	  /* RFC 2865 section 3: none is longer */
	BUFFER = 4 * 1024 * 1024, /* bytes that we ask the kernel for */
	CONTROL = 64,		  /* ancillary data of one datagram */
};

enum { V4, V6, FAMILIES };

struct socket_pair {
	int fd[FAMILIES];	     /* -1: not open */
	uint32_t overflow[FAMILIES]; /* as the kernel counts for this socket */
};

struct radius_io {
	const struct alloc *alloc;
	int epoll_fd;
	uint64_t tag;
	uint32_t port_min, port_max; /* both 0: any */
	uint64_t overflows, send_failures;
	struct socket_pair *socks[SOCKETS];
	/* of one batch */
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t control[BATCH][CONTROL];
	uint8_t bytes[BATCH][DATAGRAM];
};

struct radius_io *radius_io_new(const struct alloc *a, int epoll_fd, uint64_t tag,
				uint16_t port_min, uint16_t port_max)
{
	LNS_ASSERT((tag & 0xFFFF) == 0);

	struct radius_io *io = alloc_get(a, sizeof(*io));
	if (!io)
		return NULL;
	io->alloc = a;
	io->epoll_fd = epoll_fd;
	io->tag = tag;
	io->port_min = port_min;
	io->port_max = port_max;
	if (port_min && !port_max)
		io->port_max = 65534;
	if (port_max && !port_min)
		io->port_min = 1;
	return io;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static socklen_t to_sockaddr(const struct sock_addr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->ip.family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip.b, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	in->sin_family = AF_INET;
	in->sin_port = htons(a->port);
	memcpy(&in->sin_addr, a->ip.b, 4);
	return sizeof(*in);
}

static struct sock_addr from_sockaddr(const struct sockaddr_storage *a)
{
	struct sock_addr out = {0};

	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
		out.ip.family = 6;
		out.port = ntohs(in6->sin6_port);
		memcpy(out.ip.b, &in6->sin6_addr, 16);
	} else if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a;
		out.ip.family = 4;
		out.port = ntohs(in->sin_port);
		memcpy(out.ip.b, &in->sin_addr, 4);
	}
	return out;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static bool bind_port(int fd, int family, uint32_t port)
{
	struct sock_addr any = {.ip.family = family == V6 ? 6 : 4, .port = (uint16_t)port};
	struct sockaddr_storage sa;
	socklen_t n = to_sockaddr(&any, &sa);

	return bind(fd, (const struct sockaddr *)&sa, n) == 0;
}

/* The port of the range that the number stands for, or the next one that is free. */
static bool bind_in_range(const struct radius_io *io, int fd, int family, unsigned sock)
{
	uint32_t ports = io->port_max - io->port_min + 1;

	if (io->port_min == 0)
		return bind_port(fd, family, 0);
	if (io->port_max < io->port_min)
		ports = 1;
	for (uint32_t i = 0; i < ports; i++) {
		if (bind_port(fd, family, io->port_min + (sock + i) % ports))
			return true;
		if (errno != EADDRINUSE)
			break;
	}
	return false;
}

static void set_options(int fd, int family)
{
	int size = BUFFER, on = 1;

	/* Beyond the kernel's limit needs a privilege; without it the limit has to do. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (family == V6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

static int socket_open(struct radius_io *io, unsigned sock, int family)
{
	int fd = socket(family == V6 ? AF_INET6 : AF_INET,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	set_options(fd, family);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = io->tag | sock};
	if (!bind_in_range(io, fd, family, sock) ||
	    epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* Returns -1 with errno set. */
static int socket_get(struct radius_io *io, unsigned sock, int family)
{
	if (!io->socks[sock]) {
		struct socket_pair *p = alloc_get(io->alloc, sizeof(*p));
		if (!p) {
			errno = ENOMEM;
			return -1;
		}
		p->fd[V4] = p->fd[V6] = -1;
		io->socks[sock] = p;
	}
	struct socket_pair *p = io->socks[sock];
	if (p->fd[family] < 0)
		p->fd[family] = socket_open(io, sock, family);
	return p->fd[family];
}

void radius_io_close(struct radius_io *io, unsigned sock)
{
	LNS_ASSERT(sock < SOCKETS);

	struct socket_pair *p = io->socks[sock];
	if (!p)
		return;
	for (int family = 0; family < FAMILIES; family++) {
		if (p->fd[family] >= 0)
			close(p->fd[family]); /* which takes it out of the epoll set */
	}
	alloc_put(io->alloc, p, sizeof(*p));
	io->socks[sock] = NULL;
}

void radius_io_free(struct radius_io *io)
{
	if (!io)
		return;
	for (unsigned s = 0; s < SOCKETS; s++)
		radius_io_close(io, s);
	const struct alloc *a = io->alloc;
	mem_wipe(io, sizeof(*io));
	alloc_put(a, io, sizeof(*io));
}

/* ---- datagrams ------------------------------------------------------------------------------- */

/* Ancillary data that names our address; the interface is the kernel's choice. */
union source {
	_Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void put_source(struct msghdr *m, union source *room, const struct ip_addr *from)
{
	struct in_pktinfo v4 = {0};
	struct in6_pktinfo v6 = {0};
	bool six = from->family == 6;
	size_t n = six ? sizeof(v6) : sizeof(v4);

	memset(room, 0, sizeof(*room));
	m->msg_control = room->bytes;
	m->msg_controllen = CMSG_SPACE(n);
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);
	cm->cmsg_len = CMSG_LEN(n);
	cm->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	cm->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	memcpy(&v4.ipi_spec_dst, from->b, sizeof(v4.ipi_spec_dst));
	memcpy(&v6.ipi6_addr, from->b, sizeof(v6.ipi6_addr));
	memcpy(CMSG_DATA(cm), six ? (const void *)&v6 : (const void *)&v4, n);
}

bool radius_io_send(struct radius_io *io, unsigned sock, const struct sock_addr *to,
		    const struct ip_addr *from, struct span data)
{
	LNS_ASSERT(sock < SOCKETS);

	struct sockaddr_storage sa;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data.p, .iov_len = data.n};
	struct msghdr m = {.msg_name = &sa,
			   .msg_namelen = to_sockaddr(to, &sa),
			   .msg_iov = &iov,
			   .msg_iovlen = 1};
	union source room;
	int fd = socket_get(io, sock, to->ip.family == 6 ? V6 : V4);

	if (from->family == to->ip.family && ip_addr_is_set(from))
		put_source(&m, &room, from);
	if (fd >= 0 && sendmsg(fd, &m, 0) >= 0)
		return true;
	io->send_failures++;
	return false;
}

static void batch_prepare(struct radius_io *io)
{
	for (unsigned i = 0; i < BATCH; i++) {
		io->iov[i] = (struct iovec){.iov_base = io->bytes[i], .iov_len = DATAGRAM};
		io->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &io->from[i],
			.msg_namelen = sizeof(io->from[i]),
			.msg_iov = &io->iov[i],
			.msg_iovlen = 1,
			.msg_control = io->control[i],
			.msg_controllen = CONTROL,
		};
	}
}

/* The kernel reports its drops of a socket as one number that only grows. */
static void note_overflow(struct radius_io *io, struct socket_pair *p, int family, struct msghdr *m)
{
	uint32_t total;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SO_RXQ_OVFL ||
		    cm->cmsg_len < CMSG_LEN(sizeof(total)))
			continue;
		memcpy(&total, CMSG_DATA(cm), sizeof(total));
		io->overflows += total - p->overflow[family];
		p->overflow[family] = total;
	}
}

static unsigned read_family(struct radius_io *io, unsigned sock, int family,
			    void (*got)(void *ctx, unsigned sock, const struct sock_addr *from,
					struct span datagram),
			    void *ctx)
{
	struct socket_pair *p = io->socks[sock];
	if (!p || p->fd[family] < 0)
		return 0;

	batch_prepare(io);
	int n = recvmmsg(p->fd[family], io->msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		note_overflow(io, p, family, &io->msgs[i].msg_hdr);
	for (int i = 0; i < n; i++) {
		struct sock_addr from = from_sockaddr(&io->from[i]);
		/* A longer datagram was cut: no RADIUS packet is that long. */
		if (!(io->msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
			got(ctx, sock, &from, span_of(io->bytes[i], io->msgs[i].msg_len));
	}
	return n < 0 ? 0 : (unsigned)n;
}

unsigned radius_io_read(struct radius_io *io, unsigned sock,
			void (*got)(void *ctx, unsigned sock, const struct sock_addr *from,
				    struct span datagram),
			void *ctx)
{
	unsigned n = 0;

	if (sock >= SOCKETS)
		return 0;
	for (int family = 0; family < FAMILIES; family++)
		n += read_family(io, sock, family, got, ctx);
	return n;
}

uint64_t radius_io_overflows(const struct radius_io *io)
{
	return io->overflows;
}

uint64_t radius_io_send_failures(const struct radius_io *io)
{
	return io->send_failures;
}

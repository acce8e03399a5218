#include "control/dae_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,	 /* datagrams of one turn */
	DATAGRAM = 4096, /* RFC 2865 section 3: none is longer */
	CONTROL = 64,	 /* ancillary data: the address that was asked */
};

enum { V4, V6, FAMILIES };

static int socket_open(int family, uint16_t port)
{
	int fd = socket(family == V6 ? AF_INET6 : AF_INET,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, bound;

	if (fd < 0)
		return -1;
	if (family == V6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		bound = bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
		bound = bind(fd, (const struct sockaddr *)&any, sizeof(any));
	}
	if (bound == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

bool dae_io_open(struct dae_io *io, int epoll_fd, uint64_t tag, uint16_t port)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = tag};

	for (int f = 0; f < FAMILIES; f++) {
		io->fd[f] = socket_open(f, port);
		if (io->fd[f] >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, io->fd[f], &e) != 0) {
			close(io->fd[f]);
			io->fd[f] = -1;
		}
		if (f == V4 && io->fd[V4] < 0) {
			io->fd[V6] = -1;
			return false;
		}
	}
	return true;
}

void dae_io_close(struct dae_io *io)
{
	for (int f = 0; f < FAMILIES; f++) {
		if (io->fd[f] >= 0)
			close(io->fd[f]);
		io->fd[f] = -1;
	}
}

static bool peer_of(const struct sockaddr_storage *a, struct sock_addr *out)
{
	*out = (struct sock_addr){0};
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
		out->ip.family = 6;
		out->port = ntohs(in6->sin6_port);
		memcpy(out->ip.b, &in6->sin6_addr, 16);
	} else if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a;
		out->ip.family = 4;
		out->port = ntohs(in->sin_port);
		memcpy(out->ip.b, &in->sin_addr, 4);
	}
	return ip_addr_is_set(&out->ip);
}

/* The address that was asked becomes the source of the answer; the interface is the kernel's. */
static void answer_from_there(struct msghdr *m)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(cm), sizeof(info));
			info.ipi_spec_dst = info.ipi_addr;
			info.ipi_ifindex = 0;
			memcpy(CMSG_DATA(cm), &info, sizeof(info));
		}
	}
}

static bool serve_one(int fd, dae_io_got *got, void *ctx)
{
	uint8_t in[DATAGRAM], out[DATAGRAM];
	_Alignas(struct cmsghdr) uint8_t control[CONTROL];
	struct sockaddr_storage from;
	struct iovec iov = {.iov_base = in, .iov_len = sizeof(in)};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct sock_addr peer;

	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return false;
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !peer_of(&from, &peer))
		return true;
	struct wbuf answer = wbuf_of(out, sizeof(out));
	if (!got(ctx, &peer, span_of(in, (size_t)n), &answer))
		return true;
	answer_from_there(&m);
	iov = (struct iovec){.iov_base = out, .iov_len = answer.n};
	(void)sendmsg(fd, &m, MSG_DONTWAIT); /* lost: the client asks again */
	return true;
}

void dae_io_read(struct dae_io *io, dae_io_got *got, void *ctx)
{
	for (int f = 0; f < FAMILIES; f++) {
		for (unsigned n = 0; io->fd[f] >= 0 && n < BATCH; n++) {
			if (!serve_one(io->fd[f], got, ctx))
				break;
		}
	}
}

#include "control/dae_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64, /* datagrams of one turn */
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

void dae_io_read(struct dae_io *io, udp_answer_got *got, void *ctx)
{
	for (int f = 0; f < FAMILIES; f++)
		if (io->fd[f] >= 0)
			udp_answer_read(io->fd[f], BATCH, got, ctx);
}

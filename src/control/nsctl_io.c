#include "control/nsctl_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 16 }; /* commands of one turn: what a plugin does may take a while */

int nsctl_io_open(const struct sock_addr *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(at->port)};

	if (fd < 0)
		return -1;
	memcpy(&in.sin_addr, at->ip.b, sizeof(in.sin_addr));
	(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

void nsctl_io_read(int fd, udp_answer_got *got, void *ctx)
{
	udp_answer_read(fd, BATCH, got, ctx);
}

#include "control/udp_answer.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
	DATAGRAM = 8192, /* longer ones are nothing that we answer */
	CONTROL = 64,	 /* ancillary data: the address that was asked */
};

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

static bool serve_one(int fd, udp_answer_got *got, void *ctx)
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

void udp_answer_read(int fd, unsigned batch, udp_answer_got *got, void *ctx)
{
	for (unsigned n = 0; n < batch; n++)
		if (!serve_one(fd, got, ctx))
			return;
}

#include "dataplane/io_udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wbuf.h"

enum {
	RX_MESSAGES_GRO = 16,
	RX_BYTES_GRO = 65536,
	RX_MESSAGES_PLAIN = 64,
	RX_BYTES_PLAIN = 4096,
	/* Of one merged datagram. A network card and UDP_GRO join up to 64, but what another socket
	 * of this machine (or of its host) sent as one comes as one, up to 128 since Linux 6.9. */
	RX_SEGMENTS_MAX = 128,
	RX_DATAGRAMS = RX_MESSAGES_GRO * RX_SEGMENTS_MAX,
	TX_MESSAGES = 256,
	TX_VECTORS = 2 * DP_TX_MAX + TX_MESSAGES,
	TX_ARENA = 128 * 1024, /* of copied datagrams */
	GSO_SEGMENTS = 64,
	GSO_BYTES = 65507,
	/* Where the kernel refuses a run (outer IPsec), it does so with every one: so many
	 * datagrams go by themselves until it is tried again. */
	GSO_PAUSE = 4096,
	L2TP_MIN = 6, /* a shorter datagram is not worth its place */
};

/* Room for what recvmsg tells: address, merged size, number of drops. */
union rx_control {
	char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int)) +
		   CMSG_SPACE(sizeof(uint32_t))];
	struct cmsghdr align;
};

union tx_control {
	char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

struct rx {
	struct mmsghdr msgs[RX_MESSAGES_PLAIN];
	struct iovec iov[RX_MESSAGES_PLAIN];
	struct sockaddr_in from[RX_MESSAGES_PLAIN];
	union rx_control control[RX_MESSAGES_PLAIN];
	struct l2tp_path path[RX_MESSAGES_PLAIN];
	struct dp_datagram out[RX_DATAGRAMS];
};

struct tx {
	unsigned n, n_iov;
	size_t arena_used;
	struct mmsghdr msgs[TX_MESSAGES];
	unsigned segments[TX_MESSAGES]; /* datagrams in the message */
	uint16_t segment_len[TX_MESSAGES];
	struct sockaddr_in to[TX_MESSAGES];
	union tx_control control[TX_MESSAGES];
	struct iovec iov[TX_VECTORS];
	uint8_t arena[TX_ARENA];
};

struct io_udp {
	struct io_udp_conf conf;
	int fd;
	bool any;	     /* bound to 0.0.0.0: our address comes and goes with each datagram */
	uint32_t drops_seen; /* SO_RXQ_OVFL of the kernel */
	unsigned gso_pause;  /* datagrams until runs are tried again */
	unsigned rx_messages;
	size_t rx_bytes;
	uint8_t *rx_memory;
	struct rx rx;
	struct tx tx;
};

/* ---- opening --------------------------------------------------------------------------------- */

static bool set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static void set_buffers(int fd, int bytes)
{
	if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes))
		set_int(fd, SOL_SOCKET, SO_RCVBUF, bytes);
	if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

static struct sockaddr_in sockaddr_of(const struct sock_addr *a)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(a->port)};

	memcpy(&sa.sin_addr, a->ip.b, 4);
	return sa;
}

static bool set_up(struct io_udp *u)
{
	struct sockaddr_in sa = sockaddr_of(&u->conf.bind);

	set_buffers(u->fd, (int)u->conf.buffer);
	/* The outer path may be narrower than ours: routers shall fragment, not drop. */
	set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	set_int(u->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (!set_int(u->fd, SOL_SOCKET, SO_REUSEPORT, 1) ||
	    (u->any && !set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1)))
		return false;
	if (u->conf.gro && !set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1))
		return false;
	if (u->conf.gso && !set_int(u->fd, IPPROTO_UDP, UDP_SEGMENT, 0))
		return false;
	return bind(u->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

bool io_udp_is_free(const struct sock_addr *bind_to)
{
	struct sockaddr_in sa = sockaddr_of(bind_to);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	bool ok = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
	int why = errno;
	close(fd);
	errno = why;
	return ok;
}

struct io_udp *io_udp_open(const struct io_udp_conf *conf)
{
	struct io_udp *u = alloc_get(conf->alloc, sizeof(*u));

	if (!u)
		return NULL;
	u->conf = *conf;
	u->any = ip_addr_u32(&conf->bind.ip) == 0;
	u->rx_messages = conf->gro ? RX_MESSAGES_GRO : RX_MESSAGES_PLAIN;
	u->rx_bytes = conf->gro ? RX_BYTES_GRO : RX_BYTES_PLAIN;
	u->rx_memory = alloc_get(conf->alloc, u->rx_messages * u->rx_bytes);
	u->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!u->rx_memory || u->fd < 0 || !set_up(u)) {
		int why = errno;
		io_udp_close(u);
		errno = why;
		return NULL;
	}
	return u;
}

void io_udp_close(struct io_udp *u)
{
	if (!u)
		return;
	if (u->fd >= 0)
		close(u->fd);
	alloc_put(u->conf.alloc, u->rx_memory, u->rx_messages * u->rx_bytes);
	alloc_put(u->conf.alloc, u, sizeof(*u));
}

int io_udp_fd(const struct io_udp *u)
{
	return u->fd;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void rx_prepare(struct io_udp *u)
{
	for (unsigned i = 0; i < u->rx_messages; i++) {
		u->rx.iov[i] = (struct iovec){u->rx_memory + i * u->rx_bytes, u->rx_bytes};
		u->rx.msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &u->rx.from[i],
			.msg_namelen = sizeof(u->rx.from[i]),
			.msg_iov = &u->rx.iov[i],
			.msg_iovlen = 1,
			.msg_control = &u->rx.control[i],
			.msg_controllen = sizeof(u->rx.control[i]),
		};
	}
}

static struct ip_addr addr_of(const struct in_addr *a)
{
	return ip_addr_v4(ntohl(a->s_addr));
}

/* Since Linux 6.18 an older number may come after a newer one. */
static void count_drops(struct io_udp *u, uint32_t total)
{
	if ((int32_t)(total - u->drops_seen) <= 0)
		return;
	counter_drop(u->conf.counters, DROP_SOCKET_FULL, total - u->drops_seen);
	u->drops_seen = total;
}

/* Fills path i; returns the size of the datagrams that were merged, or of the whole. */
static size_t rx_describe(struct io_udp *u, unsigned i)
{
	struct msghdr *m = &u->rx.msgs[i].msg_hdr;
	struct l2tp_path *path = &u->rx.path[i];
	size_t each = u->rx.msgs[i].msg_len;

	*path = (struct l2tp_path){
		.local = u->conf.local,
		.local_ip = u->conf.bind.ip,
		.peer = {.ip = addr_of(&u->rx.from[i].sin_addr),
			 .port = ntohs(u->rx.from[i].sin_port)},
	};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int size;
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			each = size > 0 ? (size_t)size : each;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			path->local_ip = addr_of(&info.ipi_spec_dst);
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t total;
			memcpy(&total, CMSG_DATA(c), sizeof(total));
			count_drops(u, total);
		}
	}
	return each;
}

/* Splits message i; returns the new number of datagrams. */
static unsigned rx_split(struct io_udp *u, unsigned i, unsigned n)
{
	size_t each = rx_describe(u, i);
	size_t left = u->rx.msgs[i].msg_len;
	uint8_t *p = u->rx.iov[i].iov_base;

	if (u->rx.msgs[i].msg_hdr.msg_flags & MSG_TRUNC || left < L2TP_MIN) {
		counter_drop(u->conf.counters, DROP_L2TP_SHORT, 1);
		return n;
	}
	while (left && n < RX_DATAGRAMS) {
		size_t len = left < each ? left : each;
		u->rx.out[n++] = (struct dp_datagram){.p = p, .n = len, .path = &u->rx.path[i]};
		p += len;
		left -= len;
	}
	if (left) /* a kernel that joins even more */
		counter_drop(u->conf.counters, DROP_SOCKET_FULL, (left + each - 1) / each);
	return n;
}

unsigned io_udp_read(struct io_udp *u, unsigned *count)
{
	unsigned n = 0;
	uint64_t bytes = 0;

	rx_prepare(u);
	int got = recvmmsg(u->fd, u->rx.msgs, u->rx_messages, MSG_DONTWAIT, NULL);
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		counter_add(u->conf.counters, C_SOCKET_ERRORS, 1);
	for (int i = 0; i < got; i++) {
		n = rx_split(u, (unsigned)i, n);
		bytes += u->rx.msgs[i].msg_len;
	}
	if (got > 0) {
		counter_add(u->conf.counters, C_L2TP_RX_BATCHES, 1);
		counter_add(u->conf.counters, C_L2TP_RX_PACKETS, n);
		counter_add(u->conf.counters, C_L2TP_RX_BYTES, bytes);
	}
	*count = n;
	return got > 0 ? (unsigned)got : 0;
}

unsigned io_udp_fill(const struct io_udp *u)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t n = sizeof(info);

	if (getsockopt(u->fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 || !info[SK_MEMINFO_RCVBUF])
		return 0;
	return (unsigned)((uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 100 / info[SK_MEMINFO_RCVBUF]);
}

struct dp_datagram *io_udp_datagrams(struct io_udp *u)
{
	return u->rx.out;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void *add_control(struct msghdr *m, int level, int type, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)((char *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	m->msg_controllen += CMSG_SPACE(n);
	return CMSG_DATA(c);
}

static void add_source(struct msghdr *m, const struct ip_addr *local)
{
	struct in_pktinfo info = {.ipi_ifindex = 0};

	memcpy(&info.ipi_spec_dst, local->b, 4);
	memcpy(add_control(m, IPPROTO_IP, IP_PKTINFO, sizeof(info)), &info, sizeof(info));
}

/* Adds the control part once the message is complete. */
static void tx_finish(struct io_udp *u, unsigned i, const struct l2tp_path *path)
{
	struct msghdr *m = &u->tx.msgs[i].msg_hdr;

	m->msg_control = &u->tx.control[i];
	m->msg_controllen = 0;
	if (u->any && ip_addr_is_set(&path->local_ip))
		add_source(m, &path->local_ip);
	if (u->tx.segments[i] > 1) {
		uint16_t size = u->tx.segment_len[i];
		memcpy(add_control(m, IPPROTO_UDP, UDP_SEGMENT, sizeof(size)), &size, sizeof(size));
	}
	if (m->msg_controllen == 0)
		m->msg_control = NULL;
}

/* A new message without vectors. */
static struct msghdr *tx_begin(struct io_udp *u, const struct l2tp_path *path)
{
	unsigned i = u->tx.n++;

	u->tx.to[i] = sockaddr_of(&path->peer);
	u->tx.segments[i] = 0;
	u->tx.segment_len[i] = 0;
	u->tx.msgs[i].msg_hdr = (struct msghdr){
		.msg_name = &u->tx.to[i],
		.msg_namelen = sizeof(u->tx.to[i]),
		.msg_iov = &u->tx.iov[u->tx.n_iov],
	};
	return &u->tx.msgs[i].msg_hdr;
}

static void tx_vector(struct io_udp *u, struct msghdr *m, const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
	u->tx.iov[u->tx.n_iov++] = (struct iovec){(void *)(uintptr_t)p, n};
	m->msg_iovlen++;
}

void io_udp_send(struct io_udp *u, const struct l2tp_path *path, struct span head, struct span body)
{
	size_t n = head.n + body.n;

	if (n > TX_ARENA || n > GSO_BYTES) {
		counter_drop(u->conf.counters, DROP_SOCKET_SEND, 1);
		return;
	}
	if (u->tx.n == TX_MESSAGES || u->tx.n_iov + 1 > TX_VECTORS ||
	    u->tx.arena_used + n > TX_ARENA)
		io_udp_flush(u);
	struct wbuf w = wbuf_of(u->tx.arena + u->tx.arena_used, n);
	wbuf_span(&w, head);
	wbuf_span(&w, body);
	u->tx.arena_used += n;
	unsigned i = u->tx.n;
	tx_vector(u, tx_begin(u, path), w.p, n);
	u->tx.segments[i] = 1;
	tx_finish(u, i, path);
}

/* How many of the datagrams from order[0] on can leave as one. */
static unsigned run_length(const struct io_udp *u, const struct dp_tx *tx, const uint16_t *order,
			   unsigned n)
{
	const struct dp_tx *first = &tx[order[0]];
	size_t bytes = dp_tx_len(first);
	unsigned i = 1;

	if (!u->conf.gso || u->gso_pause)
		return 1;
	for (; i < n && i < GSO_SEGMENTS; i++) {
		const struct dp_tx *t = &tx[order[i]];
		if (dp_tx_len(t) > dp_tx_len(first) || bytes + dp_tx_len(t) > GSO_BYTES ||
		    !l2tp_path_equal(&t->session->spec.path, &first->session->spec.path))
			return i;
		bytes += dp_tx_len(t);
		if (dp_tx_len(t) < dp_tx_len(first))
			return i + 1; /* a shorter one can only be the last */
	}
	return i;
}

void io_udp_send_batch(struct io_udp *u, const struct dp_tx *tx, const uint16_t *order, unsigned n)
{
	for (unsigned done = 0, run; done < n; done += run) {
		const struct dp_tx *first = &tx[order[done]];
		run = run_length(u, tx, order + done, n - done);
		u->gso_pause -= u->gso_pause > 0;
		if (u->tx.n == TX_MESSAGES || u->tx.n_iov + 2 * run > TX_VECTORS)
			io_udp_flush(u);
		unsigned i = u->tx.n;
		struct msghdr *m = tx_begin(u, &first->session->spec.path);
		for (unsigned j = done; j < done + run; j++) {
			tx_vector(u, m, tx[order[j]].head, tx[order[j]].head_n);
			tx_vector(u, m, tx[order[j]].body, tx[order[j]].body_n);
		}
		u->tx.segments[i] = run;
		u->tx.segment_len[i] = (uint16_t)dp_tx_len(first);
		tx_finish(u, i, &first->session->spec.path);
	}
}

static size_t vectors_bytes(const struct iovec *iov, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

static void count_sent(struct io_udp *u, unsigned from, unsigned to)
{
	uint64_t packets = 0, bytes = 0;

	for (unsigned i = from; i < to; i++) {
		packets += u->tx.segments[i];
		bytes += u->tx.msgs[i].msg_len;
	}
	counter_add(u->conf.counters, C_L2TP_TX_PACKETS, packets);
	counter_add(u->conf.counters, C_L2TP_TX_BYTES, bytes);
}

/* The merged message was refused (longer than the outer MTU, say): its datagrams one by one. */
static void send_apart(struct io_udp *u, unsigned i)
{
	struct msghdr m = u->tx.msgs[i].msg_hdr;
	struct iovec *iov = m.msg_iov, *end = iov + m.msg_iovlen;
	size_t each = u->tx.segment_len[i];

	u->gso_pause = GSO_PAUSE;
	m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (m.msg_controllen == 0)
		m.msg_control = NULL;
	while (iov < end) {
		size_t parts = 1;
		/* A datagram is one vector or two: head and body. */
		if (iov->iov_len < each && iov + 1 < end && vectors_bytes(iov, 2) <= each)
			parts = 2;
		m.msg_iov = iov;
		m.msg_iovlen = parts;
		ssize_t sent = sendmsg(u->fd, &m, MSG_DONTWAIT);
		if (sent < 0) {
			counter_drop(u->conf.counters, DROP_SOCKET_SEND, 1);
		} else {
			counter_add(u->conf.counters, C_L2TP_TX_PACKETS, 1);
			counter_add(u->conf.counters, C_L2TP_TX_BYTES, (uint64_t)sent);
		}
		iov += parts;
	}
}

/* Message i was refused. True: go on with the next one. */
static bool tx_refused(struct io_udp *u, unsigned i, int why)
{
	if (why == EINTR)
		return false;
	if (u->tx.segments[i] > 1 && (why == EINVAL || why == EMSGSIZE || why == EIO))
		send_apart(u, i);
	else
		counter_drop(u->conf.counters, DROP_SOCKET_SEND, u->tx.segments[i]);
	return true;
}

void io_udp_flush(struct io_udp *u)
{
	for (unsigned done = 0; done < u->tx.n;) {
		int sent = sendmmsg(u->fd, u->tx.msgs + done, u->tx.n - done, MSG_DONTWAIT);
		if (sent > 0) {
			count_sent(u, done, done + (unsigned)sent);
			done += (unsigned)sent;
		} else if (tx_refused(u, done, errno)) {
			done++;
		}
	}
	u->tx.n = u->tx.n_iov = 0;
	u->tx.arena_used = 0;
}

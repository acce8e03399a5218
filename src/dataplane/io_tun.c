#include "dataplane/io_tun.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/hash.h"
#include "dataplane/dp_checksum.h"

enum {
	BATCH = 128,
	ROOM = 64, /* before a packet: our header, or the virtio-net header while reading */
	PACKET_MAX = 65536,
	/* Packets stand close together, the longest always fits behind the last. Enough for the
	 * segments of one batch (DP_TX_MAX); what is read stays in the cache until it is sent. */
	MEMORY = 512 * 1024,
	TCP_CHECKSUM_AT = 16,
	UDP_CHECKSUM_AT = 6,
	GSO_UDP_L4 = 5, /* VIRTIO_NET_HDR_GSO_UDP_L4, newer than the oldest headers (Linux 6.2) */
};

_Static_assert(ROOM >= (int)DP_HEADER_MAX && ROOM >= (int)IO_TUN_VNET_HEADER, "for either header");
_Static_assert(BATCH <= (int)DP_BATCH, "one batch for the forwarding functions");

struct io_tun {
	const struct alloc *alloc;
	struct counters *counters;
	int fd;
	struct io_features features;
	const int *outputs;
	unsigned n_outputs; /* 0: this queue */
	uint8_t *memory;    /* MEMORY bytes */
	struct dp_packet packets[BATCH];
};

struct io_tun *io_tun_open(const struct alloc *a, struct counters *counters, int fd,
			   struct io_features features)
{
	struct io_tun *t = alloc_get(a, sizeof(*t));
	uint8_t *memory = alloc_get(a, MEMORY);

	if (!t || !memory) {
		alloc_put(a, t, sizeof(*t));
		alloc_put(a, memory, MEMORY);
		return NULL;
	}
	t->alloc = a;
	t->counters = counters;
	t->fd = fd;
	t->features = features;
	t->memory = memory;
	return t;
}

void io_tun_close(struct io_tun *t)
{
	if (!t)
		return;
	close(t->fd);
	alloc_put(t->alloc, t->memory, MEMORY);
	alloc_put(t->alloc, t, sizeof(*t));
}

int io_tun_fd(const struct io_tun *t)
{
	return t->fd;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The fields of a virtio-net header that reading needs (little endian on this device is native). */
struct vnet {
	uint8_t flags, gso_type;
	uint16_t gso_size, csum_start, csum_offset;
};

static struct vnet vnet_decode(const uint8_t *bytes)
{
	struct virtio_net_hdr h;

	_Static_assert(sizeof(h) == IO_TUN_VNET_HEADER, "as TUNSETVNETHDRSZ was told");
	memcpy(&h, bytes, sizeof(h));
	return (struct vnet){h.flags, h.gso_type, h.gso_size, h.csum_start, h.csum_offset};
}

/* Only what open() asked for comes, and always with an unfinished checksum. */
static bool describe_super(struct dp_packet *p, const struct vnet *v)
{
	uint8_t type = v->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	p->super = (struct dp_super){
		.size = v->gso_size, .l4 = v->csum_start, .udp = type == GSO_UDP_L4};
	return v->gso_size && v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	       (p->super.udp || type == VIRTIO_NET_HDR_GSO_TCPV4 ||
		type == VIRTIO_NET_HDR_GSO_TCPV6);
}

/* Packets of veth devices and local senders come with checksums that hardware would finish; those
 * of super-packets are left to cutting. */
static bool finish(struct dp_packet *p, const struct vnet *v)
{
	if (v->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return describe_super(p, v);
	return !(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	       dp_checksum_finish(p->p, p->n, v->csum_start, v->csum_offset);
}

/* Reads one packet to p; false: nothing there. *good: it is one to forward. */
static bool read_one(struct io_tun *t, uint8_t *p, struct dp_packet *out, bool *good)
{
	size_t header = t->features.tun_vnet ? IO_TUN_VNET_HEADER : 0;
	ssize_t n = read(t->fd, p - header, PACKET_MAX + header);

	if (n <= 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			counter_add(t->counters, C_TUN_ERRORS, 1);
		return false;
	}
	*good = (size_t)n > header;
	*out = (struct dp_packet){.p = p, .n = (size_t)n - (*good ? header : 0)};
	if (*good && header) {
		struct vnet v = vnet_decode(p - header);
		*good = finish(out, &v);
	}
	if (!*good)
		counter_drop(t->counters, DROP_TUN_FORMAT, 1);
	return true;
}

unsigned io_tun_read(struct io_tun *t)
{
	size_t used = 0;
	unsigned n = 0;
	bool good;

	for (unsigned reads = 0; reads < BATCH && used + ROOM + PACKET_MAX <= MEMORY; reads++) {
		if (!read_one(t, t->memory + used + ROOM, &t->packets[n], &good))
			break;
		if (good)
			used += (ROOM + t->packets[n++].n + ROOM - 1) / ROOM * ROOM;
	}
	if (n) {
		counter_add(t->counters, C_TUN_RX_BATCHES, 1);
		counter_add(t->counters, C_TUN_RX_PACKETS, n);
	}
	return n;
}

const struct dp_packet *io_tun_packets(const struct io_tun *t)
{
	return t->packets;
}

/* ---- writing --------------------------------------------------------------------------------- */

static struct virtio_net_hdr vnet_of(const struct dp_merged *m)
{
	const struct dp_super *super = &m->super;

	if (!super->size)
		return (struct virtio_net_hdr){.flags = 0};
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = super->udp ? GSO_UDP_L4
			    : m->v6    ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)m->head.n,
		.gso_size = super->size,
		.csum_start = super->l4,
		.csum_offset = super->udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT,
	};
}

void io_tun_outputs(struct io_tun *t, const int *fds, unsigned n)
{
	t->outputs = fds;
	t->n_outputs = n;
}

/* By the source address; of IPv6 its network. */
static int output(const struct io_tun *t, struct span head)
{
	if (t->n_outputs == 0)
		return t->fd;
	bool v6 = span_u8(&head) >> 4 == 6;
	span_take(&head, v6 ? 7 : 11);
	uint64_t source = v6 ? span_u64(&head) : span_u32(&head);
	return t->outputs[hash_u64(source) % t->n_outputs];
}

void io_tun_write_merged(struct io_tun *t, const struct dp_merged *m)
{
	struct virtio_net_hdr vnet = vnet_of(m);
	struct iovec iov[2 + DP_MERGE_SEGMENTS];
	unsigned n = 0;

	LNS_ASSERT(m->n_payload <= DP_MERGE_SEGMENTS);
	if (t->features.tun_vnet)
		iov[n++] = (struct iovec){&vnet, sizeof(vnet)};
	iov[n++] = (struct iovec){(void *)(uintptr_t)m->head.p, m->head.n};
	for (unsigned i = 0; i < m->n_payload; i++)
		iov[n++] = (struct iovec){(void *)(uintptr_t)m->payload[i].p, m->payload[i].n};
	if (writev(output(t, m->head), iov, (int)n) < 0)
		counter_drop(t->counters, DROP_TUN_SEND, m->packets);
	else
		counter_add(t->counters, C_TUN_TX_PACKETS, 1);
}

void io_tun_write(struct io_tun *t, struct span packet)
{
	struct dp_merged one = {.head = packet, .packets = 1};

	io_tun_write_merged(t, &one);
}

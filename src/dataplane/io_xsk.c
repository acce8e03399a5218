/*
 * Rings shared with the kernel (Documentation/networking/af_xdp.rst): the fill ring tells it which
 * frames are free, the receive ring tells us which are full. As many places as frames in both, so
 * that neither overflows. Nothing is sent.
 */
#include "dataplane/io_xsk.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/dp_ip.h"

enum {
	BATCH = 128,
	FRAMES = 2048,	  /* a power of two; what may wait for us */
	COMPLETIONS = 64, /* of what is sent: nothing, but bind() wants the ring */
	HEADROOM = 256,	  /* XDP_PACKET_HEADROOM: the kernel leaves so much before each frame */
	SMALL = 2048,
	LARGE = 4096,
};

_Static_assert(BATCH <= (int)DP_BATCH, "one batch for the forwarding functions");
_Static_assert(HEADROOM + ETH_HLEN >= (int)DP_HEADER_MAX, "room for our header");
_Static_assert(IO_XSK_FRAME_MAX == (int)LARGE - HEADROOM, "as long as the frames are");

struct shared {
	void *map;
	size_t bytes;
	_Atomic uint32_t *producer, *consumer, *flags;
	void *entries;
	uint32_t at; /* our side's index */
};

struct io_xsk {
	const struct alloc *alloc;
	struct counters *counters;
	int fd;
	uint8_t *memory;
	size_t frame_bytes;
	struct shared rx, fill;
	uint64_t dropped; /* counted so far */
	unsigned n_held;
	uint64_t held[BATCH]; /* frames of the last batch */
	struct dp_packet packets[BATCH];
};

/* ---- opening --------------------------------------------------------------------------------- */

static size_t memory_bytes(const struct io_xsk *x)
{
	return x->frame_bytes * FRAMES;
}

static bool make_memory(struct io_xsk *x)
{
	void *memory = mmap(NULL, memory_bytes(x), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	x->memory = memory;
	struct xdp_umem_reg reg = {
		.addr = (uint64_t)(uintptr_t)memory,
		.len = memory_bytes(x),
		.chunk_size = (uint32_t)x->frame_bytes,
	};
	return setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) == 0;
}

static bool ring_size(const struct io_xsk *x, int which, uint32_t entries)
{
	return setsockopt(x->fd, SOL_XDP, which, &entries, sizeof(entries)) == 0;
}

static bool ring_map(struct shared *r, int fd, const struct xdp_ring_offset *o, uint64_t at,
		     size_t entry)
{
	size_t bytes = o->desc + FRAMES * entry;
	void *map =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);

	if (map == MAP_FAILED)
		return false;
	uint8_t *p = map;
	*r = (struct shared){
		.map = map,
		.bytes = bytes,
		.producer = (void *)(p + o->producer),
		.consumer = (void *)(p + o->consumer),
		.flags = (void *)(p + o->flags),
		.entries = p + o->desc,
	};
	return true;
}

static bool make_rings(struct io_xsk *x)
{
	struct xdp_mmap_offsets at;
	socklen_t n = sizeof(at);

	if (!ring_size(x, XDP_RX_RING, FRAMES) || !ring_size(x, XDP_UMEM_FILL_RING, FRAMES) ||
	    !ring_size(x, XDP_UMEM_COMPLETION_RING, COMPLETIONS) ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &n) != 0)
		return false;
	if (n != sizeof(at)) { /* before Linux 5.4, without flags */
		errno = EOPNOTSUPP;
		return false;
	}
	return ring_map(&x->rx, x->fd, &at.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)) &&
	       ring_map(&x->fill, x->fd, &at.fr, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t));
}

static void give(struct io_xsk *x, uint64_t frame)
{
	uint64_t *entries = x->fill.entries;

	entries[x->fill.at++ & (FRAMES - 1)] = frame;
}

/* A driver that ran out of frames waits to be told that there are some. Before Linux 5.11 recv()
 * does nothing; there asking epoll does, as long as something waits. */
static void gave(struct io_xsk *x)
{
	atomic_store_explicit(x->fill.producer, x->fill.at, memory_order_release);
	if (atomic_load_explicit(x->fill.flags, memory_order_relaxed) & XDP_RING_NEED_WAKEUP)
		recv(x->fd, NULL, 0, MSG_DONTWAIT);
}

static bool to_queue(const struct io_xsk *x, const struct io_xsk_conf *c)
{
	struct sockaddr_xdp to = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = c->ifindex,
		.sxdp_queue_id = c->queue,
	};

	return bind(x->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

struct io_xsk *io_xsk_open(const struct io_xsk_conf *c)
{
	struct io_xsk *x = alloc_get(c->alloc, sizeof(*x));

	LNS_ASSERT(c->frame_max <= IO_XSK_FRAME_MAX);
	if (!x)
		return NULL;
	x->alloc = c->alloc;
	x->counters = c->counters;
	x->frame_bytes = c->frame_max <= SMALL - HEADROOM ? SMALL : LARGE;
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd >= 0 && make_memory(x) && make_rings(x) && to_queue(x, c)) {
		for (uint64_t i = 0; i < FRAMES; i++)
			give(x, i * x->frame_bytes);
		gave(x);
		return x;
	}
	int why = errno;
	io_xsk_close(x);
	errno = why;
	return NULL;
}

static void ring_unmap(const struct shared *r)
{
	if (r->map)
		munmap(r->map, r->bytes);
}

void io_xsk_close(struct io_xsk *x)
{
	if (!x)
		return;
	ring_unmap(&x->rx);
	ring_unmap(&x->fill);
	if (x->fd >= 0)
		close(x->fd);
	if (x->memory)
		munmap(x->memory, memory_bytes(x));
	alloc_put(x->alloc, x, sizeof(*x));
}

int io_xsk_fd(const struct io_xsk *x)
{
	return x->fd;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void release(struct io_xsk *x)
{
	for (unsigned i = 0; i < x->n_held; i++)
		give(x, x->held[i]);
	if (x->n_held)
		gave(x);
	x->n_held = 0;
}

/* False: not a packet to forward. */
static bool take(const struct io_xsk *x, const struct xdp_desc *d, struct dp_packet *out)
{
	if (d->len <= ETH_HLEN)
		return false;
	*out = (struct dp_packet){.p = x->memory + d->addr + ETH_HLEN, .n = d->len - ETH_HLEN};
	return dp_ip4_hop(out->p, out->n);
}

bool io_xsk_read(struct io_xsk *x, unsigned *n)
{
	const struct xdp_desc *entries = x->rx.entries;
	unsigned good = 0;

	*n = 0;
	release(x);
	uint32_t arrived = atomic_load_explicit(x->rx.producer, memory_order_acquire) - x->rx.at;
	if (arrived == 0)
		return false;
	if (arrived > BATCH)
		arrived = BATCH;
	for (uint32_t i = 0; i < arrived; i++) {
		const struct xdp_desc *d = &entries[x->rx.at++ & (FRAMES - 1)];
		x->held[x->n_held++] = d->addr / x->frame_bytes * x->frame_bytes;
		if (take(x, d, &x->packets[good]))
			good++;
	}
	atomic_store_explicit(x->rx.consumer, x->rx.at, memory_order_release);
	counter_add(x->counters, C_EXPRESS_BATCHES, 1);
	counter_add(x->counters, C_EXPRESS_PACKETS, arrived);
	if (good < arrived)
		counter_drop(x->counters, DROP_EXPRESS_HEADER, arrived - good);
	*n = good;
	return true;
}

const struct dp_packet *io_xsk_packets(const struct io_xsk *x)
{
	return x->packets;
}

static void count_drops(struct io_xsk *x)
{
	struct xdp_statistics s = {0};
	socklen_t n = sizeof(s);

	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &s, &n) != 0)
		return;
	counter_drop(x->counters, DROP_EXPRESS_FULL, s.rx_dropped - x->dropped);
	x->dropped = s.rx_dropped;
}

/* poll(2) does not report the error, and reading it takes it away. */
bool io_xsk_check(struct io_xsk *x)
{
	int error = 0;
	socklen_t n = sizeof(error);

	count_drops(x);
	return getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != ENETDOWN;
}

#include "dataplane/worker_lane.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/facts.h"
#include "base/panic.h"
#include "base/ring.h"

enum { MANY_WORKERS = 8, LANE_FEW = 1 << 20, LANE_MANY = 1 << 18 };

struct lane {
	struct ring ring;
	uint32_t pushed;		      /* packets, `from` counts */
	_Alignas(64) _Atomic uint32_t popped; /* `to` counts */
};

struct lanes {
	struct alloc alloc;
	unsigned n;
	size_t lane_bytes;
	struct lane *lanes; /* [from * n + to] */
	uint8_t *memory;    /* of all rings; (small) pages are touched when a lane is first used */
};

static struct lane *lane(const struct lanes *l, unsigned from, unsigned to)
{
	return &l->lanes[from * l->n + to];
}

static struct ring *ring(const struct lanes *l, unsigned from, unsigned to)
{
	return &lane(l, from, to)->ring;
}

static size_t count(const struct lanes *l)
{
	return (size_t)l->n * l->n;
}

struct lanes *lanes_new(const struct alloc *a, unsigned n_workers)
{
	struct lanes *l = alloc_get(a, sizeof(*l));

	LNS_ASSERT(n_workers >= 1 && n_workers <= LNS_WORKERS_MAX);
	if (!l)
		return NULL;
	l->alloc = *a;
	l->n = n_workers;
	l->lane_bytes = n_workers <= MANY_WORKERS ? LANE_FEW : LANE_MANY;
	void *memory = mmap(NULL, count(l) * l->lane_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	l->memory = memory == MAP_FAILED ? NULL : memory;
	if (l->memory)
		madvise(l->memory, count(l) * l->lane_bytes, MADV_NOHUGEPAGE);
	l->lanes = aligned_alloc(64, count(l) * sizeof(*l->lanes));
	if (!l->memory || !l->lanes) {
		lanes_free(l);
		return NULL;
	}
	memset(l->lanes, 0, count(l) * sizeof(*l->lanes));
	for (size_t i = 0; i < count(l); i++)
		ring_init(&l->lanes[i].ring, l->memory + i * l->lane_bytes,
			  (uint32_t)l->lane_bytes);
	return l;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	if (l->memory)
		munmap(l->memory, count(l) * l->lane_bytes);
	free(l->lanes);
	alloc_put(&l->alloc, l, sizeof(*l));
}

static uint32_t waiting(const struct lane *p)
{
	return p->pushed - atomic_load_explicit(&p->popped, memory_order_relaxed);
}

bool lanes_push(struct lanes *l, unsigned from, unsigned to, struct span packet)
{
	struct lane *p = lane(l, from, to);

	if (packet.n > UINT16_MAX || waiting(p) >= LANE_PACKETS ||
	    !ring_push(&p->ring, packet.p, (uint32_t)packet.n, NULL, 0))
		return false;
	p->pushed++;
	return true;
}

bool lanes_are_crowded(const struct lanes *l, unsigned from, unsigned to)
{
	const struct lane *p = lane(l, from, to);

	return waiting(p) > LANE_PACKETS / 2 || ring_used(&p->ring) > l->lane_bytes / 2;
}

uint32_t lanes_mark(const struct lanes *l, unsigned from, unsigned to)
{
	return ring_mark(ring(l, from, to));
}

bool lanes_passed(const struct lanes *l, unsigned from, unsigned to, uint32_t mark)
{
	return ring_passed(ring(l, from, to), mark);
}

uint32_t lanes_first(const struct lanes *l, unsigned from, unsigned to)
{
	return ring_first(ring(l, from, to));
}

struct span lanes_next(struct lanes *l, unsigned from, unsigned to, uint32_t *at)
{
	uint32_t n = 0;
	const void *p = ring_scan(ring(l, from, to), at, &n);

	return span_of(p, n);
}

void lanes_done(struct lanes *l, unsigned from, unsigned to, uint32_t at, unsigned packets)
{
	struct lane *p = lane(l, from, to);
	uint32_t popped = atomic_load_explicit(&p->popped, memory_order_relaxed);

	ring_pop_to(&p->ring, at);
	atomic_store_explicit(&p->popped, popped + packets, memory_order_relaxed);
}

bool lanes_are_empty(const struct lanes *l, unsigned to)
{
	for (unsigned from = 0; from < l->n; from++)
		if (!ring_is_empty(ring(l, from, to)))
			return false;
	return true;
}

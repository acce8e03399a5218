#include "dataplane/worker_lane.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/facts.h"
#include "base/panic.h"
#include "base/ring.h"

enum { MANY_WORKERS = 8, LANE_FEW = 1 << 20, LANE_MANY = 1 << 18 };

struct lanes {
	struct alloc alloc;
	unsigned n;
	size_t lane_bytes;
	struct ring *rings; /* [from * n + to] */
	uint8_t *memory;    /* of all rings; pages are touched when a lane is first used */
};

static struct ring *lane(const struct lanes *l, unsigned from, unsigned to)
{
	return &l->rings[from * l->n + to];
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
	l->rings = aligned_alloc(64, count(l) * sizeof(*l->rings));
	if (!l->memory || !l->rings) {
		lanes_free(l);
		return NULL;
	}
	for (size_t i = 0; i < count(l); i++)
		ring_init(&l->rings[i], l->memory + i * l->lane_bytes, (uint32_t)l->lane_bytes);
	return l;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	if (l->memory)
		munmap(l->memory, count(l) * l->lane_bytes);
	free(l->rings);
	alloc_put(&l->alloc, l, sizeof(*l));
}

bool lanes_push(struct lanes *l, unsigned from, unsigned to, struct span packet)
{
	return packet.n <= UINT16_MAX &&
	       ring_push(lane(l, from, to), packet.p, (uint32_t)packet.n, NULL, 0);
}

uint32_t lanes_mark(const struct lanes *l, unsigned from, unsigned to)
{
	return ring_mark(lane(l, from, to));
}

bool lanes_passed(const struct lanes *l, unsigned from, unsigned to, uint32_t mark)
{
	return ring_passed(lane(l, from, to), mark);
}

uint32_t lanes_first(const struct lanes *l, unsigned from, unsigned to)
{
	return ring_first(lane(l, from, to));
}

struct span lanes_next(struct lanes *l, unsigned from, unsigned to, uint32_t *at)
{
	uint32_t n = 0;
	const void *p = ring_scan(lane(l, from, to), at, &n);

	return span_of(p, n);
}

void lanes_done(struct lanes *l, unsigned from, unsigned to, uint32_t at)
{
	ring_pop_to(lane(l, from, to), at);
}

bool lanes_are_empty(const struct lanes *l, unsigned to)
{
	for (unsigned from = 0; from < l->n; from++)
		if (!ring_is_empty(lane(l, from, to)))
			return false;
	return true;
}

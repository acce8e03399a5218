#include "base/ring.h"

#include <string.h>

#include "base/panic.h"

/*
 * A record is an 8-byte header and its bytes, rounded up to 8. A record does not wrap: the rest of
 * the buffer is skipped behind a header that says so. head and tail run freely and are reduced on
 * access; head == tail means empty.
 */
struct header {
	uint32_t n; /* bytes of the record; SKIP: the next record is at the start */
	uint32_t reserved;
};

enum { ALIGN = 8, CAP_MIN = 64, CAP_MAX = 1 << 30 };
static const uint32_t SKIP = UINT32_MAX;
_Static_assert(sizeof(struct header) == ALIGN, "records stay aligned");

static uint32_t record_size(uint32_t n)
{
	return (uint32_t)sizeof(struct header) + (n + ALIGN - 1) / ALIGN * ALIGN;
}

static struct header *header_at(const struct ring *r, uint32_t position)
{
	return (struct header *)(void *)(r->bytes + (position & (r->cap - 1)));
}

void ring_init(struct ring *r, void *bytes, uint32_t cap)
{
	LNS_ASSERT(cap >= CAP_MIN && cap <= CAP_MAX && (cap & (cap - 1)) == 0);
	LNS_ASSERT((uintptr_t)bytes % ALIGN == 0);
	r->bytes = bytes;
	r->cap = cap;
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	r->cached_tail = r->cached_head = 0;
}

/* True when `need` bytes behind `head` are free; asks the consumer only when it must. */
static bool has_room(struct ring *r, uint32_t head, uint32_t need)
{
	if (r->cap - (head - r->cached_tail) >= need)
		return true;
	/* Acquire: what the consumer read lies before its store of tail (ring_pop). */
	r->cached_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->cap - (head - r->cached_tail) >= need;
}

bool ring_push(struct ring *r, const void *rec, uint32_t n, const void *extra, uint32_t extra_n)
{
	/* A larger record might not fit into an empty ring, whose rest it has to skip. */
	if (n == 0 || n > r->cap / 4 || extra_n > r->cap / 4 - n)
		return false;

	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t size = record_size(n + extra_n);
	uint32_t left = r->cap - (head & (r->cap - 1));
	uint32_t skipped = left < size ? left : 0;
	if (!has_room(r, head, skipped + size))
		return false;

	if (skipped) {
		header_at(r, head)->n = SKIP;
		head += skipped;
	}
	struct header *h = header_at(r, head);
	h->n = n + extra_n;
	memcpy(h + 1, rec, n);
	if (extra_n)
		memcpy((uint8_t *)(h + 1) + n, extra, extra_n);
	/* Release: the record is complete before the consumer sees head (ring_peek). */
	atomic_store_explicit(&r->head, head + size, memory_order_release);
	return true;
}

/* The record at *at, which may first be moved over a skip. */
static const struct header *look(struct ring *r, uint32_t *at)
{
	if (*at == r->cached_head) {
		/* Acquire: partner of the release in ring_push. */
		r->cached_head = atomic_load_explicit(&r->head, memory_order_acquire);
		if (*at == r->cached_head)
			return NULL;
	}
	/* The record behind a skip was published with it. */
	if (header_at(r, *at)->n == SKIP)
		*at += r->cap - (*at & (r->cap - 1));
	return header_at(r, *at);
}

const void *ring_peek(struct ring *r, uint32_t *n)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed), at = tail;
	const struct header *h = look(r, &at);

	if (!h)
		return NULL;
	if (at != tail)
		ring_pop_to(r, at);
	*n = h->n;
	return h + 1;
}

void ring_pop(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	LNS_ASSERT(tail != r->cached_head && header_at(r, tail)->n != SKIP);
	ring_pop_to(r, tail + record_size(header_at(r, tail)->n));
}

uint32_t ring_first(const struct ring *r)
{
	return atomic_load_explicit(&r->tail, memory_order_relaxed);
}

const void *ring_scan(struct ring *r, uint32_t *at, uint32_t *n)
{
	const struct header *h = look(r, at);

	if (!h)
		return NULL;
	*n = h->n;
	*at += record_size(h->n);
	return h + 1;
}

void ring_pop_to(struct ring *r, uint32_t at)
{
	/* Release: our reads of the records end before the producer writes there again. */
	atomic_store_explicit(&r->tail, at, memory_order_release);
}

uint32_t ring_mark(const struct ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_relaxed);
}

bool ring_passed(const struct ring *r, uint32_t mark)
{
	/* Acquire: what the consumer did with the records is done. */
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

	return (int32_t)(tail - mark) >= 0;
}

uint32_t ring_used(const struct ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_relaxed) -
	       atomic_load_explicit(&r->tail, memory_order_relaxed);
}

bool ring_is_empty(const struct ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_acquire) ==
	       atomic_load_explicit(&r->tail, memory_order_acquire);
}

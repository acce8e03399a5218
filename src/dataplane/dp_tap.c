#include "dataplane/dp_tap.h"

#include "base/panic.h"

void dp_tap_init(struct dp_tap *t, void *memory)
{
	ring_init(&t->ring, memory, DP_TAP_RING);
}

void dp_tap_copy(struct dp_tap *t, struct counters *counters, const struct dp_tap_record *r,
		 struct span head, struct span body)
{
	struct {
		struct dp_tap_record record;
		uint8_t head[DP_TAP_HEAD_MAX];
	} start;

	if (!t)
		return;
	if (head.n > sizeof(start.head)) {
		counter_add(counters, C_TAP_LOST, 1);
		return;
	}
	start.record = *r;
	start.record.n = (uint32_t)(head.n + body.n);
	if (head.n)
		memcpy(start.head, head.p, head.n);
	if (ring_push(&t->ring, &start, (uint32_t)(sizeof(start.record) + head.n), body.p,
		      (uint32_t)body.n))
		counter_add(counters, C_TAP_COPIES, 1);
	else
		counter_add(counters, C_TAP_LOST, 1);
}

const struct dp_tap_record *dp_tap_next(struct dp_tap *t, struct span *packet)
{
	uint32_t n;
	const struct dp_tap_record *r = ring_peek(&t->ring, &n);

	if (!r)
		return NULL;
	LNS_ASSERT(n == sizeof(*r) + r->n);
	*packet = span_of(r + 1, r->n);
	return r;
}

void dp_tap_done(struct dp_tap *t)
{
	ring_pop(&t->ring);
}

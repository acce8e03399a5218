#include "dataplane/dp_hold.h"

#include "base/panic.h"
#include "base/wbuf.h"

void dp_hold_init(struct dp_hold *h, const struct alloc *a, uint32_t n)
{
	*h = (struct dp_hold){.alloc = *a, .n = n, .free = DP_HELD_NONE};
}

static size_t bytes_of(const struct dp_hold *h)
{
	return h->n * sizeof(struct dp_held);
}

void dp_hold_fini(struct dp_hold *h)
{
	LNS_ASSERT(h->held == 0);
	alloc_put(&h->alloc, h->places, bytes_of(h));
	h->places = NULL;
}

bool dp_hold_open(struct dp_hold *h)
{
	if (!h->places)
		h->places = alloc_get(&h->alloc, bytes_of(h));
	return h->places != NULL;
}

static uint32_t take(struct dp_hold *h)
{
	uint32_t place = h->free;

	if (!h->places)
		return DP_HELD_NONE;
	if (place != DP_HELD_NONE)
		h->free = h->places[place].next;
	else if (h->used < h->n)
		place = h->used++;
	else
		return DP_HELD_NONE;
	h->held++;
	return place;
}

uint32_t dp_hold_put(struct dp_hold *h, struct span head, struct span body)
{
	if (head.n > DP_HELD_BYTES || body.n > DP_HELD_BYTES - head.n)
		return DP_HELD_NONE;
	uint32_t place = take(h);
	if (place == DP_HELD_NONE)
		return place;
	struct dp_held *x = dp_hold_at(h, place);
	struct wbuf w = wbuf_of(x->bytes, sizeof(x->bytes));
	wbuf_span(&w, head);
	wbuf_span(&w, body);
	x->n = (uint16_t)w.n;
	x->next = DP_HELD_NONE;
	return place;
}

void dp_hold_free(struct dp_hold *h, uint32_t place)
{
	LNS_ASSERT(place < h->used && h->held > 0);
	h->places[place].next = h->free;
	h->free = place;
	h->held--;
}

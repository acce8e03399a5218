#include "base/hmap.h"

#include "base/panic.h"

/*
 * Bucket b of a map with B buckets, 2^k <= B < 2^(k+1), holds the hashes whose low k+1 bits are b,
 * or whose low k bits are b when the low k+1 bits name a bucket that does not exist yet. Adding
 * bucket B splits bucket B - 2^k and touches no other.
 *
 * Buckets live in segments that never move: sizes 16, 16, 32, 64 .. 512, then 1024 each.
 */
enum {
	FIRST_BITS = 4,
	FIRST = 1 << FIRST_BITS,
	SEGMENT_BITS = 10,
	SEGMENT = 1 << SEGMENT_BITS,
	SMALL_SEGMENTS = SEGMENT_BITS - FIRST_BITS + 1,
	SEGMENTS_FIRST = 8,
	BUCKETS_MAX = 1 << 30,
	SPLITS = 8, /* divides every size above, so that neighbours lie in one segment */
};

struct place {
	uint32_t segment, offset;
};

/* Index of the highest bit set; v > 0. */
static uint32_t top_bit(uint32_t v)
{
	return 31u - (uint32_t)__builtin_clz(v);
}

static struct place place_of(uint32_t bucket)
{
	if (bucket < FIRST)
		return (struct place){0, bucket};
	if (bucket < SEGMENT) {
		uint32_t bit = top_bit(bucket);
		return (struct place){bit - FIRST_BITS + 1, bucket - (1u << bit)};
	}
	return (struct place){SMALL_SEGMENTS + (bucket >> SEGMENT_BITS) - 1, bucket % SEGMENT};
}

static size_t segment_bytes(uint32_t segment)
{
	size_t buckets = FIRST;
	if (segment >= SMALL_SEGMENTS)
		buckets = SEGMENT;
	else if (segment > 0)
		buckets = (size_t)FIRST << (segment - 1);
	return buckets * sizeof(struct hmap_node *);
}

static struct hmap_node **bucket_at(const struct hmap *h, uint32_t bucket)
{
	struct place p = place_of(bucket);
	LNS_ASSERT(p.segment < h->n_segments);
	return &h->segments[p.segment][p.offset];
}

static uint32_t bucket_of(const struct hmap *h, uint64_t hash)
{
	uint32_t high = 1u << top_bit(h->buckets);
	uint32_t bucket = (uint32_t)hash & (2 * high - 1);
	return bucket < h->buckets ? bucket : bucket & (high - 1);
}

static bool directory_grow(struct hmap *h)
{
	uint32_t cap = h->segments_cap ? 2 * h->segments_cap : SEGMENTS_FIRST;
	struct hmap_node ***bigger = alloc_get(h->alloc, cap * sizeof(*bigger));
	if (!bigger)
		return false;
	if (h->n_segments)
		memcpy(bigger, h->segments, h->n_segments * sizeof(*bigger));
	alloc_put(h->alloc, h->segments, h->segments_cap * sizeof(*bigger));
	h->segments = bigger;
	h->segments_cap = cap;
	return true;
}

static bool segment_add(struct hmap *h)
{
	if (h->n_segments == h->segments_cap && !directory_grow(h))
		return false;
	struct hmap_node **buckets = alloc_get(h->alloc, segment_bytes(h->n_segments));
	if (!buckets)
		return false;
	h->segments[h->n_segments++] = buckets;
	return true;
}

static void segment_drop(struct hmap *h)
{
	h->n_segments--;
	alloc_put(h->alloc, h->segments[h->n_segments], segment_bytes(h->n_segments));
	h->segments[h->n_segments] = NULL;
}

/* Adds one bucket and moves what belongs there; its place exists. */
static void split(struct hmap *h)
{
	uint32_t added = h->buckets;
	struct hmap_node **from = bucket_at(h, added - (1u << top_bit(added)));
	struct hmap_node **to = bucket_at(h, added);
	h->buckets++;
	while (*from) {
		struct hmap_node *node = *from;
		if (bucket_of(h, node->hash) != added) {
			from = &node->next;
			continue;
		}
		*from = node->next;
		node->next = NULL;
		*to = node;
		to = &node->next;
	}
}

/*
 * Adds the next few buckets, a cache line of them: they split neighbours, whose nodes are fetched
 * all at once. In a big map one split alone would wait for memory three times. Without memory the
 * chains just get longer.
 */
static void grow(struct hmap *h)
{
	uint32_t added = h->buckets;
	if (added >= BUCKETS_MAX)
		return;
	if (place_of(added).segment == h->n_segments && !segment_add(h))
		return;
	struct hmap_node **from = bucket_at(h, added - (1u << top_bit(added)));
	unsigned n = SPLITS - added % SPLITS;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(from[i], 1);
	for (unsigned i = 0; i < n; i++)
		split(h);
}

/* Takes the last bucket away; its chain goes behind that of the bucket it was split from. */
static void shrink(struct hmap *h)
{
	uint32_t last = h->buckets - 1;
	struct hmap_node **from = bucket_at(h, last);
	struct hmap_node **to = bucket_at(h, last - (1u << top_bit(last)));

	while (*to)
		to = &(*to)->next;
	*to = *from;
	*from = NULL;
	h->buckets--;
	if (h->n_segments > place_of(last).segment + 1)
		segment_drop(h);
}

void hmap_init(struct hmap *h, const struct alloc *a)
{
	*h = (struct hmap){.alloc = a};
}

void hmap_fini(struct hmap *h)
{
	while (h->n_segments > 0)
		segment_drop(h);
	alloc_put(h->alloc, h->segments, h->segments_cap * sizeof(*h->segments));
	*h = (struct hmap){.alloc = h->alloc};
}

bool hmap_insert(struct hmap *h, struct hmap_node *node, uint64_t hash)
{
	if (h->n_segments == 0 && !segment_add(h))
		return false;
	if (h->buckets == 0)
		h->buckets = FIRST;
	else if (h->count >= h->buckets)
		grow(h);

	struct hmap_node **bucket = bucket_at(h, bucket_of(h, hash));
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	h->count++;
	return true;
}

void hmap_remove(struct hmap *h, struct hmap_node *node)
{
	LNS_ASSERT(h->count > 0);
	struct hmap_node **at = bucket_at(h, bucket_of(h, node->hash));
	while (*at != node) {
		LNS_ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	h->count--;
	/* Four for one: while the load is a quarter, buckets go as fast as nodes. */
	for (int i = 0; i < 4 && h->buckets > FIRST && h->count < h->buckets / 4; i++)
		shrink(h);
}

static struct hmap_node *with_hash(struct hmap_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hmap_node *hmap_first(const struct hmap *h, uint64_t hash)
{
	return h->count ? with_hash(*bucket_at(h, bucket_of(h, hash)), hash) : NULL;
}

struct hmap_node *hmap_next(const struct hmap_node *node)
{
	return with_hash(node->next, node->hash);
}

struct hmap_node *hmap_each(const struct hmap *h, const struct hmap_node *node)
{
	if (node && node->next)
		return node->next;
	uint32_t bucket = node ? bucket_of(h, node->hash) + 1 : 0;
	for (; bucket < h->buckets; bucket++) {
		struct hmap_node *first = *bucket_at(h, bucket);
		if (first)
			return first;
	}
	return NULL;
}

struct hmap_node *hmap_pop(struct hmap *h)
{
	/* The last bucket shrinks away when it is empty, so that emptying a map is linear. */
	while (h->count > 0) {
		struct hmap_node *node = *bucket_at(h, h->buckets - 1);
		if (node) {
			hmap_remove(h, node);
			return node;
		}
		if (h->buckets == FIRST)
			break;
		shrink(h);
	}
	struct hmap_node *node = hmap_each(h, NULL);
	if (node)
		hmap_remove(h, node);
	return node;
}

/*
 * hmap.h - intrusive hash map that grows and shrinks one bucket at a time (linear hashing), so that
 * no insertion among a million is slow. Equal hashes are allowed: the caller compares keys while it
 * walks hmap_first / hmap_next. One owner; memory for buckets comes from struct alloc, nodes are
 * the caller's.
 */
#ifndef LNS_HMAP_H
#define LNS_HMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"

struct hmap_node {
	struct hmap_node *next;
	uint64_t hash;
};

struct hmap {
	const struct alloc *alloc;
	struct hmap_node ***segments; /* [n_segments] arrays of buckets; room for segments_cap */
	uint32_t n_segments, segments_cap;
	uint32_t buckets; /* in use; 0 until the first insertion */
	uint32_t count;
};

void hmap_init(struct hmap *h, const struct alloc *a);
/* Frees the buckets; nodes that are still in it are forgotten. */
void hmap_fini(struct hmap *h);
/* False when out of memory, which can happen only to the first insertion into an empty map. */
bool hmap_insert(struct hmap *h, struct hmap_node *node, uint64_t hash);
/* The node must be in the map. */
void hmap_remove(struct hmap *h, struct hmap_node *node);
/* A node with this hash, the newest first, or NULL. */
struct hmap_node *hmap_first(const struct hmap *h, uint64_t hash);
/* The next one with the same hash, or NULL. `node` must still be in the map. */
struct hmap_node *hmap_next(const struct hmap_node *node);
static inline uint32_t hmap_count(const struct hmap *h)
{
	return h->count;
}

/* Every node, in no order; the map may not change meanwhile. `node` NULL starts. */
struct hmap_node *hmap_each(const struct hmap *h, const struct hmap_node *node);
/* Takes any node out, NULL when empty: to free all of them. */
struct hmap_node *hmap_pop(struct hmap *h);

#endif

/*
 * dp_trie.h - path-compressed binary trie of address prefixes (of either family, as bit strings).
 * For IPv6 it is what the workers look into, for IPv4 it remembers prefixes shorter than /32 for
 * the tables of dp_route.c. One writer; readers under RCU: a node is complete before it is linked
 * and is retired after it was unlinked.
 */
#ifndef LNS_DP_TRIE_H
#define LNS_DP_TRIE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/addr.h"
#include "base/alloc.h"
#include "dataplane/dp_retire.h"

enum { DP_TRIE_DEPTH = 130 }; /* nodes on the longest way down, and some */

/* First in every object that the writer retires, so that one function frees them all. */
struct dp_object {
	struct dp_retired list;
	size_t bytes;
};

struct dp_trie_node {
	struct dp_object object;
	uint8_t key[16]; /* bits beyond len are 0 */
	uint8_t len;
	_Atomic uint32_t value; /* 0 = a mere fork */
	_Atomic(struct dp_trie_node *) child[2];
};

struct dp_trie {
	_Atomic(struct dp_trie_node *) root;
	uint32_t count; /* prefixes with a value */
};

/* Adds or replaces; value is not 0. False = out of memory. */
bool dp_trie_set(struct dp_trie *t, const struct alloc *a, const struct ip_prefix *p,
		 uint32_t value);
/* The prefix must be there. */
void dp_trie_clear(struct dp_trie *t, struct dp_retire *retire, const struct ip_prefix *p);
/* The value of exactly this prefix; 0 = none. */
uint32_t dp_trie_get(const struct dp_trie *t, const struct ip_prefix *p);
/* Longest match of the first `bits` bits of the address; 0 = none. Also for readers. */
uint32_t dp_trie_match(const struct dp_trie *t, const uint8_t *addr, unsigned bits);
void dp_trie_free(struct dp_trie *t, const struct alloc *a);

/* Walks the largest prefixes with a value that lie within p (p itself left out), in order. */
struct dp_trie_walk {
	unsigned n;
	const struct dp_trie_node *stack[DP_TRIE_DEPTH];
};
void dp_trie_walk_start(struct dp_trie_walk *w, const struct dp_trie *t, const struct ip_prefix *p);
const struct dp_trie_node *dp_trie_walk_next(struct dp_trie_walk *w);

#endif

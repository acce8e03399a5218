#include "dataplane/dp_trie.h"

#include "base/panic.h"

typedef _Atomic(struct dp_trie_node *) node_slot;

static unsigned bit_at(const uint8_t *key, unsigned i)
{
	return key[i / 8] >> (7 - i % 8) & 1;
}

/* How many of the first `max` bits agree. */
static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned max)
{
	for (unsigned i = 0; i * 8 < max; i++) {
		unsigned differ = a[i] ^ b[i];
		if (!differ)
			continue;
		unsigned n = i * 8 + (unsigned)__builtin_clz(differ) - 24;
		return n < max ? n : max;
	}
	return max;
}

static unsigned min_len(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool covers(const struct dp_trie_node *n, const uint8_t *key, unsigned bits)
{
	return n->len <= bits && common_bits(n->key, key, n->len) == n->len;
}

/* The node of exactly this prefix, fork or not, or NULL. */
static struct dp_trie_node *find(const struct dp_trie *t, const struct ip_prefix *p)
{
	struct dp_trie_node *n = rcu_get(&t->root);

	while (n && n->len < p->len && covers(n, p->addr.b, p->len))
		n = rcu_get(&n->child[bit_at(p->addr.b, n->len)]);
	return n && n->len == p->len && covers(n, p->addr.b, p->len) ? n : NULL;
}

static struct dp_trie_node *node_new(const struct alloc *a, const uint8_t *key, unsigned len,
				     uint32_t value)
{
	struct dp_trie_node *n = alloc_get(a, sizeof(*n));

	if (!n)
		return NULL;
	n->object.bytes = sizeof(*n);
	n->len = (uint8_t)len;
	memcpy(n->key, key, (len + 7) / 8);
	if (len % 8)
		n->key[len / 8] &= (uint8_t)(0xFF << (8 - len % 8));
	atomic_store_explicit(&n->value, value, memory_order_relaxed);
	return n;
}

/* Puts the new leaf where `old` is now, with `old` below or beside it. */
static bool split(const struct alloc *a, node_slot *at, struct dp_trie_node *old,
		  struct dp_trie_node *leaf)
{
	unsigned common = common_bits(old->key, leaf->key, min_len(old->len, leaf->len));

	if (common == leaf->len) {
		rcu_set(&leaf->child[bit_at(old->key, common)], old);
		rcu_set(at, leaf);
		return true;
	}
	struct dp_trie_node *fork = node_new(a, leaf->key, common, 0);
	if (!fork)
		return false;
	rcu_set(&fork->child[bit_at(old->key, common)], old);
	rcu_set(&fork->child[bit_at(leaf->key, common)], leaf);
	rcu_set(at, fork);
	return true;
}

static bool insert(struct dp_trie *t, const struct alloc *a, const struct ip_prefix *p,
		   uint32_t value)
{
	node_slot *at = &t->root;
	struct dp_trie_node *n;
	struct dp_trie_node *leaf = node_new(a, p->addr.b, p->len, value);

	if (!leaf)
		return false;
	while ((n = rcu_get(at)) && n->len < p->len && covers(n, p->addr.b, p->len))
		at = &n->child[bit_at(p->addr.b, n->len)];
	if (!n) {
		rcu_set(at, leaf);
		return true;
	}
	if (split(a, at, n, leaf))
		return true;
	alloc_put(a, leaf, sizeof(*leaf));
	return false;
}

bool dp_trie_set(struct dp_trie *t, const struct alloc *a, const struct ip_prefix *p,
		 uint32_t value)
{
	struct dp_trie_node *n = find(t, p);
	bool was = n && atomic_load_explicit(&n->value, memory_order_relaxed);

	LNS_ASSERT(value != 0);
	if (n)
		atomic_store_explicit(&n->value, value, memory_order_release);
	else if (!insert(t, a, p, value))
		return false;
	t->count += !was;
	return true;
}

/* Unlinks a node without a value that has at most one child. */
static bool unlink_idle(struct dp_retire *retire, node_slot *at)
{
	struct dp_trie_node *n = rcu_get(at);
	struct dp_trie_node *left = rcu_get(&n->child[0]), *right = rcu_get(&n->child[1]);

	if (atomic_load_explicit(&n->value, memory_order_relaxed) || (left && right))
		return false;
	rcu_set(at, left ? left : right);
	dp_retire_add(retire, &n->object.list);
	return true;
}

void dp_trie_clear(struct dp_trie *t, struct dp_retire *retire, const struct ip_prefix *p)
{
	node_slot *at = &t->root, *above = NULL;
	struct dp_trie_node *n;

	while ((n = rcu_get(at)) && n->len < p->len) {
		above = at;
		at = &n->child[bit_at(p->addr.b, n->len)];
	}
	LNS_ASSERT(n != NULL);
	LNS_ASSERT(n->len == p->len && covers(n, p->addr.b, p->len));
	atomic_store_explicit(&n->value, 0, memory_order_release);
	t->count--;
	if (unlink_idle(retire, at) && above)
		unlink_idle(retire, above);
}

uint32_t dp_trie_get(const struct dp_trie *t, const struct ip_prefix *p)
{
	const struct dp_trie_node *n = find(t, p);

	return n ? atomic_load_explicit(&n->value, memory_order_relaxed) : 0;
}

uint32_t dp_trie_match(const struct dp_trie *t, const uint8_t *addr, unsigned bits)
{
	uint32_t best = 0;

	for (const struct dp_trie_node *n = rcu_get(&t->root); n && covers(n, addr, bits);) {
		uint32_t v = atomic_load_explicit(&n->value, memory_order_acquire);
		best = v ? v : best;
		n = n->len < bits ? rcu_get(&n->child[bit_at(addr, n->len)]) : NULL;
	}
	return best;
}

static void push(struct dp_trie_walk *w, const struct dp_trie_node *n)
{
	if (!n)
		return;
	LNS_ASSERT(w->n < DP_TRIE_DEPTH);
	w->stack[w->n++] = n;
}

static void push_children(struct dp_trie_walk *w, const struct dp_trie_node *n)
{
	push(w, rcu_get(&n->child[1]));
	push(w, rcu_get(&n->child[0]));
}

void dp_trie_walk_start(struct dp_trie_walk *w, const struct dp_trie *t, const struct ip_prefix *p)
{
	const struct dp_trie_node *n = rcu_get(&t->root);

	w->n = 0;
	while (n && n->len < p->len && covers(n, p->addr.b, p->len))
		n = rcu_get(&n->child[bit_at(p->addr.b, n->len)]);
	if (!n || n->len < p->len || common_bits(n->key, p->addr.b, p->len) < p->len)
		return;
	if (n->len == p->len)
		push_children(w, n);
	else
		push(w, n);
}

const struct dp_trie_node *dp_trie_walk_next(struct dp_trie_walk *w)
{
	while (w->n) {
		const struct dp_trie_node *n = w->stack[--w->n];
		if (atomic_load_explicit(&n->value, memory_order_relaxed))
			return n;
		push_children(w, n);
	}
	return NULL;
}

void dp_trie_free(struct dp_trie *t, const struct alloc *a)
{
	/* Always the leftmost way down: a leaf is freed and unlinked from the one above it. */
	while (rcu_get(&t->root)) {
		node_slot *at = &t->root;
		struct dp_trie_node *n;
		while ((n = rcu_get(at)) && (rcu_get(&n->child[0]) || rcu_get(&n->child[1])))
			at = &n->child[rcu_get(&n->child[0]) ? 0 : 1];
		rcu_set(at, NULL);
		alloc_put(a, n, sizeof(*n));
	}
	t->count = 0;
}

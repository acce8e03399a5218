/*
 * IPv4: three levels of 256, 65,536 and 256 entries (the "DIR-24-8" of Gupta, Lin and McKeown,
 * 1998, with its first level made on demand in pieces of one /8). An entry of the upper levels is a
 * value, which covers all below it, or the address of the next table. The first level is 2 KB and
 * always at hand, so a lookup costs one access to a /8 piece and one to a leaf.
 *
 * A leaf marks which of its entries are hosts (/32), which are most of all prefixes; only shorter
 * prefixes are kept in a trie, to know what shows through when one goes. A change writes exactly
 * the addresses that it owns: readers never see a longer prefix hidden for a moment.
 */
#include "dataplane/dp_route.h"

#include "base/panic.h"
#include "dataplane/dp_table.h"
#include "dataplane/dp_trie.h"

enum { ROOT_ENTRIES = 256, PIECE_ENTRIES = 65536, LEAF_ENTRIES = 256, GENERATION_BITS = 7 };

/* Odd: a value (0 = none) in the upper bits; even: address of the next table; 0: nothing. */
typedef _Atomic uintptr_t entry;

_Static_assert(sizeof(uintptr_t) == 8, "a value of 31 bits and a mark fit in an address");

struct leaf {
	struct dp_object object;
	uint32_t hosts, rules; /* prefixes of /32, and of /25 to /31, in here */
	uint64_t is_host[LEAF_ENTRIES / 64];
	_Atomic uint32_t v[LEAF_ENTRIES];
};

struct piece {
	entry e[PIECE_ENTRIES];
};

struct dp_routes {
	struct alloc alloc;
	struct dp_retire retire;
	struct dp_trie rules4; /* shorter than /32 */
	struct dp_trie trie6;
	uint32_t hosts;
	void (*changed)(void *ctx, const struct ip_prefix *p, struct dp_route_value v);
	void *changed_ctx;
	entry root[ROOT_ENTRIES];
};

static uint32_t pack(struct dp_route_value v)
{
	LNS_ASSERT(v.slot < (1u << DP_SLOT_BITS) - 1);
	LNS_ASSERT(v.generation < 1 << GENERATION_BITS);
	return (v.slot << GENERATION_BITS | v.generation) + 1;
}

static struct dp_route_value unpack(uint32_t packed)
{
	if (!packed)
		return (struct dp_route_value){.slot = DP_SLOT_NONE};
	packed--;
	return (struct dp_route_value){
		.slot = packed >> GENERATION_BITS,
		.generation = (uint8_t)(packed & ((1 << GENERATION_BITS) - 1)),
	};
}

static uintptr_t get(const entry *e)
{
	return atomic_load_explicit(e, memory_order_acquire);
}
static bool is_table(uintptr_t e)
{
	return e != 0 && (e & 1) == 0;
}
static uint32_t value_of(uintptr_t e)
{
	return (uint32_t)(e >> 1);
}
static void set_value(entry *e, uint32_t value)
{
	atomic_store_explicit(e, (uintptr_t)value << 1 | 1, memory_order_release);
}
static void set_table(entry *e, void *table)
{
	atomic_store_explicit(e, (uintptr_t)table, memory_order_release);
}
static struct piece *piece_of(uintptr_t e)
{
	return (struct piece *)e;
}
static struct leaf *leaf_of(uintptr_t e)
{
	return (struct leaf *)e;
}

/* ---- IPv4, control's side -------------------------------------------------------------------- */

static bool is_host(const struct leaf *l, unsigned i)
{
	return l->is_host[i / 64] >> (i % 64) & 1;
}

static void leaf_fill(struct leaf *l, unsigned from, unsigned to, uint32_t value)
{
	for (unsigned i = from; i <= to; i++)
		if (!is_host(l, i))
			atomic_store_explicit(&l->v[i], value, memory_order_release);
}

static void entry_fill(entry *e, uint32_t value)
{
	if (is_table(get(e)))
		leaf_fill(leaf_of(get(e)), 0, LEAF_ENTRIES - 1, value);
	else
		set_value(e, value);
}

/* Addresses lo..hi within one /8. */
static void piece_fill(struct piece *p, uint32_t lo, uint32_t hi, uint32_t value)
{
	unsigned first = lo >> 8 & 0xFFFF, last = hi >> 8 & 0xFFFF;

	for (unsigned i = first; i <= last; i++) {
		unsigned from = i == first ? lo & 0xFF : 0;
		unsigned to = i == last ? hi & 0xFF : 0xFF;
		if (from == 0 && to == 0xFF)
			entry_fill(&p->e[i], value);
		else /* parts of a /24 are set only where a leaf was made before */
			leaf_fill(leaf_of(get(&p->e[i])), from, to, value);
	}
}

static void fill(struct dp_routes *r, uint32_t lo, uint32_t hi, uint32_t value)
{
	for (unsigned i = lo >> 24; i <= hi >> 24; i++) {
		uint32_t from = i == lo >> 24 ? lo : i << 24;
		uint32_t to = i == hi >> 24 ? hi : i << 24 | 0xFFFFFF;
		if (is_table(get(&r->root[i])))
			piece_fill(piece_of(get(&r->root[i])), from, to, value);
		else
			set_value(&r->root[i], value);
	}
}

static struct piece *piece_get(struct dp_routes *r, uint32_t ip)
{
	entry *e = &r->root[ip >> 24];
	uint32_t value = value_of(get(e));

	if (is_table(get(e)))
		return piece_of(get(e));
	struct piece *p = alloc_get(&r->alloc, sizeof(*p));
	if (!p)
		return NULL;
	/* Zeroed memory means "none": pages stay untouched unless a shorter prefix shows. */
	for (unsigned i = 0; value && i < PIECE_ENTRIES; i++)
		set_value(&p->e[i], value);
	set_table(e, p);
	return p;
}

static struct leaf *leaf_get(struct dp_routes *r, uint32_t ip)
{
	struct piece *p = piece_get(r, ip);
	entry *e = p ? &p->e[ip >> 8 & 0xFFFF] : NULL;

	if (!e)
		return NULL;
	if (is_table(get(e)))
		return leaf_of(get(e));
	struct leaf *l = alloc_get(&r->alloc, sizeof(*l));
	if (!l)
		return NULL;
	l->object.bytes = sizeof(*l);
	leaf_fill(l, 0, LEAF_ENTRIES - 1, value_of(get(e)));
	set_table(e, l);
	return l;
}

static struct leaf *leaf_find(const struct dp_routes *r, uint32_t ip)
{
	uintptr_t e = get(&r->root[ip >> 24]);

	if (!is_table(e))
		return NULL;
	e = get(&piece_of(e)->e[ip >> 8 & 0xFFFF]);
	return is_table(e) ? leaf_of(e) : NULL;
}

/* A leaf without prefixes of its own holds one value 256 times. */
static void leaf_collapse(struct dp_routes *r, struct leaf *l, uint32_t ip)
{
	if (l->hosts || l->rules)
		return;
	set_value(&piece_of(get(&r->root[ip >> 24]))->e[ip >> 8 & 0xFFFF],
		  atomic_load_explicit(&l->v[0], memory_order_relaxed));
	dp_retire_add(&r->retire, &l->object.list);
}

static uint32_t last_of(uint32_t ip, unsigned len)
{
	return len == 0 ? UINT32_MAX : ip | (uint32_t)((UINT64_C(1) << (32 - len)) - 1);
}

static uint32_t key_ip(const uint8_t *key)
{
	return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

/* Gives every address of p that no longer prefix owns this value. */
static void paint(struct dp_routes *r, const struct ip_prefix *p, uint32_t value)
{
	uint64_t at = ip_addr_u32(&p->addr);
	uint32_t last = last_of((uint32_t)at, p->len);
	const struct dp_trie_node *n;
	struct dp_trie_walk w;

	dp_trie_walk_start(&w, &r->rules4, p);
	while ((n = dp_trie_walk_next(&w))) {
		uint32_t first = key_ip(n->key);
		if (at < first)
			fill(r, (uint32_t)at, first - 1, value);
		at = (uint64_t)last_of(first, n->len) + 1;
	}
	if (at <= last)
		fill(r, (uint32_t)at, last, value);
}

static bool add_host(struct dp_routes *r, uint32_t ip, uint32_t value)
{
	struct leaf *l = leaf_get(r, ip);
	unsigned i = ip & 0xFF;

	if (!l)
		return false;
	if (!is_host(l, i)) {
		l->is_host[i / 64] |= UINT64_C(1) << (i % 64);
		l->hosts++;
		r->hosts++;
	}
	atomic_store_explicit(&l->v[i], value, memory_order_release);
	return true;
}

static bool del_host(struct dp_routes *r, const struct ip_prefix *p, uint32_t value)
{
	uint32_t ip = ip_addr_u32(&p->addr);
	struct leaf *l = leaf_find(r, ip);
	unsigned i = ip & 0xFF;

	if (!l || !is_host(l, i) || atomic_load_explicit(&l->v[i], memory_order_relaxed) != value)
		return false;
	l->is_host[i / 64] &= ~(UINT64_C(1) << (i % 64));
	l->hosts--;
	r->hosts--;
	atomic_store_explicit(&l->v[i], dp_trie_match(&r->rules4, p->addr.b, 32),
			      memory_order_release);
	leaf_collapse(r, l, ip);
	return true;
}

/* Makes the tables that painting p will need. */
static bool make_tables(struct dp_routes *r, const struct ip_prefix *p)
{
	uint32_t ip = ip_addr_u32(&p->addr);

	return p->len <= 8 || (p->len <= 24 ? piece_get(r, ip) != NULL : leaf_get(r, ip) != NULL);
}

static bool add_rule(struct dp_routes *r, const struct ip_prefix *p, uint32_t value)
{
	bool was = dp_trie_get(&r->rules4, p) != 0;

	if (!make_tables(r, p))
		return false;
	if (!dp_trie_set(&r->rules4, &r->alloc, p, value)) {
		struct leaf *l = p->len > 24 ? leaf_find(r, ip_addr_u32(&p->addr)) : NULL;
		if (l)
			leaf_collapse(r, l, ip_addr_u32(&p->addr));
		return false;
	}
	if (p->len > 24 && !was)
		leaf_find(r, ip_addr_u32(&p->addr))->rules++;
	paint(r, p, value);
	return true;
}

static bool del_rule(struct dp_routes *r, const struct ip_prefix *p, uint32_t value)
{
	uint32_t ip = ip_addr_u32(&p->addr);

	if (dp_trie_get(&r->rules4, p) != value)
		return false;
	dp_trie_clear(&r->rules4, &r->retire, p);
	paint(r, p, dp_trie_match(&r->rules4, p->addr.b, p->len));
	if (p->len <= 24)
		return true;
	struct leaf *l = leaf_find(r, ip);
	LNS_ASSERT(l != NULL);
	l->rules--;
	leaf_collapse(r, l, ip);
	return true;
}

/* ---- entry points ---------------------------------------------------------------------------- */

void dp_routes_watch_own(struct dp_routes *r,
			 void (*changed)(void *ctx, const struct ip_prefix *p,
					 struct dp_route_value v),
			 void *ctx)
{
	r->changed = changed;
	r->changed_ctx = ctx;
}

static void tell(struct dp_routes *r, const struct ip_prefix *p, struct dp_route_value v)
{
	if (r->changed)
		r->changed(r->changed_ctx, p, v);
}

bool dp_route_add_own(struct dp_routes *r, const struct ip_prefix *p, struct dp_route_value v)
{
	bool ok;

	LNS_ASSERT(p->addr.family == 4 || p->addr.family == 6);
	LNS_ASSERT(p->addr.family == 6 || p->len <= 32);
	if (p->addr.family == 6)
		ok = dp_trie_set(&r->trie6, &r->alloc, p, pack(v));
	else if (p->len == 32)
		ok = add_host(r, ip_addr_u32(&p->addr), pack(v));
	else
		ok = add_rule(r, p, pack(v));
	if (ok)
		tell(r, p, v);
	return ok;
}

static bool del6(struct dp_routes *r, const struct ip_prefix *p, uint32_t value)
{
	if (dp_trie_get(&r->trie6, p) != value)
		return false;
	dp_trie_clear(&r->trie6, &r->retire, p);
	return true;
}

void dp_route_del_own(struct dp_routes *r, const struct ip_prefix *p, struct dp_route_value v)
{
	bool gone;

	LNS_ASSERT(p->addr.family == 4 || p->addr.family == 6);
	if (p->addr.family == 6)
		gone = del6(r, p, pack(v));
	else if (p->len == 32)
		gone = del_host(r, p, pack(v));
	else
		gone = del_rule(r, p, pack(v));
	if (gone)
		tell(r, p, (struct dp_route_value){.slot = DP_SLOT_NONE});
}

static void release(struct dp_routes *r, struct dp_retired *list)
{
	while (list) {
		struct dp_object *o = (struct dp_object *)list;
		list = list->next;
		alloc_put(&r->alloc, o, o->bytes);
	}
}

void dp_routes_turn_own(struct dp_routes *r)
{
	release(r, dp_retire_turn(&r->retire));
}

struct dp_route_value dp_route_find4_rcu(const struct dp_routes *r, uint32_t ip)
{
	uintptr_t e = get(&r->root[ip >> 24]);

	if (is_table(e))
		e = get(&piece_of(e)->e[ip >> 8 & 0xFFFF]);
	if (is_table(e))
		return unpack(
			atomic_load_explicit(&leaf_of(e)->v[ip & 0xFF], memory_order_acquire));
	return unpack(value_of(e));
}

void dp_routes_find4_rcu(const struct dp_routes *r, const uint32_t *ips, unsigned n,
			 struct dp_route_value *out)
{
	for (unsigned i = 0; i < n; i++) {
		uintptr_t e = get(&r->root[ips[i] >> 24]);
		if (is_table(e))
			__builtin_prefetch(&piece_of(e)->e[ips[i] >> 8 & 0xFFFF]);
	}
	for (unsigned i = 0; i < n; i++) {
		uintptr_t e = get(&r->root[ips[i] >> 24]);
		if (is_table(e))
			e = get(&piece_of(e)->e[ips[i] >> 8 & 0xFFFF]);
		if (is_table(e))
			__builtin_prefetch(&leaf_of(e)->v[ips[i] & 0xFF]);
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = dp_route_find4_rcu(r, ips[i]);
}

struct dp_route_value dp_route_find6_rcu(const struct dp_routes *r, const uint8_t ip[static 16])
{
	return unpack(dp_trie_match(&r->trie6, ip, 128));
}

uint32_t dp_routes_count(const struct dp_routes *r)
{
	return r->hosts + r->rules4.count + r->trie6.count;
}

struct dp_routes *dp_routes_new(const struct alloc *a)
{
	struct dp_routes *r = alloc_get(a, sizeof(*r));

	if (!r)
		return NULL;
	r->alloc = *a;
	dp_retire_init(&r->retire);
	return r;
}

static void piece_free(struct dp_routes *r, struct piece *p)
{
	for (unsigned i = 0; i < PIECE_ENTRIES; i++)
		if (is_table(get(&p->e[i])))
			alloc_put(&r->alloc, leaf_of(get(&p->e[i])), sizeof(struct leaf));
	alloc_put(&r->alloc, p, sizeof(*p));
}

void dp_routes_free(struct dp_routes *r)
{
	if (!r)
		return;
	struct alloc a = r->alloc;
	release(r, dp_retire_drain(&r->retire));
	for (unsigned i = 0; i < ROOT_ENTRIES; i++)
		if (is_table(get(&r->root[i])))
			piece_free(r, piece_of(get(&r->root[i])));
	dp_trie_free(&r->rules4, &a);
	dp_trie_free(&r->trie6, &a);
	alloc_put(&a, r, sizeof(*r));
}

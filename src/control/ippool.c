#include "control/ippool.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/panic.h"

/*
 * Addresses that nobody has used yet cost nothing: a range counts how far it has been used. Each
 * address that was ever assigned has an entry, found by address, and while it is free also by its
 * last user and in the order of return.
 */
struct entry {
	struct hmap_node by_ip;
	struct hmap_node by_user; /* in the map while free and last_user is set */
	struct list_head free;	  /* oldest return first; in no list while used */
	uint32_t ip;
	bool used;
	struct sess_key key; /* while used */
	struct bstr *user;   /* present or last one; NULL = none */
	nsec freed_at;
};

struct range {
	uint32_t first, last; /* all addresses of the network */
	uint32_t next;	      /* the lowest that has never been assigned; beyond last: none */
	bool exhausted;	      /* next has passed last (which may be 255.255.255.255) */
	uint8_t len;
	uint8_t pool; /* index into names */
};

/* A pool; number 0 has no name. */
struct named {
	char name[LNS_POOL_NAME_MAX], next[LNS_POOL_NAME_MAX];
	uint32_t fresh; /* first range that may have addresses of it that were never assigned */
	uint32_t used, total;
	struct list_head free; /* oldest return first */
};

/* A network of an earlier configuration with addresses that are still in use. */
struct retired {
	uint32_t first, last;
	uint8_t len;
	uint32_t live;
};

struct ippool {
	const struct alloc *alloc;
	struct range *ranges; /* in the order of the file: the first is used first */
	uint32_t *sorted;     /* indexes into ranges, by address */
	uint32_t n, cap;
	uint32_t used, total;
	unsigned n_names, open; /* pools; the one that ranges are added to */
	struct named *names;	/* IPPOOL_NAMES_MAX + 1 of them */
	struct retired *retired;
	uint32_t n_retired, cap_retired;
	struct hmap by_ip, by_user;
};

/* Hosts of old systems took .0 and .255 for broadcasts; the original never assigned them. */
static bool assignable(uint32_t ip)
{
	return (ip & 0xFF) != 0 && (ip & 0xFF) != 0xFF;
}

/* How many of first..last are assignable. */
static uint32_t count_assignable(uint32_t first, uint32_t last)
{
	uint64_t n = (uint64_t)last - first + 1;

	if (n >= 256) /* a network of whole /24s */
		return (uint32_t)(n / 256 * 254);
	uint32_t count = 0;
	for (uint32_t i = 0; i < n; i++)
		count += assignable(first + i);
	return count;
}

static uint64_t ip_hash(uint32_t ip)
{
	return hash_u64(ip);
}

static uint64_t user_hash(struct span user)
{
	return hash_bytes(user, 0x706F6F6C);
}

struct ippool *ippool_new(const struct alloc *a)
{
	struct ippool *p = alloc_get(a, sizeof(*p));
	if (!p)
		return NULL;
	p->alloc = a;
	hmap_init(&p->by_ip, a);
	hmap_init(&p->by_user, a);
	p->names = alloc_get(a, (IPPOOL_NAMES_MAX + 1) * sizeof(*p->names));
	if (!p->names) {
		ippool_free(p);
		return NULL;
	}
	p->n_names = 1;
	for (unsigned i = 0; i <= IPPOOL_NAMES_MAX; i++)
		list_init(&p->names[i].free);
	return p;
}

void ippool_free(struct ippool *p)
{
	if (!p)
		return;
	hmap_fini(&p->by_user);
	struct hmap_node *node;
	while ((node = hmap_pop(&p->by_ip))) {
		struct entry *e = container_of(node, struct entry, by_ip);
		bstr_free(p->alloc, e->user);
		alloc_put(p->alloc, e, sizeof(*e));
	}
	hmap_fini(&p->by_ip);
	alloc_put(p->alloc, p->ranges, p->cap * sizeof(*p->ranges));
	alloc_put(p->alloc, p->sorted, p->cap * sizeof(*p->sorted));
	alloc_put(p->alloc, p->retired, p->cap_retired * sizeof(*p->retired));
	alloc_put(p->alloc, p->names, (IPPOOL_NAMES_MAX + 1) * sizeof(*p->names));
	alloc_put(p->alloc, p, sizeof(*p));
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Number of the pool; n_names: there is none. */
static unsigned name_find(const struct ippool *p, const char *name)
{
	unsigned i = 0;

	while (i < p->n_names && strcmp(p->names[i].name, name) != 0)
		i++;
	return i;
}

bool ippool_open(struct ippool *p, const char *name, const char *next, char err[static 96])
{
	if (strlen(name) >= LNS_POOL_NAME_MAX || strlen(next) >= LNS_POOL_NAME_MAX) {
		snprintf(err, 96, "the name of a pool is longer than %d characters",
			 LNS_POOL_NAME_MAX - 1);
		return false;
	}
	if (name_find(p, name) < p->n_names) {
		snprintf(err, 96, "there is a pool of that name already");
		return false;
	}
	if (p->n_names > IPPOOL_NAMES_MAX) {
		snprintf(err, 96, "more than %d named pools", IPPOOL_NAMES_MAX);
		return false;
	}
	struct named *n = &p->names[p->n_names];
	snprintf(n->name, sizeof(n->name), "%s", name);
	snprintf(n->next, sizeof(n->next), "%s", next);
	p->open = p->n_names++;
	return true;
}

unsigned ippool_broken_chain(const struct ippool *p)
{
	for (unsigned i = 1; i < p->n_names; i++) {
		if (name_find(p, p->names[i].next) == p->n_names)
			return i;
	}
	return 0;
}

bool ippool_has(const struct ippool *p, const char *name)
{
	return name_find(p, name) < p->n_names;
}

bool ippool_has_names(const struct ippool *p)
{
	return p->n_names > 1;
}

bool ippool_name(const struct ippool *p, unsigned i, struct ippool_name_view *out)
{
	if (i >= p->n_names)
		return false;
	const struct named *n = &p->names[i];
	*out = (struct ippool_name_view){.used = n->used, .total = n->total};
	memcpy(out->name, n->name, sizeof(out->name));
	memcpy(out->next, n->next, sizeof(out->next));
	return true;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static bool grow(struct ippool *p)
{
	if (p->n < p->cap)
		return true;

	uint32_t cap = p->cap ? p->cap * 2 : 16;
	struct range *ranges = alloc_get(p->alloc, cap * sizeof(*ranges));
	uint32_t *sorted = alloc_get(p->alloc, cap * sizeof(*sorted));
	if (!ranges || !sorted) {
		alloc_put(p->alloc, ranges, cap * sizeof(*ranges));
		alloc_put(p->alloc, sorted, cap * sizeof(*sorted));
		return false;
	}
	if (p->n) {
		memcpy(ranges, p->ranges, p->n * sizeof(*ranges));
		memcpy(sorted, p->sorted, p->n * sizeof(*sorted));
	}
	alloc_put(p->alloc, p->ranges, p->cap * sizeof(*ranges));
	alloc_put(p->alloc, p->sorted, p->cap * sizeof(*sorted));
	p->ranges = ranges;
	p->sorted = sorted;
	p->cap = cap;
	return true;
}

/* Where in `sorted` the first range stands that ends at or behind ip; n if none does. */
static uint32_t sorted_find(const struct ippool *p, uint32_t ip)
{
	uint32_t low = 0, high = p->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->ranges[p->sorted[mid]].last < ip)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct range *range_of(const struct ippool *p, uint32_t ip)
{
	uint32_t at = sorted_find(p, ip);
	if (at == p->n)
		return NULL;
	const struct range *r = &p->ranges[p->sorted[at]];
	return r->first <= ip ? r : NULL;
}

bool ippool_add(struct ippool *p, const struct ip_prefix *range, char err[static 96])
{
	if (range->addr.family != 4 || range->len == 0 || range->len > 32) {
		snprintf(err, 96, "not an IPv4 address or network");
		return false;
	}
	uint32_t mask = (uint32_t)((1ull << (32 - range->len)) - 1);
	struct range r = {.first = ip_addr_u32(&range->addr) & ~mask,
			  .len = range->len,
			  .pool = (uint8_t)p->open};
	r.last = r.first | mask;
	r.next = r.first;
	uint32_t usable = count_assignable(r.first, r.last);
	if (usable == 0) {
		snprintf(err, 96, "addresses that end in .0 or .255 are not assigned");
		return false;
	}
	uint32_t at = sorted_find(p, r.first);
	if (at < p->n && p->ranges[p->sorted[at]].first <= r.last) {
		snprintf(err, 96, "overlaps what was added before");
		return false;
	}
	if (!grow(p)) {
		snprintf(err, 96, "out of memory");
		return false;
	}
	memmove(p->sorted + at + 1, p->sorted + at, (p->n - at) * sizeof(*p->sorted));
	p->sorted[at] = p->n;
	p->ranges[p->n++] = r;
	p->total += usable;
	p->names[r.pool].total += usable;
	return true;
}

/* The pool of an address that is in one of the ranges, else NULL. */
static struct named *name_of(const struct ippool *p, uint32_t ip)
{
	const struct range *r = range_of(p, ip);

	return r ? &p->names[r->pool] : NULL;
}

/* The narrowest of them that has the address: the same one each time, as they may be nested. */
static struct retired *retired_of(const struct ippool *p, uint32_t ip)
{
	struct retired *best = NULL;

	for (uint32_t i = 0; i < p->n_retired; i++) {
		struct retired *r = &p->retired[i];
		if (r->first <= ip && ip <= r->last && (!best || r->len > best->len))
			best = r;
	}
	return best;
}

bool ippool_range(const struct ippool *p, unsigned i, struct ip_prefix *out)
{
	if (i >= p->n + p->n_retired)
		return false;
	if (i >= p->n) {
		const struct retired *r = &p->retired[i - p->n];
		*out = (struct ip_prefix){.addr = ip_addr_v4(r->first), .len = r->len};
		return true;
	}
	*out = (struct ip_prefix){.addr = ip_addr_v4(p->ranges[i].first), .len = p->ranges[i].len};
	return true;
}

/* Ranges do not overlap, so at most one of them begins there. */
bool ippool_has_range(const struct ippool *p, const struct ip_prefix *range)
{
	uint32_t first = ip_addr_u32(&range->addr);
	const struct range *r = range->addr.family == 4 ? range_of(p, first) : NULL;

	if (r && r->first == first && r->len == range->len)
		return true;
	for (uint32_t i = 0; i < p->n_retired; i++)
		if (p->retired[i].first == first && p->retired[i].len == range->len)
			return true;
	return false;
}

bool ippool_contains(const struct ippool *p, const struct ip_addr *ip)
{
	if (ip->family != 4)
		return false;
	uint32_t v4 = ip_addr_u32(ip);
	return range_of(p, v4) || retired_of(p, v4);
}

static struct entry *entry_find(const struct ippool *p, uint32_t ip)
{
	struct hmap_node *node = hmap_first(&p->by_ip, ip_hash(ip));

	for (; node; node = hmap_next(node)) {
		struct entry *e = container_of(node, struct entry, by_ip);
		if (e->ip == ip)
			return e;
	}
	return NULL;
}

/* A new entry, free and without a user, not in the list of free ones yet. */
static struct entry *entry_new(struct ippool *p, uint32_t ip)
{
	struct entry *e = alloc_get(p->alloc, sizeof(*e));
	if (!e)
		return NULL;
	e->ip = ip;
	list_init(&e->free);
	if (!hmap_insert(&p->by_ip, &e->by_ip, ip_hash(ip))) {
		alloc_put(p->alloc, e, sizeof(*e));
		return NULL;
	}
	return e;
}

/* The next address that has never been assigned. */
static bool range_next(struct ippool *p, struct range *r, uint32_t *ip)
{
	while (!r->exhausted) {
		uint32_t at = r->next;
		r->exhausted = at == r->last;
		r->next = at + 1;
		if (assignable(at) && !entry_find(p, at)) {
			*ip = at;
			return true;
		}
	}
	return false;
}

static struct entry *take_fresh(struct ippool *p, struct named *from)
{
	uint32_t ip;

	for (; from->fresh < p->n; from->fresh++) {
		struct range *r = &p->ranges[from->fresh];
		uint32_t before = r->next;
		if (&p->names[r->pool] != from || !range_next(p, r, &ip))
			continue;
		struct entry *e = entry_new(p, ip);
		if (!e) {
			r->next = before;
			r->exhausted = false;
		}
		return e;
	}
	return NULL;
}

/* A free address of that pool whose last user this was. */
static struct entry *find_sticky(const struct ippool *p, const struct named *from, struct span user)
{
	if (user.n == 0)
		return NULL;
	struct hmap_node *node = hmap_first(&p->by_user, user_hash(user));
	for (; node; node = hmap_next(node)) {
		struct entry *e = container_of(node, struct entry, by_user);
		if (span_equal(bstr_span(e->user), user) && name_of(p, e->ip) == from)
			return e;
	}
	return NULL;
}

/* Takes a free entry, old or new, out of the free ones. */
static void entry_use(struct ippool *p, struct entry *e, struct span user, struct sess_key key)
{
	LNS_ASSERT(!e->used);
	if (!list_empty(&e->free) && e->user)
		hmap_remove(&p->by_user, &e->by_user);
	list_del(&e->free);
	if (!span_equal(bstr_span(e->user), user)) {
		bstr_free(p->alloc, e->user);
		/* Without memory the address is not remembered for this user: no harm. */
		e->user = user.n ? bstr_new(p->alloc, user) : NULL;
	}
	e->used = true;
	e->key = key;
	p->used++;
	struct named *of = name_of(p, e->ip);
	if (of)
		of->used++;
}

static struct entry *take_from(struct ippool *p, struct named *from, struct span user)
{
	struct entry *e = find_sticky(p, from, user);

	if (!e)
		e = take_fresh(p, from);
	if (!e && !list_empty(&from->free))
		e = container_of(list_first(&from->free), struct entry, free);
	return e;
}

bool ippool_take(struct ippool *p, const char *name, struct span user, struct sess_key key,
		 nsec now, struct ip_addr *out)
{
	struct entry *e = NULL;
	unsigned i = name_find(p, name);

	(void)now;
	/* Along the chain, which may be a ring: no pool is tried twice. */
	for (unsigned tried = 0; !e && i < p->n_names && tried < p->n_names; tried++) {
		e = take_from(p, &p->names[i], user);
		if (p->names[i].next[0] == '\0')
			break;
		i = name_find(p, p->names[i].next);
	}
	if (!e)
		return false;
	entry_use(p, e, user, key);
	*out = ip_addr_v4(e->ip);
	return true;
}

bool ippool_claim(struct ippool *p, const struct ip_addr *ip, struct span user, struct sess_key key,
		  nsec now)
{
	(void)now;
	if (ip->family != 4)
		return false;
	uint32_t v4 = ip_addr_u32(ip);
	struct retired *retired = range_of(p, v4) ? NULL : retired_of(p, v4);
	if ((!range_of(p, v4) && !retired) || !assignable(v4))
		return false;
	struct entry *e = entry_find(p, v4);
	if (e && e->used)
		return sess_key_equal(e->key, key);
	if (!e)
		e = entry_new(p, v4);
	if (!e)
		return false;
	entry_use(p, e, user, key);
	if (retired)
		retired->live++;
	return true;
}

static void entry_free(struct ippool *p, struct entry *e)
{
	hmap_remove(&p->by_ip, &e->by_ip);
	bstr_free(p->alloc, e->user);
	alloc_put(p->alloc, e, sizeof(*e));
}

/* An address that is no longer in the pool. */
static void retired_give_back(struct ippool *p, struct entry *e)
{
	struct retired *r = retired_of(p, e->ip);

	LNS_ASSERT(r != NULL && r->live > 0);
	r->live--;
	p->used--;
	entry_free(p, e);
}

void ippool_give_back(struct ippool *p, const struct ip_addr *ip, struct sess_key key, nsec now)
{
	if (ip->family != 4)
		return;
	struct entry *e = entry_find(p, ip_addr_u32(ip));
	if (!e || !e->used || !sess_key_equal(e->key, key))
		return;
	if (!range_of(p, e->ip)) {
		retired_give_back(p, e);
		return;
	}
	struct named *of = name_of(p, e->ip);
	of->used--;
	e->used = false;
	e->freed_at = now;
	list_add_tail(&of->free, &e->free);
	if (e->user && !hmap_insert(&p->by_user, &e->by_user, user_hash(bstr_span(e->user)))) {
		bstr_free(p->alloc, e->user);
		e->user = NULL;
	}
	p->used--;
}

/* ---- new ranges ------------------------------------------------------------------------------ */

/* Networks of before, retired ones too, that may have addresses in use; none counted yet. */
static struct retired *candidates(const struct ippool *p, uint32_t *n)
{
	*n = p->n + p->n_retired;
	struct retired *list = alloc_get(p->alloc, (*n + 1) * sizeof(*list));
	if (!list)
		return NULL;
	for (uint32_t i = 0; i < p->n; i++)
		list[i] = (struct retired){.first = p->ranges[i].first,
					   .last = p->ranges[i].last,
					   .len = p->ranges[i].len};
	for (uint32_t i = 0; i < p->n_retired; i++) {
		list[p->n + i] = p->retired[i];
		list[p->n + i].live = 0;
	}
	return list;
}

/* Counts the addresses in use, in the pools and outside of the ranges. */
static void count_used(struct ippool *p)
{
	struct hmap_node *node = NULL;

	while ((node = hmap_each(&p->by_ip, node))) {
		struct entry *e = container_of(node, struct entry, by_ip);
		struct named *of = name_of(p, e->ip);
		if (!e->used)
			continue;
		if (of)
			of->used++;
		else
			retired_of(p, e->ip)->live++;
	}
}

/* A free address goes to the pool that has it now; one that none has is forgotten. */
static void sort_free(struct ippool *p, struct list_head *old)
{
	struct list_head *at;

	while ((at = list_first(old)) != NULL) {
		struct entry *e = container_of(at, struct entry, free);
		struct named *of = name_of(p, e->ip);
		list_del(&e->free);
		if (of) {
			list_add_tail(&of->free, &e->free);
			continue;
		}
		if (e->user)
			hmap_remove(&p->by_user, &e->by_user);
		entry_free(p, e);
	}
}

static void swap_ranges(struct ippool *p, struct ippool *q)
{
	struct ippool old = *p;

	p->ranges = q->ranges;
	p->sorted = q->sorted;
	p->n = q->n;
	p->cap = q->cap;
	p->total = q->total;
	p->names = q->names; /* `fresh` is 0 there: addresses that have an entry are passed over */
	p->n_names = q->n_names;
	q->names = old.names;
	q->n_names = old.n_names;
	q->ranges = old.ranges;
	q->sorted = old.sorted;
	q->n = old.n;
	q->cap = old.cap;
	q->total = old.total;
}

bool ippool_replace(struct ippool *p, struct ippool *fresh)
{
	uint32_t n;
	struct retired *list = candidates(p, &n);

	LNS_ASSERT(fresh->used == 0 && fresh->alloc == p->alloc);
	if (!list)
		return false;
	swap_ranges(p, fresh);
	alloc_put(p->alloc, p->retired, p->cap_retired * sizeof(*p->retired));
	p->retired = list;
	p->n_retired = n;
	p->cap_retired = n + 1;
	for (unsigned i = 0; i < fresh->n_names; i++) {
		sort_free(p, &fresh->names[i].free);
		fresh->names[i].used = fresh->names[i].fresh = 0;
	}
	count_used(p);
	struct ip_prefix unused;
	while (ippool_retire(p, &unused))
		;
	return true;
}

bool ippool_retire(struct ippool *p, struct ip_prefix *out)
{
	for (uint32_t i = 0; i < p->n_retired; i++) {
		struct retired *r = &p->retired[i];
		if (r->live > 0)
			continue;
		*out = (struct ip_prefix){.addr = ip_addr_v4(r->first), .len = r->len};
		*r = p->retired[--p->n_retired];
		return true;
	}
	return false;
}

static void view_fill(const struct ippool *p, uint32_t ip, nsec now, struct ippool_view *out)
{
	const struct entry *e = entry_find(p, ip);

	*out = (struct ippool_view){.ip = ip_addr_v4(ip), .pool = name_of(p, ip)->name};
	if (!e)
		return;
	out->used = e->used;
	if (e->used)
		out->key = e->key;
	else
		out->age_s = nsec_age_s(e->freed_at, now);
	struct span user = bstr_span(e->user);
	out->user_len = (uint8_t)(user.n < LNS_USER_MAX ? user.n : (size_t)LNS_USER_MAX);
	span_bytes(&user, out->user, out->user_len);
}

/* The cursor holds the range's number and, in the low half, the address to look at next. */
bool ippool_next(const struct ippool *p, uint64_t *cursor, nsec now, struct ippool_view *out)
{
	uint32_t i = (uint32_t)(*cursor >> 33);
	uint64_t offset = *cursor & 0x1FFFFFFFF;

	for (; i < p->n; i++, offset = 0) {
		const struct range *r = &p->ranges[i];
		for (; r->first + offset <= r->last; offset++) {
			uint32_t ip = (uint32_t)(r->first + offset);
			if (!assignable(ip))
				continue;
			view_fill(p, ip, now, out);
			*cursor = (uint64_t)i << 33 | (offset + 1);
			return true;
		}
	}
	*cursor = (uint64_t)i << 33;
	return false;
}

void ippool_totals(const struct ippool *p, uint32_t *used, uint32_t *total)
{
	*used = p->used;
	for (uint32_t i = 0; i < p->n_retired; i++)
		*used -= p->retired[i].live;
	*total = p->total;
}

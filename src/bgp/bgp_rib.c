#include "bgp/bgp_rib.h"

#include "base/hash.h"
#include "base/panic.h"

static struct bgp_rib_mark *mark_of(struct list_head *at)
{
	return container_of(at, struct bgp_rib_mark, at);
}

static struct bgp_rib_entry *entry_of(struct bgp_rib_mark *mark)
{
	return container_of(mark, struct bgp_rib_entry, mark);
}

static uint64_t hash_of(const struct bgp_rib *r, const struct ip_prefix *p)
{
	return hash_bytes(span_of(p->addr.b, sizeof(p->addr.b)), r->seed + p->len);
}

static struct bgp_rib_entry *find(const struct bgp_rib *r, const struct ip_prefix *p)
{
	struct hmap_node *node = hmap_first(&r->by_prefix, hash_of(r, p));

	for (; node; node = hmap_next(node)) {
		struct bgp_rib_entry *e = container_of(node, struct bgp_rib_entry, by_prefix);
		if (e->prefix.len == p->len && ip_addr_equal(&e->prefix.addr, &p->addr))
			return e;
	}
	return NULL;
}

static void entry_free(struct bgp_rib *r, struct bgp_rib_entry *e)
{
	list_del(&e->mark.at);
	list_del(&e->of_dead);
	hmap_remove(&r->by_prefix, &e->by_prefix);
	alloc_put(r->alloc, e, sizeof(*e));
}

/* It changed: every reader meets it again. */
static void to_the_end(struct bgp_rib *r, struct bgp_rib_entry *e)
{
	e->serial = ++r->serial;
	list_del(&e->mark.at);
	list_add_tail(&r->log, &e->mark.at);
}

void bgp_rib_init(struct bgp_rib *r, const struct alloc *a, uint64_t seed)
{
	*r = (struct bgp_rib){.alloc = a, .seed = seed};
	hmap_init(&r->by_prefix, a);
	list_init(&r->log);
	list_init(&r->dead);
	list_init(&r->readers);
}

void bgp_rib_fini(struct bgp_rib *r)
{
	struct hmap_node *node;

	LNS_ASSERT(list_empty(&r->readers));
	while ((node = hmap_pop(&r->by_prefix))) {
		struct bgp_rib_entry *e = container_of(node, struct bgp_rib_entry, by_prefix);
		alloc_put(r->alloc, e, sizeof(*e));
	}
	hmap_fini(&r->by_prefix);
}

static struct bgp_rib_entry *entry_new(struct bgp_rib *r, const struct ip_prefix *p)
{
	struct bgp_rib_entry *e = alloc_get(r->alloc, sizeof(*e));

	if (!e)
		return NULL;
	e->prefix = *p;
	list_init(&e->mark.at);
	list_init(&e->of_dead);
	if (!hmap_insert(&r->by_prefix, &e->by_prefix, hash_of(r, p))) {
		alloc_put(r->alloc, e, sizeof(*e));
		return NULL;
	}
	return e;
}

/* ---- networks -------------------------------------------------------------------------------- */

static struct ip_prefix shortened(const struct ip_prefix *p, unsigned len)
{
	struct ip_prefix out = *p;
	unsigned at = len / 8;

	out.len = (uint8_t)len;
	out.addr.b[at] &= (uint8_t)(0xFF00u >> len % 8);
	memset(out.addr.b + at + 1, 0, sizeof(out.addr.b) - at - 1);
	return out;
}

/* Looks only for lengths that networks have. */
static bool is_covered(const struct bgp_rib *r, const struct ip_prefix *p)
{
	const uint32_t *lengths = r->networks[p->addr.family == 6];

	for (unsigned len = 0; r->aggregate && len < p->len; len++) {
		if (lengths[len] == 0)
			continue;
		struct ip_prefix wide = shortened(p, len);
		const struct bgp_rib_entry *e = find(r, &wide);
		if (e && e->networks)
			return true;
	}
	return false;
}

static bool in_log(const struct bgp_rib_entry *e)
{
	return !list_empty(&e->mark.at);
}

void bgp_rib_aggregate(struct bgp_rib *r, bool on)
{
	r->cover_stale |= r->aggregate != on;
	r->aggregate = on;
}

/* What is covered from now on is withdrawn where it was announced. */
void bgp_rib_settle(struct bgp_rib *r)
{
	if (!r->cover_stale)
		return;
	r->cover_stale = false;
	for (struct hmap_node *n = NULL; (n = hmap_each(&r->by_prefix, n));) {
		struct bgp_rib_entry *e = container_of(n, struct bgp_rib_entry, by_prefix);
		bool covered = is_covered(r, &e->prefix);
		if (e->holders == 0 || covered == e->covered)
			continue;
		e->covered = covered;
		r->live += covered ? -1u : 1u;
		to_the_end(r, e);
	}
}

static void network_set(struct bgp_rib *r, struct bgp_rib_entry *e, enum bgp_network who, bool held)
{
	uint8_t before = e->networks;
	uint32_t *n = &r->networks[e->prefix.addr.family == 6][e->prefix.len];

	e->networks = held ? before | (uint8_t)who : before & (uint8_t)~who;
	if (!before == !e->networks)
		return;
	*n += held ? 1u : -1u;
	r->cover_stale |= r->aggregate;
}

/* ---- changes --------------------------------------------------------------------------------- */

bool bgp_rib_add(struct bgp_rib *r, const struct ip_prefix *p)
{
	struct bgp_rib_entry *e = find(r, p);

	if (!e)
		e = entry_new(r, p);
	if (!e)
		return false;
	if (e->holders++ > 0)
		return true;
	list_del(&e->of_dead);
	e->covered = is_covered(r, p);
	if (!e->covered)
		r->live++;
	if (!e->covered || in_log(e))
		to_the_end(r, e);
	return true;
}

void bgp_rib_remove(struct bgp_rib *r, const struct ip_prefix *p)
{
	struct bgp_rib_entry *e = find(r, p);

	LNS_ASSERT(e && e->holders > 0);
	if (--e->holders > 0)
		return;
	if (!e->covered)
		r->live--;
	if (!in_log(e)) { /* nobody was ever told */
		entry_free(r, e);
		return;
	}
	to_the_end(r, e);
	list_add_tail(&r->dead, &e->of_dead);
	if (list_empty(&r->readers))
		entry_free(r, e);
}

bool bgp_rib_network(struct bgp_rib *r, const struct ip_prefix *p, enum bgp_network who, bool held)
{
	struct bgp_rib_entry *e = find(r, p);

	if ((e && (e->networks & who)) == held)
		return true;
	if (held) {
		if (!bgp_rib_add(r, p))
			return false;
		network_set(r, find(r, p), who, true);
		return true;
	}
	network_set(r, e, who, false);
	bgp_rib_remove(r, p);
	return true;
}

uint32_t bgp_rib_holders(const struct bgp_rib *r, const struct ip_prefix *p)
{
	const struct bgp_rib_entry *e = find(r, p);
	return e ? e->holders : 0;
}

void bgp_rib_collect(struct bgp_rib *r)
{
	uint64_t seen = UINT64_MAX;
	struct list_head *it;

	list_each (it, &r->readers) {
		const struct bgp_rib_reader *reader =
			container_of(it, struct bgp_rib_reader, of_rib);
		if (reader->seen < seen)
			seen = reader->seen;
	}
	while ((it = list_first(&r->dead))) {
		struct bgp_rib_entry *e = container_of(it, struct bgp_rib_entry, of_dead);
		if (e->serial > seen)
			return;
		entry_free(r, e);
	}
}

void bgp_rib_reader_init(struct bgp_rib_reader *reader)
{
	*reader = (struct bgp_rib_reader){.mark.is_reader = true};
	list_init(&reader->mark.at);
	list_init(&reader->of_rib);
}

void bgp_rib_rewind(struct bgp_rib *r, struct bgp_rib_reader *reader)
{
	list_del(&reader->mark.at);
	list_del(&reader->of_rib);
	list_add_head(&r->log, &reader->mark.at);
	list_add_tail(&r->readers, &reader->of_rib);
	reader->seen = 0;
}

void bgp_rib_reader_off(struct bgp_rib *r, struct bgp_rib_reader *reader)
{
	list_del(&reader->mark.at);
	list_del(&reader->of_rib);
	bgp_rib_collect(r);
}

/* The first mark behind the reader that is an entry. */
static struct bgp_rib_mark *ahead(const struct bgp_rib_reader *reader, const struct bgp_rib *r)
{
	struct list_head *it = reader->mark.at.next;

	while (it != &r->log && mark_of(it)->is_reader)
		it = it->next;
	return it == &r->log ? NULL : mark_of(it);
}

bool bgp_rib_has_next(const struct bgp_rib_reader *reader, const struct bgp_rib *r)
{
	return bgp_rib_reader_is_on(reader) && ahead(reader, r) != NULL;
}

const struct bgp_rib_entry *bgp_rib_next(struct bgp_rib_reader *reader, const struct bgp_rib *r)
{
	if (!bgp_rib_reader_is_on(reader))
		return NULL;
	struct bgp_rib_mark *mark = ahead(reader, r);
	if (!mark)
		return NULL;
	struct bgp_rib_entry *e = entry_of(mark);
	list_del(&reader->mark.at);
	list_add_after(&e->mark.at, &reader->mark.at);
	reader->seen = e->serial;
	return e;
}

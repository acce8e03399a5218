/*
 * Layout. A record is two cache lines in a pool of its shard. The hash of a shard is an array of
 * buckets, one cache line of eight entries each; an entry is the address of a record with 16 bits
 * of the key's hash in its unused upper bits, so a lookup touches one bucket and one record. Slots
 * live in chunks of 1024 that never move and are listed in one directory for all workers; a chunk
 * belongs to the worker that made it.
 *
 * The hash grows in steps: a bigger array becomes the current one and each later change moves a few
 * buckets over by copying entries. Readers get both arrays by one pointer (a view), look into the
 * current array first and then into the old one, which keeps all its entries until it is retired.
 */
#include "dataplane/dp_table.h"

#include "base/hash.h"
#include "base/panic.h"
#include "base/wbuf.h"
#include "dataplane/dp_retire.h"

enum {
	CHUNK_BITS = 10,
	CHUNK_SLOTS = 1 << CHUNK_BITS,
	/* One less than fits, so that a route value never uses its 32nd bit. */
	CHUNKS_MAX = (1 << (DP_SLOT_BITS - CHUNK_BITS)) - 1,
	RECORDS_PER_BLOCK = 256,
	CACHE_LINE = 64,
	BUCKET_ENTRIES = 8,
	FIRST_BUCKETS = 64,
	MOVE_PER_CHANGE = 2, /* buckets; enough to finish long before the next growth */
	MOVE_PER_TURN = 32,
	REST_SLOTS = 512, /* a freed slot waits until so many others were freed after it */
	SLOT_LIST_END = 0xFFFFFFFF,
};

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_PUBLISHED, SLOT_LEAVING };
enum retired_kind { RETIRED_RECORD, RETIRED_HASH };

struct retired {
	struct dp_retired list;
	enum retired_kind kind;
};

struct record {
	_Alignas(CACHE_LINE) struct dp_session session;
	struct retired retired; /* also links free records */
};

_Static_assert(sizeof(struct record) == 2 * CACHE_LINE, "a record is two cache lines");

struct block {
	struct block *next;
	size_t bytes; /* as asked from the allocator */
};

struct bucket {
	_Alignas(CACHE_LINE) _Atomic uint64_t e[BUCKET_ENTRIES]; /* 0 = empty and end of probing */
};

/* An entry whose record went away in a bucket that had been full: probing goes on. */
static const uint64_t GONE = 1;
static const uint64_t POINTER_MASK = 0x0000FFFFFFFFFFFFull;

struct hash;
struct view {
	struct hash *now, *old; /* old: NULL when not growing */
};

struct hash {
	struct bucket *buckets; /* aligned, within this allocation */
	uint32_t mask;
	uint32_t used; /* entries that are not 0 */
	struct view growing, whole;
	size_t bytes;
	struct retired retired;
};

/* What only the owner knows of a slot. */
struct slot_own {
	union {
		uint32_t next;	/* SLOT_FREE: in the queue of resting slots */
		uint32_t epoch; /* SLOT_LEAVING: until when readers may hold the record */
	};
	uint8_t state;
};

struct chunk {
	unsigned owner;
	size_t bytes;
	void *memory;
	_Atomic uint8_t generation[CHUNK_SLOTS];
	struct slot_own own[CHUNK_SLOTS];
	_Alignas(CACHE_LINE) _Atomic(struct record *) records[CHUNK_SLOTS];
	struct dp_counters counters[CHUNK_SLOTS];
};

struct table_shard {
	_Alignas(CACHE_LINE) _Atomic(struct view *) view;
	struct hash *now, *old;
	uint32_t moved; /* buckets of `old` copied so far */
	uint32_t live;	/* records in the hash */
	struct dp_retired *free_records;
	struct block *blocks;
	uint32_t rest_first, rest_last, resting; /* queue of freed slots */
	struct dp_retire retire;
};

struct dp_tables {
	struct alloc alloc;
	unsigned n_workers;
	_Atomic uint32_t n_chunks;
	_Atomic(struct chunk *) chunks[CHUNKS_MAX];
	struct table_shard *shards;
	void *shards_memory;
};

static size_t up_to_line(size_t n)
{
	return (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}
static void *align_line(void *p)
{
	return (void *)up_to_line((size_t)p);
}

/* ---- hash: reading ------------------------------------------------------------------------- */

static uint32_t key_of(uint16_t tid, uint16_t sid)
{
	return (uint32_t)tid << 16 | sid;
}

static uint64_t key_hash(uint32_t key)
{
	return hash_u64(key);
}

static uint64_t tag_of(uint64_t hash)
{
	return hash << 48;
}
static uint32_t index_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static struct record *entry_record(uint64_t entry)
{
	return (struct record *)(uintptr_t)(entry & POINTER_MASK);
}

static uint32_t record_key(const struct record *r)
{
	return key_of(r->session.spec.key.tid, r->session.spec.key.sid);
}

/* Where the key's entry is, and the entry: a reader must not load it twice, it may go away. NULL
 * when it is not there. */
static _Atomic uint64_t *hash_entry(const struct hash *h, uint32_t key, uint64_t hash,
				    uint64_t *entry)
{
	for (uint32_t n = 0, b = index_of(hash) & h->mask; n <= h->mask; n++, b = (b + 1) & h->mask)
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
			uint64_t e =
				atomic_load_explicit(&h->buckets[b].e[i], memory_order_acquire);
			if (e == 0)
				return NULL;
			if (e == GONE || (e & ~POINTER_MASK) != tag_of(hash) ||
			    record_key(entry_record(e)) != key)
				continue;
			*entry = e;
			return &h->buckets[b].e[i];
		}
	return NULL;
}

static const struct dp_session *hash_find(const struct hash *h, uint32_t key, uint64_t hash)
{
	uint64_t entry;

	return hash_entry(h, key, hash, &entry) ? &entry_record(entry)->session : NULL;
}

static const struct dp_session *view_find(const struct view *v, uint32_t key, uint64_t hash)
{
	const struct dp_session *s = hash_find(v->now, key, hash);

	return s || !v->old ? s : hash_find(v->old, key, hash);
}

static const struct table_shard *shard_of(const struct dp_tables *t, uint32_t key)
{
	return &t->shards[(key & 0xFFFF) % t->n_workers];
}

/* ---- hash: the owner's side ------------------------------------------------------------------ */

static struct hash *hash_new(const struct alloc *a, uint32_t n_buckets)
{
	size_t bytes = up_to_line(sizeof(struct hash)) + CACHE_LINE +
		       (size_t)n_buckets * sizeof(struct bucket);
	struct hash *h = alloc_get(a, bytes);

	if (!h)
		return NULL;
	h->buckets = align_line(h + 1);
	h->mask = n_buckets - 1;
	h->bytes = bytes;
	h->whole.now = h;
	h->growing.now = h;
	h->retired.kind = RETIRED_HASH;
	return h;
}

/* Room is the caller's duty; the key is not in the array. */
static void hash_insert(struct hash *h, struct record *r, uint64_t hash)
{
	uint64_t entry = (uint64_t)(uintptr_t)r | tag_of(hash);

	LNS_ASSERT(((uint64_t)(uintptr_t)r & ~POINTER_MASK) == 0);
	for (uint32_t b = index_of(hash) & h->mask;; b = (b + 1) & h->mask)
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
			uint64_t e =
				atomic_load_explicit(&h->buckets[b].e[i], memory_order_relaxed);
			if (e != 0 && e != GONE)
				continue;
			h->used += e == 0;
			/* Pairs with the reader's acquire: the record is complete. */
			atomic_store_explicit(&h->buckets[b].e[i], entry, memory_order_release);
			return;
		}
}

/* An entry may become empty when it is followed by an empty one: no probe that must go on ends
 * there. Otherwise it stays as a mark. */
static void hash_clear(struct hash *h, _Atomic uint64_t *entry)
{
	struct bucket *b =
		&h->buckets[(size_t)((uint8_t *)entry - (uint8_t *)h->buckets) / sizeof(*b)];
	size_t i = (size_t)(entry - b->e);
	bool last = i + 1 < BUCKET_ENTRIES &&
		    atomic_load_explicit(&b->e[i + 1], memory_order_relaxed) == 0;

	h->used -= last;
	atomic_store_explicit(entry, last ? 0 : GONE, memory_order_release);
}

/* The record's own entry, or NULL if the key now belongs to another record. */
static void hash_remove(struct hash *h, const struct record *r, uint64_t hash)
{
	uint64_t entry;
	_Atomic uint64_t *e = hash_entry(h, record_key(r), hash, &entry);

	if (e && entry_record(entry) == r)
		hash_clear(h, e);
}

static bool hash_replace(struct hash *h, struct record *r, uint64_t hash)
{
	uint64_t entry;
	_Atomic uint64_t *e = hash_entry(h, record_key(r), hash, &entry);

	if (!e)
		return false;
	atomic_store_explicit(e, (uint64_t)(uintptr_t)r | tag_of(hash), memory_order_release);
	return true;
}

static void move_bucket(struct table_shard *s, const struct bucket *b)
{
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&b->e[i], memory_order_relaxed);
		if (e == 0)
			return;
		if (e == GONE)
			continue;
		uint32_t key = record_key(entry_record(e));
		if (!hash_find(s->now, key, key_hash(key)))
			hash_insert(s->now, entry_record(e), key_hash(key));
	}
}

static void grow_finish(struct table_shard *s)
{
	rcu_set(&s->view, &s->now->whole);
	dp_retire_add(&s->retire, &s->old->retired.list);
	s->old = NULL;
}

static void grow_step(struct table_shard *s, unsigned n_buckets)
{
	for (; s->old && n_buckets; n_buckets--) {
		move_bucket(s, &s->old->buckets[s->moved++]);
		if (s->moved > s->old->mask)
			grow_finish(s);
	}
}

/* Filled to five eighths, entries that went away included. */
static uint32_t crowd_of(uint32_t n_buckets)
{
	return n_buckets * (BUCKET_ENTRIES * 5 / 8);
}
static bool is_crowded(const struct hash *h)
{
	return h->used >= crowd_of(h->mask + 1);
}

/* Room for half as many entries again, and for those that may come while this array is moved over:
 * usually twice the size, but the same or less when most entries went away. */
static uint32_t next_size(const struct table_shard *s)
{
	uint32_t want = s->live + s->live / 2 + (s->now->mask + 1) / MOVE_PER_CHANGE + 1;
	uint32_t n = FIRST_BUCKETS;

	while (crowd_of(n) < want)
		n *= 2;
	return n;
}

static bool grow_start(struct dp_tables *t, struct table_shard *s)
{
	struct hash *h = hash_new(&t->alloc, next_size(s));

	if (!h)
		return false;
	h->growing.old = s->now;
	s->old = s->now;
	s->now = h;
	s->moved = 0;
	rcu_set(&s->view, &h->growing);
	return true;
}

/* Makes sure that one more entry fits. An array can be filled beyond "crowded" when memory is
 * short, but never to the last bucket. */
static bool hash_make_room(struct dp_tables *t, struct table_shard *s)
{
	grow_step(s, MOVE_PER_CHANGE);
	if (!s->old && is_crowded(s->now) && !grow_start(t, s))
		return s->now->used < s->now->mask * BUCKET_ENTRIES;
	return true;
}

/* ---- records and slots ----------------------------------------------------------------------- */

static struct record *record_of(struct dp_retired *list)
{
	return (struct record *)((uint8_t *)list - offsetof(struct record, retired.list));
}

static bool records_refill(struct dp_tables *t, struct table_shard *s)
{
	size_t bytes =
		sizeof(struct block) + CACHE_LINE + RECORDS_PER_BLOCK * sizeof(struct record);
	struct block *b = alloc_get(&t->alloc, bytes);

	if (!b)
		return false;
	b->bytes = bytes;
	b->next = s->blocks;
	s->blocks = b;
	struct record *r = align_line(b + 1);
	for (unsigned i = 0; i < RECORDS_PER_BLOCK; i++) {
		r[i].retired.list.next = s->free_records;
		s->free_records = &r[i].retired.list;
	}
	return true;
}

static struct record *record_get(struct dp_tables *t, struct table_shard *s)
{
	if (!s->free_records && !records_refill(t, s))
		return NULL;
	struct record *r = record_of(s->free_records);
	s->free_records = r->retired.list.next;
	memset(r, 0, sizeof(*r));
	r->retired.kind = RETIRED_RECORD;
	return r;
}

static struct chunk *chunk_of(const struct dp_tables *t, uint32_t slot)
{
	uint32_t c = slot >> CHUNK_BITS;

	return c < CHUNKS_MAX ? rcu_get(&t->chunks[c]) : NULL;
}

static struct chunk *chunk_own(const struct dp_tables *t, unsigned self, uint32_t slot)
{
	struct chunk *c = chunk_of(t, slot);

	LNS_ASSERT(c != NULL);
	LNS_ASSERT(c->owner == self);
	return c;
}

static uint32_t in_chunk(uint32_t slot)
{
	return slot & (CHUNK_SLOTS - 1);
}

static void rest_append(struct dp_tables *t, struct table_shard *s, uint32_t slot)
{
	struct slot_own *o = &chunk_of(t, slot)->own[in_chunk(slot)];

	*o = (struct slot_own){.next = SLOT_LIST_END, .state = SLOT_FREE};
	if (s->resting++ == 0)
		s->rest_first = slot;
	else
		chunk_of(t, s->rest_last)->own[in_chunk(s->rest_last)].next = slot;
	s->rest_last = slot;
}

static uint32_t rest_take(struct dp_tables *t, struct table_shard *s)
{
	uint32_t slot = s->rest_first;

	s->rest_first = chunk_of(t, slot)->own[in_chunk(slot)].next;
	s->resting--;
	return slot;
}

/* Claims a place in the directory before the chunk exists; a place without a chunk stays empty. */
static bool chunk_add(struct dp_tables *t, unsigned self)
{
	size_t bytes = sizeof(struct chunk) + CACHE_LINE;
	uint32_t at = atomic_load_explicit(&t->n_chunks, memory_order_relaxed);
	void *memory;

	if (at >= CHUNKS_MAX || !(memory = alloc_get(&t->alloc, bytes)))
		return false;
	at = atomic_fetch_add_explicit(&t->n_chunks, 1, memory_order_relaxed);
	if (at >= CHUNKS_MAX) {
		atomic_fetch_sub_explicit(&t->n_chunks, 1, memory_order_relaxed);
		alloc_put(&t->alloc, memory, bytes);
		return false;
	}
	struct chunk *c = align_line(memory);
	c->owner = self;
	c->bytes = bytes;
	c->memory = memory;
	rcu_set(&t->chunks[at], c);
	for (uint32_t i = 0; i < CHUNK_SLOTS; i++)
		rest_append(t, &t->shards[self], at << CHUNK_BITS | i);
	return true;
}

static void counters_reset(struct dp_counters *c)
{
	atomic_store_explicit(&c->up_packets, 0, memory_order_relaxed);
	atomic_store_explicit(&c->up_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&c->down_packets, 0, memory_order_relaxed);
	atomic_store_explicit(&c->down_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&c->last_up_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&c->last_data_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&c->down_tenth, 0, memory_order_relaxed);
}

uint32_t dp_slot_take_own(struct dp_tables *t, unsigned self)
{
	struct table_shard *s = &t->shards[self];

	/* Short of memory a slot rests less long: its generation still tells its uses apart. */
	if (s->resting <= REST_SLOTS && !chunk_add(t, self) && s->resting == 0)
		return DP_SLOT_NONE;
	uint32_t slot = rest_take(t, s);
	struct chunk *c = chunk_own(t, self, slot);
	uint32_t i = in_chunk(slot);
	uint8_t g = atomic_load_explicit(&c->generation[i], memory_order_relaxed);

	LNS_ASSERT(c->own[i].state == SLOT_FREE);
	c->own[i] = (struct slot_own){.state = SLOT_TAKEN};
	atomic_store_explicit(&c->generation[i], (uint8_t)((g + 1) & 0x7F), memory_order_relaxed);
	counters_reset(&c->counters[i]);
	return slot;
}

unsigned dp_slot_owner(const struct dp_tables *t, uint32_t slot)
{
	const struct chunk *c = chunk_of(t, slot);

	return c ? c->owner : 0;
}

uint8_t dp_slot_generation(const struct dp_tables *t, uint32_t slot)
{
	struct chunk *c = chunk_of(t, slot);

	return c ? atomic_load_explicit(&c->generation[in_chunk(slot)], memory_order_relaxed) : 0;
}

/* ---- publishing ------------------------------------------------------------------------------ */

/* RFC 2661 3.1: T=0, no L, S or O, version 2; then the PPP header as far as the peer wants it. */
static uint8_t header_build(uint8_t *out, const struct dp_session_spec *spec)
{
	struct wbuf w = wbuf_of(out, DP_HEADER_MAX);

	wbuf_u16(&w, 0x0002);
	wbuf_u16(&w, spec->peer_tid);
	wbuf_u16(&w, spec->peer_sid);
	if (!(spec->flags & DP_TX_ACFC))
		wbuf_u16(&w, 0xFF03);
	if (!(spec->flags & DP_TX_PFC))
		wbuf_u8(&w, 0x00);
	wbuf_u8(&w, 0x21); /* IPv4; dp_down.c writes 0x57 for IPv6 */
	LNS_ASSERT(!w.bad);
	return (uint8_t)w.n;
}

static void record_fill(struct record *r, const struct dp_session_spec *spec, uint32_t slot,
			struct chunk *c)
{
	struct dp_session *s = &r->session;

	s->spec = *spec;
	s->slot = slot;
	s->generation = atomic_load_explicit(&c->generation[in_chunk(slot)], memory_order_relaxed);
	s->header_len = header_build(s->header, spec);
	s->counters = &c->counters[in_chunk(slot)];
}

/* Both arrays while growing; a key that is in neither goes into the current one. */
static void index_record(struct table_shard *s, struct record *r)
{
	uint64_t hash = key_hash(record_key(r));
	bool was = hash_replace(s->now, r, hash);

	if (s->old)
		was |= hash_replace(s->old, r, hash);
	if (!was) {
		hash_insert(s->now, r, hash);
		s->live++;
	}
}

bool dp_publish_own(struct dp_tables *t, unsigned self, uint32_t slot,
		    const struct dp_session_spec *spec)
{
	struct table_shard *s = &t->shards[self];
	struct chunk *c = chunk_own(t, self, slot);
	struct slot_own *o = &c->own[in_chunk(slot)];

	LNS_ASSERT(o->state == SLOT_TAKEN || o->state == SLOT_PUBLISHED);
	LNS_ASSERT(spec->key.sid % t->n_workers == self);
	struct record *before = rcu_get(&c->records[in_chunk(slot)]);
	LNS_ASSERT(!before || sess_key_equal(before->session.spec.key, spec->key));
	struct record *r = record_get(t, s);
	if (!r)
		return false;
	if (!before && !hash_make_room(t, s)) {
		r->retired.list.next = s->free_records;
		s->free_records = &r->retired.list;
		return false;
	}
	record_fill(r, spec, slot, c);
	index_record(s, r);
	rcu_set(&c->records[in_chunk(slot)], r);
	o->state = SLOT_PUBLISHED;
	if (before)
		dp_retire_add(&s->retire, &before->retired.list);
	return true;
}

void dp_unpublish_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	struct table_shard *s = &t->shards[self];
	struct chunk *c = chunk_own(t, self, slot);
	struct slot_own *o = &c->own[in_chunk(slot)];
	struct record *r = rcu_get(&c->records[in_chunk(slot)]);

	if (o->state != SLOT_PUBLISHED)
		return;
	LNS_ASSERT(r != NULL);
	uint64_t hash = key_hash(record_key(r));
	const struct dp_session *seen = view_find(rcu_get(&s->view), record_key(r), hash);
	s->live -= seen == &r->session;
	hash_remove(s->now, r, hash);
	if (s->old)
		hash_remove(s->old, r, hash);
	rcu_set(&c->records[in_chunk(slot)], NULL);
	dp_retire_add(&s->retire, &r->retired.list);
	*o = (struct slot_own){.epoch = dp_retire_epoch(&s->retire), .state = SLOT_LEAVING};
	grow_step(s, MOVE_PER_CHANGE);
}

bool dp_slot_gone_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	const struct slot_own *o = &chunk_own(t, self, slot)->own[in_chunk(slot)];

	return o->state == SLOT_TAKEN ||
	       (o->state == SLOT_LEAVING && dp_retire_is_over(&t->shards[self].retire, o->epoch));
}

void dp_slot_free_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	LNS_ASSERT(dp_slot_gone_own(t, self, slot));
	rest_append(t, &t->shards[self], slot);
}

static void release(struct dp_tables *t, struct table_shard *s, struct dp_retired *list)
{
	while (list) {
		struct dp_retired *next = list->next;
		struct retired *r = (struct retired *)list;

		if (r->kind == RETIRED_HASH) {
			struct hash *h =
				(struct hash *)((uint8_t *)r - offsetof(struct hash, retired));
			alloc_put(&t->alloc, h, h->bytes);
		} else {
			list->next = s->free_records;
			s->free_records = list;
		}
		list = next;
	}
}

void dp_table_turn_own(struct dp_tables *t, unsigned self)
{
	struct table_shard *s = &t->shards[self];

	grow_step(s, MOVE_PER_TURN);
	release(t, s, dp_retire_turn(&s->retire));
}

bool dp_table_waits_own(const struct dp_tables *t, unsigned self)
{
	const struct table_shard *s = &t->shards[self];

	return s->retire.under_way || s->retire.open || s->retire.open_wanted || s->old;
}

/* ---- readers --------------------------------------------------------------------------------- */

const struct dp_session *dp_session_find_rcu(const struct dp_tables *t, uint16_t tid, uint16_t sid)
{
	uint32_t key = key_of(tid, sid);

	return view_find(rcu_get(&shard_of(t, key)->view), key, key_hash(key));
}

/* The record that the key's first bucket suggests, to be fetched ahead; never read here. */
static const void *guess(const struct bucket *b, uint64_t tag)
{
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&b->e[i], memory_order_relaxed);
		if ((e & ~POINTER_MASK) == tag)
			return entry_record(e);
	}
	return NULL;
}

static void prefetch_record(const void *r)
{
	if (!r)
		return; /* a hash that nobody has */
	__builtin_prefetch(r);
	__builtin_prefetch((const uint8_t *)r + CACHE_LINE);
}

void dp_sessions_find_rcu(const struct dp_tables *t, const uint32_t *keys, unsigned n,
			  const struct dp_session **out)
{
	const struct view *views[DP_BATCH];
	const struct bucket *first[DP_BATCH];

	LNS_HOT_ASSERT(n <= DP_BATCH);
	for (unsigned i = 0; i < n; i++) {
		views[i] = rcu_get(&shard_of(t, keys[i])->view);
		const struct hash *h = views[i]->now;
		first[i] = &h->buckets[index_of(key_hash(keys[i])) & h->mask];
		__builtin_prefetch(first[i]);
	}
	for (unsigned i = 0; i < n; i++)
		prefetch_record(guess(first[i], tag_of(key_hash(keys[i]))));
	for (unsigned i = 0; i < n; i++)
		out[i] = i && keys[i] == keys[i - 1]
				 ? out[i - 1]
				 : view_find(views[i], keys[i], key_hash(keys[i]));
}

const struct dp_session *dp_session_at_rcu(const struct dp_tables *t, uint32_t slot)
{
	struct chunk *c = chunk_of(t, slot);
	struct record *r = c ? rcu_get(&c->records[in_chunk(slot)]) : NULL;

	return r ? &r->session : NULL;
}

void dp_sessions_at_rcu(const struct dp_tables *t, const uint32_t *slots, unsigned n,
			const struct dp_session **out)
{
	for (unsigned i = 0; i < n; i++) {
		const struct chunk *c = chunk_of(t, slots[i]);
		if (c)
			__builtin_prefetch(&c->records[in_chunk(slots[i])]);
	}
	for (unsigned i = 0; i < n; i++) {
		out[i] = dp_session_at_rcu(t, slots[i]);
		prefetch_record(out[i]);
	}
}

const struct dp_counters *dp_slot_counters(const struct dp_tables *t, uint32_t slot)
{
	struct chunk *c = chunk_of(t, slot);

	LNS_ASSERT(c != NULL);
	return &c->counters[in_chunk(slot)];
}

struct dp_counters *dp_slot_counters_own(struct dp_tables *t, unsigned self, uint32_t slot)
{
	return &chunk_own(t, self, slot)->counters[in_chunk(slot)];
}

void dp_counters_read(const struct dp_counters *c, struct sess_counters *out)
{
	out->up_packets = atomic_load_explicit(&c->up_packets, memory_order_relaxed);
	out->up_bytes = atomic_load_explicit(&c->up_bytes, memory_order_relaxed);
	out->down_packets = atomic_load_explicit(&c->down_packets, memory_order_relaxed);
	out->down_bytes = atomic_load_explicit(&c->down_bytes, memory_order_relaxed);
}

/* ---- life of the whole ----------------------------------------------------------------------- */

static bool shard_init(struct dp_tables *t, struct table_shard *s)
{
	dp_retire_init(&s->retire);
	s->now = hash_new(&t->alloc, FIRST_BUCKETS);
	if (!s->now)
		return false;
	rcu_set(&s->view, &s->now->whole);
	return true;
}

static size_t shards_bytes(unsigned n)
{
	return n * sizeof(struct table_shard) + CACHE_LINE;
}

struct dp_tables *dp_tables_new(const struct alloc *a, unsigned n_workers)
{
	LNS_ASSERT(n_workers >= 1 && n_workers <= LNS_WORKERS_MAX);
	struct dp_tables *t = alloc_get(a, sizeof(*t));

	if (!t)
		return NULL;
	t->alloc = *a;
	t->n_workers = n_workers;
	t->shards_memory = alloc_get(a, shards_bytes(n_workers));
	if (!t->shards_memory) {
		alloc_put(a, t, sizeof(*t));
		return NULL;
	}
	t->shards = align_line(t->shards_memory);
	for (unsigned i = 0; i < n_workers; i++)
		if (!shard_init(t, &t->shards[i])) {
			dp_tables_free(t);
			return NULL;
		}
	return t;
}

static void shard_fini(struct dp_tables *t, struct table_shard *s)
{
	if (!s->now)
		return;
	release(t, s, dp_retire_drain(&s->retire));
	alloc_put(&t->alloc, s->now, s->now->bytes);
	if (s->old)
		alloc_put(&t->alloc, s->old, s->old->bytes);
	for (struct block *b = s->blocks, *next; b; b = next) {
		next = b->next;
		alloc_put(&t->alloc, b, b->bytes);
	}
}

void dp_tables_free(struct dp_tables *t)
{
	if (!t)
		return;
	struct alloc a = t->alloc;
	for (unsigned i = 0; i < t->n_workers; i++)
		shard_fini(t, &t->shards[i]);
	for (unsigned i = 0; i < CHUNKS_MAX; i++) {
		struct chunk *c = rcu_get(&t->chunks[i]);
		if (c)
			alloc_put(&a, c->memory, c->bytes);
	}
	alloc_put(&a, t->shards_memory, shards_bytes(t->n_workers));
	alloc_put(&a, t, sizeof(*t));
}

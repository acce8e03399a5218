/*
 * Layout. A vector is one word of summary and one bit for each rule. A table holds the distinct
 * vectors of one part of the packet and, for each value of that part, which of them is its own; a
 * table whose only vector has all bits set is left out. Ports have too many values for that: their
 * tables list where in 0..65535 the vector changes.
 */
#include "dataplane/dp_acl.h"

#include "base/hash.h"
#include "base/panic.h"
#include "dataplane/dp_ip.h"

enum {
	WORD = 64,
	BYTES = 8,	  /* of both addresses */
	FLAG_VALUES = 64, /* of the six flags that rules know */
	BYTE_VALUES = 256,
	PORT_STARTS_MAX = 2 * DP_ACL_RULES_MAX + 1,
	VECTOR_MAX = 1 + DP_ACL_RULES_MAX / WORD,
	FOUND_SIZE = 4 * DP_ACL_RULES_MAX, /* a power of two above PORT_STARTS_MAX */
	PORT_MAX = 65535,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
	PORTS_LEN = 4,	    /* both ports */
	TCP_FLAGS_END = 14, /* bytes up to the flags */
	TCP_FLAGS_AT = 13,
};

/* What a packet is as far as rules tell: a fragment behind the first one has no ports. */
enum kind { KIND_TCP, KIND_UDP, KIND_OTHER, KIND_TCP_REST, KIND_UDP_REST, KIND_OTHER_REST, KINDS };

enum part {
	PART_BYTE, /* the first of BYTES: source, then destination */
	PART_FLAGS = BYTES,
	PART_KIND,
	PART_SRC_PORT,
	PART_DST_PORT,
	PARTS
};

struct table {
	uint16_t *index;   /* value or interval -> vector */
	uint16_t *starts;  /* of intervals; NULL for other parts */
	uint64_t *vectors; /* n_vectors * stride */
	uint32_t n_values, n_vectors;
};

struct dp_acl {
	struct alloc alloc;
	uint32_t n, words, stride;
	unsigned n_workers;
	struct table tables[PARTS];
	uint32_t refs; /* snapshots that have it; control's */
	char name[LNS_FILTER_NAME_MAX];
	struct dp_acl_rule *rules;
	_Atomic uint64_t *hits; /* [worker * n + rule] */
};

/* ---- what one rule says ---------------------------------------------------------------------- */

static bool ports_match(const struct dp_acl_ports *p, unsigned port)
{
	return !p->test || (port >= p->low && port <= p->high) != p->outside;
}

static bool flags_match(const struct dp_acl_rule *r, unsigned flags)
{
	switch ((enum dp_acl_flags)r->flags_op) {
	case DP_ACL_ESTABLISHED:
		return flags & (TCP_ACK | TCP_RST) && !(flags & TCP_SYN);
	case DP_ACL_MATCH_ANY:
		return (flags & r->set) || (~flags & r->clear);
	case DP_ACL_MATCH_ALL:
		return (flags & r->set) == r->set && !(flags & r->clear);
	case DP_ACL_FLAGS_NONE:
		break;
	}
	return true;
}

static bool byte_matches(const struct dp_acl_rule *r, unsigned byte, unsigned value)
{
	uint32_t addr = byte < 4 ? r->src : r->dst;
	uint32_t wild = byte < 4 ? r->src_wild : r->dst_wild;
	unsigned shift = (3 - byte % 4) * 8;

	return (((addr >> shift ^ value) & ~(wild >> shift)) & 0xFF) == 0;
}

static bool kind_matches(const struct dp_acl_rule *r, enum kind kind)
{
	static const uint8_t protos[] = {IP_TCP, IP_UDP, 0};
	bool rest = kind >= KIND_TCP_REST;
	bool deep = r->src_ports.test || r->dst_ports.test || r->flags_op != DP_ACL_FLAGS_NONE;

	if (r->proto && r->proto != protos[kind % KIND_TCP_REST])
		return false;
	/* Of the rest of a packet ports and flags are not known: such a rule may let it pass, for
	 * without the first fragment it is of no use, but not deny it. */
	return rest ? r->permit || !deep : !r->fragments;
}

static bool matches(const struct dp_acl_rule *r, unsigned part, unsigned value)
{
	switch (part) {
	case PART_FLAGS:
		return flags_match(r, value);
	case PART_KIND:
		return kind_matches(r, (enum kind)value);
	case PART_SRC_PORT:
		return ports_match(&r->src_ports, value);
	case PART_DST_PORT:
		return ports_match(&r->dst_ports, value);
	default:
		return byte_matches(r, part, value);
	}
}

/* ---- compiling ------------------------------------------------------------------------------- */

struct build {
	struct dp_acl *list;
	unsigned part;
	uint16_t starts[PORT_STARTS_MAX];
	uint16_t index[PORT_STARTS_MAX];
	uint64_t *vectors;
	uint32_t room, n_vectors;
	uint16_t found[FOUND_SIZE];	      /* by hash: number of a vector + 1; 0 = none */
	uint16_t first_turn[PORT_STARTS_MAX]; /* by start: one of the turns there + 1; 0 = none */
	uint16_t next_turn[2 * DP_ACL_RULES_MAX];
	uint64_t current[VECTOR_MAX]; /* of the port interval that we are at */
};

static void summarise(const struct dp_acl *l, uint64_t *v)
{
	v[0] = 0;
	for (uint32_t i = 0; i < l->words; i++)
		if (v[1 + i])
			v[0] |= UINT64_C(1) << i;
}

static void fill_vector(const struct build *b, unsigned value, uint64_t *v)
{
	const struct dp_acl *l = b->list;

	memset(v, 0, l->stride * sizeof(*v));
	for (uint32_t i = 0; i < l->n; i++)
		if (matches(&l->rules[i], b->part, value))
			v[1 + i / WORD] |= UINT64_C(1) << i % WORD;
	summarise(l, v);
}

static bool more_room(struct build *b)
{
	const struct dp_acl *l = b->list;
	size_t line = l->stride * sizeof(uint64_t);
	uint32_t room = b->room ? 2 * b->room : 16;
	uint64_t *wider = alloc_get(&l->alloc, room * line);

	if (!wider)
		return false;
	if (b->vectors)
		memcpy(wider, b->vectors, b->n_vectors * line);
	alloc_put(&l->alloc, b->vectors, b->room * line);
	b->vectors = wider;
	b->room = room;
	return true;
}

/* Where its number is or has to be. */
static uint16_t *find_vector(struct build *b, const uint64_t *v)
{
	uint32_t stride = b->list->stride;
	uint64_t hash = 0;

	for (uint32_t i = 0; i < stride; i++)
		hash = hash_u64(hash ^ v[i]);
	for (uint32_t at = (uint32_t)hash % FOUND_SIZE;; at = (at + 1) % FOUND_SIZE) {
		uint16_t *found = &b->found[at];
		if (!*found ||
		    memcmp(b->vectors + (size_t)(*found - 1) * stride, v, stride * sizeof(*v)) == 0)
			return found;
	}
}

/* The number of this vector; false = out of memory. */
static bool add_vector(struct build *b, const uint64_t *v, uint16_t *out)
{
	uint32_t stride = b->list->stride;
	uint16_t *found = find_vector(b, v);

	if (!*found) {
		if (b->n_vectors == b->room && !more_room(b))
			return false;
		memcpy(b->vectors + (size_t)b->n_vectors * stride, v, stride * sizeof(*v));
		*found = (uint16_t)++b->n_vectors;
	}
	*out = (uint16_t)(*found - 1);
	return true;
}

/* Each value for itself: few values. */
static bool add_values(struct build *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		fill_vector(b, i, b->current);
		if (!add_vector(b, b->current, &b->index[i]))
			return false;
	}
	return true;
}

static void add_start(uint16_t *starts, uint32_t *n, unsigned at)
{
	if (at <= PORT_MAX)
		starts[(*n)++] = (uint16_t)at;
}

static void sift(uint16_t *a, uint32_t i, uint32_t n)
{
	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && a[child + 1] > a[child])
			child++;
		if (a[i] >= a[child])
			return;
		uint16_t t = a[i];
		a[i] = a[child];
		a[child] = t;
	}
}

/* Heap sort; returns how many different numbers there are. */
static uint32_t sort_unique(uint16_t *a, uint32_t n)
{
	uint32_t kept = 1;

	for (uint32_t i = n / 2; i-- > 0;)
		sift(a, i, n);
	for (uint32_t i = n; i-- > 1;) {
		uint16_t t = a[0];
		a[0] = a[i];
		a[i] = t;
		sift(a, 0, i);
	}
	for (uint32_t i = 1; i < n; i++)
		if (a[i] != a[kept - 1])
			a[kept++] = a[i];
	return kept;
}

static const struct dp_acl_ports *ports_of(const struct build *b, uint32_t rule)
{
	const struct dp_acl_rule *r = &b->list->rules[rule];

	return b->part == PART_SRC_PORT ? &r->src_ports : &r->dst_ports;
}

static bool has_turns(const struct dp_acl_ports *p)
{
	return p->test && p->low <= p->high;
}

/* Where the answer of some rule changes. */
static uint32_t find_starts(struct build *b)
{
	uint32_t n = 0;

	add_start(b->starts, &n, 0);
	for (uint32_t i = 0; i < b->list->n; i++) {
		const struct dp_acl_ports *p = ports_of(b, i);
		if (!has_turns(p))
			continue;
		add_start(b->starts, &n, p->low);
		add_start(b->starts, &n, p->high + 1u);
	}
	return sort_unique(b->starts, n);
}

/* In n starts, the last one at or before this port. */
static uint32_t last_start(const uint16_t *starts, uint32_t n, unsigned port)
{
	uint32_t at = 0;

	for (; n > 1;) {
		uint32_t half = n / 2;
		at += starts[at + half] <= port ? half : 0;
		n -= half;
	}
	return at;
}

static void add_turn(struct build *b, uint32_t n, unsigned port, uint32_t turn)
{
	if (port == 0 || port > PORT_MAX)
		return;
	uint16_t *first = &b->first_turn[last_start(b->starts, n, port)];
	b->next_turn[turn] = *first;
	*first = (uint16_t)(turn + 1);
}

/* A rule's answer turns where its range begins and where it ends: 2 * rule, 2 * rule + 1. */
static void find_turns(struct build *b, uint32_t n)
{
	memset(b->first_turn, 0, n * sizeof(*b->first_turn));
	for (uint32_t i = 0; i < b->list->n; i++) {
		const struct dp_acl_ports *p = ports_of(b, i);
		if (!has_turns(p))
			continue;
		add_turn(b, n, p->low, 2 * i);
		add_turn(b, n, p->high + 1u, 2 * i + 1);
	}
}

/* From each interval to the next only what turns there is looked at: with thousands of ranges all
 * rules for each of them would take half a second. */
static bool add_intervals(struct build *b, uint32_t n)
{
	find_turns(b, n);
	fill_vector(b, 0, b->current);
	for (uint32_t i = 0; i < n; i++) {
		for (uint16_t t = b->first_turn[i]; t; t = b->next_turn[t - 1]) {
			unsigned rule = (t - 1u) / 2;
			b->current[1 + rule / WORD] ^= UINT64_C(1) << rule % WORD;
		}
		summarise(b->list, b->current);
		if (!add_vector(b, b->current, &b->index[i]))
			return false;
	}
	return true;
}

static uint32_t count_values(struct build *b)
{
	switch (b->part) {
	case PART_FLAGS:
		return FLAG_VALUES;
	case PART_KIND:
		return KINDS;
	case PART_SRC_PORT:
	case PART_DST_PORT:
		return find_starts(b);
	default:
		return BYTE_VALUES;
	}
}

static bool is_port(unsigned part)
{
	return part == PART_SRC_PORT || part == PART_DST_PORT;
}

/* The vector that every value has, if it has a bit for every rule, needs no table. */
static bool is_needless(const struct build *b)
{
	const struct dp_acl *l = b->list;

	if (b->n_vectors != 1)
		return false;
	for (uint32_t i = 0; i < l->n; i++)
		if (!(b->vectors[1 + i / WORD] >> i % WORD & 1))
			return false;
	return true;
}

static void *copy_of(const struct alloc *a, const void *bytes, size_t n)
{
	void *p = alloc_get(a, n);

	if (p)
		memcpy(p, bytes, n);
	return p;
}

static bool keep_table(const struct build *b, uint32_t n_values)
{
	struct dp_acl *l = b->list;
	struct table *t = &l->tables[b->part];

	t->n_values = n_values;
	t->n_vectors = b->n_vectors;
	t->index = copy_of(&l->alloc, b->index, n_values * sizeof(*t->index));
	t->vectors = copy_of(&l->alloc, b->vectors,
			     (size_t)b->n_vectors * l->stride * sizeof(*t->vectors));
	if (is_port(b->part))
		t->starts = copy_of(&l->alloc, b->starts, n_values * sizeof(*t->starts));
	return t->index && t->vectors && (t->starts || !is_port(b->part));
}

static bool build_table(struct build *b, unsigned part)
{
	b->part = part;
	b->n_vectors = 0;
	memset(b->found, 0, sizeof(b->found));
	uint32_t n = count_values(b);
	if (!(is_port(part) ? add_intervals(b, n) : add_values(b, n)))
		return false;
	return is_needless(b) || keep_table(b, n);
}

static bool build_tables(struct dp_acl *l)
{
	struct build *b = alloc_get(&l->alloc, sizeof(*b));
	bool ok = b != NULL;

	if (!b)
		return false;
	b->list = l;
	for (unsigned part = 0; ok && part < PARTS; part++)
		ok = build_table(b, part);
	alloc_put(&l->alloc, b->vectors, b->room * l->stride * sizeof(uint64_t));
	alloc_put(&l->alloc, b, sizeof(*b));
	return ok;
}

static size_t hits_bytes(const struct dp_acl *l)
{
	return ((size_t)l->n * l->n_workers + 1) * sizeof(*l->hits);
}
static size_t rules_bytes(const struct dp_acl *l)
{
	return ((size_t)l->n + 1) * sizeof(*l->rules);
}

struct dp_acl *dp_acl_new(const struct alloc *a, const char *name, const struct dp_acl_rule *rules,
			  uint32_t n, unsigned n_workers)
{
	struct dp_acl *l = alloc_get(a, sizeof(*l));

	LNS_ASSERT(n <= DP_ACL_RULES_MAX);
	if (!l)
		return NULL;
	l->alloc = *a;
	l->n = n;
	l->words = (n + WORD - 1) / WORD;
	l->stride = 1 + l->words;
	l->n_workers = n_workers;
	memcpy(l->name, name, strnlen(name, sizeof(l->name) - 1));
	l->hits = alloc_get(a, hits_bytes(l));
	l->rules = alloc_get(a, rules_bytes(l));
	if (l->rules && n)
		memcpy(l->rules, rules, n * sizeof(*rules));
	if (l->hits && l->rules && build_tables(l))
		return l;
	dp_acl_free(l);
	return NULL;
}

void dp_acl_free(struct dp_acl *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < PARTS; i++) {
		struct table *t = &l->tables[i];
		alloc_put(&l->alloc, t->index, t->n_values * sizeof(*t->index));
		alloc_put(&l->alloc, t->starts, t->n_values * sizeof(*t->starts));
		alloc_put(&l->alloc, t->vectors,
			  (size_t)t->n_vectors * l->stride * sizeof(*t->vectors));
	}
	alloc_put(&l->alloc, l->hits, hits_bytes(l));
	alloc_put(&l->alloc, l->rules, rules_bytes(l));
	alloc_put(&l->alloc, l, sizeof(*l));
}

/* ---- matching -------------------------------------------------------------------------------- */

/* What rules look at. */
struct seen {
	uint8_t byte[BYTES];
	uint8_t flags;
	uint16_t src_port, dst_port;
	enum kind kind;
};

static bool read_transport(struct seen *o, struct span in, uint8_t proto)
{
	if (proto == IP_TCP && in.n < TCP_FLAGS_END)
		return false;
	o->src_port = span_u16(&in);
	o->dst_port = span_u16(&in);
	if (proto == IP_TCP) {
		span_take(&in, TCP_FLAGS_AT - PORTS_LEN);
		o->flags = span_u8(&in) % FLAG_VALUES;
	}
	return !in.bad;
}

/* False: not to be judged, so denied. */
static bool read_packet(struct seen *o, struct span packet)
{
	struct dp_ip4 h;

	if (dp_ip4_decode(packet, &h) != DP_IP_OK)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		o->byte[i] = (uint8_t)(h.src >> (3 - i) * 8);
		o->byte[4 + i] = (uint8_t)(h.dst >> (3 - i) * 8);
	}
	unsigned offset = h.fragment & IP4_OFFSET;
	unsigned kind = h.proto == IP_TCP ? KIND_TCP : h.proto == IP_UDP ? KIND_UDP : KIND_OTHER;
	o->kind = (enum kind)(offset ? kind + KIND_TCP_REST : kind);
	if (kind == KIND_TCP && offset == 1)
		return false;
	if (offset || kind == KIND_OTHER)
		return true;
	packet.n = h.total_len;
	span_take(&packet, h.header_len);
	return read_transport(o, packet, h.proto);
}

static const uint64_t *vector_of(const struct dp_acl *l, const struct table *t, unsigned at)
{
	return t->vectors + (size_t)t->index[at] * l->stride;
}

static unsigned interval_of(const struct table *t, uint16_t port)
{
	return last_start(t->starts, t->n_values, port);
}

/* The vectors that decide about the packet; how many. */
static unsigned gather(const struct dp_acl *l, const struct seen *o, const uint64_t **v)
{
	const struct table *t = l->tables;
	unsigned n = 0;

	for (unsigned i = 0; i < BYTES; i++)
		if (t[i].index)
			v[n++] = vector_of(l, &t[i], o->byte[i]);
	if (t[PART_KIND].index)
		v[n++] = vector_of(l, &t[PART_KIND], o->kind);
	if (o->kind > KIND_UDP)
		return n;
	if (o->kind == KIND_TCP && t[PART_FLAGS].index)
		v[n++] = vector_of(l, &t[PART_FLAGS], o->flags);
	for (unsigned i = PART_SRC_PORT; i <= PART_DST_PORT; i++)
		if (t[i].index)
			v[n++] = vector_of(
				l, &t[i],
				interval_of(&t[i], i == PART_SRC_PORT ? o->src_port : o->dst_port));
	return n;
}

static uint64_t all_of(const uint64_t *const *v, unsigned n, unsigned word)
{
	uint64_t bits = ~UINT64_C(0);

	for (unsigned i = 0; i < n; i++)
		bits &= v[i][word];
	return bits;
}

int dp_acl_match(const struct dp_acl *l, struct span packet)
{
	const uint64_t *v[PARTS];
	struct seen o = {.flags = 0};

	if (l->n == 0 || !read_packet(&o, packet))
		return -1;
	unsigned n = gather(l, &o, v);
	if (n == 0) /* the first rule matches everything */
		return 0;
	for (uint64_t words = all_of(v, n, 0); words; words &= words - 1) {
		unsigned word = (unsigned)__builtin_ctzll(words);
		uint64_t bits = all_of(v, n, 1 + word);
		if (bits)
			return (int)(word * WORD + (unsigned)__builtin_ctzll(bits));
	}
	return -1;
}

bool dp_acl_permits(const struct dp_acl *l, unsigned self, struct span packet)
{
	int rule = dp_acl_match(l, packet);

	LNS_HOT_ASSERT(self < l->n_workers);
	if (rule < 0)
		return false;
	_Atomic uint64_t *hits = &l->hits[(size_t)self * l->n + (unsigned)rule];
	uint64_t was = atomic_load_explicit(hits, memory_order_relaxed); /* one writer */
	atomic_store_explicit(hits, was + 1, memory_order_relaxed);
	return l->rules[rule].permit;
}

uint64_t dp_acl_hits(const struct dp_acl *l, uint32_t rule)
{
	uint64_t sum = 0;

	LNS_ASSERT(rule < l->n);
	for (unsigned w = 0; w < l->n_workers; w++)
		sum += atomic_load_explicit(&l->hits[(size_t)w * l->n + rule],
					    memory_order_relaxed);
	return sum;
}

uint32_t dp_acl_rules(const struct dp_acl *l)
{
	return l->n;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

struct dp_acls {
	struct alloc alloc;
	uint64_t version;
	uint32_t n, room;
	struct dp_acl **lists;
};

struct dp_acls *dp_acls_new(const struct alloc *a, uint64_t version)
{
	struct dp_acls *s = alloc_get(a, sizeof(*s));

	if (!s)
		return NULL;
	s->alloc = *a;
	s->version = version;
	return s;
}

static bool make_room(struct dp_acls *s)
{
	uint32_t room = s->room ? 2 * s->room : 8;
	struct dp_acl **lists;

	if (s->n < s->room)
		return true;
	lists = alloc_get(&s->alloc, room * sizeof(*lists));
	if (!lists)
		return false;
	if (s->n)
		memcpy(lists, s->lists, s->n * sizeof(*lists));
	alloc_put(&s->alloc, s->lists, s->room * sizeof(*lists));
	s->lists = lists;
	s->room = room;
	return true;
}

static struct dp_acl *find(const struct dp_acls *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->lists[i]->name, name) == 0)
			return s->lists[i];
	return NULL;
}

static bool same_ports(const struct dp_acl_ports *a, const struct dp_acl_ports *b)
{
	return a->test == b->test && a->outside == b->outside && a->low == b->low &&
	       a->high == b->high;
}

static bool same_rule(const struct dp_acl_rule *a, const struct dp_acl_rule *b)
{
	return a->permit == b->permit && a->fragments == b->fragments && a->proto == b->proto &&
	       a->src == b->src && a->src_wild == b->src_wild && a->dst == b->dst &&
	       a->dst_wild == b->dst_wild && same_ports(&a->src_ports, &b->src_ports) &&
	       same_ports(&a->dst_ports, &b->dst_ports) && a->flags_op == b->flags_op &&
	       a->set == b->set && a->clear == b->clear;
}

static bool has_rules(const struct dp_acl *l, const struct dp_acl_rule *rules, uint32_t n,
		      unsigned n_workers)
{
	if (l->n != n || l->n_workers != n_workers)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!same_rule(&l->rules[i], &rules[i]))
			return false;
	return true;
}

bool dp_acls_add(struct dp_acls *s, const struct dp_acls *before, const char *name,
		 const struct dp_acl_rule *rules, uint32_t n, unsigned n_workers)
{
	struct dp_acl *l = before ? find(before, name) : NULL;

	if (!make_room(s))
		return false;
	if (!l || !has_rules(l, rules, n, n_workers))
		l = dp_acl_new(&s->alloc, name, rules, n, n_workers);
	if (!l)
		return false;
	l->refs++;
	s->lists[s->n++] = l;
	return true;
}

void dp_acls_free(struct dp_acls *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (--s->lists[i]->refs == 0)
			dp_acl_free(s->lists[i]);
	alloc_put(&s->alloc, s->lists, s->room * sizeof(struct dp_acl *));
	alloc_put(&s->alloc, s, sizeof(*s));
}

uint64_t dp_acls_version(const struct dp_acls *s)
{
	return s ? s->version : 0;
}

const struct dp_acl *dp_acls_find(const struct dp_acls *s, const char *name)
{
	return s ? find(s, name) : NULL;
}

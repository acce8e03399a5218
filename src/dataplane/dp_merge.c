#include "dataplane/dp_merge.h"

#include "base/hash.h"
#include "dataplane/dp_checksum.h"

enum {
	IP4_PLAIN = 0x45, /* version 4, no options */
	TCP_HEADER = 20,
	TCP_ACK = 0x10,
	TCP_PSH = 0x08,
	TCP_FIN = 0x01,
	TCP_ECE = 0x40,
	TCP_MERGEABLE = TCP_ACK | TCP_PSH | TCP_FIN | TCP_ECE,
	TCP_AT_END = TCP_PSH | TCP_FIN,
	TCP_CHECKSUM_AT = 16,
	UDP_HEADER = 8,
	UDP_LENGTH_AT = 4,
	UDP_CHECKSUM_AT = 6,
	IP4_ADDRESSES_AT = 12,
	IP6_ADDRESSES_AT = 8,
	TCP_FLAGS_AT = 12, /* with the header's length before them */
	PORTS = 4, /* bytes */
	TOTAL_MAX = 65535,
};

/* One packet, read for merging. */
struct one {
	struct span packet, payload;
	uint64_t addresses;
	uint32_t ports, seq;
	uint16_t id, fragment;
	uint16_t field; /* TCP or UDP checksum */
	uint8_t proto, l3_len, l4_len;
	uint8_t flags;
};

_Static_assert(DP_MERGE_HEAD_MAX >= IP6_HEADER + 60, "IPv6 and the longest TCP header");
_Static_assert(DP_MERGE_RUNS <= 64, "one bit each");

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_tcp(struct one *o, struct span in)
{
	size_t room = in.n;

	o->ports = span_u32(&in);
	o->seq = span_u32(&in);
	span_u32(&in);
	uint16_t flags = span_u16(&in);
	span_u16(&in);
	o->field = span_u16(&in);
	uint16_t urgent = span_u16(&in);
	o->l4_len = (uint8_t)((flags >> 12) * 4);
	o->flags = (uint8_t)flags;
	return !in.bad && o->l4_len >= TCP_HEADER && o->l4_len < room && urgent == 0 &&
	       (flags & TCP_ACK) && !(flags & 0x0FFF & ~TCP_MERGEABLE);
}

static bool read_udp(struct one *o, struct span in)
{
	size_t room = in.n;

	o->ports = span_u32(&in);
	uint16_t length = span_u16(&in);
	o->field = span_u16(&in);
	o->l4_len = UDP_HEADER;
	o->flags = 0;
	return !in.bad && length == room && length > UDP_HEADER && o->field != 0;
}

/* Its flow may be that of a run although it could not be read as part of one: a fragment, say, or
 * what has extension headers. */
static bool may_be_of_a_run(struct span packet)
{
	struct span in = packet;
	bool v6 = span_u8(&in) >> 4 == 6;

	span_take(&in, v6 ? 5 : 8);
	uint8_t proto = span_u8(&in);
	return v6 ? proto != IP_ICMP6 : proto == IP_TCP || proto == IP_UDP;
}

static bool read_ip4(struct one *o, struct span *in)
{
	uint8_t first = span_u8(in);

	span_u8(in);
	uint16_t total = span_u16(in);
	o->id = span_u16(in);
	o->fragment = span_u16(in);
	span_u8(in);
	o->proto = span_u8(in);
	span_u16(in);
	o->addresses = span_u64(in);
	o->l3_len = IP4_HEADER;
	return !in->bad && first == IP4_PLAIN && total == o->packet.n && !(o->fragment & ~IP4_DF);
}

static bool read_ip6(struct one *o, struct span *in)
{
	span_u32(in);
	size_t length = span_u16(in);
	o->proto = span_u8(in);
	span_u8(in);
	o->addresses = span_u64(in);
	for (unsigned i = 0; i < 3; i++)
		o->addresses = hash_u64(o->addresses) ^ span_u64(in);
	o->l3_len = IP6_HEADER;
	return !in->bad && length + IP6_HEADER == o->packet.n;
}

/* True: its flow is known (addresses, ports, protocol). *whole: it may be part of a run. */
static bool read_one(const struct dp_merge *m, struct one *o, struct span packet, bool *whole)
{
	struct span in = packet, first = packet;

	o->packet = packet;
	if (span_u8(&first) >> 4 == 6 ? !read_ip6(o, &in) : !read_ip4(o, &in))
		return false;
	if (o->proto == IP_TCP)
		*whole = read_tcp(o, in) && m->env.tcp;
	else if (o->proto == IP_UDP)
		*whole = read_udp(o, in) && m->env.udp;
	else
		return false;
	if (*whole) {
		span_take(&in, o->l4_len);
		o->payload = in;
	}
	return packet.n >= (size_t)o->l3_len + PORTS;
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* n: of the TCP or UDP header and what follows. */
static uint64_t pseudo_sum(struct span packet, uint8_t l3_len, uint8_t proto, size_t n)
{
	bool v6 = l3_len == IP6_HEADER;

	span_take(&packet, v6 ? IP6_ADDRESSES_AT : IP4_ADDRESSES_AT);
	return dp_sum(proto + (uint64_t)n, span_sub(&packet, v6 ? 32 : 8));
}

/* Right, and in the form that cutting gives: of the two zeros TCP and IP have 0x0000, UDP has
 * 0xFFFF. */
static bool is_sound(struct span packet, uint8_t l3_len, uint8_t proto, uint16_t field)
{
	struct span in = packet;
	struct span ip = span_sub(&in, l3_len);
	struct span at = ip;

	span_take(&at, 10);
	if (l3_len == IP4_HEADER && (span_u16(&at) == 0xFFFF || dp_sum_fold(dp_sum(0, ip)) != 0))
		return false;
	return (proto == IP_UDP || field != 0xFFFF) &&
	       dp_sum_fold(dp_sum(pseudo_sum(packet, l3_len, proto, in.n), in)) == 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_one(const struct dp_merge *m, struct span packet)
{
	struct dp_merged one = {.head = packet, .packets = 1};

	m->env.write(m->env.ctx, &one);
}

static void put_ip(const struct dp_merge_run *r, struct wbuf *w)
{
	if (r->l3_len == IP6_HEADER) {
		wbuf_patch_u16(w, 4, (uint16_t)(r->total - IP6_HEADER));
		return;
	}
	wbuf_patch_u16(w, 2, r->total);
	wbuf_patch_u16(w, 10, 0);
	wbuf_patch_u16(w, 10, dp_sum_fold(dp_sum(0, span_of(w->p, IP4_HEADER))));
}

static void put_transport(const struct dp_merge_run *r, struct wbuf *w)
{
	bool udp = r->proto == IP_UDP;
	size_t n = (size_t)r->total - r->l3_len;
	uint64_t sum = pseudo_sum(r->packet[0], r->l3_len, r->proto, n);

	if (udp) {
		wbuf_patch_u16(w, r->l3_len + UDP_LENGTH_AT, (uint16_t)n);
	} else {
		struct span flags = span_of(w->p + r->l3_len + TCP_FLAGS_AT, 2);
		wbuf_patch_u16(w, r->l3_len + TCP_FLAGS_AT, span_u16(&flags) | r->last_flags);
	}
	wbuf_patch_u16(w, (size_t)r->l3_len + (udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT),
		       (uint16_t)~dp_sum_fold(sum));
}

static void write_super(const struct dp_merge *m, const struct dp_merge_run *r)
{
	uint8_t room[DP_MERGE_HEAD_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct span first = r->packet[0];

	wbuf_span(&w, span_sub(&first, (size_t)r->l3_len + r->l4_len));
	put_ip(r, &w);
	put_transport(r, &w);
	struct dp_merged all = {
		.head = wbuf_written(&w),
		.super = {.size = r->size, .l4 = r->l3_len, .udp = r->proto == IP_UDP},
		.payload = r->payload,
		.n_payload = r->n,
		.packets = r->n,
		.v6 = r->l3_len == IP6_HEADER,
	};
	m->env.write(m->env.ctx, &all);
}

static void close_run(struct dp_merge *m, unsigned i)
{
	struct dp_merge_run *r = &m->runs[i];

	if (r->n == 1)
		write_one(m, r->packet[0]);
	else if (r->n > 1)
		write_super(m, r);
	r->n = 0;
	m->open &= ~(UINT64_C(1) << i);
}

void dp_merge_flush(struct dp_merge *m)
{
	while (m->open)
		close_run(m, (unsigned)__builtin_ctzll(m->open));
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void open_run(struct dp_merge *m, unsigned i, const struct one *o)
{
	struct dp_merge_run *r = &m->runs[i];

	r->addresses = o->addresses;
	r->ports = o->ports;
	r->proto = o->proto;
	r->l3_len = o->l3_len;
	r->l4_len = o->l4_len;
	r->size = (uint16_t)o->payload.n;
	r->total = (uint16_t)o->packet.n;
	r->next_seq = o->seq + (uint32_t)o->payload.n;
	r->next_id = (uint16_t)(o->id + 1);
	r->verified = false;
	r->last_flags = 0;
	r->packet[0] = o->packet;
	r->payload[0] = o->payload;
	r->n = 1;
	m->open |= UINT64_C(1) << i;
}

/* Bytes of both packets from `at` on are the same. */
static bool same(struct span a, struct span b, size_t at, size_t n)
{
	span_take(&a, at);
	span_take(&b, at);
	return span_equal(span_sub(&a, n), span_sub(&b, n));
}

/* All of the IP header but length, identification and checksum; addresses were compared. */
static bool same_ip(const struct dp_merge_run *r, const struct one *o)
{
	if (o->l3_len == IP6_HEADER)
		return same(r->packet[0], o->packet, 0, 4) && same(r->packet[0], o->packet, 6, 2);
	return same(r->packet[0], o->packet, 0, 2) && same(r->packet[0], o->packet, 6, 4) &&
	       (o->id == r->next_id || o->fragment == IP4_DF);
}

/* Acknowledgement, flags, window and options. */
static bool same_tcp(const struct dp_merge_run *r, const struct one *o)
{
	struct span flags = r->packet[0];

	span_take(&flags, o->l3_len + TCP_FLAGS_AT + 1);
	return o->seq == r->next_seq && o->l4_len == r->l4_len &&
	       same(r->packet[0], o->packet, o->l3_len + 8u, 5) &&
	       span_u8(&flags) == (o->flags & ~TCP_AT_END) &&
	       same(r->packet[0], o->packet, o->l3_len + 14u, 2) &&
	       same(r->packet[0], o->packet, o->l3_len + (size_t)TCP_HEADER,
		    (size_t)o->l4_len - TCP_HEADER);
}

static bool continues(struct dp_merge_run *r, const struct one *o)
{
	if (o->payload.n > r->size || o->payload.n + r->total > TOTAL_MAX || !same_ip(r, o) ||
	    (o->proto == IP_TCP && !same_tcp(r, o)))
		return false;
	if (!r->verified) {
		struct span in = r->packet[0];
		span_take(&in, o->l3_len + (size_t)(o->proto == IP_TCP ? TCP_CHECKSUM_AT
								       : UDP_CHECKSUM_AT));
		r->verified = is_sound(r->packet[0], r->l3_len, r->proto, span_u16(&in));
	}
	return r->verified && is_sound(o->packet, o->l3_len, o->proto, o->field);
}

static bool is_of(const struct dp_merge_run *r, const struct one *o)
{
	return r->addresses == o->addresses && r->ports == o->ports && r->proto == o->proto &&
	       r->l3_len == o->l3_len &&
	       (o->l3_len == IP4_HEADER || same(r->packet[0], o->packet, IP6_ADDRESSES_AT, 32));
}

static void join(struct dp_merge *m, unsigned i, const struct one *o)
{
	struct dp_merge_run *r = &m->runs[i];

	r->packet[r->n] = o->packet;
	r->payload[r->n++] = o->payload;
	r->total = (uint16_t)(r->total + o->payload.n);
	r->next_seq += (uint32_t)o->payload.n;
	r->next_id = (uint16_t)(o->id + 1);
	r->last_flags = o->flags & TCP_AT_END;
	if (o->payload.n < r->size || r->last_flags || r->n == DP_MERGE_SEGMENTS)
		close_run(m, i);
}

static unsigned place(const struct one *o)
{
	return (unsigned)(hash_u64(o->addresses * 31 + o->ports + o->proto) % DP_MERGE_RUNS);
}

void dp_merge_init(struct dp_merge *m, const struct dp_merge_env *env)
{
	m->env = *env;
	m->open = 0;
	for (unsigned i = 0; i < DP_MERGE_RUNS; i++)
		m->runs[i].n = 0;
}

void dp_merge_add(struct dp_merge *m, struct span packet)
{
	struct one o = {.flags = 0};
	bool whole = false;

	if (!read_one(m, &o, packet, &whole)) {
		if (may_be_of_a_run(packet))
			dp_merge_flush(m);
		write_one(m, packet);
		return;
	}
	unsigned i = place(&o);
	struct dp_merge_run *r = &m->runs[i];
	if (r->n && whole && is_of(r, &o) && continues(r, &o)) {
		join(m, i, &o);
		return;
	}
	if (r->n)
		close_run(m, i);
	if (whole && !(o.flags & TCP_AT_END))
		open_run(m, i, &o);
	else
		write_one(m, packet);
}

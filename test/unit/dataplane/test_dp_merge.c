/*
 * Merging toward the core. What the kernel makes of the super-packets, cut by a segmenter of this
 * test's own, must be the packets that went in, byte for byte, those of each flow in their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/dp_merge.h"
#include "dp_segments.h"
#include "test_bytes.h"
#include "test_random.h"

enum { OUT_MAX = 1024, PACKET_MAX = 2048, IN_MAX = 256, FLOWS = 12, ROUNDS = 3000 };

struct packet {
	size_t n;
	uint8_t b[PACKET_MAX];
};

static struct {
	unsigned n, writes, supers;
	struct packet p[OUT_MAX];
} out;

static struct packet in[IN_MAX];

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put(const uint8_t *bytes, size_t n)
{
	assert_true(out.n < OUT_MAX && n <= PACKET_MAX);
	out.p[out.n].n = n;
	if (n)
		memcpy(out.p[out.n].b, bytes, n);
	out.n++;
}

static bool is_v6(const uint8_t *p)
{
	return p[0] >> 4 == 6;
}

static size_t l4_of(const uint8_t *p)
{
	return is_v6(p) ? 40 : 20;
}

static uint8_t proto_of(const uint8_t *p)
{
	return p[is_v6(p) ? 6 : 9];
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)u16(p) << 16 | u16(p + 2);
}

/* Reads the headers of a super-packet into the shape that seg_make writes. */
static struct seg read_super(const struct dp_merged *m, const uint8_t *data, size_t n)
{
	const uint8_t *h = m->head.p, *l4 = h + l4_of(h);
	bool v6 = is_v6(h), udp = proto_of(h) == 17;

	return (struct seg){
		.v6 = v6,
		.udp = udp,
		.tos = v6 ? (uint8_t)(u16(h) >> 4) : h[1],
		.id = v6 ? 0 : u16(h + 4),
		.fragment = v6 ? 0 : u16(h + 6),
		.ttl = h[v6 ? 7 : 8],
		.src = u32(h + (v6 ? 20 : 12)),
		.dst = u32(h + (v6 ? 36 : 16)),
		.sport = u16(l4),
		.dport = u16(l4 + 2),
		.seq = u32(l4 + 4),
		.ack = u32(l4 + 8),
		.flags = u16(l4 + 12) & 0xFFF,
		.window = u16(l4 + 14),
		.options = (uint8_t)(udp ? 0 : (l4[12] >> 4) * 4 - 20),
		.payload = data,
		.n = n,
	};
}

static void fix_l4(struct packet *p)
{
	size_t l4 = l4_of(p->b);
	bool udp = proto_of(p->b) == 17;
	uint8_t *field = p->b + l4 + (udp ? 6 : 16);
	uint32_t sum = is_v6(p->b) ? seg_add(0, p->b + 8, 32) : seg_add(0, p->b + 12, 8);

	seg_store(field, 0);
	sum += proto_of(p->b) + (uint32_t)(p->n - l4);
	uint16_t v = (uint16_t)~seg_add(sum, p->b + l4, p->n - l4);
	seg_store(field, v || !udp ? v : 0xFFFF);
}

/* What seg_make does not know, TCP options and most of an IPv6 header, stands in each segment as in
 * the whole; the checksum has to know them. */
static void copy_rest(const struct dp_merged *m, const struct seg *s, struct packet *p)
{
	size_t l4 = l4_of(p->b);

	if (s->v6) {
		memcpy(p->b, m->head.p, 4);
		memcpy(p->b + 8, m->head.p + 8, 32);
	}
	if (!s->udp && s->options)
		memcpy(p->b + l4 + 20, m->head.p + l4 + 20, s->options);
	if (s->v6 || (!s->udp && s->options))
		fix_l4(p);
}

/* The kernel trusts length, header checksum and pseudo header's sum. */
static void check_super(const struct dp_merged *m, const struct seg *s)
{
	struct seg whole = *s;
	const uint8_t *h = m->head.p;
	size_t l4 = l4_of(h), field = l4 + (s->udp ? 6 : 16);
	uint32_t sum = s->v6 ? seg_add(0, h + 8, 32) : seg_add(0, h + 12, 8);
	static uint8_t expected[65536];

	whole.partial = true;
	assert_true(seg_make(&whole, expected) > 0);
	if (s->v6)
		assert_int_equal(u16(h + 4), u16(expected + 4));
	else
		assert_memory_equal(h, expected, 20);
	sum += proto_of(h) + (uint32_t)(m->head.n - l4 + s->n);
	assert_int_equal(u16(h + field), seg_add(sum, NULL, 0));
	assert_int_equal(m->v6, s->v6);
	assert_int_equal(m->super.udp, s->udp);
	assert_int_equal(m->super.l4, l4);
	assert_true(m->packets == (s->n + m->super.size - 1) / m->super.size && m->packets <= 64);
	if (s->udp)
		assert_int_equal(u16(h + l4 + 4), 8 + s->n);
}

static void write_super(const struct dp_merged *m)
{
	static uint8_t data[65536];
	size_t n = 0;

	for (unsigned i = 0; i < m->n_payload; i++) {
		assert_true(n + m->payload[i].n <= sizeof(data));
		memcpy(data + n, m->payload[i].p, m->payload[i].n);
		n += m->payload[i].n;
	}
	struct seg s = read_super(m, data, n);
	check_super(m, &s);
	for (size_t i = 0; i * m->super.size < n; i++) {
		struct seg one = seg_of(&s, m->super.size, i);
		struct packet p;
		p.n = seg_make(&one, p.b);
		copy_rest(m, &s, &p);
		put(p.b, p.n);
	}
	out.supers++;
}

static void write(void *ctx, const struct dp_merged *m)
{
	(void)ctx;
	out.writes++;
	if (m->super.size) {
		write_super(m);
		return;
	}
	assert_int_equal(m->n_payload, 0);
	put(m->head.p, m->head.n);
}

static struct dp_merge merge;

static void run(unsigned n)
{
	struct dp_merge_env env = {.write = write, .tcp = true, .udp = true};

	out.n = out.writes = out.supers = 0;
	dp_merge_init(&merge, &env);
	for (unsigned i = 0; i < n; i++)
		dp_merge_add(&merge, span_of(in[i].b, in[i].n));
	dp_merge_flush(&merge);
}

/* DF says that the identification means nothing (RFC 6864 4.1): it may have changed then. */
static bool equal(const struct packet *a, const struct packet *b)
{
	if (a->n != b->n)
		return false;
	if (a->n < 20 || a->b[6] != 0x40 || a->b[7] != 0 || a->b[0] != 0x45)
		return memcmp(a->b, b->b, a->n) == 0;
	return memcmp(a->b, b->b, 4) == 0 && memcmp(a->b + 6, b->b + 6, 4) == 0 &&
	       memcmp(a->b + 12, b->b + 12, a->n - 12) == 0;
}

/* Which order must be kept: all of one pair of addresses, protocol and ports, a stricter rule is
 * not needed between flows. */
static bool is_one_flow(const struct packet *a, const struct packet *b)
{
	if (a->n < 24 || b->n < 24 || a->b[0] >> 4 != b->b[0] >> 4)
		return false;
	if (a->b[0] >> 4 == 4)
		return a->b[9] == b->b[9] && memcmp(a->b + 12, b->b + 12, 12) == 0;
	return a->n >= 44 && b->n >= 44 && is_v6(a->b) && a->b[6] == b->b[6] &&
	       memcmp(a->b + 8, b->b + 8, 36) == 0;
}

/* Every packet came out once, and behind those of its flow that were before it. */
static void expect_same(unsigned n)
{
	static int at[IN_MAX];
	static bool taken[OUT_MAX];

	assert_int_equal(out.n, n);
	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < n; i++) {
		at[i] = -1;
		for (unsigned j = 0; j < n && at[i] < 0; j++)
			if (!taken[j] && equal(&in[i], &out.p[j]))
				at[i] = (int)j;
		assert_true(at[i] >= 0);
		taken[at[i]] = true;
		for (unsigned k = 0; k < i; k++)
			assert_true(!is_one_flow(&in[i], &in[k]) || at[k] < at[i]);
	}
}

/* ---- single rules ---------------------------------------------------------------------------- */

static uint8_t payload[4096];

static struct seg some(bool udp, bool v6)
{
	return (struct seg){.udp = udp,
			    .v6 = v6,
			    .src = 0x0A000001,
			    .dst = 0x08080808,
			    .sport = 40000,
			    .dport = 443,
			    .ttl = 60,
			    .id = v6 ? 0 : 100,
			    .seq = 0xFFFFFFF0,
			    .ack = 5,
			    .flags = 0x10,
			    .window = 900,
			    .options = 12,
			    .payload = payload,
			    .n = 1000};
}

/* Three packets in sequence. */
static void three(bool udp, bool v6)
{
	for (unsigned i = 0; i < 3; i++) {
		struct seg s = some(udp, v6);
		s.id = (uint16_t)(s.id + i);
		s.seq += i * 1000;
		s.payload = payload + i * 1000;
		in[i].n = seg_make(&s, in[i].b);
	}
}

static void fix_sums(struct packet *p)
{
	if (!is_v6(p->b)) {
		seg_store(p->b + 10, 0);
		seg_store(p->b + 10, (uint16_t)~seg_add(0, p->b, 20));
	}
	fix_l4(p);
}

static void consecutive_packets_are_merged(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		three(kind & 1, kind & 2);
		run(3);
		assert_int_equal(out.writes, 1);
		expect_same(3);
	}
}

/* Each byte of the second packet's headers is made another one: with sums that are right again, and
 * with those that were. Only what may differ within a run is merged. */
static void change_a_bit(bool udp, bool v6, size_t at, unsigned bit, bool fixed)
{
	size_t l4 = v6 ? 40 : 20, field = l4 + (udp ? 6 : 16);

	three(udp, v6);
	in[1].b[at] ^= (uint8_t)(1u << bit);
	if (fixed && is_v6(in[1].b) == v6 && proto_of(in[1].b) == (udp ? 17 : 6))
		fix_sums(&in[1]);
	run(3);
	expect_same(3);
	bool sum = (!v6 && (at == 10 || at == 11)) || at == field || at == field + 1;
	bool end = !udp && at == l4 + 13 && (bit == 0 || bit == 3);
	if (sum && fixed)
		assert_int_equal(out.writes, 1);
	else if (end && fixed)
		assert_int_equal(out.writes, 2);
	else
		assert_true(out.writes >= 2);
}

static void every_other_header_byte_ends_the_run(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		bool udp = kind & 1, v6 = kind & 2, fixed = kind & 4;
		for (size_t at = 0; at < (v6 ? 40u : 20u) + (udp ? 8 : 32); at++)
			for (unsigned bit = 0; bit < 8; bit++)
				change_a_bit(udp, v6, at, bit, fixed);
	}
}

/* CWR stands only in the first segment of what the kernel cuts, so it is never merged; ECE and the
 * two bits of the IP header are the same in all. */
static void congestion_marks_come_out_where_they_were(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 16; kind++) {
		bool v6 = kind & 1, cwr = kind & 2, ece = kind & 4, ce = kind & 8;
		for (unsigned i = 0; i < 3; i++) {
			struct seg s = some(false, v6);
			s.id = (uint16_t)(s.id + (v6 ? 0 : i));
			s.seq += i * 1000;
			s.payload = payload + i * 1000;
			s.flags |= (uint16_t)((ece ? 0x40 : 0) | (cwr && i == 1 ? 0x80 : 0));
			s.tos = ce && i == 2 ? 3 : 2;
			in[i].n = seg_make(&s, in[i].b);
		}
		run(3);
		expect_same(3);
		assert_int_equal(out.writes, cwr ? 3 : ce ? 2 : 1);
	}
}

/* What has extension headers, or is a fragment, goes by itself and overtakes nothing. */
static void extension_headers_go_through_in_order(void **state)
{
	(void)state;
	static const uint8_t kinds[] = {0, 43, 44, 51, 60};

	for (unsigned i = 0; i < sizeof(kinds); i++) {
		three(false, true);
		in[1].b[6] = kinds[i];
		run(3);
		assert_int_equal(out.writes, 3);
		for (unsigned j = 0; j < 3; j++) {
			assert_int_equal(out.p[j].n, in[j].n);
			assert_memory_equal(out.p[j].b, in[j].b, in[j].n);
		}
	}
}

static void a_bad_checksum_goes_through_untouched(void **state)
{
	(void)state;
	for (unsigned bad = 0; bad < 6; bad++) {
		three(false, bad >= 3);
		in[bad % 3].b[80] ^= 1;
		run(3);
		expect_same(3);
		assert_int_equal(out.supers, bad % 3 != 1);
	}
	/* A zero that is written the other way is right, but would not come back so. */
	three(false, false);
	for (unsigned v = 0; v < 0x10000; v++) {
		seg_store(in[1].b + 34, (uint16_t)v); /* window */
		seg_store(in[0].b + 34, (uint16_t)v);
		fix_sums(&in[0]);
		fix_sums(&in[1]);
		if (u16(in[1].b + 36) == 0)
			break;
	}
	assert_int_equal(u16(in[1].b + 36), 0);
	run(2);
	assert_int_equal(out.supers, 1);
	seg_store(in[1].b + 36, 0xFFFF);
	run(2);
	assert_int_equal(out.supers, 0);
	expect_same(2);
}

static void udp_without_a_checksum_goes_through(void **state)
{
	(void)state;
	three(true, false);
	for (unsigned i = 0; i < 3; i++)
		seg_store(in[i].b + 26, 0);
	run(3);
	assert_int_equal(out.writes, 3);
	expect_same(3);
}

static void identifications_count_up_or_mean_nothing(void **state)
{
	(void)state;
	for (unsigned df = 0; df < 2; df++) {
		three(true, false);
		for (unsigned i = 0; i < 3; i++) {
			seg_store(in[i].b + 4, 7);
			in[i].b[6] = df ? 0x40 : 0;
			fix_sums(&in[i]);
		}
		run(3);
		assert_int_equal(out.writes, df ? 1 : 3);
		expect_same(3);
	}
}

static void a_device_without_uso_gets_datagrams_apart(void **state)
{
	struct dp_merge_env env = {.write = write, .tcp = true};

	(void)state;
	out.n = out.writes = 0;
	three(true, false);
	dp_merge_init(&merge, &env);
	for (unsigned i = 0; i < 3; i++)
		dp_merge_add(&merge, span_of(in[i].b, in[i].n));
	assert_int_equal(out.writes, 3); /* nothing waits for nothing */
	dp_merge_flush(&merge);
	assert_int_equal(out.writes, 3);
	expect_same(3);
}

static void a_super_packet_stays_below_64_kilobytes(void **state)
{
	(void)state;
	for (unsigned udp = 0; udp < 2; udp++) {
		for (unsigned i = 0; i < 100; i++) {
			struct seg s = some(udp, false);
			s.n = 1400;
			s.id = (uint16_t)(s.id + i);
			s.seq += i * 1400;
			in[i].n = seg_make(&s, in[i].b);
		}
		run(100);
		assert_int_equal(out.writes, 3);
		expect_same(100);
	}
}

static void truncations_go_through(void **state)
{
	(void)state;
	three(false, false);
	size_t n = in[0].n;
	for (size_t cut = 0; cut < n; cut += cut < 80 ? 1 : 97) {
		uint8_t *exact = test_exact_copy(in[0].b, cut);
		struct dp_merge_env env = {.write = write, .tcp = true, .udp = true};
		out.n = 0;
		dp_merge_init(&merge, &env);
		for (unsigned i = 0; i < 2; i++)
			dp_merge_add(&merge, span_of(exact, cut));
		if (cut > 4) {
			seg_store(exact + 2, (uint16_t)cut);
			dp_merge_add(&merge, span_of(exact, cut));
		}
		dp_merge_flush(&merge);
		assert_int_equal(out.n, 2 + (cut > 4));
		assert_memory_equal(out.p[1].b, exact, cut > 4 ? 2 : cut);
		free(exact);
	}
}

/* ---- anything -------------------------------------------------------------------------------- */

static struct test_random rnd = {.state = 4711};

static unsigned below(unsigned n)
{
	return (unsigned)test_random_below(&rnd, n);
}

/* A flow that mostly does what flows do. */
static void next_of(struct seg *f, uint16_t size, struct packet *p)
{
	struct seg s = *f;

	s.n = below(12) ? size : 1 + below(size);
	s.payload = payload + below((unsigned)(sizeof(payload) - s.n));
	if (!below(10))
		s.flags |= 0x08;
	if (!below(30))
		s.flags ^= (uint16_t)(1u << below(12));
	if (!below(30))
		s.id = (uint16_t)below(65536);
	if (!below(40))
		s.seq += below(3000);
	if (!below(40))
		s.tos ^= 3;
	if (!below(40))
		s.ack += 1000;
	if (!below(40))
		s.n = 0;
	if (!below(60))
		s.fragment ^= (uint16_t)(1u << below(16));
	p->n = seg_make(&s, p->b);
	if (!below(30))
		p->b[below((unsigned)p->n)] ^= (uint8_t)(1u << below(8));
	if (!below(60))
		fix_sums(p);
	f->seq = s.seq + (uint32_t)s.n;
	f->id = (uint16_t)(s.id + (f->ttl & 1));
}

static void shuffle(unsigned n)
{
	for (unsigned i = 0; i + 1 < n; i++) {
		struct packet t = in[i];
		if (!below(20)) { /* a neighbour first */
			in[i] = in[i + 1];
			in[i + 1] = t;
		} else if (!below(20)) { /* the same again */
			in[i + 1] = t;
		}
	}
}

static void any_sequence_comes_out_as_it_went_in(void **state)
{
	unsigned supers = 0, merged = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct seg flows[FLOWS];
		unsigned n_flows = 1 + below(FLOWS), n = 1 + below(IN_MAX);
		for (unsigned i = 0; i < n_flows; i++) {
			flows[i] = some(below(2), below(3) == 0);
			flows[i].sport = (uint16_t)(1000 + i);
			flows[i].fragment = below(2) ? 0x4000 : 0;
			flows[i].ttl = (uint8_t)(60 + below(4));
			flows[i].options = (uint8_t)(below(4) * 4);
			flows[i].id = (uint16_t)(65400 + below(200));
		}
		for (unsigned i = 0, f = 0; i < n; i++) {
			if (!below(4))
				f = below(n_flows);
			next_of(&flows[f], (uint16_t)(f % 2 ? 1400 : 100), &in[i]);
		}
		shuffle(n);
		run(n);
		expect_same(n);
		supers += out.supers;
		merged += n - out.writes;
	}
	assert_true(supers > ROUNDS && merged > ROUNDS);
}

static int fill(void **state)
{
	(void)state;
	test_random_fill(&rnd, payload, sizeof(payload));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consecutive_packets_are_merged),
		cmocka_unit_test(every_other_header_byte_ends_the_run),
		cmocka_unit_test(congestion_marks_come_out_where_they_were),
		cmocka_unit_test(extension_headers_go_through_in_order),
		cmocka_unit_test(a_bad_checksum_goes_through_untouched),
		cmocka_unit_test(udp_without_a_checksum_goes_through),
		cmocka_unit_test(identifications_count_up_or_mean_nothing),
		cmocka_unit_test(a_device_without_uso_gets_datagrams_apart),
		cmocka_unit_test(a_super_packet_stays_below_64_kilobytes),
		cmocka_unit_test(truncations_go_through),
		cmocka_unit_test(any_sequence_comes_out_as_it_went_in),
	};
	return cmocka_run_group_tests(tests, fill, NULL);
}

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

/* Reads the headers of a super-packet into the shape that seg_make writes. */
static struct seg read_super(const struct dp_merged *m, const uint8_t *data, size_t n)
{
	const uint8_t *h = m->head.p, *l4 = h + 20;

	return (struct seg){
		.udp = h[9] == 17,
		.tos = h[1],
		.id = u16(h + 4),
		.fragment = u16(h + 6),
		.ttl = h[8],
		.src = (uint32_t)u16(h + 12) << 16 | u16(h + 14),
		.dst = (uint32_t)u16(h + 16) << 16 | u16(h + 18),
		.sport = u16(l4),
		.dport = u16(l4 + 2),
		.seq = (uint32_t)u16(l4 + 4) << 16 | u16(l4 + 6),
		.ack = (uint32_t)u16(l4 + 8) << 16 | u16(l4 + 10),
		.flags = u16(l4 + 12) & 0xFFF,
		.window = u16(l4 + 14),
		.options = (uint8_t)(h[9] == 17 ? 0 : (l4[12] >> 4) * 4 - 20),
		.payload = data,
		.n = n,
	};
}

/* The options of the super-packet stand in each segment; the checksum has to know them. */
static void copy_options(const struct dp_merged *m, const struct seg *s, struct packet *p)
{
	uint8_t *l4 = p->b + 20;

	if (s->udp || !s->options)
		return;
	memcpy(l4 + 20, m->head.p + 40, s->options);
	seg_store(l4 + 16, 0);
	uint32_t sum = seg_add(0, p->b + 12, 8) + 6 + (uint32_t)(p->n - 20);
	seg_store(l4 + 16, (uint16_t)~seg_add(sum, l4, p->n - 20));
}

static void check_super(const struct dp_merged *m, const struct seg *s)
{
	struct seg whole = *s;
	static uint8_t expected[65536];

	/* The kernel trusts length, header checksum and pseudo header's sum. */
	whole.partial = true;
	assert_true(seg_make(&whole, expected) > 0);
	assert_memory_equal(m->head.p, expected, 20);
	assert_int_equal(u16(m->head.p + 20 + (s->udp ? 6 : 16)),
			 u16(expected + 20 + (s->udp ? 6 : 16)));
	assert_int_equal(m->super.udp, s->udp);
	assert_int_equal(m->super.l4, 20);
	assert_true(m->packets == (s->n + m->super.size - 1) / m->super.size && m->packets <= 64);
	if (s->udp)
		assert_int_equal(u16(m->head.p + 24), 8 + s->n);
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
		copy_options(m, &s, &p);
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

/* Which order must be kept: all of one pair of addresses and protocol, a stricter rule is not
 * needed between TCP flows. */
static bool is_one_flow(const struct packet *a, const struct packet *b)
{
	if (a->n < 24 || b->n < 24 || a->b[0] >> 4 != 4 || b->b[0] >> 4 != 4)
		return false;
	return a->b[9] == b->b[9] && memcmp(a->b + 12, b->b + 12, 12) == 0;
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

static struct seg some(bool udp)
{
	return (struct seg){.udp = udp,
			    .src = 0x0A000001,
			    .dst = 0x08080808,
			    .sport = 40000,
			    .dport = 443,
			    .ttl = 60,
			    .id = 100,
			    .seq = 0xFFFFFFF0,
			    .ack = 5,
			    .flags = 0x10,
			    .window = 900,
			    .options = 12,
			    .payload = payload,
			    .n = 1000};
}

/* Three packets in sequence. */
static void three(bool udp)
{
	for (unsigned i = 0; i < 3; i++) {
		struct seg s = some(udp);
		s.id = (uint16_t)(s.id + i);
		s.seq += i * 1000;
		s.payload = payload + i * 1000;
		in[i].n = seg_make(&s, in[i].b);
	}
}

static void fix_sums(struct packet *p)
{
	bool udp = p->b[9] == 17;
	uint8_t *field = p->b + 20 + (udp ? 6 : 16);

	seg_store(p->b + 10, 0);
	seg_store(p->b + 10, (uint16_t)~seg_add(0, p->b, 20));
	seg_store(field, 0);
	uint32_t sum = seg_add(0, p->b + 12, 8) + p->b[9] + (uint32_t)(p->n - 20);
	uint16_t v = (uint16_t)~seg_add(sum, p->b + 20, p->n - 20);
	seg_store(field, v || !udp ? v : 0xFFFF);
}

static void consecutive_packets_are_merged(void **state)
{
	(void)state;
	for (unsigned udp = 0; udp < 2; udp++) {
		three(udp);
		run(3);
		assert_int_equal(out.writes, 1);
		expect_same(3);
	}
}

/* Each byte of the second packet's headers is made another one: with sums that are right again, and
 * with those that were. Only what may differ within a run is merged. */
static void every_other_header_byte_ends_the_run(void **state)
{
	(void)state;
	for (unsigned udp = 0; udp < 2; udp++)
		for (size_t at = 0; at < (udp ? 28 : 52); at++)
			for (unsigned bit = 0; bit < 8; bit++)
				for (unsigned fixed = 0; fixed < 2; fixed++) {
					three(udp);
					in[1].b[at] ^= (uint8_t)(1u << bit);
					if (fixed && in[1].b[9] == (udp ? 17 : 6))
						fix_sums(&in[1]);
					run(3);
					expect_same(3);
					bool sum = (at == 10 || at == 11) ||
						   at == (udp ? 26u : 36u) ||
						   at == (udp ? 27u : 37u);
					bool end = !udp && at == 33 && (bit == 0 || bit == 3);
					if (sum && fixed)
						assert_int_equal(out.writes, 1);
					else if (end && fixed)
						assert_int_equal(out.writes, 2);
					else
						assert_true(out.writes >= 2);
				}
}

static void a_bad_checksum_goes_through_untouched(void **state)
{
	(void)state;
	for (unsigned bad = 0; bad < 3; bad++) {
		three(false);
		in[bad].b[60] ^= 1;
		run(3);
		expect_same(3);
		assert_int_equal(out.supers, bad != 1);
	}
	/* A zero that is written the other way is right, but would not come back so. */
	three(false);
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
	three(true);
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
		three(true);
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
	three(true);
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
			struct seg s = some(udp);
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
	three(false);
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
			flows[i] = some(below(2));
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

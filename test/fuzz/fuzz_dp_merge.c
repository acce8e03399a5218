/*
 * Merging toward the core. Input: packets, each behind two bytes of its length; the highest bit of
 * the length makes the checksums right, the next one repeats the packet before it as its own
 * continuation (TCP sequence number and identification counted up). What comes out, cut again, is
 * what went in, each packet once.
 */
#include <stdlib.h>

#include "base/panic.h"
#include "dataplane/dp_checksum.h"
#include "dataplane/dp_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { PACKETS = 96, PACKET_MAX = 2048, FIX = 0x8000, AGAIN = 0x4000 };

struct packet {
	uint8_t *b;
	size_t n;
	bool seen;
};

struct batch {
	struct packet p[PACKETS];
	unsigned n, out;
};

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void fix(struct packet *p)
{
	bool udp = p->n >= 28 && p->b[9] == IP_UDP;

	if (p->n < 28 || p->b[0] != 0x45 || (!udp && (p->b[9] != IP_TCP || p->n < 40)))
		return;
	uint8_t *field = p->b + 20 + (udp ? 6 : 16);
	store(p->b + 2, (uint16_t)p->n);
	if (udp)
		store(p->b + 24, (uint16_t)(p->n - 20));
	store(p->b + 10, 0);
	store(p->b + 10, dp_sum_fold(dp_sum(0, span_of(p->b, 20))));
	store(field, 0);
	uint64_t sum = dp_sum(p->b[9] + p->n - 20, span_of(p->b + 12, 8));
	uint16_t v = dp_sum_fold(dp_sum(sum, span_of(p->b + 20, p->n - 20)));
	store(field, v || !udp ? v : 0xFFFF);
}

/* The packet before it goes on. */
static void go_on(struct packet *p, const struct packet *before)
{
	size_t header = before->n >= 40 ? 20u + (size_t)(before->b[32] >> 4) * 4 : 0;

	if (before->n < 28 || p->n < 28)
		return;
	memcpy(p->b, before->b, p->n < before->n ? p->n : before->n);
	store(p->b + 4, (uint16_t)(u16(before->b + 4) + 1));
	if (before->b[9] == IP_TCP && header && header <= before->n) {
		uint32_t seq = (uint32_t)u16(before->b + 24) << 16 | u16(before->b + 26);
		seq += (uint32_t)(before->n - header);
		store(p->b + 24, (uint16_t)(seq >> 16));
		store(p->b + 26, (uint16_t)seq);
	}
}

/* With DF the identification means nothing (RFC 6864 4.1), and the header's sum goes with it. */
static bool equal(const struct packet *p, const uint8_t *b, size_t n)
{
	bool atomic = n >= 20 && b[6] == 0x40 && b[7] == 0;

	if (p->n != n)
		return false;
	if (!atomic)
		return n == 0 || memcmp(p->b, b, n) == 0;
	return memcmp(p->b, b, 4) == 0 && memcmp(p->b + 6, b + 6, 4) == 0 &&
	       memcmp(p->b + 12, b + 12, n - 12) == 0;
}

static void came_out(struct batch *batch, const uint8_t *b, size_t n)
{
	for (unsigned i = 0; i < batch->n; i++)
		if (!batch->p[i].seen && equal(&batch->p[i], b, n)) {
			batch->p[i].seen = true;
			batch->out++;
			return;
		}
	LNS_ASSERT(false);
}

static void write(void *ctx, const struct dp_merged *m)
{
	static uint8_t whole[65536], one[65536];
	struct wbuf w = wbuf_of(whole, sizeof(whole));
	struct dp_cut cut;

	wbuf_span(&w, m->head);
	if (!m->super.size) {
		came_out(ctx, whole, w.n);
		return;
	}
	for (unsigned i = 0; i < m->n_payload; i++)
		wbuf_span(&w, m->payload[i]);
	LNS_ASSERT(!w.bad && dp_cut_start(&cut, wbuf_written(&w), &m->super));
	while (cut.payload.n) {
		struct wbuf o = wbuf_of(one, sizeof(one));
		wbuf_span(&o, dp_cut_next(&cut, &o));
		LNS_ASSERT(!o.bad);
		came_out(ctx, one, o.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct dp_merge merge;
	struct batch batch = {.n = 0};
	struct dp_merge_env env = {.ctx = &batch, .write = write, .tcp = true, .udp = true};
	struct span in = span_of(bytes, n);

	while (in.n && batch.n < PACKETS) {
		struct packet *p = &batch.p[batch.n];
		uint16_t first = span_u16(&in);
		size_t len = first & (FIX | AGAIN) ? first & (PACKET_MAX - 1) : first;
		struct span body = span_sub(&in, first & AGAIN ? 0 : len < in.n ? len : in.n);
		p->n = first & AGAIN ? len : body.n;
		p->b = calloc(1, p->n ? p->n : 1); /* its end is watched */
		if (body.n)
			memcpy(p->b, body.p, body.n);
		if (first & AGAIN && batch.n)
			go_on(p, p - 1);
		if (first & FIX)
			fix(p);
		batch.n++;
	}
	dp_merge_init(&merge, &env);
	for (unsigned i = 0; i < batch.n; i++)
		dp_merge_add(&merge, span_of(batch.p[i].b, batch.p[i].n));
	dp_merge_flush(&merge);
	LNS_ASSERT(batch.out == batch.n);
	while (batch.n)
		free(batch.p[--batch.n].b);
	return 0;
}

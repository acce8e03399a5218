/*
 * dp_segments.h - TCP and UDP packets made the slow way, byte by byte, with a checksum that is
 * added up by a loop of its own: what cutting and merging are compared with.
 */
#ifndef LNS_DP_SEGMENTS_H
#define LNS_DP_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/wbuf.h"

struct seg {
	bool v6, udp, partial; /* partial: the checksum field holds the pseudo header's sum */
	uint32_t src, dst;     /* IPv6: the last four bytes */
	uint16_t sport, dport;
	uint8_t tos, ttl;
	uint16_t id, fragment;
	uint32_t seq, ack;
	uint16_t flags, window, urgent; /* flags: twelve bits */
	uint8_t options;		/* bytes of TCP options, a multiple of 4 */
	const uint8_t *payload;
	size_t n;
};

static inline uint32_t seg_add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xFFFF)
		sum = (sum >> 16) + (sum & 0xFFFF);
	return sum;
}

static inline void seg_store(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void seg_address6(struct wbuf *w, uint32_t low)
{
	static const uint8_t net[12] = {0x20, 0x01, 0x0d, 0xb8};

	wbuf_bytes(w, net, sizeof(net));
	wbuf_u32(w, low);
}

static inline size_t seg_l4_length(const struct seg *s)
{
	return (s->udp ? 8u : 20u + s->options) + s->n;
}

static inline void seg_ip4(struct wbuf *w, const struct seg *s)
{
	wbuf_u8(w, 0x45);
	wbuf_u8(w, s->tos);
	wbuf_u16(w, (uint16_t)(20 + seg_l4_length(s)));
	wbuf_u16(w, s->id);
	wbuf_u16(w, s->fragment);
	wbuf_u8(w, s->ttl);
	wbuf_u8(w, s->udp ? 17 : 6);
	wbuf_u16(w, 0);
	wbuf_u32(w, s->src);
	wbuf_u32(w, s->dst);
	seg_store(w->p + 10, (uint16_t)~seg_add(0, w->p, 20));
}

static inline void seg_ip6(struct wbuf *w, const struct seg *s)
{
	wbuf_u32(w, 0x60000000u | (uint32_t)s->tos << 20 | 0x12345);
	wbuf_u16(w, (uint16_t)seg_l4_length(s));
	wbuf_u8(w, s->udp ? 17 : 6);
	wbuf_u8(w, s->ttl);
	seg_address6(w, s->src);
	seg_address6(w, s->dst);
}

static inline void seg_tcp(struct wbuf *w, const struct seg *s)
{
	wbuf_u16(w, s->sport);
	wbuf_u16(w, s->dport);
	wbuf_u32(w, s->seq);
	wbuf_u32(w, s->ack);
	wbuf_u16(w, (uint16_t)((5 + s->options / 4) << 12 | s->flags));
	wbuf_u16(w, s->window);
	wbuf_u16(w, 0);
	wbuf_u16(w, s->urgent);
	for (unsigned i = 0; i < s->options; i++)
		wbuf_u8(w, 1);
}

static inline void seg_udp(struct wbuf *w, const struct seg *s)
{
	wbuf_u16(w, s->sport);
	wbuf_u16(w, s->dport);
	wbuf_u16(w, (uint16_t)(8 + s->n));
	wbuf_u16(w, 0);
}

/* Writes the packet into room of 65,535 bytes at most; returns its length. */
static inline size_t seg_make(const struct seg *s, uint8_t *out)
{
	struct wbuf w = wbuf_of(out, 65535);
	size_t l4 = s->v6 ? 40 : 20;

	if (s->v6)
		seg_ip6(&w, s);
	else
		seg_ip4(&w, s);
	uint32_t sum = seg_add(0, s->v6 ? out + 8 : out + 12, s->v6 ? 32 : 8);
	sum += (s->udp ? 17u : 6u) + (uint32_t)seg_l4_length(s);
	if (s->udp)
		seg_udp(&w, s);
	else
		seg_tcp(&w, s);
	wbuf_bytes(&w, s->payload, s->n);
	if (w.bad)
		return 0;
	if (!s->partial)
		sum = (uint16_t)~seg_add(sum, out + l4, w.n - l4);
	else
		sum = seg_add(sum, NULL, 0);
	if (s->udp && !s->partial && sum == 0)
		sum = 0xFFFF;
	seg_store(out + l4 + (s->udp ? 6 : 16), (uint16_t)sum);
	return w.n;
}

static inline size_t seg_head(const struct seg *s)
{
	return (s->v6 ? 40u : 20u) + (s->udp ? 8u : 20u + s->options);
}

/* Segment i of the super-packet s, cut every `size` bytes of payload. */
static inline struct seg seg_of(const struct seg *s, size_t size, size_t i)
{
	struct seg one = *s;
	size_t at = i * size;

	one.partial = false;
	one.payload = s->payload + at;
	one.n = s->n - at < size ? s->n - at : size;
	one.id = (uint16_t)(s->id + i);
	one.seq = (uint32_t)(s->seq + at);
	if (at + one.n < s->n)
		one.flags &= (uint16_t)~0x09; /* FIN, PSH */
	if (i)
		one.flags &= (uint16_t)~0x80; /* CWR */
	return one;
}

#endif

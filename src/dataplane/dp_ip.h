/*
 * dp_ip.h - the little that forwarding reads of an IPv4 (RFC 791) or IPv6 (RFC 8200) header, and
 * the IPv4 header that we write. Pure.
 */
#ifndef LNS_DP_IP_H
#define LNS_DP_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/wbuf.h"

enum {
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET = 0x1FFF, /* in units of 8 bytes */
	IP_ICMP = 1,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_ICMP6 = 58,
};

struct dp_ip4 {
	uint8_t header_len; /* 20..60 */
	uint8_t tos, ttl, proto;
	uint16_t total_len;
	uint16_t id;
	uint16_t fragment; /* DF, MF and offset as on the wire */
	uint32_t src, dst; /* host order */
};

enum dp_ip_fault { DP_IP_OK, DP_IP_BAD_HEADER, DP_IP_BAD_LENGTH };

/* The header checksum is the kernel's business. total_len may be less than in.n (padding). A
 * fragment that reaches beyond the longest packet (RFC 791 3.1) belongs to none; cut further, its
 * offset would begin anew. */
static inline enum dp_ip_fault dp_ip4_decode(struct span in, struct dp_ip4 *h)
{
	size_t room = in.n;
	uint8_t first = span_u8(&in);

	h->tos = span_u8(&in);
	h->total_len = span_u16(&in);
	h->id = span_u16(&in);
	h->fragment = span_u16(&in);
	h->ttl = span_u8(&in);
	h->proto = span_u8(&in);
	span_take(&in, 2);
	h->src = span_u32(&in);
	h->dst = span_u32(&in);
	h->header_len = (uint8_t)((first & 15) * 4);
	if (in.bad || first >> 4 != 4 || h->header_len < IP4_HEADER)
		return DP_IP_BAD_HEADER;
	if (h->total_len < h->header_len || h->total_len > room)
		return DP_IP_BAD_LENGTH;
	if ((h->fragment & IP4_OFFSET) * 8u + h->total_len > UINT16_MAX)
		return DP_IP_BAD_LENGTH;
	return DP_IP_OK;
}

struct dp_ip6 {
	uint8_t next;
	size_t total_len; /* header included */
	const uint8_t *src, *dst;
};

static inline enum dp_ip_fault dp_ip6_decode(struct span in, struct dp_ip6 *h)
{
	size_t room = in.n;
	uint8_t first = span_u8(&in);

	span_take(&in, 3);
	h->total_len = IP6_HEADER + (size_t)span_u16(&in);
	h->next = span_u8(&in);
	span_take(&in, 1);
	h->src = span_take(&in, 16);
	h->dst = span_take(&in, 16);
	if (in.bad || first >> 4 != 6)
		return DP_IP_BAD_HEADER;
	return h->total_len > room ? DP_IP_BAD_LENGTH : DP_IP_OK;
}

/* Writes 20 bytes and whatever `options` holds (a multiple of 4), checksum included. */
void dp_ip4_encode(struct wbuf *w, const struct dp_ip4 *h, struct span options);

/* What a router does (RFC 1812 5.2.2, 5.3.1): the header's checksum is right, its TTL becomes one
 * less and is not 0 then. False: not so, and nothing was changed. */
bool dp_ip4_hop(uint8_t *packet, size_t n);

#endif

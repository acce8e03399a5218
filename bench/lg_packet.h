/*
 * lg_packet.h - the test packets inside the tunnels: IPv4 with UDP (a mark, the session's index, a
 * sequence number and the time of sending) or ICMP echo, checksums right. Pure.
 */
#ifndef LG_PACKET_H
#define LG_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"
#include "base/span.h"
#include "base/wbuf.h"

enum {
	LG_IPV4_HEADER = 20,
	LG_UDP_HEADER = 8,
	LG_PROTO_ICMP = 1,
	LG_PROTO_UDP = 17,
	LG_ICMP_REPLY = 0,
	LG_ICMP_ECHO = 8,
	LG_STAMP_LEN = 20, /* bytes of the payload that mean something */
};

struct lg_stamp {
	uint32_t session, seq;
	nsec sent;
};

struct lg_ipv4 {
	uint32_t src, dst; /* host order */
	uint8_t proto;
	struct span body;
};

/* Addresses and ports of a UDP packet, host order. */
struct lg_udp_path {
	uint32_t src, dst;
	uint16_t src_port, dst_port;
};

/* A whole UDP packet of `size` bytes (48 or more); `id` goes into the IP header. */
void lg_udp_packet(struct wbuf *w, const struct lg_udp_path *p, unsigned size, uint16_t id,
		   const struct lg_stamp *stamp);
/* Only the payload, `size` bytes (20 or more). */
void lg_stamp_encode(struct wbuf *w, const struct lg_stamp *stamp, unsigned size);
/* False when the payload is not of this program. */
bool lg_stamp_decode(struct span payload, struct lg_stamp *out);
/* ICMP echo or its reply; id 0x4C47, the sequence number is the stamp's low half. */
void lg_icmp_packet(struct wbuf *w, uint8_t type, uint32_t src, uint32_t dst,
		    const struct lg_stamp *stamp);
/* The reply to an echo request with this body (RFC 792). */
void lg_icmp_answer(struct wbuf *w, const struct lg_ipv4 *request);
/* Type of an ICMP message, and its payload behind id and sequence number. */
bool lg_icmp_decode(struct span body, uint8_t *type, struct span *payload);
bool lg_ipv4_decode(struct span in, struct lg_ipv4 *out);

#endif

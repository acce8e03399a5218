/*
 * addr.h - addresses of both families as plain values, their text forms, and the outer path of a
 * tunnel. Pure: no resolver, no socket types (the shells convert).
 */
#ifndef LNS_ADDR_H
#define LNS_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

enum { IP_ADDR_TEXT = 46, SOCK_ADDR_TEXT = 54, IP_PREFIX_TEXT = 50 }; /* with the NUL */

struct ip_addr {
	uint8_t family; /* 0 = unset, 4, 6 */
	uint8_t b[16];	/* network order; an IPv4 address uses the first four, the rest is 0 */
};

struct ip_prefix {
	struct ip_addr addr; /* host bits are 0 */
	uint8_t len;	     /* bits */
};

struct sock_addr {
	struct ip_addr ip;
	uint16_t port; /* host order */
};

/* IPv4 from and to a host-order number. */
static inline struct ip_addr ip_addr_v4(uint32_t host)
{
	return (struct ip_addr){.family = 4,
				.b = {(uint8_t)(host >> 24), (uint8_t)(host >> 16),
				      (uint8_t)(host >> 8), (uint8_t)host}};
}

static inline uint32_t ip_addr_u32(const struct ip_addr *a)
{
	return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3];
}

static inline bool ip_addr_is_set(const struct ip_addr *a)
{
	return a->family != 0;
}

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* fe80::/10: means something on one interface only. */
static inline bool ip_addr_is_link_local(const struct ip_addr *a)
{
	return a->family == 6 && a->b[0] == 0xFE && (a->b[1] & 0xC0) == 0x80;
}

static inline bool sock_addr_equal(const struct sock_addr *a, const struct sock_addr *b)
{
	return a->port == b->port && ip_addr_equal(&a->ip, &b->ip);
}

/* Strict text forms: dotted quad with four decimal parts, or RFC 4291 text. False = not one. */
bool ip_addr_parse(struct span text, struct ip_addr *out);
/* "A.B.C.D/len" or "v6/len"; host bits are cleared; a bare address is /32 or /128. */
bool ip_prefix_parse(struct span text, struct ip_prefix *out);
/* Into the caller's buffer (sizes above); an unset address is "0.0.0.0". Returns buf. */
const char *ip_addr_text(const struct ip_addr *a, char buf[static IP_ADDR_TEXT]);
const char *ip_prefix_text(const struct ip_prefix *p, char buf[static IP_PREFIX_TEXT]);
/* "1.2.3.4:1701", "[v6]:1701". Returns buf. */
const char *sock_addr_text(const struct sock_addr *a, char buf[static SOCK_ADDR_TEXT]);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
uint64_t sock_addr_hash(const struct sock_addr *a, uint64_t seed);

/* The outer path of a tunnel: which of our sockets, which of our addresses, which peer. */
struct l2tp_path {
	uint8_t local;		 /* index of the bound address = of the socket within a worker */
	struct ip_addr local_ip; /* destination address of what the peer sent; source of ours */
	struct sock_addr peer;
};

static inline bool l2tp_path_equal(const struct l2tp_path *a, const struct l2tp_path *b)
{
	return a->local == b->local && ip_addr_equal(&a->local_ip, &b->local_ip) &&
	       sock_addr_equal(&a->peer, &b->peer);
}

#endif

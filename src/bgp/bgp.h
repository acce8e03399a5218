/*
 * bgp.h - words and numbers of BGP-4 (RFC 4271) that all of src/bgp shares: message types, address
 * families, and why a connection ends.
 */
#ifndef LNS_BGP_H
#define LNS_BGP_H

#include "base/addr.h"

enum {
	BGP_PORT = 179,
	BGP_VERSION = 4,
	BGP_HEADER = 19,
	BGP_MARKER = 16,
	BGP_MESSAGE_MAX = 4096,
	BGP_EXTENDED_MAX = 65535, /* RFC 8654 */
	BGP_AS_TRANS = 23456,	  /* RFC 6793: stands for an AS that does not fit in 16 bits */
	BGP_ERROR_DATA = 255,
};

enum bgp_type {
	BGP_OPEN = 1,
	BGP_UPDATE = 2,
	BGP_NOTIFICATION = 3,
	BGP_KEEPALIVE = 4,
	BGP_ROUTE_REFRESH = 5, /* RFC 2918 */
};

/* Unicast of each; AFI is one more. */
enum bgp_family { BGP_IPV4, BGP_IPV6, BGP_FAMILIES };
enum { BGP_SAFI_UNICAST = 1 };

enum bgp_error_id {
#define BGP_ERROR(code, subcode, name, text) BGP_ERR_##name = (code) << 8 | (subcode),
#include "bgp/bgp_error.def"
#undef BGP_ERROR
};

/* What a NOTIFICATION says. */
struct bgp_error {
	uint8_t code, subcode;
	uint8_t n; /* bytes of data */
	uint8_t data[BGP_ERROR_DATA];
};

/* Fills it; data that is too long is cut. Returns false, so that a decoder can return it. */
bool bgp_error_set(struct bgp_error *e, enum bgp_error_id id, struct span data);
/* Cease with a text for the neighbour's operator (RFC 9003); "" = none. */
void bgp_error_cease(struct bgp_error *e, enum bgp_error_id id, const char *text);
/* A constant text; unknown subcodes get that of their code. */
const char *bgp_error_text(uint8_t code, uint8_t subcode);

#endif

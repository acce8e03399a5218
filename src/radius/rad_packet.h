/*
 * rad_packet.h - RADIUS packets (RFC 2865 section 3, 5): decoding into a header and a walk over
 * attributes, and writing. Pure; any thread. Knows nothing of secrets (rad_auth.h does).
 */
#ifndef LNS_RAD_PACKET_H
#define LNS_RAD_PACKET_H

#include "base/addr.h"
#include "base/span.h"
#include "base/wbuf.h"
#include "radius/rad_dict.h"

enum { RAD_HEADER = 20, RAD_AUTHENTICATOR = 16, RAD_PACKET_MAX = 4096, RAD_VALUE_MAX = 253 };

enum rad_code {
	RAD_ACCESS_REQUEST = 1,
	RAD_ACCESS_ACCEPT = 2,
	RAD_ACCESS_REJECT = 3,
	RAD_ACCOUNTING_REQUEST = 4,
	RAD_ACCOUNTING_RESPONSE = 5,
	RAD_ACCESS_CHALLENGE = 11,
	RAD_STATUS_SERVER = 12,
	RAD_DISCONNECT_REQUEST = 40,
	RAD_DISCONNECT_ACK = 41,
	RAD_DISCONNECT_NAK = 42,
	RAD_COA_REQUEST = 43,
	RAD_COA_ACK = 44,
	RAD_COA_NAK = 45,
};

struct rad_packet {
	uint8_t code, id;
	uint8_t authenticator[RAD_AUTHENTICATOR];
	struct span whole; /* the header and all attributes, bytes behind Length left out */
	struct span attrs;
};

struct rad_attr {
	uint32_t vendor; /* 0 = plain */
	uint8_t number;
	struct span value;
};

/* What became of an attribute that was read for its meaning. */
enum rad_take {
	RAD_TAKE_UNKNOWN, /* it is about other things: nothing was done */
	RAD_TAKE_DONE,
	RAD_TAKE_IGNORED,   /* its value makes no sense, or there are too many */
	RAD_TAKE_MALFORMED, /* its value has not the form of such values */
};

/* Splits a datagram. False: shorter than its Length, Length outside 20..4096, or attributes that
 * do not fill the packet exactly. Bytes behind Length are padding (RFC 2865 section 3). */
bool rad_packet_decode(struct span datagram, struct rad_packet *out);

/* The next attribute, Vendor-Specific as it is. False at the end. */
bool rad_attr_next(struct span *attrs, struct rad_attr *out);
/* Opens the value of a Vendor-Specific attribute: sets *vendor, leaves *in at the first attribute
 * within. False: no vendor number in it. */
bool rad_vsa_open(struct span *in, uint32_t *vendor);
/* The next attribute within; false at the end, and in->bad when the rest is not well formed. */
bool rad_vsa_next(struct span *in, uint32_t vendor, struct rad_attr *out);

/* True when the value's length is one that the dictionary allows (unknown attributes: any). */
bool rad_attr_is_well_formed(const struct rad_attr *a);

/* Writing: begin, attributes, end. The writer is bad when something did not fit. */
void rad_put_header(struct wbuf *w, enum rad_code code, uint8_t id,
		    const uint8_t authenticator[static RAD_AUTHENTICATOR]);
void rad_put(struct wbuf *w, enum rad_attr_number number, struct span value);
void rad_put_u32(struct wbuf *w, enum rad_attr_number number, uint32_t value);
void rad_put_text(struct wbuf *w, enum rad_attr_number number, const char *text);
/* An IPv4 address; others are left out. */
void rad_put_addr4(struct wbuf *w, enum rad_attr_number number, const struct ip_addr *a);
/* One attribute of a vendor in a Vendor-Specific of its own. */
void rad_put_vsa(struct wbuf *w, uint32_t vendor, uint8_t number, struct span value);
/* Sets Length. `start` is where the header began. */
void rad_put_end(struct wbuf *w, size_t start);

#endif

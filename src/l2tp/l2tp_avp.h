/*
 * l2tp_avp.h - attribute value pairs of control messages (RFC 2661 4.1): the table of those that
 * we know, an iterator over a received message, writers. Pure. It hands out bytes; what a message
 * means is l2tp_msg.h's.
 */
#ifndef LNS_L2TP_AVP_H
#define LNS_L2TP_AVP_H

#include "base/span.h"
#include "base/wbuf.h"

enum l2tp_avp {
#define AVP(name, vendor, number, text, type, min, max, m, h, allowed, required) L2TP_AVP_##name,
#include "l2tp/l2tp_avp.def"
#undef AVP
	L2TP_AVPS
};

enum {
	L2TP_AVP_HEADER = 6,
	L2TP_AVP_M = 0x8000,
	L2TP_AVP_H = 0x4000,
	L2TP_AVP_RESERVED = 0x3C00,
	L2TP_AVP_LENGTH = 0x03FF, /* header included */
	L2TP_AVP_VALUE_MAX = L2TP_AVP_LENGTH - L2TP_AVP_HEADER,
};

enum l2tp_avp_type { L2TP_TYPE_U16, L2TP_TYPE_U32, L2TP_TYPE_U64, L2TP_TYPE_BYTES };

struct l2tp_avp_row {
	const char *text;
	uint16_t vendor, number;
	uint16_t min, max; /* bytes of the value */
	uint8_t type;	   /* enum l2tp_avp_type */
	bool mandatory;	   /* the M bit that we send */
	bool may_hide;
	uint32_t allowed, required; /* 1 << message type */
};

extern const struct l2tp_avp_row l2tp_avp_table[L2TP_AVPS];

/* The row, or L2TP_AVPS when we do not know the attribute. */
enum l2tp_avp l2tp_avp_find(uint16_t vendor, uint16_t number);

/* One AVP as it came. */
struct l2tp_avp_raw {
	uint16_t bits; /* M, H and reserved bits, and the length */
	uint16_t vendor, number;
	struct span value; /* still hidden when the H bit is set */
};

/* Takes the next AVP off <in>. False at the end, and with in->bad when its length lies. */
bool l2tp_avp_next(struct span *in, struct l2tp_avp_raw *out);
/* Whether lengths add up to the end of the message. */
bool l2tp_avps_well_formed(struct span in);

/* Writers: the M bit comes from the table. Numbers must have the table's type. */
void l2tp_avp_put(struct wbuf *w, enum l2tp_avp avp, struct span value);
void l2tp_avp_put_u16(struct wbuf *w, enum l2tp_avp avp, uint16_t v);
void l2tp_avp_put_u32(struct wbuf *w, enum l2tp_avp avp, uint32_t v);
/* Result Code AVP (RFC 2661 4.4.2): an error code or a message makes the longer forms. */
void l2tp_avp_put_result(struct wbuf *w, uint16_t result, uint16_t error, struct span message);

#endif

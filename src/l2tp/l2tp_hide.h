/*
 * l2tp_hide.h - hidden AVP values (RFC 2661 4.3): an MD5 key stream made from the shared secret,
 * the attribute number and the Random Vector. Pure.
 */
#ifndef LNS_L2TP_HIDE_H
#define LNS_L2TP_HIDE_H

#include "l2tp/l2tp_avp.h"

/* What both sides know. */
struct l2tp_hide_key {
	struct span secret;
	struct span random_vector; /* of the last Random Vector AVP before this one */
	uint16_t number;	   /* attribute number */
};

/* Uncovers <hidden> into <out> and returns the original value there; bad when the length inside
 * does not fit or <out> is full. */
struct span l2tp_unhide(const struct l2tp_hide_key *key, struct span hidden, struct wbuf *out);
/* Appends the AVP with its value hidden, followed by <padding> bytes (which hide its length). */
void l2tp_avp_put_hidden(struct wbuf *w, enum l2tp_avp avp, struct span value,
			 const struct l2tp_hide_key *key, struct span padding);

#endif

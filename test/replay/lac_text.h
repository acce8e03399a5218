/*
 * lac_text.h - L2TP control messages as text and back, written apart from the product's codec so
 * that one checks the other. Attributes have short keys (host, tid, result, ...); any other is
 * avp=[m]:VENDOR:NUMBER:HEX.
 */
#ifndef LNS_REPLAY_LAC_TEXT_H
#define LNS_REPLAY_LAC_TEXT_H

#include "base/span.h"
#include "base/wbuf.h"
#include "text.h"

struct control_head {
	uint16_t tid, sid, ns, nr;
	bool zlb;
	uint16_t type;
};

/* Number of a message name; 0 = unknown. */
uint16_t control_type(const char *name);
/* Describes a datagram of the product; ends the program when it is not well formed. */
void control_describe(struct span datagram, struct control_head *head, struct text *out);
/* The value of attribute <key> in a datagram of the product; n is 0 when absent. */
struct span control_value(struct span datagram, const char *key);

/* What is needed to hide attributes: hidden=KEY,KEY in the script. */
struct control_secret {
	struct span secret;
	uint8_t random_vector[16];
};

/* Writes header and attributes: those of the script over the defaults of the message; "-key"
 * leaves one out, m:key and o:key set or clear its M bit. */
void control_write(struct wbuf *w, const struct control_head *head, const char *name,
		   const struct words *script, const struct words *defaults,
		   const struct control_secret *secret);

#endif

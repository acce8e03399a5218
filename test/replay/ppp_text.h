/*
 * ppp_text.h - PPP frames as text and back: "LCP ConfReq id=1 mru=1460 auth=chap". Written apart
 * from the product's codec. An answer may leave out what the request says: "LCP ConfAck" copies
 * the last request, "LCP ConfRej only=mru,magic" and "LCP ConfNak mru=1000" take its identifier.
 */
#ifndef LNS_REPLAY_PPP_TEXT_H
#define LNS_REPLAY_PPP_TEXT_H

#include "base/span.h"
#include "base/wbuf.h"
#include "text.h"

enum { PPP_FRAME_MAX = 1600, PPP_KINDS = 8 };

/* The subscriber's memory of one link. */
struct ppp_memory {
	uint8_t next_id;
	struct {
		uint8_t frame[PPP_FRAME_MAX]; /* the last request of the product, from its code on
					       */
		size_t n;
	} request[PPP_KINDS];
};

/* Describes a frame of the product (FF 03 or not) and remembers requests. */
void frame_describe(struct span frame, struct ppp_memory *memory, struct text *out);
/* True when the words begin with a protocol of PPP. */
bool frame_is_ppp(const char *name);
/* Writes a frame from its protocol field on. */
void frame_write(struct wbuf *w, struct ppp_memory *memory, const struct words *script,
		 unsigned first);

#endif

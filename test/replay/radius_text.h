/*
 * radius_text.h - a RADIUS server in a few lines: describes an Access-Request, writes the answer
 * with the authenticators of RFC 2865 3 and RFC 3579 3.2. Written apart from the product's codec.
 */
#ifndef LNS_REPLAY_RADIUS_TEXT_H
#define LNS_REPLAY_RADIUS_TEXT_H

#include "base/span.h"
#include "base/wbuf.h"
#include "text.h"

void radius_describe(struct span request, struct span secret, struct text *out);
/* "accept ip=... session_timeout=..." or "reject reply=..." to this request. */
void radius_answer(struct wbuf *w, struct span request, struct span secret,
		   const struct words *script);

#endif

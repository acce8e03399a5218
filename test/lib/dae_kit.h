/* dae_kit.h - Disconnect and CoA requests, signed, for tests. */
#ifndef LNS_DAE_KIT_H
#define LNS_DAE_KIT_H

#include "radius/rad_auth.h"

struct dae_packet {
	size_t n;
	uint8_t bytes[RAD_PACKET_MAX];
};

/* A request with the attributes that `put` writes; `sign`: with Message-Authenticator. */
static inline struct dae_packet dae_request(enum rad_code code, uint8_t id, const char *secret,
					    bool sign, void (*put)(struct wbuf *w))
{
	static const uint8_t zeros[RAD_AUTHENTICATOR];
	struct dae_packet p = {0};
	struct wbuf w = wbuf_of(p.bytes, sizeof(p.bytes));

	rad_put_header(&w, code, id, zeros);
	if (sign)
		rad_put_message_authenticator(&w);
	if (put)
		put(&w);
	rad_put_end(&w, 0);
	if (sign)
		rad_sign_message(&w, 0, span_str(secret), zeros);
	rad_sign_accounting(&w, 0, span_str(secret));
	p.n = w.n;
	return p;
}

static inline struct span dae_span(const struct dae_packet *p)
{
	return span_of(p->bytes, p->n);
}

#endif

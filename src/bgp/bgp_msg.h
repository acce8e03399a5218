/*
 * bgp_msg.h - the messages of BGP-4 as bytes (RFC 4271 section 4): framing of the stream, OPEN with
 * capabilities (RFC 5492, 9072), NOTIFICATION, KEEPALIVE, ROUTE-REFRESH (RFC 2918). Every fault of
 * section 6.1 and 6.2 has its NOTIFICATION. Pure; any thread. UPDATE: bgp_update.h.
 */
#ifndef LNS_BGP_MSG_H
#define LNS_BGP_MSG_H

#include "base/wbuf.h"
#include "bgp/bgp.h"

enum bgp_framing {
	BGP_FRAME_MORE, /* the message is not complete */
	BGP_FRAME_READY,
	BGP_FRAME_BAD, /* the error is set */
};

struct bgp_frame {
	enum bgp_type type;
	struct span body; /* without the header */
};

/* Takes the next message off the front of `in`; `extended` allows more than 4096 bytes. A header is
 * judged as soon as it is there. */
enum bgp_framing bgp_frame_next(struct span *in, bool extended, struct bgp_frame *out,
				struct bgp_error *e);

struct bgp_open {
	uint32_t as;
	uint16_t hold_s;
	struct ip_addr id; /* IPv4 */
	bool family[BGP_FAMILIES];
	bool as4;      /* RFC 6793 */
	bool refresh;  /* RFC 2918 */
	bool extended; /* RFC 8654 */
	bool graceful; /* RFC 4724; the next three with it only */
	bool restarting;
	uint16_t restart_s;
	bool kept[BGP_FAMILIES]; /* forwarding state of that family survived */
};

/* What stands in the message itself is checked; whether the AS is the right one is the caller's. */
bool bgp_open_decode(struct span body, struct bgp_open *out, struct bgp_error *e);
/* With `plain`, for neighbours that refuse capabilities, the message has no parameters. */
void bgp_open_encode(struct wbuf *w, const struct bgp_open *open, bool plain);

/* A NOTIFICATION with less than two bytes does not pass the framing. */
void bgp_notification_decode(struct span body, struct bgp_error *out);
void bgp_notification_encode(struct wbuf *w, const struct bgp_error *e);
/* The text of a Cease (RFC 9003) or "", unprintable bytes replaced. */
void bgp_notification_text(const struct bgp_error *e, char out[static BGP_ERROR_DATA + 1]);
void bgp_keepalive_encode(struct wbuf *w);

/* False: not one of our families, to be ignored. */
bool bgp_refresh_decode(struct span body, enum bgp_family *out);

/* Begins a message whose length is not known yet; bgp_message_end() writes it. Returns where the
 * message is. */
size_t bgp_message_begin(struct wbuf *w, enum bgp_type type);
void bgp_message_end(struct wbuf *w, size_t at);

#endif

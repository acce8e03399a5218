/*
 * rad_dae.h - Disconnect-Request and CoA-Request of a dynamic authorisation client, and the answers
 * to them (RFC 5176). Pure; any thread. Says which sessions are meant and what shall change,
 * knows nothing of sessions itself.
 */
#ifndef LNS_RAD_DAE_H
#define LNS_RAD_DAE_H

#include "radius/rad_accept.h"
#include "radius/rad_auth.h"

/* Error-Cause (RFC 5176 3.5). */
enum rad_error_cause {
	RAD_ERROR_NONE = 0,
	RAD_ERROR_UNSUPPORTED_ATTRIBUTE = 401,
	RAD_ERROR_MISSING_ATTRIBUTE = 402,
	RAD_ERROR_NAS_MISMATCH = 403,
	RAD_ERROR_INVALID_REQUEST = 404,
	RAD_ERROR_UNSUPPORTED_SERVICE = 405,
	RAD_ERROR_INVALID_VALUE = 407,
	RAD_ERROR_NO_SESSION = 503,
	RAD_ERROR_NO_RESOURCES = 506,
};

struct rad_dae_request {
	bool disconnect; /* else CoA */
	/* Who is asked; unset or p == NULL: not said. */
	struct ip_addr nas_ip, nas_ip6;
	struct span nas_identifier;
	/* Which sessions: all that is said must match. */
	struct span user, session_id, calling, called, port_id;
	struct ip_addr framed_ip;
	bool has_port;
	uint32_t port;
	/* What shall change. */
	struct rad_told told;
	uint8_t n_classes;
	struct span classes[RAD_CLASSES_MAX]; /* within the packet */
	struct rad_avpairs pairs;	      /* every Cisco-AVPair, understood here or not */

	bool has_timestamp;
	uint32_t timestamp; /* seconds since 1970 */
	enum rad_error_cause error;
	char blamed[RAD_NAME_TEXT]; /* the attribute that the error is about, or "" */
};

/* Is it signed with that secret? Message-Authenticator may be missing, not wrong (RFC 5176 2.3,
 * 3.4). */
bool rad_dae_check(const struct rad_packet *p, struct span secret);
/* False: neither a Disconnect-Request nor a CoA-Request. True: out->error says whether it can be
 * done at all; out->has_timestamp is right in any case. */
bool rad_dae_decode(const struct rad_packet *p, const struct rad_terms *terms,
		    struct rad_dae_request *out);
/* Writes the answer: an ACK when `error` is RAD_ERROR_NONE, else a NAK that tells it. */
void rad_dae_reply(struct wbuf *w, const struct rad_packet *request, enum rad_error_cause error,
		   struct span secret);

#endif

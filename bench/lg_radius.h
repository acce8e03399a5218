/*
 * lg_radius.h - what the benchmark's RADIUS responder reads and writes (RFC 2865, 2866, 2869,
 * 3579): checks PAP and CHAP, answers Accept, Reject or Accounting-Response. Apart from the
 * daemon's client code on purpose. Pure.
 */
#ifndef LG_RADIUS_H
#define LG_RADIUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/span.h"
#include "base/wbuf.h"

enum {
	LG_RAD_REQUEST = 1,
	LG_RAD_ACCEPT = 2,
	LG_RAD_REJECT = 3,
	LG_RAD_ACCT_REQUEST = 4,
	LG_RAD_ACCT_RESPONSE = 5,
	LG_RAD_MAX = 4096,
};

struct lg_rad_request {
	uint8_t code, id;
	const uint8_t *authenticator; /* 16 bytes of the packet */
	struct span whole;
	struct span user, pap, chap, challenge;
	struct span message_auth; /* p is NULL when absent */
	struct span eui;	  /* Calling-Station-Id */
	uint32_t acct_status, acct_delay_s, event_s;
	struct span acct_session;
};

/* Acct-Status-Type */
enum { LG_RAD_START = 1, LG_RAD_STOP = 2, LG_RAD_INTERIM = 3, LG_RAD_STATUSES = 4 };

struct lg_rad_answer {
	bool message_auth;  /* put one in */
	uint32_t framed_ip; /* host order; 0: none */
	uint32_t session_timeout_s;
	uint32_t route; /* the first of n_routes Framed-Routes, /29 each, host order */
	unsigned n_routes;
};

bool lg_rad_decode(struct span in, struct lg_rad_request *out);
/* Message-Authenticator of a request, RFC 3579 3.2. True when absent. */
bool lg_rad_message_auth_ok(const struct lg_rad_request *q, struct span secret);
/* True when the request's PAP or CHAP proves this password. */
bool lg_rad_password_ok(const struct lg_rad_request *q, struct span secret, struct span password);
/* The answer with its authenticators; false when it does not fit. */
bool lg_rad_reply(struct wbuf *w, const struct lg_rad_request *q, uint8_t code,
		  const struct lg_rad_answer *a, struct span secret);
/* Number at the end of a user name ("user17@isp" is 17), or 0. */
uint32_t lg_rad_user_number(struct span user);

#endif

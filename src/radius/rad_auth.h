/*
 * rad_auth.h - the shared-secret part of RADIUS: User-Password hiding (RFC 2865 5.2), the
 * authenticators of requests and responses (RFC 2865 3, RFC 2866 3), Message-Authenticator
 * (RFC 3579 3.2). Pure; any thread. All compares take constant time.
 */
#ifndef LNS_RAD_AUTH_H
#define LNS_RAD_AUTH_H

#include "radius/rad_packet.h"

enum { RAD_PASSWORD_MAX = 128 };

/* Appends a User-Password attribute; at most 128 bytes of password, else the writer is bad. */
void rad_put_password(struct wbuf *w, struct span password, struct span secret,
		      const uint8_t authenticator[static RAD_AUTHENTICATOR]);
/* The reverse, for tests and servers: out has 128 bytes; returns the length without padding, or
 * -1 when the value is not a hidden password. */
int rad_password_reveal(struct span hidden, struct span secret,
			const uint8_t authenticator[static RAD_AUTHENTICATOR],
			uint8_t out[static RAD_PASSWORD_MAX]);

/* Appends a Message-Authenticator of zeros, to be filled by rad_sign_message. */
void rad_put_message_authenticator(struct wbuf *w);
/*
 * Computes the Message-Authenticator of the finished packet that w holds from `start` on, with
 * `authenticator` in the place of the packet's own (a response is signed with the request's).
 * False: the packet has none.
 */
bool rad_sign_message(struct wbuf *w, size_t start, struct span secret,
		      const uint8_t authenticator[static RAD_AUTHENTICATOR]);
/* Accounting: the authenticator is MD5 over the packet with zeros in its place (RFC 2866 3). */
void rad_sign_accounting(struct wbuf *w, size_t start, struct span secret);
/* Response Authenticator of a finished reply, for tests and servers. */
void rad_sign_response(struct wbuf *w, size_t start, struct span secret,
		       const uint8_t request[static RAD_AUTHENTICATOR]);

enum rad_check {
	RAD_CHECK_GOOD,
	RAD_CHECK_FORGED,	   /* Response Authenticator is wrong */
	RAD_CHECK_MESSAGE_FORGED,  /* Message-Authenticator is wrong or there are several */
	RAD_CHECK_MESSAGE_MISSING, /* there is none */
};

/* Checks a reply against the authenticator of its request. */
enum rad_check rad_reply_check(const struct rad_packet *reply, struct span secret,
			       const uint8_t request[static RAD_AUTHENTICATOR]);

#endif

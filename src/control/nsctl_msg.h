/*
 * nsctl_msg.h - the datagrams of nsctl, as the l2tpns of 2005 and later has them: 16 bits 0x9013, 8
 * bits type, 8 bits number of arguments, each argument with 8 bits of length, 0xFF at the end; and
 * behind that, when a key is set, our signature. Pure; any thread.
 *
 * Signature: "LNS1", 64 bits seconds since 1970, 16 random bytes, HMAC-SHA256 over all before it
 * and, in an answer, over the request's HMAC before that: an answer belongs to one request.
 */
#ifndef LNS_NSCTL_MSG_H
#define LNS_NSCTL_MSG_H

#include "base/crypto.h"
#include "base/span.h"
#include "base/wbuf.h"

enum {
	NSCTL_MAX = 4096, /* bytes of a datagram without its signature */
	NSCTL_ARGS_MAX = 255,
	NSCTL_ARG_MAX = 255,
	NSCTL_PORT = 1702,
	NSCTL_NONCE = 16,
	NSCTL_SIGNATURE = 4 + 8 + NSCTL_NONCE + SHA256_LEN,
	NSCTL_DATAGRAM = NSCTL_MAX + NSCTL_SIGNATURE,
	NSCTL_WINDOW_S = 30, /* clocks may differ by so much */
};

enum nsctl_type {
	NSCTL_REQ_LOAD = 0x11,
	NSCTL_REQ_UNLOAD = 0x12,
	NSCTL_REQ_HELP = 0x13,
	NSCTL_REQ_CONTROL = 0x14,
	NSCTL_RES_OK = 0x21,
	NSCTL_RES_ERR = 0x22,
};

/* Why a datagram is none; the original's numbers. */
enum nsctl_fault {
	NSCTL_GOOD = 0,
	NSCTL_SHORT = -1,
	NSCTL_EXTRA = -2,
	NSCTL_MAGIC = -3,
	NSCTL_TYPE = -4,
};

struct nsctl_msg {
	uint8_t type; /* enum nsctl_type */
	uint8_t argc;
	struct span argv[NSCTL_ARGS_MAX];
};

/* *out is right on success only; its arguments lie within the datagram. */
enum nsctl_fault nsctl_decode(struct span in, struct nsctl_msg *out);
/* w->bad: an argument is too long, or there are too many bytes in all. */
void nsctl_encode(struct wbuf *w, const struct nsctl_msg *m);
/* "short packet" and so on. */
const char *nsctl_fault_text(enum nsctl_fault f);
static inline bool nsctl_is_request(uint8_t type)
{
	return (type & 0xF0) == 0x10;
}

struct nsctl_key {
	struct span secret;
	int64_t now_s;		   /* since 1970 */
	const uint8_t *of_request; /* HMAC of the request that this is the answer to, or NULL */
};

/* Signs what is in w. The nonce is random. */
void nsctl_sign(struct wbuf *w, const struct nsctl_key *key, const uint8_t nonce[NSCTL_NONCE]);
/* Takes the signature off the end of *in; false when there is none that is right and of now. */
bool nsctl_verify(struct span *in, const struct nsctl_key *key, uint8_t mac[static SHA256_LEN]);

#endif

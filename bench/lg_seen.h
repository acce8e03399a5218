/*
 * lg_seen.h - which accounting records the benchmark's RADIUS responder has answered: each Start
 * and Stop of a session counts once, so that a lost or doubled one is found among millions. Sixteen
 * bytes per record. Owner: the responder's only thread.
 */
#ifndef LG_SEEN_H
#define LG_SEEN_H

#include "lg_radius.h"

struct lg_seen_slot {
	uint32_t low, high; /* of the record's hash; both 0: unused */
	uint32_t request;   /* start of the Request Authenticator it came with */
	uint32_t content;   /* of all attributes but Acct-Delay-Time */
};

struct lg_seen {
	size_t n, cap;
	struct lg_seen_slot *slots;
	uint64_t records[LG_RAD_STATUSES]; /* each once; other kinds are [0] */
	uint64_t resent;		   /* the same datagram again */
	uint64_t doubled;		   /* the same record in another one */
	uint64_t altered;		   /* of those: not the same but for Acct-Delay-Time */
	uint64_t late;			   /* with Acct-Delay-Time */
	uint64_t starts, stops;		   /* sums over their sessions: equal when each has both */
};

/* An accounting request is answered. False: out of memory. */
bool lg_seen_add(struct lg_seen *s, const struct lg_rad_request *q);
void lg_seen_free(struct lg_seen *s);

#endif

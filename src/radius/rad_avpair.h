/*
 * rad_avpair.h - the pairs of Cisco-AVPair attributes (vendor 9, type 1): KEY=VALUE, one to an
 * attribute as everybody sends them, or several with commas between them as the manual of the
 * original has it. Pure; any thread.
 *
 * A comma begins another pair only where KEY= follows it, so values may have commas of their own;
 * none within quotes does. One pair of equal quotes around a value is taken away. Without a `=`
 * the whole is the key and the value is empty.
 */
#ifndef LNS_RAD_AVPAIR_H
#define LNS_RAD_AVPAIR_H

#include "radius/rad_packet.h"

struct rad_avpair {
	struct span key, value; /* within the packet; any bytes */
};

/* Where a walk is. */
struct rad_avpairs {
	struct span attrs;  /* of the packet */
	struct span vendor; /* rest of the Vendor-Specific that is read */
	struct span text;   /* rest of the Cisco-AVPair that is read */
};

/* A walk over all pairs among these attributes. What is malformed is passed over: who refuses such
 * packets has done so before. */
struct rad_avpairs rad_avpairs_of(struct span attrs);
/* The next pair, in the order of the packet. False at the end. */
bool rad_avpair_next(struct rad_avpairs *it, struct rad_avpair *out);

/* The next pair of the text of one attribute. False at the end. */
bool rad_avpair_split(struct span *text, struct rad_avpair *out);

#endif

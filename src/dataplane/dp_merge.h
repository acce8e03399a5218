/*
 * dp_merge.h - joins consecutive TCP segments, and UDP datagrams of equal length, of one flow into
 * super-packets for the TUN device (as a network card's receive offload does), so that the kernel
 * routes one packet in place of many. Only packets that cutting gives back as they were: no IP
 * options or extension headers, right checksums, in IPv4 identifications that count up (or DF,
 * where they mean nothing, RFC 6864 4.1), in IPv6 one flow label. All others go through untouched.
 * Packets of one flow keep their order. Pure.
 */
#ifndef LNS_DP_MERGE_H
#define LNS_DP_MERGE_H

#include "dataplane/dp_cut.h"

enum {
	DP_MERGE_RUNS = 32,	 /* flows that are looked at at a time */
	DP_MERGE_SEGMENTS = 64,	 /* of one super-packet */
	DP_MERGE_HEAD_MAX = 100, /* IPv6 and the longest TCP header */
};

/* What goes to the TUN device. Parts are valid until the call is over. */
struct dp_merged {
	struct span head; /* of a super-packet: its headers; else the whole packet */
	struct dp_super super;
	const struct span *payload;
	unsigned n_payload;
	unsigned packets;
	bool v6; /* of a super-packet */
};

struct dp_merge_env {
	void *ctx;
	void (*write)(void *ctx, const struct dp_merged *m);
	bool tcp, udp; /* which of them the device takes */
};

/* Packets of one flow that wait for the next. */
struct dp_merge_run {
	uint64_t addresses; /* of IPv6: a hash of them */
	uint32_t ports;
	uint32_t next_seq;
	uint16_t n; /* packets; 0 = free */
	uint16_t next_id;
	uint16_t size;	/* payload of each but the last */
	uint16_t total; /* of the super-packet that it would be */
	uint8_t l3_len; /* IPv4 or IPv6 header */
	uint8_t l4_len; /* TCP or UDP header */
	uint8_t proto;
	bool verified;	    /* the first one's checksums */
	uint8_t last_flags; /* FIN and PSH of the last segment */
	struct span packet[DP_MERGE_SEGMENTS];
	struct span payload[DP_MERGE_SEGMENTS];
};

struct dp_merge {
	struct dp_merge_env env;
	uint64_t open; /* which runs are in use */
	struct dp_merge_run runs[DP_MERGE_RUNS];
};

void dp_merge_init(struct dp_merge *m, const struct dp_merge_env *env);
/* The bytes stay unchanged until dp_merge_flush. */
void dp_merge_add(struct dp_merge *m, struct span packet);
/* Writes what still waits. */
void dp_merge_flush(struct dp_merge *m);

#endif

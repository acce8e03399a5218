/*
 * dp_table.h - the published forwarding records: one per session, found by (tid, sid) for packets
 * from the LAC and by slot for packets from the core. Each worker writes only its own shard
 * (sessions with sid % N == its index); every worker and control read all of them under RCU.
 * A record is complete before it is published, replaced and never edited, freed after a grace
 * period. Only the counters beside it change in place.
 */
#ifndef LNS_DP_TABLE_H
#define LNS_DP_TABLE_H

#include <stdatomic.h>

#include "base/addr.h"
#include "base/alloc.h"
#include "base/facts.h"
#include "base/nsec.h"

enum {
	DP_SLOT_NONE = 0xFFFFFFFF,
	DP_HEADER_MAX = 10, /* L2TP data header + FF 03 + protocol */
	DP_SLOT_BITS = 24,  /* slots are below 1 << DP_SLOT_BITS */

	/* dp_session.flags: none set but DP_IP4 means the straight path */
	DP_IP4 = 1 << 0,	/* IPCP is open */
	DP_IP6 = 1 << 1,	/* IPV6CP is open */
	DP_OWNER_ONLY = 1 << 2, /* needs state that only the owner has: hand packets over */
	DP_TX_PFC = 1 << 3,	/* peer takes a one-byte protocol field */
	DP_TX_ACFC = 1 << 4,	/* peer takes frames without FF 03 */
	DP_TAP = 1 << 5,	/* copies of its packets go to the worker's tap (dp_tap.h) */
};

/* Touched by whichever worker forwards: relaxed atomic additions, once per run of packets. */
struct dp_counters {
	_Alignas(64) _Atomic uint64_t up_packets;
	_Atomic uint64_t up_bytes, down_packets, down_bytes;
	_Atomic int64_t last_up_ns;   /* last frame of any kind from the subscriber */
	_Atomic int64_t last_data_ns; /* last IP packet in either direction (Idle-Timeout) */
	_Atomic uint64_t down_tenth;  /* packet_limit: number of the 0.1 s, packets in it */
};

struct dp_service; /* dataplane/dp_service.h */

/* What the owner says; the table builds the record (header template included) from it. */
struct dp_session_spec {
	struct sess_key key;
	struct l2tp_path path;
	uint16_t peer_tid, peer_sid;
	uint32_t flags;
	uint16_t mru;	   /* largest inner packet that the peer takes */
	uint16_t mss;	   /* TCP MSS clamp, 0 = off */
	struct ip_addr ip; /* the subscriber's address, for the spoof check; unset before IPCP */
	struct dp_service *service; /* with DP_OWNER_ONLY, else NULL; readers: the owner alone */
};

struct dp_session {
	struct dp_session_spec spec; /* hot fields first: see dp_table.c for the layout */
	uint32_t slot;
	uint8_t generation; /* of the slot; a route must carry the same */
	uint8_t header_len;
	uint8_t header[DP_HEADER_MAX]; /* ready to be put before an inner IPv4 packet */
	struct dp_counters *counters;
};

struct dp_tables;

struct dp_tables *dp_tables_new(const struct alloc *a, unsigned n_workers);
void dp_tables_free(struct dp_tables *t);

/* Owner worker `self`: a slot for a new session, or DP_SLOT_NONE. Counters start at 0. A slot is
 * given out again only after a rest, and dp_slot_generation() differs then. */
uint32_t dp_slot_take_own(struct dp_tables *t, unsigned self);
/* The worker whose slot it is; 0 for one that never was. */
unsigned dp_slot_owner(const struct dp_tables *t, uint32_t slot);
/* 7 bits that tell two uses of a slot apart; stored in routes. */
uint8_t dp_slot_generation(const struct dp_tables *t, uint32_t slot);
/* Publishes or replaces the record of the slot; false = out of memory (the old one stays). */
bool dp_publish_own(struct dp_tables *t, unsigned self, uint32_t slot,
		    const struct dp_session_spec *spec);
/* Takes the record out of sight. The slot stays the owner's until dp_slot_gone_own. */
void dp_unpublish_own(struct dp_tables *t, unsigned self, uint32_t slot);
/* True once no reader can still hold a record of the slot: its counters are final. Then
 * dp_slot_free_own gives the slot back. */
bool dp_slot_gone_own(struct dp_tables *t, unsigned self, uint32_t slot);
void dp_slot_free_own(struct dp_tables *t, unsigned self, uint32_t slot);
/* Once per turn of the owner: frees replaced records whose grace period is over. */
void dp_table_turn_own(struct dp_tables *t, unsigned self);
/* True while something waits for a grace period: call dp_table_turn_own again soon. */
bool dp_table_waits_own(const struct dp_tables *t, unsigned self);

/* Readers, under RCU. NULL when there is none. */
const struct dp_session *dp_session_find_rcu(const struct dp_tables *t, uint16_t tid, uint16_t sid);
const struct dp_session *dp_session_at_rcu(const struct dp_tables *t, uint32_t slot);
/* The same for n keys (tid << 16 | sid) or slots at once, memory fetched ahead. n <= DP_BATCH. */
enum { DP_BATCH = 256 };
void dp_sessions_find_rcu(const struct dp_tables *t, const uint32_t *keys, unsigned n,
			  const struct dp_session **out);
void dp_sessions_at_rcu(const struct dp_tables *t, const uint32_t *slots, unsigned n,
			const struct dp_session **out);
/* Counters of a slot (never NULL for a slot in use); may be read by control at any time. */
const struct dp_counters *dp_slot_counters(const struct dp_tables *t, uint32_t slot);
/* The owner's view, to read `last_up_ns` and to start it. */
struct dp_counters *dp_slot_counters_own(struct dp_tables *t, unsigned self, uint32_t slot);
void dp_counters_read(const struct dp_counters *c, struct sess_counters *out);

#endif

/*
 * bgp_rib.h - the prefixes that we announce, with a count of their holders, as a log of changes
 * that any number of readers (one per neighbour) follow at their own pace: each prefix stands in it
 * once, where it changed last. A change costs the same whatever the number of readers; a prefix
 * that lost its last holder is kept until every reader has seen that. With aggregation, what lies
 * in an announced network is not announced itself. Owned by the control thread.
 */
#ifndef LNS_BGP_RIB_H
#define LNS_BGP_RIB_H

#include "base/addr.h"
#include "base/hmap.h"
#include "base/list.h"

/* Who holds a network: a holder of its own that is there or not, however often it is said. */
enum bgp_network { BGP_NETWORK_POOL = 1, BGP_NETWORK_CONF = 2 };
enum { BGP_RIB_LENGTHS = 129 };

struct bgp_rib {
	const struct alloc *alloc;
	struct hmap by_prefix;
	struct list_head log;	  /* bgp_rib_mark.at, oldest change first */
	struct list_head dead;	  /* bgp_rib_entry.of_dead, in the order of the log */
	struct list_head readers; /* bgp_rib_reader.of_rib */
	uint64_t serial, seed;
	uint32_t live; /* prefixes that are announced */
	bool aggregate, cover_stale;
	uint32_t networks[2][BGP_RIB_LENGTHS]; /* IPv4, IPv6: how many of each length */
};

/* What stands in the log: an entry or a reader. */
struct bgp_rib_mark {
	struct list_head at;
	bool is_reader;
};

struct bgp_rib_entry {
	struct bgp_rib_mark mark;
	struct hmap_node by_prefix;
	struct list_head of_dead;
	uint64_t serial; /* of its last change */
	uint32_t holders;
	uint8_t networks; /* enum bgp_network: who of the holders says so */
	bool covered;	  /* by a network, and therefore not announced */
	struct ip_prefix prefix;
};

struct bgp_rib_reader {
	struct bgp_rib_mark mark; /* everything in front of it has been read */
	struct list_head of_rib;
	uint64_t seen; /* serial of the entry read last */
};

void bgp_rib_init(struct bgp_rib *r, const struct alloc *a, uint64_t seed);
void bgp_rib_fini(struct bgp_rib *r);
/* One more holder; false when out of memory. */
bool bgp_rib_add(struct bgp_rib *r, const struct ip_prefix *p);
/* One holder less; there must have been one. */
void bgp_rib_remove(struct bgp_rib *r, const struct ip_prefix *p);
/* False: out of memory. */
bool bgp_rib_network(struct bgp_rib *r, const struct ip_prefix *p, enum bgp_network who, bool held);
/* Whether prefixes within an announced network are left out. bgp_rib_settle() has to follow, as
 * after changes of networks, before readers go on. */
void bgp_rib_aggregate(struct bgp_rib *r, bool on);
void bgp_rib_settle(struct bgp_rib *r);
static inline bool bgp_rib_is_announced(const struct bgp_rib_entry *e)
{
	return e->holders > 0 && !e->covered;
}
uint32_t bgp_rib_holders(const struct bgp_rib *r, const struct ip_prefix *p);
/* Forgets dead entries that every reader has seen. */
void bgp_rib_collect(struct bgp_rib *r);

/* A reader that is off follows nothing and holds nothing back. */
void bgp_rib_reader_init(struct bgp_rib_reader *reader);
static inline bool bgp_rib_reader_is_on(const struct bgp_rib_reader *reader)
{
	return !list_empty(&reader->of_rib);
}
/* On, or on again, in front of everything. */
void bgp_rib_rewind(struct bgp_rib *r, struct bgp_rib_reader *reader);
void bgp_rib_reader_off(struct bgp_rib *r, struct bgp_rib_reader *reader);
/* The next entry, NULL when all are read: to be withdrawn unless it is announced. */
const struct bgp_rib_entry *bgp_rib_next(struct bgp_rib_reader *reader, const struct bgp_rib *r);
bool bgp_rib_has_next(const struct bgp_rib_reader *reader, const struct bgp_rib *r);

#endif

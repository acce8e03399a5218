/*
 * bgp_rib.h - the prefixes that we announce, with a count of their holders, as a log of changes
 * that any number of readers (one per neighbour) follow at their own pace: each prefix stands in it
 * once, where it changed last. A change costs the same whatever the number of readers; a prefix
 * that lost its last holder is kept until every reader has seen that. Owned by the control thread.
 */
#ifndef LNS_BGP_RIB_H
#define LNS_BGP_RIB_H

#include "base/addr.h"
#include "base/hmap.h"
#include "base/list.h"

struct bgp_rib {
	const struct alloc *alloc;
	struct hmap by_prefix;
	struct list_head log;	  /* bgp_rib_mark.at, oldest change first */
	struct list_head dead;	  /* bgp_rib_entry.of_dead, in the order of the log */
	struct list_head readers; /* bgp_rib_reader.of_rib */
	uint64_t serial, seed;
	uint32_t live; /* prefixes with holders */
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
	bool network; /* one of the holders is bgp_rib_network() */
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
/* A holder of its own that is there or not, however often it is said. False: out of memory. */
bool bgp_rib_network(struct bgp_rib *r, const struct ip_prefix *p, bool held);
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
/* The next entry, NULL when all are read. Without holders it is to be withdrawn. */
const struct bgp_rib_entry *bgp_rib_next(struct bgp_rib_reader *reader, const struct bgp_rib *r);
bool bgp_rib_has_next(const struct bgp_rib_reader *reader, const struct bgp_rib *r);

#endif

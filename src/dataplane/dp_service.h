/*
 * dp_service.h - what is done to the packets of one session beyond routing them: access lists,
 * throttling, interception. A session that has a policy has one struct dp_service; its record
 * points to it and says DP_OWNER_ONLY, for only the session's worker may touch it. All of them hang
 * in the worker's struct dp_services, with the places of waiting packets and the timers. Pure.
 *
 * Order: filter, plugins' packet hook, shaper, copy (of what really goes on), count toward the
 * subscriber; the hook is first from him. What any of them drops is not paid for with the rate of
 * the session, not copied and not billed. Access lists are about IPv4;
 * IPv6 passes them.
 */
#ifndef LNS_DP_SERVICE_H
#define LNS_DP_SERVICE_H

#include "base/list.h"
#include "base/wheel.h"
#include "dataplane/dp_acl.h"
#include "dataplane/dp_order.h"
#include "dataplane/dp_shaper.h"
#include "dataplane/dp_world.h"

enum dp_way { DP_WAY_UP, DP_WAY_DOWN, DP_WAYS }; /* up: from the subscriber */

struct dp_service {
	bool shaped[DP_WAYS];
	bool filtered[DP_WAYS]; /* has the name of a list, which may be unknown */
	bool copied;
	uint64_t acls;			      /* version of the lists that `filter` points into */
	const struct dp_acl *filter[DP_WAYS]; /* NULL: none */
	struct dp_shaper shaper[DP_WAYS];
	struct wheel_timer timer; /* when one of the shapers has something */
	struct list_head hurry;	  /* in dp_services.hurry: what waits shall go at once */
	struct sess_key key;
	uint32_t slot;
	struct sess_policy policy;
};

/* The caller will soon have a packet for it: fetches ahead what that looks at. */
static inline void dp_service_prefetch(const struct dp_session *s, enum dp_way way)
{
	if (!(s->spec.flags & DP_OWNER_ONLY) || !s->spec.service)
		return;
	__builtin_prefetch(s->spec.service);
	__builtin_prefetch(&s->spec.service->shaper[way], 1);
	__builtin_prefetch((const char *)&s->spec.service->shaper[way] + 64, 1);
}

/* Where copies for collectors go: one IP packet in two parts. */
struct dp_intercept {
	void *ctx;
	void (*copy)(void *ctx, const struct sock_addr *collector, struct span head,
		     struct span body);
};

struct dp_services {
	const struct alloc *alloc;
	struct counters *counters;
	struct dp_intercept intercept;
	struct dp_hold hold;
	struct wheel wheel;
	struct list_head hurry;
	uint32_t n; /* living ones */
};

/* Owner: the worker. `places` for waiting packets: address space, not memory until one is used. */
struct dp_services *dp_services_new(const struct alloc *a, struct counters *counters,
				    const struct dp_intercept *intercept, uint32_t places,
				    nsec now);
/* After all services. NULL is allowed. */
void dp_services_free(struct dp_services *v);

/* True: the packets of a session with this policy need a service. */
bool dp_service_is_needed(const struct sess_policy *p);
/* Does nothing yet. NULL: out of memory. */
struct dp_service *dp_service_new(struct dp_services *v, struct sess_key key, uint32_t slot);
/* Sets all of the policy. What waits stays, or hurries when its limit is gone. False: out of
 * memory, nothing changed. */
bool dp_service_set(struct dp_services *v, struct dp_service *s, const struct sess_policy *p,
		    const struct dp_conf *conf, nsec now);
/* What waits is dropped: the subscriber cannot get it any more. */
void dp_service_clear(struct dp_services *v, struct dp_service *s);
/* When no reader has a record that points to it. NULL is allowed. */
void dp_service_free(struct dp_services *v, struct dp_service *s);

/* ---- packets, for the owner only ------------------------------------------------------------- */

enum dp_served {
	DP_SERVED_PASS, /* goes on now */
	DP_SERVED_HELD, /* a copy goes on later */
	DP_SERVED_DROP, /* counted */
};

/* False: an access list drops the IPv4 packet; counted. */
bool dp_service_filter(const struct dp_world *w, struct dp_service *s, enum dp_way way,
		       struct span packet);
/* The rest, for a whole packet from the subscriber; `other_end` is a local session. */
enum dp_served dp_service_up(const struct dp_world *w, const struct dp_session *s,
			     struct span packet, bool is_v6, bool other_end);
/* The rest, for one datagram of `skip` bytes of header and an IP packet; only what is held or
 * dropped must not be sent. */
enum dp_served dp_service_down(const struct dp_world *w, const struct dp_session *s,
			       const struct dp_tx *tx, bool is_v6, bool other_end);
/* Copies one IP packet for whoever watches the session. */
void dp_service_copy(const struct dp_world *w, const struct dp_session *s, enum dp_way way,
		     struct span head, struct span body);

/* ---- what waited ----------------------------------------------------------------------------- */

enum { DP_RELEASE_MAX = 256 };

/* Packets on their way; their bytes are in places that dp_services_released() gives back. */
struct dp_release {
	unsigned n_down, n_up, n_places;
	struct dp_tx down[DP_RELEASE_MAX];
	uint16_t order[DP_RELEASE_MAX]; /* of `down` */
	struct span up[DP_RELEASE_MAX];
	uint32_t places[DP_RELEASE_MAX];
};

/* What may go now, at most DP_RELEASE_MAX; how much. Again until it is 0. */
unsigned dp_services_release(const struct dp_world *w, struct dp_release *r);
void dp_services_released(const struct dp_world *w, const struct dp_release *r);
/* When to look again at the latest. */
nsec dp_services_next(const struct dp_services *v);

#endif

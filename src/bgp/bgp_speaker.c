#include "bgp/bgp_speaker.h"

#include "base/panic.h"

enum {
	FEED_PER_TURN = 4096, /* prefixes */
	SLOTS_FIRST = 16,
	PAUSE_S = 1, /* a neighbour has seen the old session end before it sees a new one */
};

static struct bgp_peer *peer_of(struct list_head *at)
{
	return container_of(at, struct bgp_peer, of_speaker);
}

void bgp_speaker_init(struct bgp_speaker *s, const struct bgp_env *env, uint64_t seed, nsec now)
{
	*s = (struct bgp_speaker){.env = env, .started = now};
	bgp_rib_init(&s->rib, env->alloc, seed);
	list_init(&s->peers);
}

static void peer_free(struct bgp_speaker *s, struct bgp_peer *p, const struct bgp_error *why)
{
	bgp_peer_stop(p, why);
	bgp_peer_fini(p);
	list_del(&p->of_speaker);
	s->slots[p->slot] = NULL;
	alloc_put(s->env->alloc, p, sizeof(*p));
}

void bgp_speaker_fini(struct bgp_speaker *s)
{
	struct list_head *at;

	while ((at = list_first(&s->peers)))
		peer_free(s, peer_of(at), NULL);
	alloc_put(s->env->alloc, s->slots, s->n_slots * sizeof(struct bgp_peer *));
	bgp_rib_fini(&s->rib);
}

struct bgp_peer *bgp_speaker_next(const struct bgp_speaker *s, const struct bgp_peer *p)
{
	struct list_head *at = p ? p->of_speaker.next : s->peers.next;
	return at == &s->peers ? NULL : peer_of(at);
}

struct bgp_peer *bgp_speaker_by_slot(const struct bgp_speaker *s, unsigned slot)
{
	return slot < s->n_slots ? s->slots[slot] : NULL;
}

struct bgp_peer *bgp_speaker_by_addr(const struct bgp_speaker *s, const struct ip_addr *addr,
				     const char *interface)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (ip_addr_equal(&p->conf.session.addr, addr) &&
		    strcmp(p->conf.session.interface, interface) == 0)
			return p;
	return NULL;
}

bool bgp_peer_is_called(const struct bgp_peer *p, const char *name)
{
	struct ip_addr ip;
	return strcmp(p->conf.name, name) == 0 ||
	       (ip_addr_parse(span_str(name), &ip) && ip_addr_equal(&p->conf.session.addr, &ip));
}

/* ---- configuration --------------------------------------------------------------------------- */

static struct bgp_peer *by_name(const struct bgp_speaker *s, const char *name)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (strcmp(p->conf.name, name) == 0)
			return p;
	return NULL;
}

bool bgp_speaker_keeps(const struct bgp_conf *conf, const struct bgp_peer *p)
{
	for (unsigned i = 0; conf->as && i < conf->n_peers; i++)
		if (strcmp(conf->peers[i].name, p->conf.name) == 0)
			return true;
	return false;
}

static void remove_missing(struct bgp_speaker *s, const struct bgp_conf *conf)
{
	struct list_head *at, *after;
	struct bgp_error why;

	bgp_error_cease(&why, BGP_ERR_CEASE_REMOVED, "");
	list_each_safe (at, after, &s->peers) {
		struct bgp_peer *p = peer_of(at);
		if (!bgp_speaker_keeps(conf, p))
			peer_free(s, p, &why);
	}
}

static bool slots_grow(struct bgp_speaker *s)
{
	const struct alloc *a = s->env->alloc;
	unsigned n = s->n_slots ? 2 * s->n_slots : SLOTS_FIRST;
	struct bgp_peer **more = alloc_get(a, n * sizeof(struct bgp_peer *));

	if (!more)
		return false;
	for (unsigned i = 0; i < s->n_slots; i++)
		more[i] = s->slots[i];
	alloc_put(a, s->slots, s->n_slots * sizeof(struct bgp_peer *));
	s->slots = more;
	s->n_slots = n;
	return true;
}

/* The lowest that is free; false when out of memory. */
static bool slot_take(struct bgp_speaker *s, struct bgp_peer *p)
{
	unsigned slot = 0;

	while (slot < s->n_slots && s->slots[slot])
		slot++;
	if (slot == s->n_slots && !slots_grow(s))
		return false;
	s->slots[slot] = p;
	p->slot = slot;
	return true;
}

static void peer_begin(struct bgp_speaker *s, struct bgp_peer *p, const struct bgp_peer_conf *conf,
		       nsec at)
{
	p->conf = *conf;
	p->as = s->as;
	p->id = s->id;
	p->restarting_until = nsec_add(s->started, NSEC_S(conf->session.restart_s));
	bgp_peer_start(p, at);
}

static bool peer_add(struct bgp_speaker *s, const struct bgp_peer_conf *conf, nsec now)
{
	struct bgp_peer *p = alloc_get(s->env->alloc, sizeof(*p));

	if (!p)
		return false;
	bgp_peer_init(p, s->env, &s->rib);
	if (!slot_take(s, p)) {
		alloc_put(s->env->alloc, p, sizeof(*p));
		return false;
	}
	list_add_tail(&s->peers, &p->of_speaker);
	peer_begin(s, p, conf, now);
	return true;
}

static void peer_change(struct bgp_speaker *s, struct bgp_peer *p, const struct bgp_peer_conf *conf,
			bool all, nsec now)
{
	struct bgp_error why;

	if (!all && memcmp(&p->conf.session, &conf->session, sizeof(conf->session)) == 0) {
		bgp_peer_policy(p, &conf->policy);
		return;
	}
	bgp_error_cease(&why, BGP_ERR_CEASE_CHANGE, "");
	bgp_peer_stop(p, &why);
	peer_begin(s, p, conf, nsec_add(now, NSEC_S(PAUSE_S)));
}

void bgp_speaker_address(struct bgp_speaker *s, const char *name, const struct ip_addr *addr,
			 nsec now)
{
	struct bgp_peer *p = by_name(s, name);

	if (!p || ip_addr_is_set(&p->conf.session.addr))
		return;
	p->conf.session.addr = *addr;
	bgp_peer_start(p, now);
}

bool bgp_speaker_conf(struct bgp_speaker *s, const struct bgp_conf *conf, nsec now)
{
	bool all = s->as != conf->as || !ip_addr_equal(&s->id, &conf->router_id);
	bool complete = true;

	remove_missing(s, conf);
	s->as = conf->as;
	s->id = conf->router_id;
	for (unsigned i = 0; s->as && i < conf->n_peers; i++) {
		struct bgp_peer *p = by_name(s, conf->peers[i].name);
		if (p)
			peer_change(s, p, &conf->peers[i], all, now);
		else if (!peer_add(s, &conf->peers[i], now))
			complete = false;
	}
	return complete;
}

/* ---- work ------------------------------------------------------------------------------------ */

void bgp_speaker_restart(struct bgp_peer *p, nsec now)
{
	struct bgp_error why;

	bgp_error_cease(&why, BGP_ERR_CEASE_RESET, "");
	bgp_peer_stop(p, &why);
	bgp_peer_start(p, nsec_add(now, NSEC_S(PAUSE_S)));
}

/* So much in a turn for all of them together, each time another one first: whatever they ask for,
 * the thread has its other work. */
static void feed(struct bgp_speaker *s, nsec now)
{
	unsigned most = FEED_PER_TURN;

	s->first = s->first + 1 < s->n_slots ? s->first + 1 : 0;
	for (unsigned i = 0; i < s->n_slots; i++) {
		unsigned slot = s->first + i;
		struct bgp_peer *p = s->slots[slot < s->n_slots ? slot : slot - s->n_slots];
		if (p)
			most -= bgp_peer_feed(p, most, now);
	}
}

nsec bgp_speaker_turn(struct bgp_speaker *s, nsec now)
{
	struct bgp_peer *p = NULL;
	nsec next = NSEC_NEVER;

	bgp_rib_settle(&s->rib);
	while ((p = bgp_speaker_next(s, p)))
		next = nsec_min(next, bgp_peer_turn(p, now));
	feed(s, now);
	bgp_rib_collect(&s->rib);
	return next;
}

nsec bgp_speaker_feed_at(const struct bgp_speaker *s)
{
	struct bgp_peer *p = NULL;
	nsec next = NSEC_NEVER;

	while ((p = bgp_speaker_next(s, p)))
		next = nsec_min(next, bgp_peer_feed_at(p));
	return next;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool keeps_our_routes(const struct bgp_peer *p)
{
	return p->up != BGP_SIDES && p->conf.session.restart_s > 0 && !p->conns[p->up].plain &&
	       p->conns[p->up].theirs.graceful;
}

void bgp_speaker_drain(struct bgp_speaker *s, bool restart)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (!restart || !keeps_our_routes(p))
			bgp_peer_suspend(p, true);
}

bool bgp_speaker_is_idle(const struct bgp_speaker *s)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (!bgp_peer_is_idle(p))
			return false;
	return true;
}

void bgp_speaker_leave(struct bgp_speaker *s, bool restart)
{
	struct bgp_peer *p = NULL;
	struct bgp_error why;

	bgp_error_cease(&why, BGP_ERR_CEASE_SHUTDOWN, restart ? "restarting" : "shutting down");
	while ((p = bgp_speaker_next(s, p)))
		bgp_peer_stop(p, restart && keeps_our_routes(p) ? NULL : &why);
}

#include "bgp/bgp_speaker.h"

#include "base/panic.h"

enum {
	FEED_PER_TURN = 4096, /* prefixes */
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
	alloc_put(s->env->alloc, p, sizeof(*p));
}

void bgp_speaker_fini(struct bgp_speaker *s)
{
	struct list_head *at;

	while ((at = list_first(&s->peers)))
		peer_free(s, peer_of(at), NULL);
	bgp_rib_fini(&s->rib);
}

struct bgp_peer *bgp_speaker_next(const struct bgp_speaker *s, const struct bgp_peer *p)
{
	struct list_head *at = p ? p->of_speaker.next : s->peers.next;
	return at == &s->peers ? NULL : peer_of(at);
}

struct bgp_peer *bgp_speaker_by_addr(const struct bgp_speaker *s, const struct ip_addr *addr)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (ip_addr_equal(&p->conf.session.addr, addr))
			return p;
	return NULL;
}

bool bgp_peer_is_called(const struct bgp_peer *p, const char *name)
{
	char text[IP_ADDR_TEXT];
	return strcmp(p->conf.name, name) == 0 ||
	       strcmp(ip_addr_text(&p->conf.session.addr, text), name) == 0;
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

static bool is_configured(const struct bgp_conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n_peers; i++)
		if (strcmp(conf->peers[i].name, name) == 0)
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
		if (conf->as == 0 || !is_configured(conf, p->conf.name))
			peer_free(s, p, &why);
	}
}

static unsigned free_slot(const struct bgp_speaker *s)
{
	bool used[BGP_PEERS_MAX] = {false};
	struct bgp_peer *p = NULL;
	unsigned slot = 0;

	while ((p = bgp_speaker_next(s, p)))
		used[p->slot] = true;
	while (used[slot])
		slot++;
	LNS_ASSERT(slot < BGP_PEERS_MAX);
	return slot;
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
	p->slot = free_slot(s);
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

/* The slots from..to-1; what is left of `most`. */
static unsigned feed(struct bgp_speaker *s, unsigned from, unsigned to, unsigned most, nsec now)
{
	struct bgp_peer *p = NULL;

	while ((p = bgp_speaker_next(s, p)))
		if (p->slot >= from && p->slot < to)
			most -= bgp_peer_feed(p, most, now);
	return most;
}

/* So much in a turn for all of them together, each time another one first: whatever they ask for,
 * the thread has its other work. */
nsec bgp_speaker_turn(struct bgp_speaker *s, nsec now)
{
	struct bgp_peer *p = NULL;
	nsec next = NSEC_NEVER;

	bgp_rib_settle(&s->rib);
	while ((p = bgp_speaker_next(s, p)))
		next = nsec_min(next, bgp_peer_turn(p, now));
	s->first = (s->first + 1) % BGP_PEERS_MAX;
	unsigned left = feed(s, s->first, BGP_PEERS_MAX, FEED_PER_TURN, now);
	feed(s, 0, s->first, left, now);
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

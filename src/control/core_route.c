#include "control/core_priv.h"

#include "base/hash.h"
#include "base/panic.h"

static struct dp_route_value value_of(const struct core_session *s)
{
	return (struct dp_route_value){
		.slot = s->slot, .generation = s->slot_generation, .by_kernel = core_in_garden(s)};
}

static uint64_t prefix_hash(const struct core *c, const struct ip_prefix *p)
{
	return hash_bytes(span_of(p->addr.b, sizeof(p->addr.b)), c->hash_seed + p->len);
}

static bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_addr_equal(&a->addr, &b->addr);
}

static struct core_prefix *prefix_find(const struct core *c, const struct ip_prefix *p)
{
	struct hmap_node *node = hmap_first(&c->prefixes, prefix_hash(c, p));

	for (; node; node = hmap_next(node)) {
		struct core_prefix *at = container_of(node, struct core_prefix, node);
		if (prefix_equal(&at->prefix, p))
			return at;
	}
	return NULL;
}

static struct core_prefix *prefix_get(struct core *c, const struct ip_prefix *p)
{
	struct core_prefix *at = prefix_find(c, p);
	if (at)
		return at;
	at = alloc_get(c->env.alloc, sizeof(*at));
	if (!at)
		return NULL;
	at->prefix = *p;
	list_init(&at->holders);
	if (!hmap_insert(&c->prefixes, &at->node, prefix_hash(c, p))) {
		alloc_put(c->env.alloc, at, sizeof(*at));
		return NULL;
	}
	c->env.kernel_route(c->env.ctx, true, p);
	return at;
}

static void prefix_free_if_done(struct core *c, struct core_prefix *at)
{
	if (!list_empty(&at->holders))
		return;
	c->env.kernel_route(c->env.ctx, false, &at->prefix);
	hmap_remove(&c->prefixes, &at->node);
	alloc_put(c->env.alloc, at, sizeof(*at));
}

static bool route_up(struct core *c, struct core_route *r)
{
	if (r->at)
		return true;
	struct core_prefix *at = prefix_get(c, &r->prefix);
	if (!at)
		return false;
	if (!dp_route_add_own(c->env.routes, &r->prefix, value_of(r->session))) {
		prefix_free_if_done(c, at);
		return false;
	}
	r->at = at;
	list_add_head(&at->holders, &r->holders);
	return true;
}

/* The next holder, if there is one, gets the packets now. */
static void route_down(struct core *c, struct core_route *r)
{
	struct core_prefix *at = r->at;
	if (!at)
		return;
	bool newest = list_first(&at->holders) == &r->holders;
	list_del(&r->holders);
	r->at = NULL;
	struct list_head *heir = list_first(&at->holders);
	if (newest && heir) {
		struct core_route *to = container_of(heir, struct core_route, holders);
		if (!dp_route_add_own(c->env.routes, &at->prefix, value_of(to->session)))
			heir = NULL;
	}
	if (newest && !heir)
		dp_route_del_own(c->env.routes, &at->prefix, value_of(r->session));
	prefix_free_if_done(c, at);
}

/* A pool's networks are routed by the kernel as a whole, so one of their addresses is not. */
static bool kernel_must_know(const struct core *c, const struct ip_addr *ip)
{
	return ip_addr_is_set(ip) && !ippool_contains(c->pool, ip);
}

static struct ip_prefix host_prefix(const struct ip_addr *ip)
{
	return (struct ip_prefix){.addr = *ip, .len = ip->family == 6 ? 128 : 32};
}

bool core_routes_set(struct core *c, struct core_session *s, const struct aaa_profile *p)
{
	bool host = kernel_must_know(c, &s->ip);
	unsigned n = p->n_routes + (host ? 1u : 0u);

	LNS_ASSERT(s->routes == NULL);
	if (n == 0)
		return true;
	s->routes = alloc_get(c->env.alloc, n * sizeof(*s->routes));
	if (!s->routes)
		return false;
	s->n_routes = p->n_routes;
	s->n_installed = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		list_init(&s->routes[i].holders);
		s->routes[i].session = s;
		s->routes[i].prefix = i < p->n_routes ? p->routes[i] : host_prefix(&s->ip);
	}
	return true;
}

bool core_routes_up(struct core *c, struct core_session *s)
{
	if (ip_addr_is_set(&s->ip) && s->ip_owned && s->n_installed == s->n_routes &&
	    !s->ip_routed) {
		struct ip_prefix host = host_prefix(&s->ip);
		if (!dp_route_add_own(c->env.routes, &host, value_of(s)))
			return false;
		s->ip_routed = true;
	}
	for (unsigned i = 0; i < s->n_installed; i++) {
		if (i >= s->n_routes && !s->ip_owned)
			continue;
		if (!route_up(c, &s->routes[i]))
			return false;
	}
	return true;
}

/* Nothing is new but what is told with them, so no memory is needed. */
void core_routes_tell(struct core *c, struct core_session *s)
{
	struct ip_prefix host = host_prefix(&s->ip);

	if (s->ip_routed)
		dp_route_add_own(c->env.routes, &host, value_of(s));
	for (unsigned i = 0; i < s->n_installed; i++) {
		const struct core_route *r = &s->routes[i];
		if (r->at && list_first(&r->at->holders) == &r->holders)
			dp_route_add_own(c->env.routes, &r->prefix, value_of(s));
	}
}

void core_routes_down(struct core *c, struct core_session *s)
{
	if (s->ip_routed) {
		struct ip_prefix host = host_prefix(&s->ip);
		dp_route_del_own(c->env.routes, &host, value_of(s));
		s->ip_routed = false;
	}
	for (unsigned i = 0; i < s->n_installed; i++)
		route_down(c, &s->routes[i]);
}

void core_routes_free(struct core *c, struct core_session *s)
{
	core_routes_down(c, s);
	alloc_put(c->env.alloc, s->routes, s->n_installed * sizeof(*s->routes));
	s->routes = NULL;
	s->n_routes = s->n_installed = 0;
}

void core_kernel_routes_again(struct core *c)
{
	for (struct hmap_node *n = NULL; (n = hmap_each(&c->prefixes, n)) != NULL;)
		c->env.kernel_route(c->env.ctx, true,
				    &container_of(n, struct core_prefix, node)->prefix);
}

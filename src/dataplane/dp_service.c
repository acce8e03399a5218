#include "dataplane/dp_service.h"

#include "base/hash.h"
#include "base/panic.h"

/* ---- life ------------------------------------------------------------------------------------ */

struct dp_services *dp_services_new(const struct alloc *a, struct counters *counters,
				    const struct dp_intercept *intercept, uint32_t places, nsec now)
{
	struct dp_services *v = alloc_get(a, sizeof(*v));

	if (!v)
		return NULL;
	v->alloc = a;
	v->counters = counters;
	v->intercept = *intercept;
	dp_hold_init(&v->hold, a, places);
	wheel_init(&v->wheel, now);
	list_init(&v->hurry);
	return v;
}

void dp_services_free(struct dp_services *v)
{
	if (!v)
		return;
	LNS_ASSERT(v->n == 0);
	dp_hold_fini(&v->hold);
	alloc_put(v->alloc, v, sizeof(*v));
}

static bool is_throttled(const struct sess_policy *p)
{
	return p->rate_up || p->rate_down;
}

bool dp_service_is_needed(const struct sess_policy *p)
{
	return is_throttled(p) || p->filter_in[0] || p->filter_out[0] ||
	       ip_addr_is_set(&p->intercept.ip);
}

struct dp_service *dp_service_new(struct dp_services *v, struct sess_key key, uint32_t slot)
{
	struct dp_service *s = alloc_get(v->alloc, sizeof(*s));

	if (!s)
		return NULL;
	s->key = key;
	s->slot = slot;
	list_init(&s->hurry);
	for (unsigned i = 0; i < DP_WAYS; i++)
		dp_shaper_init(&s->shaper[i]);
	v->n++;
	return s;
}

/* A shaper that is set anew starts with a full bucket, so one that stays as it is is left alone. */
static void set_shaper(struct dp_services *v, struct dp_service *s, enum dp_way way,
		       const struct sess_policy *p, const struct dp_conf *conf, nsec now)
{
	bool up = way == DP_WAY_UP;
	uint64_t rate = up ? p->rate_up : p->rate_down;
	uint32_t burst = up ? p->burst_up : p->burst_down;
	uint64_t old_rate = up ? s->policy.rate_up : s->policy.rate_down;
	uint32_t old_burst = up ? s->policy.burst_up : s->policy.burst_down;

	if (rate == old_rate && burst == old_burst)
		return;
	dp_shaper_set(&s->shaper[way], rate, burst, conf->burst_ms, now);
	s->shaped[way] = rate != 0;
	if (s->shaper[way].queued == 0)
		return;
	if (rate == 0 && list_empty(&s->hurry))
		list_add_tail(&v->hurry, &s->hurry);
	wheel_start(&v->wheel, &s->timer, now);
}

bool dp_service_set(struct dp_services *v, struct dp_service *s, const struct sess_policy *p,
		    const struct dp_conf *conf, nsec now)
{
	if (is_throttled(p) && !dp_hold_open(&v->hold))
		return false;
	set_shaper(v, s, DP_WAY_UP, p, conf, now);
	set_shaper(v, s, DP_WAY_DOWN, p, conf, now);
	s->policy = *p;
	s->filtered[DP_WAY_UP] = p->filter_in[0] != '\0';
	s->filtered[DP_WAY_DOWN] = p->filter_out[0] != '\0';
	s->copied = ip_addr_is_set(&p->intercept.ip);
	s->acls = 0; /* names are looked up when the next packet comes */
	s->filter[DP_WAY_UP] = s->filter[DP_WAY_DOWN] = NULL;
	return true;
}

void dp_service_clear(struct dp_services *v, struct dp_service *s)
{
	uint32_t n = s->shaper[DP_WAY_UP].queued + s->shaper[DP_WAY_DOWN].queued;

	for (unsigned i = 0; i < DP_WAYS; i++)
		dp_shaper_clear(&s->shaper[i], &v->hold);
	if (n)
		counter_drop(v->counters, DROP_SHAPER_CLEARED, n);
	wheel_stop(&v->wheel, &s->timer);
	list_del(&s->hurry);
}

void dp_service_free(struct dp_services *v, struct dp_service *s)
{
	if (!s)
		return;
	dp_service_clear(v, s);
	v->n--;
	alloc_put(v->alloc, s, sizeof(*s));
}

/* ---- filter ---------------------------------------------------------------------------------- */

static void resolve(struct dp_service *s, const struct dp_acls *acls)
{
	s->acls = dp_acls_version(acls);
	s->filter[DP_WAY_UP] = dp_acls_find(acls, s->policy.filter_in);
	s->filter[DP_WAY_DOWN] = dp_acls_find(acls, s->policy.filter_out);
}

bool dp_service_filter(const struct dp_world *w, struct dp_service *s, enum dp_way way,
		       struct span packet)
{
	if (!s->filtered[way])
		return true;
	if (s->acls != dp_acls_version(w->conf->acls))
		resolve(s, w->conf->acls);
	if (!s->filter[way] || dp_acl_permits(s->filter[way], w->self, packet))
		return true;
	counter_drop(w->counters, DROP_FILTERED, 1);
	return false;
}

/* ---- shaper ---------------------------------------------------------------------------------- */

static void set_timer(struct dp_services *v, struct dp_service *s)
{
	nsec at = nsec_min(dp_shaper_next(&s->shaper[DP_WAY_UP]),
			   dp_shaper_next(&s->shaper[DP_WAY_DOWN]));

	wheel_start(&v->wheel, &s->timer, at);
}

static enum dp_served shape(const struct dp_world *w, struct dp_service *s, enum dp_way way,
			    const struct dp_shaper_packet *p)
{
	struct dp_shaper *shaper = &s->shaper[way];
	unsigned dropped = 0;
	enum dp_shaped what = dp_shaper_put(shaper, &w->services->hold, p, w->now, &dropped);

	if (dropped)
		counter_drop(w->counters, DROP_SHAPER_LONG, dropped);
	if (what == DP_SHAPED_PASS)
		return DP_SERVED_PASS;
	if (what == DP_SHAPED_NO_ROOM) {
		counter_drop(w->counters, DROP_SHAPER_ROOM, 1);
		return DP_SERVED_DROP;
	}
	if (!wheel_is_armed(&s->timer) || shaper->queued == 1)
		set_timer(w->services, s);
	return DP_SERVED_HELD;
}

static bool is_shaped(const struct dp_world *w, const struct dp_service *s, enum dp_way way,
		      bool other_end)
{
	return s && s->shaped[way] && !(other_end && w->conf->no_throttle_local);
}

/* Addresses and, of TCP and UDP, ports, whatever stands there: it is only to tell flows apart. */
static uint32_t flow_of(struct span packet, bool is_v6)
{
	uint64_t sum = 0;

	span_take(&packet, is_v6 ? 8 : 12);
	for (unsigned n = is_v6 ? 5 : 2; n > 0; n--)
		sum = sum * 31 + span_u32(&packet);
	for (unsigned n = is_v6 ? 4 : 1; n > 0; n--)
		sum = sum * 31 + span_u32(&packet);
	return (uint32_t)hash_u64(sum);
}

enum dp_served dp_service_up(const struct dp_world *w, const struct dp_session *s,
			     struct span packet, bool is_v6, bool other_end)
{
	struct dp_service *v = s->spec.service;
	enum dp_served what = DP_SERVED_PASS;

	if (is_shaped(w, v, DP_WAY_UP, other_end)) {
		struct dp_shaper_packet p = {
			.body = packet, .flow = flow_of(packet, is_v6), .is_v6 = is_v6};
		what = shape(w, v, DP_WAY_UP, &p);
	}
	if (what == DP_SERVED_PASS)
		dp_service_copy(w, s, DP_WAY_UP, span_of(NULL, 0), packet);
	return what;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Copies to a subscriber would come back to us, and those of his own packets for ever. */
static bool is_behind_us(const struct dp_world *w, const struct ip_addr *collector)
{
	struct dp_route_value v = collector->family == 4
					  ? dp_route_find4_rcu(w->routes, ip_addr_u32(collector))
					  : dp_route_find6_rcu(w->routes, collector->b);

	return v.slot != DP_SLOT_NONE;
}

void dp_service_copy(const struct dp_world *w, const struct dp_session *s, enum dp_way way,
		     struct span head, struct span body)
{
	const struct dp_service *v = s->spec.service;

	if (s->spec.flags & DP_TAP) {
		struct dp_tap_record r = {
			.key = s->spec.key, .at = w->now, .down = way == DP_WAY_DOWN};
		dp_tap_copy(w->tap, w->counters, &r, head, body);
	}
	if (!v || !v->copied)
		return;
	if (is_behind_us(w, &v->policy.intercept.ip)) {
		counter_add(w->counters, C_INTERCEPT_LOST, 1);
		return;
	}
	const struct dp_intercept *to = &w->services->intercept;
	to->copy(to->ctx, &v->policy.intercept, head, body);
}

/* A datagram without our header. */
static void copy_down(const struct dp_world *w, const struct dp_session *s, const struct dp_tx *tx)
{
	struct span head = span_of(tx->head, tx->head_n);
	struct span body = span_of(tx->body, tx->body_n);

	span_take(head.n ? &head : &body, s->header_len);
	dp_service_copy(w, s, DP_WAY_DOWN, head, body);
}

enum dp_served dp_service_down(const struct dp_world *w, const struct dp_session *s,
			       const struct dp_tx *tx, bool is_v6, bool other_end)
{
	struct dp_service *v = s->spec.service;
	enum dp_served what = DP_SERVED_PASS;

	if (is_shaped(w, v, DP_WAY_DOWN, other_end)) {
		struct dp_shaper_packet p = {.head = span_of(tx->head, tx->head_n),
					     .body = span_of(tx->body, tx->body_n),
					     .flow = tx->flow,
					     .skip = s->header_len,
					     .is_v6 = is_v6};
		what = shape(w, v, DP_WAY_DOWN, &p);
	}
	if (what == DP_SERVED_PASS)
		copy_down(w, s, tx);
	return what;
}

/* ---- what waited ----------------------------------------------------------------------------- */

/* The session's record as it is now; NULL: it may not have this packet any more. */
static const struct dp_session *record_of(const struct dp_world *w, const struct dp_service *v,
					  const struct dp_held *x)
{
	const struct dp_session *s = dp_session_at_rcu(w->tables, v->slot);

	if (!s || !sess_key_equal(s->spec.key, v->key) ||
	    !(s->spec.flags & (x->is_v6 ? DP_IP6 : DP_IP4)))
		return NULL;
	return s;
}

static void count(const struct dp_world *w, const struct dp_session *s, enum dp_way way, uint64_t n)
{
	struct dp_counters *c = s->counters;
	bool up = way == DP_WAY_UP;

	atomic_fetch_add_explicit(up ? &c->up_packets : &c->down_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(up ? &c->up_bytes : &c->down_bytes, n, memory_order_relaxed);
	atomic_store_explicit(&c->last_data_ns, w->now.ns, memory_order_relaxed);
	counter_add(w->counters, up ? C_UP_PACKETS : C_DOWN_PACKETS, 1);
	counter_add(w->counters, up ? C_UP_BYTES : C_DOWN_BYTES, n);
}

static void release_up(const struct dp_world *w, const struct dp_session *s,
		       const struct dp_held *x, struct dp_release *r)
{
	struct span packet = span_of(x->bytes, x->n);

	r->up[r->n_up++] = packet;
	count(w, s, DP_WAY_UP, packet.n);
	dp_service_copy(w, s, DP_WAY_UP, span_of(NULL, 0), packet);
}

static void release_down(const struct dp_world *w, const struct dp_session *s,
			 const struct dp_held *x, struct dp_release *r)
{
	struct dp_tx *tx = &r->down[r->n_down++];

	*tx = (struct dp_tx){.session = s, .body = x->bytes, .body_n = x->n, .flow = x->flow};
	count(w, s, DP_WAY_DOWN, (uint64_t)x->n - x->skip);
	copy_down(w, s, tx);
}

static void release_one(const struct dp_world *w, const struct dp_service *v, enum dp_way way,
			uint32_t place, struct dp_release *r)
{
	const struct dp_held *x = dp_hold_at(&w->services->hold, place);
	const struct dp_session *s = record_of(w, v, x);

	r->places[r->n_places++] = place;
	if (!s)
		counter_drop(w->counters, DROP_SHAPER_CLEARED, 1);
	else if (way == DP_WAY_UP)
		release_up(w, s, x, r);
	else
		release_down(w, s, x, r);
}

static void release_way(const struct dp_world *w, struct dp_service *v, enum dp_way way,
			struct dp_release *r)
{
	unsigned dropped = 0;

	while (r->n_places < DP_RELEASE_MAX) {
		uint32_t place =
			dp_shaper_take(&v->shaper[way], &w->services->hold, w->now, &dropped);
		if (place == DP_HELD_NONE)
			break;
		release_one(w, v, way, place, r);
	}
	if (dropped)
		counter_drop(w->counters, DROP_SHAPER_AQM, dropped);
}

static struct dp_service *next_due(const struct dp_world *w)
{
	struct list_head *first = list_first(&w->services->hurry);

	if (first) {
		struct dp_service *v = container_of(first, struct dp_service, hurry);
		list_del(&v->hurry);
		return v;
	}
	struct wheel_timer *t = wheel_expired(&w->services->wheel, w->now);
	return t ? container_of(t, struct dp_service, timer) : NULL;
}

/* One that has more than fits is due again at once. */
static void release_service(const struct dp_world *w, struct dp_service *v, struct dp_release *r)
{
	release_way(w, v, DP_WAY_DOWN, r);
	release_way(w, v, DP_WAY_UP, r);
	if (r->n_places == DP_RELEASE_MAX && list_empty(&v->hurry) &&
	    v->shaper[DP_WAY_UP].queued + v->shaper[DP_WAY_DOWN].queued > 0)
		list_add_head(&w->services->hurry, &v->hurry);
	set_timer(w->services, v);
}

unsigned dp_services_release(const struct dp_world *w, struct dp_release *r)
{
	struct dp_service *v;

	r->n_down = r->n_up = r->n_places = 0;
	while (r->n_places < DP_RELEASE_MAX && (v = next_due(w)) != NULL)
		release_service(w, v, r);
	dp_order(r->down, r->n_down, r->order);
	return r->n_places;
}

void dp_services_released(const struct dp_world *w, const struct dp_release *r)
{
	for (unsigned i = 0; i < r->n_places; i++)
		dp_hold_free(&w->services->hold, r->places[i]);
}

nsec dp_services_next(const struct dp_services *v)
{
	return list_empty(&v->hurry) ? wheel_next(&v->wheel) : NSEC_ZERO;
}

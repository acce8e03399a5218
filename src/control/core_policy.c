/* What is done to the packets of a session: kept here, carried out by its worker. */
#include "control/core_priv.h"

#include "dataplane/dp_service.h"

static bool keep(struct core *c, struct core_session *s, const struct sess_policy *policy)
{
	if (sess_policy_is_empty(policy)) {
		core_policy_free(c, s);
		return true;
	}
	if (!s->policy)
		s->policy = alloc_get(c->env.alloc, sizeof(*s->policy));
	if (!s->policy)
		return false;
	*s->policy = *policy;
	return true;
}

bool core_policy_keep(struct core *c, struct core_session *s, const struct sess_policy *policy)
{
	bool was_in_garden = core_in_garden(s);

	if (!keep(c, s, policy))
		return false;
	if (core_in_garden(s) != was_in_garden)
		core_routes_tell(c, s);
	return true;
}

void core_policy_free(struct core *c, struct core_session *s)
{
	if (s->policy)
		alloc_put(c->env.alloc, s->policy, sizeof(*s->policy));
	s->policy = NULL;
}

struct sess_policy core_policy_of(const struct core_session *s)
{
	return s->policy ? *s->policy : (struct sess_policy){0};
}

bool core_in_garden(const struct core_session *s)
{
	return s->policy && s->policy->garden;
}

static bool is_pending(const struct core *c, struct sess_key key)
{
	return c->pending.active && sess_key_equal(c->pending.key, key);
}

struct sess_policy core_policy_seen(const struct core *c, const struct core_session *s)
{
	return is_pending(c, s->key) ? c->pending.policy : core_policy_of(s);
}

/* Keeps it and tells the worker. */
static bool put_in_force(struct core *c, struct core_session *s, const struct sess_policy *policy)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	if (!core_policy_keep(c, s, policy))
		return false;
	m.key = s->key;
	m.has_policy = true;
	m.policy = *policy;
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
	return true;
}

bool core_set_policy(struct core *c, struct sess_key key, const struct sess_policy *policy)
{
	struct core_session *s = core_session_get(c, key);
	struct sess_policy wanted = *policy;

	if (!s || s->dying)
		return false;
	wanted.garden = core_policy_seen(c, s).garden;
	if (!is_pending(c, key))
		return put_in_force(c, s, &wanted);
	c->pending.policy = wanted;
	return true;
}

bool core_set_garden(struct core *c, struct sess_key key, bool garden, nsec now)
{
	struct core_session *s = core_session_get(c, key);

	if (!s || s->dying)
		return false;
	struct sess_policy wanted = core_policy_seen(c, s);
	bool changes = wanted.garden != garden;
	wanted.garden = garden;
	if (is_pending(c, key)) {
		c->pending.policy = wanted;
		return true;
	}
	if (!changes)
		return true;
	if (!put_in_force(c, s, &wanted))
		return false;
	if (s->authenticated)
		acct_garden(c, s, garden, now);
	return true;
}

bool core_set_user(struct core *c, struct sess_key key, struct span user, nsec now)
{
	struct core_session *s = core_session_get(c, key);

	if (!s || s->dying || c->walks || user.n == 0 || user.n > LNS_USER_MAX ||
	    !core_session_name(c, s, user))
		return false;
	aaa_end_duplicates(c, s, "another session was given its user name", now);
	return true;
}

bool core_set_speeds(struct core *c, struct sess_key key, uint64_t tx, uint64_t rx)
{
	struct core_session *s = core_session_get(c, key);

	if (!s || s->dying)
		return false;
	s->tx_speed = tx;
	s->rx_speed = rx;
	return true;
}

bool core_set_tap(struct core *c, struct sess_key key, bool on)
{
	struct core_session *s = core_session_get(c, key);
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	if (!s || s->dying)
		return false;
	m.key = key;
	m.has_tap = true;
	m.tap = on;
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
	return true;
}

static void read_shaper(const struct dp_shaper_stats *s, struct core_shaper *out)
{
	out->packets = atomic_load_explicit(&s->passed_packets, memory_order_relaxed);
	out->bytes = atomic_load_explicit(&s->passed_bytes, memory_order_relaxed);
	out->delayed = atomic_load_explicit(&s->delayed_packets, memory_order_relaxed);
	out->dropped = atomic_load_explicit(&s->dropped_packets, memory_order_relaxed);
	out->queued = atomic_load_explicit(&s->queued, memory_order_relaxed);
}

/* The statistics outlive the record that leads to them by a grace period. */
bool core_session_shapers(struct core *c, struct sess_key key, struct core_shaper out[2])
{
	const struct core_session *s = core_session_get(c, key);
	const struct dp_session *r = NULL;

	memset(out, 0, 2 * sizeof(*out));
	if (s && s->slot != DP_SLOT_NONE)
		r = dp_session_at_rcu(c->env.tables, s->slot);
	if (!r || !sess_key_equal(r->spec.key, key) || !r->spec.service)
		return false;
	for (unsigned i = 0; i < DP_WAYS; i++)
		read_shaper(&r->spec.service->shaper[i].stats, &out[i]);
	return true;
}

/* What is done to the packets of a session: kept here, carried out by its worker. */
#include "control/core_priv.h"

bool core_policy_keep(struct core *c, struct core_session *s, const struct sess_policy *policy)
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

bool core_set_policy(struct core *c, struct sess_key key, const struct sess_policy *policy)
{
	struct core_session *s = core_session_get(c, key);
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	if (!s || s->dying || !core_policy_keep(c, s, policy))
		return false;
	m.key = key;
	m.has_policy = true;
	m.policy = *policy;
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
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

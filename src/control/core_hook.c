/* Where plugins have a say: what they are told, and what becomes of their orders meanwhile. */
#include "control/core_priv.h"

#include "base/panic.h"

#define HOOK(c, name) ((c)->env.hooks && (c)->env.hooks->name)

/* From here on orders of hooks about the session's policy change this one. */
static void pending_start(struct core *c, const struct core_session *s,
			  const struct sess_policy *policy)
{
	c->pending = (struct core_pending){.active = true, .key = s->key, .policy = *policy};
}

static struct sess_policy pending_end(struct core *c)
{
	c->pending.active = false;
	return c->pending.policy;
}

bool core_hook_pre_auth(struct core *c, struct msg_auth_req *m)
{
	return !HOOK(c, pre_auth) || c->env.hooks->pre_auth(c->env.hooks->ctx, m);
}

bool core_hook_post_auth(struct core *c, struct core_session *s, bool allowed)
{
	struct sess_policy policy = {0};

	c->pending = (struct core_pending){0};
	if (!HOOK(c, post_auth))
		return allowed;
	if (s->asked_again)
		policy = core_policy_of(s);
	pending_start(c, s, &policy);
	allowed = c->env.hooks->post_auth(c->env.hooks->ctx, s->key, core_session_user(s),
					  s->auth_proto, allowed);
	pending_end(c); /* it is asked for by core_hook_grant() */
	return allowed;
}

/* What RADIUS says counts more than what a plugin wanted before it knew. */
static void take_wishes(struct sess_policy *to, const struct sess_policy *wishes)
{
	to->garden |= wishes->garden;
	if (to->rate_up == 0)
		to->rate_up = wishes->rate_up;
	if (to->rate_down == 0)
		to->rate_down = wishes->rate_down;
	if (!ip_addr_is_set(&to->intercept.ip))
		to->intercept = wishes->intercept;
	if (to->filter_in[0] == '\0')
		memcpy(to->filter_in, wishes->filter_in, sizeof(to->filter_in));
	if (to->filter_out[0] == '\0')
		memcpy(to->filter_out, wishes->filter_out, sizeof(to->filter_out));
}

static void tell_pairs(struct core *c, const struct core_session *s,
		       const struct rad_avpairs *pairs)
{
	struct rad_avpairs it = *pairs;
	struct rad_avpair p;

	while (!s->dying && rad_avpair_next(&it, &p))
		c->env.hooks->radius_response(c->env.hooks->ctx, s->key, p.key, p.value);
}

void core_hook_grant(struct core *c, struct core_session *s, const struct rad_avpairs *pairs,
		     struct sess_policy *policy)
{
	if (s->asked_again) /* nobody is put back by what is said at every login */
		policy->garden = false;
	if (sess_key_equal(c->pending.key, s->key)) {
		take_wishes(policy, &c->pending.policy);
		c->pending = (struct core_pending){0};
	}
	if (!pairs || s->asked_again || !HOOK(c, radius_response))
		return;
	pending_start(c, s, policy);
	tell_pairs(c, s, pairs);
	*policy = pending_end(c);
}

void core_hook_change(struct core *c, struct core_session *s, const struct rad_avpairs *pairs,
		      struct sess_policy *policy)
{
	pending_start(c, s, policy);
	if (HOOK(c, radius_reset))
		c->env.hooks->radius_reset(c->env.hooks->ctx, s->key);
	if (HOOK(c, radius_response))
		tell_pairs(c, s, pairs);
	*policy = pending_end(c);
}

void core_hook_account(struct core *c, struct core_session *s, struct wbuf *w)
{
	if (HOOK(c, radius_account))
		c->env.hooks->radius_account(c->env.hooks->ctx, s->key, w);
}

void core_hook_new(struct core *c, struct core_session *s, struct sess_policy *policy)
{
	LNS_ASSERT(!s->hooked);
	if (!HOOK(c, new_session))
		return;
	s->hooked = true;
	pending_start(c, s, policy);
	c->env.hooks->new_session(c->env.hooks->ctx, s->key);
	struct sess_policy wanted = pending_end(c);
	if (core_policy_keep(c, s, &wanted))
		*policy = wanted;
}

void core_hook_kill(struct core *c, struct core_session *s)
{
	if (!s->hooked)
		return;
	s->hooked = false;
	if (HOOK(c, kill_session))
		c->env.hooks->kill_session(c->env.hooks->ctx, s->key);
}

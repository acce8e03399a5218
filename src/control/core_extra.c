/* What RADIUS granted a session beyond IPv4: kept for who asks. */
#include "base/crypto.h"
#include "control/core_priv.h"

static bool v6_is_empty(const struct aaa_ipv6 *v6)
{
	return !v6->has_interface_id && !ip_addr_is_set(&v6->prefix.addr) &&
	       !ip_addr_is_set(&v6->address) && v6->n_delegated == 0 && v6->n_routes == 0 &&
	       !ip_addr_is_set(&v6->dns[0]) && v6->pool[0] == '\0' && v6->delegated_pool[0] == '\0';
}

bool core_extra_keep(struct core *c, struct core_session *s, const struct rad_grant *g)
{
	LNS_ASSERT(s->extra == NULL);

	if (v6_is_empty(&g->profile.v6) && g->tunnels.n == 0)
		return true;
	s->extra = alloc_get(c->env.alloc, sizeof(*s->extra));
	if (!s->extra)
		return false;
	s->extra->v6 = g->profile.v6;
	s->extra->n_tunnels = g->tunnels.n;
	memcpy(s->extra->tunnels, g->tunnels.list, sizeof(s->extra->tunnels));
	return true;
}

void core_extra_free(struct core *c, struct core_session *s)
{
	if (!s->extra)
		return;
	mem_wipe(s->extra, sizeof(*s->extra)); /* passwords of tunnels */
	alloc_put(c->env.alloc, s->extra, sizeof(*s->extra));
	s->extra = NULL;
}

bool core_session_extra(struct core *c, struct sess_key key, struct session_extra *out)
{
	const struct core_session *s = core_session_get(c, key);

	*out = (struct session_extra){0};
	if (!s || !s->extra)
		return false;
	out->v6 = s->extra->v6;
	out->n_tunnels = s->extra->n_tunnels;
	for (unsigned i = 0; i < out->n_tunnels; i++) {
		out->tunnels[i] = s->extra->tunnels[i];
		mem_wipe(out->tunnels[i].password, sizeof(out->tunnels[i].password));
	}
	return true;
}

/* Who gets in: the local list or RADIUS, who has to go for it, and the address that the session
 * gets. */
#include "control/core_priv.h"

#include <stdio.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/panic.h"

/* ---- answers to the worker ------------------------------------------------------------------- */

static void reply_init(struct msg_auth_reply *r, const struct core_session *s)
{
	*r = (struct msg_auth_reply)MSG_INIT(MSG_AUTH_REPLY, struct msg_auth_reply);
	r->key = s->key;
}

void aaa_refuse(struct core *c, struct core_session *s, const struct end_reason *why,
		struct span reply_message)
{
	struct msg_auth_reply r;
	char user[CORE_USER_TEXT];

	reply_init(&r, s);
	r.reason = *why;
	r.profile.reply_len = (uint8_t)(reply_message.n < LNS_REPLY_MSG_MAX ? reply_message.n
									    : LNS_REPLY_MSG_MAX);
	span_bytes(&reply_message, r.profile.reply, r.profile.reply_len);
	counter_add(c->env.counters, C_AUTH_REJECTS, 1);
	core_log(c, LOG_NOTE, s, "login of %s refused: %s",
		 core_user_text(core_session_user(s), user), why->text);
	c->env.post(c->env.ctx, core_worker_of(c, s), &r.msg);
}

static void refuse_with(struct core *c, struct core_session *s, enum term_cause cause,
			const char *text)
{
	struct end_reason why = core_reason(3, 0, cause, text);
	aaa_refuse(c, s, &why, span_of(NULL, 0));
}

/* ---- who has to go --------------------------------------------------------------------------- */

static bool is_guest(const struct core *c, struct span user)
{
	for (unsigned i = 0; i < c->conf->n_guests; i++) {
		const char *guest = c->conf->guests[i];
		if (strlen(guest) == user.n &&
		    strncasecmp(guest, (const char *)user.p, user.n) == 0)
			return true;
	}
	return false;
}

/* The pool gets its address back early, so that the session that replaces it has it again. */
static void hand_over_address(struct core *c, struct core_session *old, nsec now)
{
	core_session_disown_ip(c, old);
	if (old->ip_claimed) {
		ippool_give_back(c->pool, &old->ip, old->key, now);
		if (old->ip_from_pool)
			counter_add(c->env.counters, C_IP_FREED, 1);
	}
	old->ip_claimed = false;
}

/* A new login of a name ends the older sessions, unless the configuration lets it be. */
void aaa_end_duplicates(struct core *c, struct core_session *s, const char *text, nsec now)
{
	if (c->conf->allow_duplicate_users || is_guest(c, core_session_user(s)))
		return;

	struct end_reason why = core_reason(3, 0, TERM_ADMIN_RESET, text);
	struct list_head *it;
	c->walks++;
	list_each (it, &s->user->sessions) {
		struct core_session *old = container_of(it, struct core_session, of_user);
		if (old == s || !old->authenticated || core_in_garden(old))
			continue;
		if (!old->dying)
			core_log(c, LOG_NOTE, old, "ended: %s", why.text);
		core_session_end(c, old, &why, now);
		hand_over_address(c, old, now);
	}
	c->walks--;
}

/* Two sessions cannot have one address: the newer one keeps it. */
static void end_holder_of(struct core *c, const struct ip_addr *ip, nsec now)
{
	struct core_session *old = core_session_at(c, ip);
	if (!old)
		return;
	struct end_reason why =
		core_reason(3, 0, TERM_ADMIN_RESET, "another session was given its address");
	core_log(c, LOG_WARN, old, "ended: %s", why.text);
	core_session_end(c, old, &why, now);
	hand_over_address(c, old, now);
}

/* ---- what is granted ------------------------------------------------------------------------- */

/* Where no pool has a name, the names of servers mean nothing. */
static const char *pool_of(const struct core *c, const struct rad_grant *g)
{
	return c->pool && ippool_has_names(c->pool) ? g->pool : "";
}

/* True when the session has an address now. */
static bool assign_address(struct core *c, struct core_session *s, const struct rad_grant *g,
			   nsec now)
{
	const struct aaa_profile *p = &g->profile;
	/* An address is not kept for a name that was not proved. */
	struct span user = p->policy.garden ? span_of(NULL, 0) : core_session_user(s);

	if (ip_addr_is_set(&p->ip)) {
		end_holder_of(c, &p->ip, now);
		s->ip = p->ip;
		s->ip_claimed = ippool_claim(c->pool, &s->ip, user, s->key, now);
	} else {
		s->ip_claimed = ippool_take(c->pool, pool_of(c, g), user, s->key, now, &s->ip);
		s->ip_from_pool = s->ip_claimed;
		if (!s->ip_claimed || core_session_at(c, &s->ip))
			return false; /* the pool could not be told whose it is, without memory */
		counter_add(c->env.counters, C_IP_ALLOCATED, 1);
	}
	return core_session_own_ip(c, s);
}

/* None of ours, and none that a host cannot have: packets to it would not leave this machine, or
 * those of others would go to the subscriber. */
static const char *address_fault(const struct core *c, const struct core_session *s,
				 const struct ip_addr *ip)
{
	const struct conf *conf = c->conf;
	uint32_t v4 = ip_addr_u32(ip);

	if (!ip_addr_is_set(ip))
		return NULL;
	if (ip_addr_equal(ip, &conf->tun_address) || ip_addr_equal(ip, &conf->peer_address) ||
	    ip_addr_equal(ip, &conf->iftun_address) || ip_addr_equal(ip, &s->path.local_ip))
		return "its address is one of ours";
	for (unsigned i = 0; i < conf->n_bind; i++) {
		if (ip_addr_equal(ip, &conf->bind[i]))
			return "its address is one of ours";
	}
	if (v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 14)
		return "its address is none of a host";
	return NULL;
}

static struct bstr *text_of(struct core *c, struct span s)
{
	return s.n ? bstr_new(c->env.alloc, s) : NULL;
}

static void keep_classes(struct core *c, struct core_session *s, const struct rad_grant *g)
{
	for (unsigned i = 0; i < g->n_classes; i++)
		s->classes[i] = text_of(c, g->classes[i]);
}

/* Our address toward the subscriber. */
static struct ip_addr peer_address(const struct core *c, const struct core_session *s)
{
	if (ip_addr_is_set(&c->conf->peer_address))
		return c->conf->peer_address;
	if (ip_addr_is_set(&c->conf->tun_address))
		return c->conf->tun_address;
	return s->path.local_ip.family == 4 ? s->path.local_ip : (struct ip_addr){0};
}

/* What neither RADIUS nor the local file said comes from the configuration. */
static void complete(const struct core *c, struct core_session *s, struct aaa_profile *p)
{
	if (!ip_addr_is_set(&p->peer_ip))
		p->peer_ip = peer_address(c, s);
	if (!ip_addr_is_set(&p->dns[0]))
		p->dns[0] = c->conf->primary_dns;
	if (!ip_addr_is_set(&p->dns[1]))
		p->dns[1] = c->conf->secondary_dns;
	p->ip = s->ip;
	p->ip_from_pool = s->ip_from_pool;
	s->dns[0] = p->dns[0];
	s->dns[1] = p->dns[1];
	s->session_timeout_s = p->session_timeout_s;
	s->idle_timeout_s = p->idle_timeout_s;
	s->interim_s = p->interim_s;
}

/* How many other sessions of the name are let in. */
static uint32_t others_of_user(const struct core_session *s)
{
	struct list_head *it;
	uint32_t n = 0;

	list_each (it, &s->user->sessions) {
		struct core_session *other = container_of(it, struct core_session, of_user);
		n += other != s && other->authenticated && !other->dying;
	}
	return n;
}

/* NULL: what is granted may be had. */
static const char *grant_fault(const struct core *c, const struct core_session *s,
			       const struct rad_grant *g)
{
	if (g->port_limit && others_of_user(s) >= g->port_limit &&
	    (c->conf->allow_duplicate_users || is_guest(c, core_session_user(s))))
		return "the user has as many sessions as Port-Limit allows";
	if (!ip_addr_is_set(&g->profile.ip) && c->pool && !ippool_has(c->pool, pool_of(c, g)))
		return "there is no pool of that name (Framed-Pool)";
	return address_fault(c, s, &g->profile.ip);
}

static bool grant(struct core *c, struct core_session *s, const struct rad_grant *g, nsec now)
{
	if (!assign_address(c, s, g, now)) {
		struct end_reason why =
			core_reason(2, 7, TERM_SERVICE_UNAVAILABLE, "no address is free");
		counter_add(c->env.counters, C_IP_EXHAUSTED, 1);
		aaa_refuse(c, s, &why, span_of(NULL, 0));
		return false;
	}
	if (!core_routes_set(c, s, &g->profile) || (s->up && !core_routes_up(c, s)) ||
	    !core_policy_keep(c, s, &g->profile.policy) || !core_extra_keep(c, s, g)) {
		struct end_reason why = core_reason(2, 4, TERM_NAS_ERROR, "out of memory");
		aaa_refuse(c, s, &why, span_of(NULL, 0));
		return false;
	}
	keep_classes(c, s, g);
	return true;
}

static void send_accept(struct core *c, struct core_session *s, const struct aaa_profile *p)
{
	struct msg_auth_reply r;

	reply_init(&r, s);
	r.accept = true;
	r.profile = *p;
	counter_add(c->env.counters, C_AUTH_ACCEPTS, 1);
	c->env.post(c->env.ctx, core_worker_of(c, s), &r.msg);
}

static void log_accept(struct core *c, const struct core_session *s)
{
	char user[CORE_USER_TEXT], ip[IP_ADDR_TEXT];

	core_log(c, LOG_NOTE, s, "login of %s accepted, %s%s",
		 core_user_text(core_session_user(s), user), ip_addr_text(&s->ip, ip),
		 s->ip_from_pool ? " from the pool" : "");
}

/* The link lives on as it is: only the verdict counts. */
static void accept_again(struct core *c, struct core_session *s)
{
	struct aaa_profile p = {.ip = s->ip,
				.ip_from_pool = s->ip_from_pool,
				.peer_ip = peer_address(c, s),
				.dns = {s->dns[0], s->dns[1]},
				.policy = core_policy_of(s),
				.session_timeout_s = s->session_timeout_s,
				.idle_timeout_s = s->idle_timeout_s};
	send_accept(c, s, &p);
}

void aaa_accept(struct core *c, struct core_session *s, struct rad_grant *g, nsec now)
{
	if (s->asked_again) {
		if (g->profile.policy.garden) /* nothing but an order leads out of it */
			core_set_garden(c, s->key, true, now);
		accept_again(c, s);
		return;
	}
	if (g->has_session_timeout && g->profile.session_timeout_s == 0 &&
	    c->conf->kill_timedout_sessions) {
		refuse_with(c, s, TERM_SESSION_TIMEOUT, "no time is left (Session-Timeout 0)");
		return;
	}
	const char *fault = grant_fault(c, s, g);
	if (fault) {
		refuse_with(c, s, TERM_SERVICE_UNAVAILABLE, fault);
		return;
	}
	aaa_release(c, s, now);	       /* of a login before, when the link started again */
	if (!g->profile.policy.garden) /* who did not prove the name ends nobody's session */
		aaa_end_duplicates(c, s, "the user has logged in again", now);
	if (!grant(c, s, g, now)) {
		aaa_release(c, s, now);
		return;
	}
	s->authenticated = true;
	c->n_authenticated++;
	complete(c, s, &g->profile);
	log_accept(c, s);
	core_hook_new(c, s, &g->profile.policy);
	if (!s->dying)
		send_accept(c, s, &g->profile);
}

void aaa_release(struct core *c, struct core_session *s, nsec now)
{
	const struct alloc *a = c->env.alloc;

	core_hook_kill(c, s);
	core_routes_free(c, s);
	core_session_disown_ip(c, s);
	if (s->ip_claimed) {
		ippool_give_back(c->pool, &s->ip, s->key, now);
		if (s->ip_from_pool)
			counter_add(c->env.counters, C_IP_FREED, 1);
	}
	s->ip_claimed = s->ip_from_pool = false;
	s->ip = (struct ip_addr){0};
	for (unsigned i = 0; i < RAD_CLASSES_MAX; i++) {
		bstr_free(a, s->classes[i]);
		s->classes[i] = NULL;
	}
	core_policy_free(c, s);
	core_extra_free(c, s);
	if (s->authenticated)
		c->n_authenticated--;
	s->authenticated = false;
}

/* ---- who decides ----------------------------------------------------------------------------- */

static const char *local_text(enum local_verdict v)
{
	switch (v) {
	case LOCAL_UNKNOWN_USER:
		return "not in the local file";
	case LOCAL_BAD_PASSWORD:
		return "wrong password";
	case LOCAL_NO_CLEARTEXT:
		return "CHAP needs a password in clear in the local file";
	case LOCAL_ACCEPT:
		break;
	}
	LNS_UNREACHABLE();
}

static void ask_local(struct core *c, struct core_session *s, const struct msg_auth_req *m,
		      nsec now)
{
	struct rad_grant g = {.profile.ip_from_pool = true};
	enum local_verdict v = local_users_check(c->users, m, c->env.crypt_check, &g.profile);

	bool allowed = core_hook_post_auth(c, s, v == LOCAL_ACCEPT);

	if (s->dying) /* a plugin has ended it */
		return;
	s->local_user = allowed;
	if (allowed) {
		core_hook_grant(c, s, NULL, &g.profile.policy);
		aaa_accept(c, s, &g, now);
	} else {
		refuse_with(c, s, TERM_USER_ERROR,
			    v == LOCAL_ACCEPT ? "refused by a plugin" : local_text(v));
	}
}

static void decide(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now)
{
	bool radius = c->conf->n_radius > 0 || c->conf->radius_servers[0] != '\0';

	if (radius && rad_client_servers(c->radius) == 0) {
		core_log(c, LOG_ERROR, s, "a RADIUS server is set but radius_secret is not");
		refuse_with(c, s, TERM_NAS_ERROR, "radius_secret is not set");
	} else if (radius) {
		s->local_user = false;
		if (!aaa_radius_ask(c, s, m, now))
			refuse_with(c, s, TERM_NAS_ERROR, "too many RADIUS requests outstanding");
	} else if (c->users) {
		ask_local(c, s, m, now);
	} else {
		core_log(c, LOG_ERROR, s,
			 "neither a RADIUS server (primary_radius) nor a file of subscribers "
			 "(local_users) is set: every login is refused");
		refuse_with(c, s, TERM_SERVICE_UNAVAILABLE, "nobody to ask");
	}
}

static bool too_long(const struct msg_auth_req *m)
{
	return m->user_len > LNS_USER_MAX || m->password_len > LNS_PASSWORD_MAX ||
	       m->challenge_len > LNS_CHALLENGE_MAX;
}

/* NULL: it may go on. */
static const char *request_fault(const struct core_session *s, const struct msg_auth_req *m)
{
	struct span user = span_of(m->user, m->user_len);

	if (m->proto != AUTH_PAP && m->proto != AUTH_CHAP)
		return "the link did not authenticate";
	if (m->user_len == 0)
		return "no user name";
	if (s->up && !s->user)
		return "no user name";
	if (s->up && (user.n != bstr_span(s->user->name).n ||
		      strncasecmp((const char *)user.p, s->user->name->s, user.n) != 0))
		return "another user name on a link that is up";
	return NULL;
}

static void request(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now)
{
	const char *fault = request_fault(s, m);
	if (fault) {
		refuse_with(c, s, TERM_USER_ERROR, fault);
		return;
	}
	if (!core_session_name(c, s, span_of(m->user, m->user_len))) {
		refuse_with(c, s, TERM_NAS_ERROR, "out of memory");
		return;
	}
	s->asked_again = m->reauth && s->authenticated;
	s->auth_proto = m->proto;
	core_session_number(c, s);
	decide(c, s, m, now);
}

void aaa_request(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now)
{
	counter_add(c->env.counters, C_AUTH_REQUESTS, 1);
	if (s->asked) {
		/* The link has started again: the newest credentials count. */
		rad_client_cancel(c->radius, s->asked, now);
		s->asked = NULL;
	}
	if (too_long(m)) {
		refuse_with(c, s, TERM_USER_ERROR, "the credentials are too long");
	} else if (!c->env.hooks || !c->env.hooks->pre_auth) {
		request(c, s, m, now);
	} else {
		struct msg_auth_req mine = *m; /* hooks may change it */
		bool goes_on = core_hook_pre_auth(c, &mine);
		if (goes_on && !s->dying)
			request(c, s, &mine, now);
		else
			core_log(c, LOG_NOTE, s, "login dropped by a plugin");
		mem_wipe(&mine, sizeof(mine));
	}
}

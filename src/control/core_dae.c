/* Dynamic authorisation: who may ask, which sessions are meant, what is done to them (RFC 5176). */
#include "base/crypto.h"
#include "base/panic.h"
#include "control/core_priv.h"
#include "control/conf_filter.h"
#include "control/conf_radius.h"

enum {
	WINDOW_S = 300,	       /* of Event-Timestamp: RFC 5176 6.3 */
	DONE_S = 2 * WINDOW_S, /* an answer is kept: one of the future is of now that long */
};

/* ---- who may ask ----------------------------------------------------------------------------- */

static void add_client(struct core *c, const struct ip_prefix *net, struct span secret)
{
	if (c->n_dae_clients == CORE_DAE_CLIENTS || secret.n == 0)
		return;
	struct core_dae_client *client = &c->dae_clients[c->n_dae_clients++];
	client->net = *net;
	client->secret_n = (uint8_t)secret.n;
	span_bytes(&secret, client->secret, secret.n);
}

static void add_listed(struct core *c)
{
	const char *at = c->conf->radius_dae_clients;
	struct conf_radius_item item;

	while (conf_radius_next(&at, &item))
		add_client(c, &item.net,
			   item.secret.p ? item.secret : span_str(c->conf->radius_secret));
}

static void add_servers(struct core *c)
{
	struct rad_client_conf conf;

	aaa_radius_conf(c, &conf);
	for (unsigned i = 0; i < conf.n_servers; i++) {
		const struct ip_addr *ip = &conf.servers[i].addr[RAD_AUTH].ip;
		struct ip_prefix net = {.addr = *ip, .len = ip->family == 6 ? 128 : 32};
		add_client(c, &net, span_str(conf.servers[i].secret));
	}
	mem_wipe(&conf, sizeof(conf));
}

void core_dae_conf(struct core *c)
{
	mem_wipe(c->dae_clients, sizeof(c->dae_clients));
	c->n_dae_clients = 0;
	if (c->conf->radius_dae_clients[0] != '\0')
		add_listed(c);
	else
		add_servers(c);
}

static struct span secret_of(const struct core_dae_client *client)
{
	return span_of(client->secret, client->secret_n);
}

/* Several may have one address: two servers of one host. NULL: not a client of ours, or not signed
 * by one. */
static const struct core_dae_client *client_of(const struct core *c, const struct ip_addr *from,
					       const struct rad_packet *p)
{
	for (unsigned i = 0; i < c->n_dae_clients; i++) {
		const struct core_dae_client *client = &c->dae_clients[i];
		if (ip_prefix_contains(&client->net, from) && rad_dae_check(p, secret_of(client)))
			return client;
	}
	return NULL;
}

/* ---- requests that come again ---------------------------------------------------------------- */

/* The same packet again, repeated by the client or replayed by somebody else, from wherever: it
 * gets the same answer and nothing is done. NULL: a new one. Without an Event-Timestamp a client
 * may well mean another session by the same bytes later (RFC 5080 2.2.2). */
static const struct core_dae_done *done_before(const struct core *c, const struct rad_packet *p,
					       nsec now)
{
	for (unsigned i = 0; i < CORE_DAE_DONE; i++) {
		const struct core_dae_done *d = &c->dae_done[i];
		if (d->used && d->id == p->id && nsec_before(now, d->until) &&
		    mem_equal_ct(d->authenticator, p->authenticator, RAD_AUTHENTICATOR))
			return d;
	}
	return NULL;
}

static void remember(struct core *c, const struct rad_packet *p, enum rad_error_cause error,
		     nsec now)
{
	struct core_dae_done *d = &c->dae_done[c->next_dae_done++ % CORE_DAE_DONE];

	*d = (struct core_dae_done){.used = true,
				    .id = p->id,
				    .error = (uint16_t)error,
				    .until = nsec_add(now, NSEC_S(DONE_S))};
	memcpy(d->authenticator, p->authenticator, RAD_AUTHENTICATOR);
}

static bool is_of_now(const struct core *c, const struct rad_dae_request *q)
{
	if (!q->has_timestamp)
		return true;
	int64_t off = c->env.wall_clock_s(c->env.ctx) - (int64_t)q->timestamp;
	return off <= WINDOW_S && off >= -WINDOW_S;
}

/* ---- which sessions -------------------------------------------------------------------------- */

static bool text_matches(struct span wanted, const struct bstr *have)
{
	return !wanted.p || (have && span_equal(wanted, bstr_span(have)));
}

static bool id_matches(struct span wanted, const struct core_session *s)
{
	char id[AAA_SESSION_ID];

	if (!wanted.p)
		return true;
	return s->unique_id != 0 && span_equal(wanted, span_str(aaa_session_id(s, id)));
}

static bool port_matches(const struct rad_dae_request *q, const struct core_session *s)
{
	char text[AAA_PORT_ID];

	if (q->has_port && q->port != aaa_nas_port(s))
		return false;
	return !q->port_id.p || span_equal(q->port_id, span_str(aaa_port_id(s, text)));
}

static bool session_matches(const struct rad_dae_request *q, const struct core_session *s)
{
	if (s->dying)
		return false;
	if (q->user.p && (!s->user || !span_equal(q->user, core_session_user(s))))
		return false;
	if (ip_addr_is_set(&q->framed_ip) && !ip_addr_equal(&q->framed_ip, &s->ip))
		return false;
	return port_matches(q, s) && id_matches(q->session_id, s) &&
	       text_matches(q->calling, s->calling) && text_matches(q->called, s->called);
}

/* Names that we said in our requests; others are somebody else's. */
static bool nas_matches(const struct core *c, const struct rad_dae_request *q)
{
	const struct ip_addr *ours = &c->conf->bind_address;
	bool any = !ip_addr_is_set(ours); /* each session told its tunnel's address */

	if (ip_addr_is_set(&q->nas_ip) && !any && !ip_addr_equal(&q->nas_ip, ours))
		return false;
	if (ip_addr_is_set(&q->nas_ip6) && !any && !ip_addr_equal(&q->nas_ip6, ours))
		return false;
	return !q->nas_identifier.p || span_equal(q->nas_identifier, span_str(c->conf->hostname));
}

/* False: out of memory, and nothing was done to it. */
typedef bool dae_action(struct core *c, struct core_session *s, const struct rad_dae_request *q,
			nsec now);

/* How many sessions an action was good for. */
struct outcome {
	unsigned done, failed;
};

static void act_on(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		   dae_action *act, struct outcome *did, nsec now)
{
	if (!s || !session_matches(q, s))
		return;
	if (act(c, s, q, now))
		did->done++;
	else
		did->failed++;
}

/* What points at one session, *out being NULL when there is none. False: nothing of that is said.
 */
static bool find_one(const struct core *c, const struct rad_dae_request *q,
		     struct core_session **out)
{
	if (q->has_port)
		*out = core_session_get_any(c, (uint16_t)(q->port >> 16), (uint16_t)q->port);
	else if (ip_addr_is_set(&q->framed_ip))
		*out = core_session_at(c, &q->framed_ip);
	else if (q->session_id.p)
		*out = core_session_by_id(c, q->session_id);
	else
		return false;
	return true;
}

/* Those of one user are looked up too; station ids alone need a walk over all. No action takes a
 * session out of a list: it ends when its worker says so, and plugins must not rename it. */
static void for_each_match(struct core *c, const struct rad_dae_request *q, dae_action *act,
			   struct outcome *did, nsec now)
{
	struct core_user *u = q->user.p ? core_user_get(c, q->user) : NULL;
	struct core_session *one;
	struct list_head *it;

	c->walks++;
	if (find_one(c, q, &one)) {
		act_on(c, one, q, act, did, now);
	} else if (u) {
		list_each (it, &u->sessions)
			act_on(c, container_of(it, struct core_session, of_user), q, act, did, now);
	} else if (!q->user.p) {
		list_each (it, &c->sessions)
			act_on(c, container_of(it, struct core_session, by_age), q, act, did, now);
	}
	c->walks--;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static bool disconnect(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		       nsec now)
{
	struct end_reason why = core_reason(3, 0, TERM_ADMIN_RESET, "Disconnect-Request");
	char user[CORE_USER_TEXT];

	(void)q;
	core_log(c, LOG_NOTE, s, "ended: Disconnect-Request for %s",
		 core_user_text(core_session_user(s), user));
	core_session_end(c, s, &why, now);
	return true;
}

static void classes_free(struct core *c, struct bstr **classes)
{
	for (unsigned i = 0; i < RAD_CLASSES_MAX; i++)
		bstr_free(c->env.alloc, classes[i]);
}

/* False: out of memory, and nothing is held. */
static bool classes_copy(struct core *c, const struct rad_dae_request *q,
			 struct bstr *classes[static RAD_CLASSES_MAX])
{
	for (unsigned i = 0; i < q->n_classes; i++) {
		classes[i] = bstr_new(c->env.alloc, q->classes[i]);
		if (!classes[i]) {
			classes_free(c, classes);
			return false;
		}
	}
	return true;
}

static void classes_replace(struct core *c, struct core_session *s, struct bstr **classes)
{
	if (!classes[0])
		return;
	classes_free(c, s->classes);
	memcpy(s->classes, classes, sizeof(s->classes));
}

/* What the session's worker is to do: the policy as a whole. What plugins make of the request comes
 * first, what it says itself goes over it. False: out of memory, and nothing has changed. */
static bool change_policy(struct core *c, struct core_session *s, const struct rad_dae_request *q,
			  struct msg_session_change *m)
{
	struct sess_policy before = core_policy_of(s), policy = before;

	core_hook_change(c, s, &q->pairs, &policy);
	rad_told_policy(&q->told, &policy);
	if (sess_policy_equal(&policy, &before))
		return true;
	if (!core_policy_keep(c, s, &policy))
		return false;
	m->has_policy = true;
	m->policy = policy;
	return true;
}

/* What the session has used is billed to the class that it had: a Stop goes before the new one, a
 * Start behind it. */
static void change_class(struct core *c, struct core_session *s, struct bstr **classes,
			 bool was_in_garden, nsec now)
{
	bool is_in_garden = core_policy_of(s).garden;
	bool told = is_in_garden != was_in_garden && s->authenticated;

	if (told && is_in_garden)
		acct_garden(c, s, true, now);
	classes_replace(c, s, classes);
	if (told && !is_in_garden)
		acct_garden(c, s, false, now);
}

static void change_timeouts(struct core_session *s, const struct rad_told *t,
			    struct msg_session_change *m, nsec now)
{
	uint32_t age_s = nsec_age_s(s->opened, now);

	m->has_session_timeout = t->said & RAD_SAID_SESSION_TIMEOUT;
	m->has_idle_timeout = t->said & RAD_SAID_IDLE_TIMEOUT;
	if (m->has_session_timeout) {
		s->session_timeout_s = t->session_timeout_s;
		m->session_left_s = t->session_timeout_s ? t->session_timeout_s - age_s : 0;
	}
	if (m->has_idle_timeout)
		s->idle_timeout_s = m->idle_timeout_s = t->idle_timeout_s;
}

/* Session-Timeout is the length of the whole session (RFC 2865 5.27): what has passed counts. */
static bool time_is_over(const struct core *c, const struct core_session *s,
			 const struct rad_told *t, nsec now)
{
	if (!(t->said & RAD_SAID_SESSION_TIMEOUT))
		return false;
	if (t->session_timeout_s == 0)
		return c->conf->kill_timedout_sessions;
	return t->session_timeout_s <= nsec_age_s(s->opened, now);
}

static bool change(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		   nsec now)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);
	struct bstr *classes[RAD_CLASSES_MAX] = {0};
	const struct rad_told *t = &q->told;
	bool was_in_garden = core_policy_of(s).garden;

	if (!classes_copy(c, q, classes))
		return false;
	if (!change_policy(c, s, q, &m)) {
		classes_free(c, classes);
		return false;
	}
	change_class(c, s, classes, was_in_garden, now);
	if (s->dying)
		return true; /* a plugin has ended it */
	if (t->said & RAD_SAID_INTERIM) {
		s->interim_s = t->interim_s;
		acct_interval_changed(c, s, now);
	}
	if (time_is_over(c, s, t, now)) {
		struct end_reason why =
			core_reason(3, 0, TERM_SESSION_TIMEOUT, "CoA: Session-Timeout has passed");
		core_log(c, LOG_NOTE, s, "ended: %s", why.text);
		core_session_end(c, s, &why, now);
		return true;
	}
	m.key = s->key;
	change_timeouts(s, t, &m, now);
	core_log(c, LOG_NOTE, s, "changed by a CoA-Request");
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
	return true;
}

/* "" is none, which is known. */
static bool filter_is_known(const struct core *c, const char *name)
{
	return name[0] == '\0' || conf_filter_exists(c->conf, name);
}

/* A CoA that is well formed and asks for what we cannot do now. */
static enum rad_error_cause change_fault(const struct core *c, struct rad_dae_request *q)
{
	const struct sess_policy *p = &q->told.policy;

	if (q->told.said == 0 && q->n_classes == 0 && c->conf->n_plugins == 0) {
		rad_dict_name(RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, q->blamed);
		return RAD_ERROR_UNSUPPORTED_ATTRIBUTE; /* no plugin may know its keys */
	}
	if (!filter_is_known(c, p->filter_in) || !filter_is_known(c, p->filter_out)) {
		rad_dict_name(0, RAD_FILTER_ID, q->blamed);
		return RAD_ERROR_INVALID_REQUEST;
	}
	return RAD_ERROR_NONE;
}

static enum rad_error_cause carry_out(struct core *c, struct rad_dae_request *q, nsec now)
{
	struct outcome did = {0};

	if (q->error != RAD_ERROR_NONE)
		return q->error;
	if (!nas_matches(c, q))
		return RAD_ERROR_NAS_MISMATCH;
	enum rad_error_cause fault = q->disconnect ? RAD_ERROR_NONE : change_fault(c, q);
	if (fault != RAD_ERROR_NONE)
		return fault;
	for_each_match(c, q, q->disconnect ? disconnect : change, &did, now);
	if (did.failed > 0)
		return RAD_ERROR_NO_RESOURCES;
	return did.done > 0 ? RAD_ERROR_NONE : RAD_ERROR_NO_SESSION;
}

static void log_nak(struct core *c, const struct sock_addr *from, const struct rad_dae_request *q,
		    enum rad_error_cause error)
{
	char addr[SOCK_ADDR_TEXT];

	core_log(c, LOG_WARN, NULL, "%s of %s refused: Error-Cause %u%s%s",
		 q->disconnect ? "Disconnect-Request" : "CoA-Request", sock_addr_text(from, addr),
		 (unsigned)error, q->blamed[0] ? ", " : "", q->blamed);
}

bool core_dae_rx(struct core *c, const struct sock_addr *from, struct span datagram,
		 struct wbuf *reply, nsec now)
{
	const struct core_dae_client *client = NULL;
	struct rad_dae_request q;
	struct rad_packet p;

	counter_add(c->env.counters, C_DAE_REQUESTS, 1);
	/* Who is not known, or did not sign, learns nothing (RFC 5176 3). */
	if (!rad_packet_decode(datagram, &p) || !(client = client_of(c, &from->ip, &p)) ||
	    !rad_dae_decode(&p, &c->radius_terms, &q) || !is_of_now(c, &q)) {
		counter_add(c->env.counters, C_DAE_DROPPED, 1);
		return false;
	}
	const struct core_dae_done *done = done_before(c, &p, now);
	enum rad_error_cause error =
		done ? (enum rad_error_cause)done->error : carry_out(c, &q, now);
	if (!done) {
		remember(c, &p, error, now);
		if (error != RAD_ERROR_NONE) {
			counter_add(c->env.counters, C_DAE_REFUSED, 1);
			log_nak(c, from, &q, error);
		}
	}
	rad_dae_reply(reply, &p, error, secret_of(client));
	return !reply->bad;
}

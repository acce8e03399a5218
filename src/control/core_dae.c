/* Dynamic authorisation: who may ask, which sessions are meant, what is done to them (RFC 5176). */
#include "base/crypto.h"
#include "base/panic.h"
#include "control/core_priv.h"
#include "control/conf_radius.h"

enum {
	WINDOW_S = 300, /* of Event-Timestamp: RFC 5176 6.3 */
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

/* NULL: not a client of ours. */
static const struct core_dae_client *client_at(const struct core *c, const struct ip_addr *from)
{
	for (unsigned i = 0; i < c->n_dae_clients; i++) {
		if (ip_prefix_contains(&c->dae_clients[i].net, from))
			return &c->dae_clients[i];
	}
	return NULL;
}

/* ---- requests that come again ---------------------------------------------------------------- */

/* The same packet again, repeated by the client or replayed by somebody else: it gets the same
 * answer and nothing is done. NULL: a new one. */
static const struct core_dae_done *done_before(const struct core *c, const struct sock_addr *from,
					       const struct rad_packet *p)
{
	for (unsigned i = 0; i < CORE_DAE_DONE; i++) {
		const struct core_dae_done *d = &c->dae_done[i];
		if (d->used && d->id == p->id && ip_addr_equal(&d->from, &from->ip) &&
		    mem_equal_ct(d->authenticator, p->authenticator, RAD_AUTHENTICATOR))
			return d;
	}
	return NULL;
}

static void remember(struct core *c, const struct sock_addr *from, const struct rad_packet *p,
		     enum rad_error_cause error)
{
	struct core_dae_done *d = &c->dae_done[c->next_dae_done++ % CORE_DAE_DONE];

	*d = (struct core_dae_done){
		.used = true, .id = p->id, .from = from->ip, .error = (uint16_t)error};
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

typedef void dae_action(struct core *c, struct core_session *s, const struct rad_dae_request *q,
			nsec now);

static unsigned act_on(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		       dae_action *act, nsec now)
{
	if (!s || !session_matches(q, s))
		return 0;
	act(c, s, q, now);
	return 1;
}

/* What points at one session, or at those of one user, is looked up; station ids alone need a walk
 * over all. No action takes a session out of a list: it ends when its worker says so. */
static unsigned for_each_match(struct core *c, const struct rad_dae_request *q, dae_action *act,
			       nsec now)
{
	struct core_user *u = q->user.p ? core_user_get(c, q->user) : NULL;
	struct list_head *it;
	unsigned n = 0;

	if (q->has_port)
		return act_on(c,
			      core_session_get_any(c, (uint16_t)(q->port >> 16), (uint16_t)q->port),
			      q, act, now);
	if (ip_addr_is_set(&q->framed_ip))
		return act_on(c, core_session_at(c, &q->framed_ip), q, act, now);
	if (q->session_id.p)
		return act_on(c, core_session_by_id(c, q->session_id), q, act, now);
	if (q->user.p) {
		if (!u)
			return 0;
		list_each (it, &u->sessions)
			n += act_on(c, container_of(it, struct core_session, of_user), q, act, now);
		return n;
	}
	list_each (it, &c->sessions)
		n += act_on(c, container_of(it, struct core_session, by_age), q, act, now);
	return n;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void disconnect(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		       nsec now)
{
	struct end_reason why = core_reason(3, 0, TERM_ADMIN_RESET, "Disconnect-Request");
	char user[CORE_USER_TEXT];

	(void)q;
	core_log(c, LOG_NOTE, s, "ended: Disconnect-Request for %s",
		 core_user_text(core_session_user(s), user));
	core_session_end(c, s, &why, now);
}

static void replace_classes(struct core *c, struct core_session *s, const struct rad_dae_request *q)
{
	if (q->n_classes == 0)
		return;
	for (unsigned i = 0; i < RAD_CLASSES_MAX; i++) {
		bstr_free(c->env.alloc, s->classes[i]);
		s->classes[i] = i < q->n_classes ? bstr_new(c->env.alloc, q->classes[i]) : NULL;
	}
}

static void change_policy(struct core *c, struct core_session *s, const struct rad_dae_request *q)
{
	struct sess_policy before = core_policy_of(s), policy = before;

	core_hook_change(c, s, &q->pairs, &policy);
	if (!sess_policy_equal(&policy, &before))
		core_set_policy(c, s->key, &policy);
}

/* Session-Timeout is the length of the whole session (RFC 2865 5.27): what has passed counts. */
static void change(struct core *c, struct core_session *s, const struct rad_dae_request *q,
		   nsec now)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);
	uint32_t age_s = nsec_age_s(s->opened, now);

	replace_classes(c, s, q);
	change_policy(c, s, q);
	if (q->has_interim) {
		s->interim_s = q->interim_s;
		acct_interval_changed(c, s, now);
	}
	if (q->has_session_timeout &&
	    (q->session_timeout_s != 0 ? q->session_timeout_s <= age_s
				       : c->conf->kill_timedout_sessions)) {
		struct end_reason why =
			core_reason(3, 0, TERM_SESSION_TIMEOUT, "CoA: Session-Timeout has passed");
		core_log(c, LOG_NOTE, s, "ended: %s", why.text);
		core_session_end(c, s, &why, now);
		return;
	}
	m.key = s->key;
	m.has_session_timeout = q->has_session_timeout;
	m.has_idle_timeout = q->has_idle_timeout;
	if (q->has_session_timeout) {
		s->session_timeout_s = q->session_timeout_s;
		m.session_left_s = q->session_timeout_s ? q->session_timeout_s - age_s : 0;
	}
	if (q->has_idle_timeout)
		s->idle_timeout_s = m.idle_timeout_s = q->idle_timeout_s;
	core_log(c, LOG_NOTE, s, "changed by a CoA-Request");
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
}

static enum rad_error_cause carry_out(struct core *c, const struct rad_dae_request *q, nsec now)
{
	if (q->error != RAD_ERROR_NONE)
		return q->error;
	if (!nas_matches(c, q))
		return RAD_ERROR_NAS_MISMATCH;
	if (for_each_match(c, q, q->disconnect ? disconnect : change, now) == 0)
		return RAD_ERROR_NO_SESSION;
	return RAD_ERROR_NONE;
}

static void log_nak(struct core *c, const struct sock_addr *from, const struct rad_dae_request *q,
		    enum rad_error_cause error)
{
	char addr[SOCK_ADDR_TEXT];

	core_log(c, LOG_WARN, NULL, "%s of %s refused: Error-Cause %u%s%s",
		 q->disconnect ? "Disconnect-Request" : "CoA-Request", sock_addr_text(from, addr),
		 (unsigned)error, q->blamed ? ", " : "", q->blamed ? q->blamed : "");
}

bool core_dae_rx(struct core *c, const struct sock_addr *from, struct span datagram,
		 struct wbuf *reply, nsec now)
{
	const struct core_dae_client *client = client_at(c, &from->ip);
	struct rad_dae_request q;
	struct rad_packet p;

	counter_add(c->env.counters, C_DAE_REQUESTS, 1);
	/* Who is not known, or did not sign, learns nothing (RFC 5176 3). */
	if (!client || !rad_packet_decode(datagram, &p) ||
	    !rad_dae_check(&p, span_of(client->secret, client->secret_n)) ||
	    !rad_dae_decode(&p, &q) || !is_of_now(c, &q)) {
		counter_add(c->env.counters, C_DAE_DROPPED, 1);
		return false;
	}
	const struct core_dae_done *done = done_before(c, from, &p);
	enum rad_error_cause error =
		done ? (enum rad_error_cause)done->error : carry_out(c, &q, now);
	if (!done) {
		remember(c, from, &p, error);
		if (error != RAD_ERROR_NONE) {
			counter_add(c->env.counters, C_DAE_REFUSED, 1);
			log_nak(c, from, &q, error);
		}
	}
	rad_dae_reply(reply, &p, error, span_of(client->secret, client->secret_n));
	return !reply->bad;
}

/* Logins by RADIUS: what an Access-Request says of a session, and what follows from the answer. */
#include "control/core_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/conf_radius.h"

enum {
	ATTRS_MAX = 2048,
	AUTH_PORT = 1812,
	SOCKETS_DEFAULT = 1024, /* 262,144 requests outstanding at one server */
	NAS_PORT_TYPE_VIRTUAL = 5,
	SERVICE_TYPE_FRAMED = 2,
	FRAMED_PROTOCOL_PPP = 1,
	TUNNEL_TYPE_L2TP = 3,
	TUNNEL_MEDIUM_IPV4 = 1,
	TUNNEL_MEDIUM_IPV6 = 2,
	KBIT = 1000,
};

/* ---- configuration --------------------------------------------------------------------------- */

/* As many as the range of local ports has, when there is one. */
static uint16_t sockets_of(const struct conf *conf)
{
	uint32_t low = conf->radius_bind_min, high = conf->radius_bind_max;

	if (low == 0 && high == 0)
		return SOCKETS_DEFAULT;
	if (low == 0)
		low = 1;
	if (high == 0)
		high = 65534;
	uint32_t n = high >= low ? high - low + 1 : 1;
	return (uint16_t)(n < SOCKETS_DEFAULT ? n : (uint32_t)SOCKETS_DEFAULT);
}

/* A server of the configuration, before it is known whether it can be asked. */
struct candidate {
	struct conf_radius_item item;
	struct sock_addr at;
};

static void put_probe(struct rad_server_conf *s, uint8_t probe, const char *user)
{
	s->probe = probe == CONF_PROBE_STATUS ? RAD_PROBE_STATUS
		   : probe == CONF_PROBE_USER ? RAD_PROBE_USER
					      : RAD_PROBE_REQUEST;
	if (probe == CONF_PROBE_USER)
		snprintf(s->probe_user, sizeof(s->probe_user), "%s", user);
}

static void server_conf(struct rad_server_conf *s, const struct conf_radius_item *item,
			const struct conf *conf)
{
	char user[CONF_RADIUS_USER_TEXT];
	uint8_t probe = item->probe;

	s->need_message_authenticator =
		item->is_signed ||
		(conf->radius_require_message_authenticator && !item->is_unsigned);
	s->not_for[RAD_AUTH] = item->acct_only;
	s->not_for[RAD_ACCT] = item->auth_only;
	s->source = item->source;
	if (!ip_addr_is_set(&s->source) && s->addr[RAD_AUTH].ip.family == 4)
		s->source = conf->radius_source;
	if (probe != CONF_PROBE_DEFAULT)
		put_probe(s, probe, item->probe_user);
	else if (conf_radius_probe(span_str(conf->radius_probe), &probe, user))
		put_probe(s, probe, user);
}

/* One without a secret cannot be asked; aaa.c says so. Those of lower priority come first, those
 * of the same in the order of the configuration. */
static void add_server(struct rad_client_conf *out, uint8_t *priorities,
		       const struct candidate *new, const struct conf *conf)
{
	struct span secret = new->item.secret.p ? new->item.secret : span_str(conf->radius_secret);
	unsigned at = out->n_servers;

	if (secret.n == 0 || out->n_servers == RAD_SERVERS_MAX)
		return;
	for (; at > 0 && priorities[at - 1] > new->item.priority; at--) {
		out->servers[at] = out->servers[at - 1];
		priorities[at] = priorities[at - 1];
	}
	out->n_servers++;
	priorities[at] = new->item.priority;
	struct rad_server_conf *s = &out->servers[at];
	*s = (struct rad_server_conf){0};
	s->addr[RAD_AUTH] = s->addr[RAD_ACCT] = new->at;
	s->addr[RAD_ACCT].port =
		new->item.acct_port ? new->item.acct_port : (uint16_t)(new->at.port + 1);
	server_conf(s, &new->item, conf);
	LNS_ASSERT(secret.n < sizeof(s->secret));
	span_bytes(&secret, s->secret, secret.n);
}

static void add_servers(struct rad_client_conf *out, const struct conf *conf)
{
	uint8_t priorities[RAD_SERVERS_MAX];
	const char *at = conf->radius_servers;
	struct candidate new;

	for (unsigned i = 0; i < conf->n_radius; i++) {
		new = (struct candidate){.item.priority = CONF_RADIUS_PRIORITY,
					 .at = conf->radius[i]};
		add_server(out, priorities, &new, conf);
	}
	while (conf_radius_next(&at, &new.item)) {
		uint16_t port = new.item.port ? new.item.port : (uint16_t)AUTH_PORT;
		new.at = (struct sock_addr){.ip = new.item.net.addr, .port = port};
		add_server(out, priorities, &new, conf);
	}
}

void aaa_radius_conf(const struct core *c, struct rad_client_conf *out)
{
	const struct conf *conf = c->conf;

	*out = (struct rad_client_conf){
		.max_sockets = sockets_of(conf),
		.tries = (uint16_t)(conf->radius_tries ? conf->radius_tries : 1),
		.timeout_ms = (conf->radius_timeout ? conf->radius_timeout : 1) * 1000u,
		.timeout_max_ms = 16000,
		.dead_time_ms = conf->radius_dead_time * 1000u,
		.idle_ms = 10000,
		.window = conf->radius_window,
	};
	snprintf(out->nas, sizeof(out->nas), "%.*s", (int)sizeof(out->nas) - 1, conf->hostname);
	add_servers(out, conf);
}

void aaa_radius_terms(struct core *c)
{
	const struct conf *conf = c->conf;
	struct rad_terms *t = &c->radius_terms;
	const char *fault = rad_map_parse(conf->radius_map, &t->map);

	LNS_ASSERT(!fault); /* conf_set() refuses it */
	t->throttle = (uint64_t)conf->throttle_speed * KBIT;
	t->intercept = (struct sock_addr){0};
	if (ip_addr_is_set(&conf->snoop_host) && conf->snoop_port != 0)
		t->intercept = (struct sock_addr){.ip = conf->snoop_host,
						  .port = (uint16_t)conf->snoop_port};
}

/* ---- requests -------------------------------------------------------------------------------- */

static void put_bstr(struct wbuf *w, enum rad_attr_number number, const struct bstr *text)
{
	if (text && text->n > 0)
		rad_put(w, number, bstr_span(text));
}

/* The tag byte is left out: text that starts above 0x1F has none (RFC 2868 3.3). */
static void put_endpoints(const struct core_session *s, struct wbuf *w)
{
	char text[IP_ADDR_TEXT];
	bool v6 = s->path.peer.ip.family == 6;

	if (!ip_addr_is_set(&s->path.peer.ip))
		return;
	rad_put_u32(w, RAD_TUNNEL_TYPE, TUNNEL_TYPE_L2TP);
	rad_put_u32(w, RAD_TUNNEL_MEDIUM_TYPE, v6 ? TUNNEL_MEDIUM_IPV6 : TUNNEL_MEDIUM_IPV4);
	rad_put_text(w, RAD_TUNNEL_CLIENT_ENDPOINT, ip_addr_text(&s->path.peer.ip, text));
	if (ip_addr_is_set(&s->path.local_ip))
		rad_put_text(w, RAD_TUNNEL_SERVER_ENDPOINT, ip_addr_text(&s->path.local_ip, text));
}

/* Our name, which may be longer than an attribute. */
static void put_hostname(const struct core *c, struct wbuf *w, enum rad_attr_number number)
{
	size_t n = strnlen(c->conf->hostname, RAD_VALUE_MAX);

	if (n > 0)
		rad_put(w, number, span_of(c->conf->hostname, n));
}

/* The names of both ends and the number of the call (RFC 2867 4.1, RFC 2868 3.9, 3.10). */
static void put_tunnel(const struct core *c, const struct core_session *s, struct wbuf *w)
{
	const struct core_tunnel *t = c->tunnels[s->key.tid];
	char text[16];

	if (t)
		put_bstr(w, RAD_TUNNEL_CLIENT_AUTH_ID, t->host_name);
	put_hostname(c, w, RAD_TUNNEL_SERVER_AUTH_ID);
	snprintf(text, sizeof(text), "%" PRIu32, s->call_serial);
	rad_put_text(w, RAD_ACCT_TUNNEL_CONNECTION, text);
}

static void put_connect_info(const struct core_session *s, struct wbuf *w)
{
	char text[64];

	if (s->tx_speed == 0 && s->rx_speed == 0)
		return;
	uint64_t rx = s->rx_speed ? s->rx_speed : s->tx_speed; /* absent: same (RFC 2661 4.4.4) */
	snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, s->tx_speed, rx);
	rad_put_text(w, RAD_CONNECT_INFO, text);
}

void aaa_radius_put_nas(const struct core *c, const struct core_session *s, struct wbuf *w)
{
	const struct ip_addr *nas = &c->conf->bind_address;

	if (!ip_addr_is_set(nas) && s)
		nas = &s->path.local_ip;
	if (nas->family == 6)
		rad_put(w, RAD_NAS_IPV6_ADDRESS, span_of(nas->b, 16));
	else
		rad_put_addr4(w, RAD_NAS_IP_ADDRESS, nas);
	put_hostname(c, w, RAD_NAS_IDENTIFIER);
}

const char *aaa_session_id(const struct core_session *s, char buf[static AAA_SESSION_ID])
{
	snprintf(buf, AAA_SESSION_ID, "%08" PRIX32 "%08" PRIX32, s->unique_id,
		 (uint32_t)s->opened_wall_s);
	return buf;
}

uint32_t aaa_nas_port(const struct core_session *s)
{
	return (uint32_t)s->key.tid << 16 | s->key.sid;
}

const char *aaa_port_id(const struct core_session *s, char buf[static AAA_PORT_ID])
{
	snprintf(buf, AAA_PORT_ID, "%u/%u", s->key.tid, s->key.sid);
	return buf;
}

static void put_port(const struct core_session *s, struct wbuf *w)
{
	char text[AAA_PORT_ID];

	/* Session ids repeat from tunnel to tunnel; servers that count logins by NAS-Port need
	 * one number per session. */
	rad_put_u32(w, RAD_NAS_PORT, aaa_nas_port(s));
	rad_put_u32(w, RAD_NAS_PORT_TYPE, NAS_PORT_TYPE_VIRTUAL);
	rad_put_text(w, RAD_NAS_PORT_ID, aaa_port_id(s, text));
}

void aaa_radius_put_session(const struct core *c, const struct core_session *s, struct wbuf *w)
{
	char id[AAA_SESSION_ID];

	rad_put_text(w, RAD_ACCT_SESSION_ID, aaa_session_id(s, id));
	aaa_radius_put_nas(c, s, w);
	put_port(s, w);
	rad_put_u32(w, RAD_SERVICE_TYPE, SERVICE_TYPE_FRAMED);
	rad_put_u32(w, RAD_FRAMED_PROTOCOL, FRAMED_PROTOCOL_PPP);
	rad_put_addr4(w, RAD_FRAMED_IP_ADDRESS, &s->ip);
	put_bstr(w, RAD_CALLED_STATION_ID, s->called);
	put_bstr(w, RAD_CALLING_STATION_ID, s->calling);
	put_endpoints(s, w);
	put_tunnel(c, s, w);
	put_connect_info(s, w);
}

static void put_chap(const struct msg_auth_req *m, struct wbuf *w)
{
	uint8_t value[1 + LNS_CHAP_RESPONSE];
	struct wbuf v = wbuf_of(value, sizeof(value));

	wbuf_u8(&v, m->chap_id);
	wbuf_bytes(&v, m->response, LNS_CHAP_RESPONSE);
	rad_put(w, RAD_CHAP_PASSWORD, wbuf_written(&v));
	rad_put(w, RAD_CHAP_CHALLENGE, span_of(m->challenge, m->challenge_len));
}

bool aaa_radius_ask(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now)
{
	uint8_t attrs[ATTRS_MAX];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));
	struct rad_ask ask = {.kind = RAD_AUTH};

	rad_put(&w, RAD_USER_NAME, span_of(m->user, m->user_len));
	if (m->proto == AUTH_CHAP)
		put_chap(m, &w);
	else
		ask.password = span_of(m->password, m->password_len);
	aaa_radius_put_session(c, s, &w);
	ask.attrs = wbuf_written(&w);
	LNS_ASSERT(!ask.attrs.bad);

	struct wbuf cookie = wbuf_of(&ask.cookie, sizeof(ask.cookie));
	wbuf_bytes(&cookie, &s->key, sizeof(s->key));
	c->env.random(c->env.ctx, ask.authenticator, sizeof(ask.authenticator));
	s->asked = rad_client_ask(c->radius, &ask, now);
	if (s->asked)
		core_trace_radius(c, s, RAD_ACCESS_REQUEST, true, ask.attrs);
	return s->asked != NULL;
}

bool core_radius_session(const struct core *c, uint64_t cookie, struct sess_key *out)
{
	struct span bytes = span_of(&cookie, sizeof(cookie));

	span_bytes(&bytes, out, sizeof(*out));
	return core_session_get(c, *out) != NULL;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void refuse(struct core *c, struct core_session *s, enum term_cause cause, const char *text,
		   struct span message)
{
	struct end_reason why = core_reason(3, 0, cause, text);
	aaa_refuse(c, s, &why, message);
}

static void on_accept(struct core *c, struct core_session *s, const struct rad_answer *a, nsec now)
{
	struct rad_accept_key key = {.secret = a->secret};
	struct rad_grant g;
	char text[SOCK_ADDR_TEXT];

	memcpy(key.authenticator, a->authenticator, sizeof(key.authenticator));
	if (!rad_accept_decode(&a->packet, &c->radius_terms, &key, &g)) {
		counter_add(c->env.counters, C_RADIUS_BAD_REPLIES, 1);
		counter_add(c->env.counters, C_RADIUS_BAD_ATTRIBUTE, 1);
		core_log(c, LOG_ERROR, s, "Access-Accept of %s refused: %s is malformed",
			 sock_addr_text(&a->server, text), g.malformed);
		refuse(c, s, TERM_NAS_ERROR, "malformed Access-Accept", span_of(NULL, 0));
	} else {
		if (g.ignored)
			core_log(c, LOG_WARN, s,
				 "%u attributes of the Access-Accept ignored, the first is %s",
				 g.ignored, g.ignored_name);
		core_hook_grant(c, s, &g.pairs, &g.profile.policy);
		if (!s->dying) /* a plugin may have ended it */
			aaa_accept(c, s, &g, now);
	}
	rad_grant_wipe(&g);
}

static void on_reject(struct core *c, struct core_session *s, const struct rad_answer *a)
{
	char message[LNS_REPLY_MSG_MAX];
	uint8_t n = rad_reply_message(&a->packet, message);

	refuse(c, s, TERM_USER_ERROR, "rejected by the RADIUS server", span_of(message, n));
}

static bool is_accepted(struct core *c, struct core_session *s, const struct rad_answer *a)
{
	char text[SOCK_ADDR_TEXT];
	uint32_t service;

	if (a->packet.code != RAD_ACCESS_ACCEPT)
		return false;
	if (rad_accept_is_framed(&a->packet, &service))
		return true;
	core_log(c, LOG_ERROR, s,
		 "Access-Accept of %s has Service-Type %" PRIu32
		 ", which we do not have: taken as a reject",
		 sock_addr_text(&a->server, text), service);
	return false;
}

/* A plugin may let in whom RADIUS rejects: what else is in the reject counts then. */
static void on_verdict(struct core *c, struct core_session *s, const struct rad_answer *a, nsec now)
{
	bool accepted = is_accepted(c, s, a);
	bool allowed = core_hook_post_auth(c, s, accepted);

	if (s->dying) /* a plugin has ended it */
		return;
	if (allowed)
		on_accept(c, s, a, now);
	else if (accepted)
		refuse(c, s, TERM_USER_ERROR, "refused by a plugin", span_of(NULL, 0));
	else
		on_reject(c, s, a);
}

void aaa_radius_answer(struct core *c, const struct rad_answer *a, nsec now)
{
	struct sess_key key;
	struct span cookie = span_of(&a->cookie, sizeof(a->cookie));
	span_bytes(&cookie, &key, sizeof(key));
	struct core_session *s = core_session_get(c, key);

	LNS_ASSERT(s && s->asked); /* a session that ends takes its request along */
	s->asked = NULL;
	if (!a->timeout)
		core_trace_radius(c, s, a->packet.code, false, a->packet.attrs);
	if (a->timeout)
		refuse(c, s, TERM_REAUTHENTICATION_FAILURE, "no RADIUS server answers",
		       span_of(NULL, 0));
	else if (a->packet.code == RAD_ACCESS_ACCEPT || a->packet.code == RAD_ACCESS_REJECT)
		on_verdict(c, s, a, now);
	else
		refuse(c, s, TERM_USER_ERROR, "an Access-Challenge came, which PPP cannot answer",
		       span_of(NULL, 0));
}

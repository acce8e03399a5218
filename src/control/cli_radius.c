/* `show radius`: requests that are not answered yet, and the servers; and what RADIUS granted a
 * session beyond IPv4. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/lexer.h"
#include "radius/rad_client.h"

enum { REQUESTS_MAX = 1024 }; /* that are listed */

struct radius_ask {
	unsigned n_servers, n_requests;
	uint32_t outstanding, waiting, sockets, identifiers;
	struct core_acct_view acct;
	struct rad_server_view servers[RAD_SERVERS_MAX][RAD_KINDS];
	struct rad_request_view requests[REQUESTS_MAX];
	struct sess_key sessions[REQUESTS_MAX]; /* sid 0: none */
};

static void copy_radius(struct core *core, nsec now, void *arg)
{
	struct radius_ask *a = arg;
	const struct rad_client *c = core_radius(core);

	a->n_servers = rad_client_servers(c);
	for (unsigned i = 0; i < a->n_servers; i++) {
		for (unsigned kind = 0; kind < RAD_KINDS; kind++)
			rad_client_server_view(c, i, (enum rad_kind)kind, &a->servers[i][kind]);
	}
	a->outstanding = rad_client_outstanding(c);
	a->waiting = rad_client_waiting(c);
	a->sockets = rad_client_sockets(c);
	a->identifiers = rad_client_identifiers(c);
	core_acct_view(core, &a->acct);
	a->n_requests = rad_client_requests(c, now, a->requests, REQUESTS_MAX);
	for (unsigned i = 0; i < a->n_requests; i++) {
		const struct rad_request_view *r = &a->requests[i];
		if (r->kind != RAD_AUTH || !core_radius_session(core, r->cookie, &a->sessions[i]))
			a->sessions[i] = (struct sess_key){0};
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

/* As the original calls them, where it has a name. */
static const char *state_name(const struct rad_request_view *r)
{
	enum { START = 1, STOP = 2, INTERIM = 3, ON = 7, OFF = 8 };

	if (r->waiting)
		return "WAIT";
	if (r->kind == RAD_AUTH)
		return r->chap ? "CHAP" : "AUTH";
	switch (r->status_type) {
	case START:
		return "START";
	case STOP:
		return "STOP";
	case INTERIM:
		return "INTRM";
	case ON:
		return "ON";
	case OFF:
		return "OFF";
	default:
		return "ACCT";
	}
}

static void session_text(const struct sess_key *key, char out[static 16])
{
	if (key->sid)
		snprintf(out, 16, "%u/%u", key->tid, key->sid);
	else
		snprintf(out, 16, "-");
}

/* Columns of the original; Retry is in seconds from now. */
static void requests_text(struct cli_conn *conn, const struct radius_ask *a, struct show_text *t)
{
	char session[16];

	if (a->n_servers == 0)
		show_line(t, "No server is set");
	show_line(t, "%6s%8s%5s%6s%12s%8s%4s", "ID", "Radius", "Sock", "State", "Session", "Retry",
		  "Try");
	for (unsigned i = 0; i < a->n_requests && conn_print(conn, t); i++) {
		const struct rad_request_view *r = &a->requests[i];
		session_text(&a->sessions[i], session);
		show_clear(t);
		show_line(t, "%6u%8u%5u%6s%12s%8.1f%4u", i + 1, r->id, r->sock, state_name(r),
			  session, r->retry_ms / 1000.0, r->tries);
	}
	conn_print(conn, t);
	show_clear(t);
	if (a->outstanding > a->n_requests)
		show_line(t, "and %u more", a->outstanding - a->n_requests);
	/* What waits has no identifier yet. */
	show_line(t, "Free: %u",
		  a->identifiers > a->outstanding ? a->identifiers - a->outstanding : 0);
	show_line(t, "Used: %u", a->outstanding);
	if (a->waiting)
		show_line(t, "Waiting for room at a server: %u", a->waiting);
	if (a->acct.waiting || a->acct.journal)
		show_line(t, "Accounting records that wait: %llu, in the journal: %llu",
			  (unsigned long long)a->acct.waiting,
			  (unsigned long long)a->acct.journal_depth);
	conn_print(conn, t);
}

static json_t *request_json(const struct rad_request_view *r, const struct sess_key *key)
{
	char server[SOCK_ADDR_TEXT];
	json_t *o =
		json_pack("{ss,si,si,si,sf}", "state", state_name(r), "identifier", r->id, "socket",
			  r->sock, "tries", r->tries, "retry_in", r->retry_ms / 1000.0);

	if (ip_addr_is_set(&r->server.ip))
		json_object_set_new(o, "server", json_string(sock_addr_text(&r->server, server)));
	if (key->sid) {
		json_object_set_new(o, "tid", json_integer(key->tid));
		json_object_set_new(o, "sid", json_integer(key->sid));
	}
	return o;
}

/* ---- servers --------------------------------------------------------------------------------- */

static void server_line(struct show_text *t, const struct rad_server_view *v, enum rad_kind kind)
{
	char addr[SOCK_ADDR_TEXT];

	if (!v->serves)
		return;
	show_line(t, "%-24s %-5s %-6s %10u %12llu %12llu %10llu %9.3f %9.3f",
		  sock_addr_text(&v->addr, addr), kind == RAD_AUTH ? "login" : "acct",
		  v->alive ? "alive" : "dead", v->under_way, (unsigned long long)v->sent,
		  (unsigned long long)v->answered, (unsigned long long)v->timeouts,
		  v->p50_us / 1000.0, v->p99_us / 1000.0);
}

static void refused_lines(struct show_text *t, const struct rad_server_view *v)
{
	char addr[SOCK_ADDR_TEXT];

	for (unsigned why = 0; why < RAD_REFUSALS; why++) {
		if (v->refused[why])
			show_line(t, "Replies of %s refused, %s: %llu",
				  sock_addr_text(&v->addr, addr),
				  rad_refusal_name((enum rad_refusal)why),
				  (unsigned long long)v->refused[why]);
	}
}

static void servers_text(struct cli_conn *conn, const struct radius_ask *a, struct show_text *t)
{
	show_line(t, "%-24s %-5s %-6s %10s %12s %12s %10s %9s %9s", "Server", "For", "State",
		  "Under-way", "Sent", "Answered", "Timeouts", "p50 ms", "p99 ms");
	for (unsigned i = 0; i < a->n_servers; i++) {
		server_line(t, &a->servers[i][RAD_AUTH], RAD_AUTH);
		server_line(t, &a->servers[i][RAD_ACCT], RAD_ACCT);
	}
	for (unsigned i = 0; i < a->n_servers; i++) {
		refused_lines(t, &a->servers[i][RAD_AUTH]);
		refused_lines(t, &a->servers[i][RAD_ACCT]);
	}
	if (a->n_servers == 0)
		show_line(t, "No server is set");
	show_line(t, "Outstanding: %u, of these waiting for room: %u; sockets: %u", a->outstanding,
		  a->waiting, a->sockets);
	conn_print(conn, t);
}

static json_t *server_json(const struct rad_server_view *v, enum rad_kind kind)
{
	char addr[SOCK_ADDR_TEXT];

	json_t *refused = json_object();

	for (unsigned why = 0; why < RAD_REFUSALS; why++) {
		if (v->refused[why])
			json_object_set_new(refused, rad_refusal_name((enum rad_refusal)why),
					    json_integer((json_int_t)v->refused[why]));
	}
	return json_pack("{ss,ss,sb,si,sI,sI,sI,sI,sI,so}", "server",
			 sock_addr_text(&v->addr, addr), "for", kind == RAD_AUTH ? "login" : "acct",
			 "alive", v->alive, "under_way", (int)v->under_way, "sent",
			 (json_int_t)v->sent, "answered", (json_int_t)v->answered, "timeouts",
			 (json_int_t)v->timeouts, "p50_us", (json_int_t)v->p50_us, "p99_us",
			 (json_int_t)v->p99_us, "refused", refused);
}

static json_t *servers_list(const struct radius_ask *a)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < a->n_servers; i++) {
		for (unsigned kind = 0; kind < RAD_KINDS; kind++) {
			const struct rad_server_view *v = &a->servers[i][kind];
			if (v->serves)
				json_array_append_new(list, server_json(v, (enum rad_kind)kind));
		}
	}
	return list;
}

static void radius_json(struct cli_conn *conn, const struct radius_ask *a, bool servers)
{
	json_t *list = servers ? NULL : json_array();

	for (unsigned i = 0; list && i < a->n_requests; i++)
		json_array_append_new(list, request_json(&a->requests[i], &a->sessions[i]));
	json_t *o = json_pack("{so,si,si,si,sI,sI}", "servers", servers_list(a), "outstanding",
			      (int)a->outstanding, "waiting", (int)a->waiting, "sockets",
			      (int)a->sockets, "records_waiting", (json_int_t)a->acct.waiting,
			      "journal_depth", (json_int_t)a->acct.journal_depth);
	if (list)
		json_object_set_new(o, "requests", list);
	conn_json(conn, o);
}

/* ---- of one session -------------------------------------------------------------------------- */

struct extra_ask {
	struct sess_key key;
	bool found;
	struct session_extra extra;
};

static void copy_extra(struct core *core, nsec now, void *arg)
{
	struct extra_ask *a = arg;
	(void)now;

	a->found = core_session_extra(core, a->key, &a->extra);
}

static void extra_line(struct show_text *t, const char *label, const char *value)
{
	if (value[0] != '\0')
		show_line(t, "\t%-19s%s", label, value);
}

static const char *interface_id(const struct aaa_ipv6 *v6, char out[static 20])
{
	const uint8_t *b = v6->interface_id;

	if (!v6->has_interface_id)
		return "";
	snprintf(out, 20, "%02x%02x:%02x%02x:%02x%02x:%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
		 b[6], b[7]);
	return out;
}

static void ipv6_text(struct show_text *t, const struct aaa_ipv6 *v6)
{
	char text[IP_PREFIX_TEXT];

	if (ip_addr_is_set(&v6->prefix.addr))
		extra_line(t, "IPv6 prefix", ip_prefix_text(&v6->prefix, text));
	extra_line(t, "IPv6 interface", interface_id(v6, text));
	if (ip_addr_is_set(&v6->address))
		extra_line(t, "IPv6 address", ip_addr_text(&v6->address, text));
	for (unsigned i = 0; i < v6->n_delegated; i++)
		extra_line(t, "IPv6 delegated", ip_prefix_text(&v6->delegated[i], text));
	for (unsigned i = 0; i < v6->n_routes; i++)
		extra_line(t, "IPv6 route", ip_prefix_text(&v6->routes[i], text));
	for (unsigned i = 0; i < 2 && ip_addr_is_set(&v6->dns[i]); i++)
		extra_line(t, "IPv6 DNS", ip_addr_text(&v6->dns[i], text));
	extra_line(t, "IPv6 pool", v6->pool);
	extra_line(t, "IPv6 delegated pool", v6->delegated_pool);
}

void conn_extra_text(struct cli_conn *conn, struct sess_key key, struct show_text *t)
{
	struct extra_ask a = {.key = key};

	if (!conn_ask(conn, copy_extra, &a) || !a.found)
		return;
	ipv6_text(t, &a.extra.v6);
	for (unsigned i = 0; i < a.extra.n_tunnels; i++) {
		const struct aaa_tunnel *u = &a.extra.tunnels[i];
		show_line(t, "\t%-19stag %u type %u medium %u preference %u to %s as %s id %s",
			  "Tunnel granted", u->tag, u->type, u->medium, u->preference,
			  u->server_endpoint[0] ? u->server_endpoint : "-",
			  u->client_name[0] ? u->client_name : "-",
			  u->assignment[0] ? u->assignment : "-");
	}
}

static json_t *prefixes_json(const struct ip_prefix *list, unsigned n)
{
	char text[IP_PREFIX_TEXT];
	json_t *a = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(a, json_string(ip_prefix_text(&list[i], text)));
	return a;
}

static json_t *ipv6_json(const struct aaa_ipv6 *v6)
{
	char text[IP_PREFIX_TEXT];
	json_t *dns = json_array(), *o = json_object();

	if (ip_addr_is_set(&v6->prefix.addr))
		json_object_set_new(o, "prefix", json_string(ip_prefix_text(&v6->prefix, text)));
	if (v6->has_interface_id)
		json_object_set_new(o, "interface_id", json_string(interface_id(v6, text)));
	if (ip_addr_is_set(&v6->address))
		json_object_set_new(o, "address", json_string(ip_addr_text(&v6->address, text)));
	json_object_set_new(o, "delegated", prefixes_json(v6->delegated, v6->n_delegated));
	json_object_set_new(o, "routes", prefixes_json(v6->routes, v6->n_routes));
	for (unsigned i = 0; i < 2 && ip_addr_is_set(&v6->dns[i]); i++)
		json_array_append_new(dns, json_string(ip_addr_text(&v6->dns[i], text)));
	json_object_set_new(o, "dns", dns);
	json_object_set_new(o, "pool", json_string(v6->pool));
	json_object_set_new(o, "delegated_pool", json_string(v6->delegated_pool));
	return o;
}

void conn_extra_json(struct cli_conn *conn, struct sess_key key, json_t *session)
{
	struct extra_ask a = {.key = key};

	if (!conn_ask(conn, copy_extra, &a) || !a.found)
		return;
	json_object_set_new(session, "ipv6", ipv6_json(&a.extra.v6));
	json_t *list = json_array();
	for (unsigned i = 0; i < a.extra.n_tunnels; i++) {
		const struct aaa_tunnel *u = &a.extra.tunnels[i];
		json_array_append_new(
			list, json_pack("{si,sI,sI,sI,ss,ss,ss,ss,ss}", "tag", u->tag, "type",
					(json_int_t)u->type, "medium", (json_int_t)u->medium,
					"preference", (json_int_t)u->preference, "client_endpoint",
					u->client_endpoint, "server_endpoint", u->server_endpoint,
					"client_name", u->client_name, "server_name",
					u->server_name, "assignment", u->assignment));
	}
	json_object_set_new(session, "tunnels_granted", list);
}

/* ---- the command ----------------------------------------------------------------------------- */

static const struct help_row radius_help[] = {
	{"all", "Every request that is not answered yet"},
	{"servers", "State, traffic and latency of the servers"},
	{NULL, NULL},
};

static int cmd_show_radius(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, radius_help, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	bool servers = argc > 0 && lex_is_prefix(argv[0], "servers");
	struct show_text *t = conn_text(conn);
	struct radius_ask *a = calloc(1, sizeof(*a));
	bool ok = t && a && conn_ask(conn, copy_radius, a);
	if (ok && json)
		radius_json(conn, a, servers);
	else if (ok && servers)
		servers_text(conn, a, t);
	else if (ok)
		requests_text(conn, a, t);
	free(a);
	free(t);
	return ok ? CLI_OK : CLI_ERROR;
}

static const struct command_row rows[] = {
	{MODE_EXEC, "show radius", cmd_show_radius, false, "RADIUS requests and servers"},
};

void cli_radius_register(struct cli_conn *conn)
{
	cli_rows_register(conn, rows, sizeof(rows) / sizeof(rows[0]));
}

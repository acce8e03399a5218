/* Commands about tunnels: show and drop. */
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/cli_query.h"
#include "control/lexer.h"

enum { SLICE = 64 }; /* views that one request copies */

/* ---- show tunnels ---------------------------------------------------------------------------- */

struct tunnel_slice {
	uint32_t cursor;
	bool more;
	unsigned n;
	struct tunnel_view views[SLICE];
};

static void copy_tunnels(struct core *core, nsec now, void *arg)
{
	struct tunnel_slice *s = arg;

	s->n = 0;
	s->more = true;
	while (s->n < SLICE && s->more) {
		s->more = core_tunnel_next(core, &s->cursor, now, &s->views[s->n]);
		if (s->more)
			s->n++;
	}
}

static void print_tunnels_json(struct cli_conn *conn, const struct tunnel_slice *s, bool all)
{
	for (unsigned i = 0; i < s->n; i++)
		if (all || s->views[i].state == TUNNEL_OPEN || s->views[i].state == TUNNEL_OPENING)
			conn_json_item(conn, json_tunnel(&s->views[i], NULL));
}

static void show_all_tunnels_json(struct cli_conn *conn, bool all)
{
	struct tunnel_slice *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	while (conn_ask(conn, copy_tunnels, s)) {
		print_tunnels_json(conn, s, all);
		if (!s->more)
			break;
	}
	free(s);
}

static void show_all_tunnels(struct cli_conn *conn, bool all, struct show_text *t)
{
	struct tunnel_slice *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	show_tunnel_header(t);
	while (conn_ask(conn, copy_tunnels, s)) {
		for (unsigned i = 0; i < s->n; i++)
			show_tunnel_line(t, &s->views[i], all);
		if (!conn_print(conn, t) || !s->more)
			break;
		show_clear(t);
	}
	free(s);
}

struct tunnel_find {
	uint16_t tid;
	bool found;
	struct tunnel_view view;
};

static void find_tunnel(struct core *core, nsec now, void *arg)
{
	struct tunnel_find *f = arg;
	f->found = core_tunnel_find(core, f->tid, now, &f->view);
}

/* Gathers the session ids of one tunnel, a line at a time. */
struct tunnel_sessions {
	struct show_text *t;
	uint16_t tid;
	bool first;
	unsigned n;
	uint16_t sids[16];
};

static bool flush_sids(struct cli_conn *conn, struct tunnel_sessions *l)
{
	show_clear(l->t);
	show_tunnel_sessions(l->t, l->sids, l->n, l->first);
	l->n = 0;
	l->first = false;
	return conn_print(conn, l->t);
}

static bool gather_sid(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct tunnel_sessions *l = ctx;

	if (v->key.tid != l->tid)
		return true;
	l->sids[l->n++] = v->key.sid;
	return l->n < 16 || flush_sids(conn, l);
}

static void show_one_tunnel(struct cli_conn *conn, const char *word, struct show_text *t, bool json)
{
	struct tunnel_find f = {0};
	uint64_t tid;

	if (!lex_number(word, &tid) || tid < 1 || tid > UINT16_MAX) {
		conn_fault(conn, "Invalid tunnel id \"%s\"", word);
		return;
	}
	f.tid = (uint16_t)tid;
	if (!conn_ask(conn, find_tunnel, &f))
		return;
	if (!f.found) {
		conn_fault(conn, "Tunnel %s is not active", word);
		return;
	}
	struct worker_answer answer;
	bool known = cli_query_tunnel(conn, f.tid, &answer);
	const struct msg_tunnel_info *info = known ? &answer.tunnel : NULL;
	if (json) {
		conn_json_item(conn, json_tunnel(&f.view, info));
		return;
	}
	show_clear(t);
	show_tunnel_detail(t, &f.view, info);
	struct session_query all = {0};
	struct tunnel_sessions l = {.t = t, .tid = f.tid, .first = true};
	if (conn_print(conn, t))
		conn_each_session(conn, &all, gather_sid, &l);
	if (l.n > 0 || l.first)
		flush_sids(conn, &l);
	cli_print(conn->cli, "%s", "");
}

static const struct help_row tunnel_help[] = {{"all", "Include closing ones"},
					      {"<1-65535>", "Show details of this tunnel"},
					      {NULL, NULL}};

static int cmd_show_tunnels(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, tunnel_help, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (!t)
		return CLI_ERROR;
	bool json = conn_wants_json(argv, &argc);
	bool all = argc == 1 && lex_is_prefix(argv[0], "all");
	if (json)
		conn_json_begin(conn, "tunnels");
	if ((argc == 0 || all) && json)
		show_all_tunnels_json(conn, all);
	else if (argc == 0 || all)
		show_all_tunnels(conn, all, t);
	for (int i = 0; i < argc && !all; i++)
		show_one_tunnel(conn, argv[i], t, json);
	if (json)
		conn_json_end(conn);
	free(t);
	return CLI_OK;
}

/* ---- drop ------------------------------------------------------------------------------------ */

struct drop_ask {
	uint16_t tid;
	bool done;
};

static void drop_tunnel(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_tunnel(core, a->tid, now);
}

static int cmd_drop_tunnel(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, tunnel_help + 1, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		conn_fault(conn, "Specify a tunnel to drop");
	for (int i = 0; i < argc; i++) {
		uint64_t tid;
		struct drop_ask a = {0};
		if (!lex_number(argv[i], &tid) || tid < 1 || tid > UINT16_MAX) {
			conn_fault(conn, "Invalid tunnel id \"%s\"", argv[i]);
			continue;
		}
		a.tid = (uint16_t)tid;
		if (!conn_ask(conn, drop_tunnel, &a))
			break;
		if (a.done)
			cli_print(cli, "Tunnel %u shut down", a.tid);
		else
			conn_fault(conn, "Tunnel %u is not active", a.tid);
	}
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show tunnels", cmd_show_tunnels, false, "Tunnels, or details of some"},
	{MODE_EXEC, "drop tunnel", cmd_drop_tunnel, true, "Close a tunnel and its sessions"},
};

void cli_tunnel_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

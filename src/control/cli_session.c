/* Commands about sessions and users: show and drop. */
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/cli_query.h"
#include "control/lexer.h"

/* ---- show session, show users ---------------------------------------------------------------- */

/* How sessions are shown. */
struct session_output {
	struct show_text *t;
	bool json, detail;
};

static bool print_session(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct session_output *out = ctx;
	struct worker_answer answer;
	bool known = out->detail && cli_query_session(conn, v->key, &answer);
	const struct msg_session_info *info = known ? &answer.session : NULL;

	show_clear(out->t);
	if (out->json) {
		json_t *o = json_session(v, info);
		if (out->detail)
			conn_extra_json(conn, v->key, o);
		return conn_json_item(conn, o);
	}
	if (out->detail) {
		show_session_detail(out->t, v, info);
		conn_extra_text(conn, v->key, out->t);
		show_line(out->t, "%s", "");
	} else {
		show_session_line(out->t, v);
	}
	return conn_print(conn, out->t);
}

static bool print_user_line(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct session_output *out = ctx;

	if (out->json)
		return !v->authenticated || conn_json_item(conn, json_text(v->user, v->user_len));
	show_clear(out->t);
	show_user_line(out->t, v);
	return conn_print(conn, out->t);
}

static const struct help_row session_help[] = {
	{"<1-65535>", "Show details of this session"},
	{"<TID>/<SID>", "of this tunnel and session"},
	{"user", "<NAME> only sessions of a user"},
	{"ip", "<ADDRESS> only the session with an address"},
	{"tunnel", "<TID> only sessions of a tunnel"},
	{"calling", "<NUMBER> only calls from numbers that begin so"},
	{"state", "opening, up or dying"},
	{"detail", "Details instead of a line each"},
	{"json", "As JSON"},
	{NULL, NULL}};

static void show_one_session(struct cli_conn *conn, const char *word, struct session_output *out)
{
	struct session_query q = {0};

	out->detail = true;
	if (!conn_session_id(word, &q))
		conn_fault(conn, "Invalid session id \"%s\"", word);
	else if (conn_each_session(conn, &q, print_session, out) == 0)
		conn_fault(conn, "Session %s is not active", word);
}

/* The query that finds them with the least work. */
static void show_filtered(struct cli_conn *conn, const struct session_filter *f,
			  struct session_output *out)
{
	struct session_query q = {.filter = f, .ip = f->ip};

	if (f->user && !ip_addr_is_set(&f->ip))
		q.user = span_str(f->user);
	out->detail = f->detail;
	show_session_header(out->t);
	if (out->json || out->detail || conn_print(conn, out->t))
		conn_each_session(conn, &q, print_session, out);
}

static void show_sessions(struct cli_conn *conn, char **argv, int argc, struct session_output *out)
{
	struct session_filter f;
	char reason[96];

	if (argc == 0 || strspn(argv[0], "0123456789/") == 0) {
		if (session_filter_parse(&f, argv, argc, reason))
			show_filtered(conn, &f, out);
		else
			conn_fault(conn, "Invalid session id %s", reason);
		return;
	}
	if (argc > 1 && lex_is_prefix(argv[argc - 1], "detail"))
		argc--; /* ids show details anyway */
	for (int i = 0; i < argc; i++)
		show_one_session(conn, argv[i], out);
}

static int cmd_show_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, session_help, true))
		return CLI_OK;
	struct session_output out = {.json = conn_wants_json(argv, &argc), .t = conn_text(conn)};
	if (!out.t)
		return CLI_ERROR;
	if (out.json)
		conn_json_begin(conn, "sessions");
	show_sessions(conn, argv, argc, &out);
	if (out.json)
		conn_json_end(conn);
	free(out.t);
	return CLI_OK;
}

static const struct help_row user_help[] = {{"<NAME>", "of a user"}, {NULL, NULL}};

static int cmd_show_users(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, user_help, true))
		return CLI_OK;
	struct session_output out = {
		.json = conn_wants_json(argv, &argc), .t = conn_text(conn), .detail = true};
	if (!out.t)
		return CLI_ERROR;
	struct session_query q = {0};
	if (out.json)
		conn_json_begin(conn, argc ? "sessions" : "users");
	if (argc == 0)
		conn_each_session(conn, &q, print_user_line, &out);
	for (int i = 0; i < argc; i++) {
		q.user = span_str(argv[i]);
		if (conn_each_session(conn, &q, print_session, &out) == 0)
			conn_fault(conn, "User %s is not connected", argv[i]);
	}
	if (out.json)
		conn_json_end(conn);
	free(out.t);
	return CLI_OK;
}

/* ---- drop ------------------------------------------------------------------------------------ */

static const struct end_reason dropped = {
	.cdn_result = 3, /* RFC 2661 4.4.2: administrative reasons */
	.cause = TERM_ADMIN_RESET,
	.text = "dropped by the administrator",
};

struct drop_ask {
	const char *user;
	struct sess_key key;
	unsigned done;
};

static void drop_user(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_user(core, span_str(a->user), &dropped, now);
}

static void drop_session(struct core *core, nsec now, void *arg)
{
	struct drop_ask *a = arg;
	a->done = core_drop_session(core, a->key, &dropped, now);
}

static int cmd_drop_user(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, user_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		conn_fault(conn, "Specify a user to drop");
	for (int i = 0; i < argc; i++) {
		struct drop_ask a = {.user = argv[i]};
		if (!conn_ask(conn, drop_user, &a))
			break;
		if (a.done == 0)
			conn_fault(conn, "User %s is not connected", argv[i]);
		else
			cli_print(cli, "Dropping user %s (%u session%s)", argv[i], a.done,
				  a.done == 1 ? "" : "s");
	}
	return CLI_OK;
}

/* Remembers the one session with an id. */
struct only_session {
	struct sess_key key;
	unsigned n;
};

static bool remember_session(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct only_session *o = ctx;
	(void)conn;
	o->key = v->key;
	return ++o->n < 2;
}

static void drop_one_session(struct cli_conn *conn, const char *word)
{
	struct session_query q = {0};
	struct only_session o = {0};

	if (!conn_session_id(word, &q)) {
		conn_fault(conn, "Invalid session id \"%s\"", word);
		return;
	}
	conn_each_session(conn, &q, remember_session, &o);
	if (o.n > 1) {
		conn_fault(conn, "Session %s is in several tunnels, say TID/%s", word, word);
		return;
	}
	struct drop_ask a = {.key = o.key};
	if (o.n == 1 && !conn_ask(conn, drop_session, &a))
		return;
	if (a.done)
		cli_print(conn->cli, "Dropping session %s", word);
	else
		conn_fault(conn, "Session %s is not active", word);
}

static int cmd_drop_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, session_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc == 0)
		conn_fault(conn, "Specify a session to drop");
	for (int i = 0; i < argc; i++)
		drop_one_session(conn, argv[i]);
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show session", cmd_show_session, false, "Sessions, or details of some"},
	{MODE_EXEC, "show users", cmd_show_users, false, "Users, or their sessions"},
	{MODE_EXEC, "drop user", cmd_drop_user, true, "End all sessions of a user"},
	{MODE_EXEC, "drop session", cmd_drop_session, true, "End a session"},
};

void cli_session_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

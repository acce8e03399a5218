/* The commands about BGP; cli_conn.h has what they share with the others. */
#include <stdlib.h>

#include "control/bgp_json.h"
#include "control/bgp_show.h"
#include "control/cli_conn.h"

enum action { ACTION_SHOW, ACTION_DETAIL, ACTION_SUSPEND, ACTION_RESUME, ACTION_RESTART };

struct bgp_ask {
	struct cli_conn *conn;
	enum action action;
	const char *name; /* NULL: all */
	struct show_text *t;
	json_t *json; /* list of neighbours, instead of the text */
	bool on;      /* there is a `router bgp` block */
	unsigned found;
};

static void act(struct bgp_ask *a, struct bgp_peer *p, nsec now)
{
	if (a->json) {
		json_array_append_new(a->json, json_bgp_peer(p, a->action == ACTION_DETAIL, now));
		a->found++;
		return;
	}
	switch (a->action) {
	case ACTION_SHOW:
		if (a->found == 0)
			show_bgp_header(a->t, a->conn->env->bgp(a->conn->env->ctx));
		show_bgp_line(a->t, p, now);
		break;
	case ACTION_DETAIL:
		show_bgp_detail(a->t, p, now);
		break;
	case ACTION_SUSPEND:
		bgp_peer_suspend(p, true);
		break;
	case ACTION_RESUME:
		bgp_peer_suspend(p, false);
		break;
	case ACTION_RESTART:
		bgp_speaker_restart(p, now);
		break;
	}
	a->found++;
}

static void each_peer(struct core *core, nsec now, void *arg)
{
	struct bgp_ask *a = arg;
	struct bgp_speaker *s = a->conn->env->bgp(a->conn->env->ctx);
	struct bgp_peer *p = NULL;
	(void)core;

	a->on = s->as != 0;
	while ((p = bgp_speaker_next(s, p)))
		if (!a->name || bgp_peer_is_called(p, a->name))
			act(a, p, now);
}

static void each_peer_json(struct core *core, nsec now, void *arg)
{
	struct bgp_ask *a = arg;
	json_t *neighbours = json_array();

	a->json = neighbours;
	each_peer(core, now, arg);
	a->json = json_bgp(a->conn->env->bgp(a->conn->env->ctx));
	json_object_set_new(a->json, "neighbours", neighbours);
}

static const struct help_row peer_help[] = {{"<PEER>", "Name or address of a neighbour"},
					    {NULL, NULL}};

/* False, and said, when nothing came of it. */
static bool run(struct cli_conn *conn, enum action action, const char *name, struct show_text *t,
		unsigned *found)
{
	struct bgp_ask a = {.conn = conn, .action = action, .name = name, .t = t};

	if (!conn_ask(conn, each_peer, &a))
		return false;
	*found = a.found;
	if (!a.on && action > ACTION_DETAIL)
		conn_fault(conn, "BGP is not running");
	else if (a.on && name && a.found == 0)
		conn_fault(conn, "There is no neighbour \"%s\"", name);
	return a.found > 0;
}

static void show(struct cli_conn *conn, enum action action, const char *name)
{
	struct show_text *t = conn_text(conn);
	unsigned found;

	if (t && run(conn, action, name, t, &found))
		conn_print(conn, t);
	free(t);
}

/* Without BGP an AS of 0 and no neighbours. */
static void show_json(struct cli_conn *conn, enum action action, const char *name)
{
	struct bgp_ask a = {.conn = conn, .action = action, .name = name};

	if (!conn_ask(conn, each_peer_json, &a))
		return;
	if (a.on && name && a.found == 0)
		conn_fault(conn, "There is no neighbour \"%s\"", name);
	else
		conn_json(conn, json_incref(a.json));
	json_decref(a.json);
}

static int cmd_show_bgp(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row help[] = {{"neighbour", "Details of a neighbour"},
					       {"<PEER>", "Name or address of a neighbour"},
					       {"json", "As JSON"},
					       {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, help, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	bool detail =
		argc > 0 && (strcmp(argv[0], "neighbour") == 0 || strcmp(argv[0], "neighbor") == 0);
	int first = detail ? 1 : 0;
	const char *name = argc > first ? argv[first] : NULL;
	if (json)
		show_json(conn, detail ? ACTION_DETAIL : ACTION_SHOW, name);
	else
		show(conn, detail ? ACTION_DETAIL : ACTION_SHOW, name);
	return CLI_OK;
}

static int change(struct cli_def *cli, enum action action, const char *done, const char *command,
		  char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	unsigned found;

	if (conn_help(conn, argv, argc, peer_help, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (run(conn, action, argc > 0 ? argv[0] : NULL, NULL, &found))
		cli_print(cli, "%u neighbour%s %s", found, found == 1 ? "" : "s", done);
	return CLI_OK;
}

static int cmd_suspend(struct cli_def *cli, const char *command, char **argv, int argc)
{
	return change(cli, ACTION_SUSPEND, "suspended", command, argv, argc);
}

static int cmd_no_suspend(struct cli_def *cli, const char *command, char **argv, int argc)
{
	return change(cli, ACTION_RESUME, "announced to again", command, argv, argc);
}

static int cmd_restart(struct cli_def *cli, const char *command, char **argv, int argc)
{
	return change(cli, ACTION_RESTART, "restarted", command, argv, argc);
}

static const struct command_row rows[] = {
	{MODE_EXEC, "show bgp", cmd_show_bgp, false, "Neighbours, or details of one"},
	{MODE_EXEC, "suspend", NULL, true, NULL},
	{MODE_EXEC, "suspend bgp", cmd_suspend, true, "Withdraw all routes"},
	{MODE_EXEC, "no suspend", NULL, true, NULL},
	{MODE_EXEC, "no suspend bgp", cmd_no_suspend, true, "Announce all routes"},
	{MODE_EXEC, "restart", NULL, true, NULL},
	{MODE_EXEC, "restart bgp", cmd_restart, true, "Drop the session and connect again"},
};

void cli_bgp_register(struct cli_conn *conn)
{
	if (conn->env->bgp)
		cli_rows_register(conn, rows, sizeof(rows) / sizeof(rows[0]));
}

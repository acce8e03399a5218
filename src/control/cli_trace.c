/* trace user NAME: the control conversation of one subscriber, as it happens. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/lexer.h"

enum {
	LOOK_EVERY_MS = 200,
	LINES_AT_ONCE = 32,
	TRACE_MAX_S = 3600,
};

struct trace_ask {
	const struct cli_env *env;
	struct span user;
	unsigned id;
	unsigned n;
	struct trace_view lines[LINES_AT_ONCE];
};

static void begin(struct core *core, nsec now, void *arg)
{
	struct trace_ask *a = arg;

	a->id = core_trace_start(core, a->user, now);
	a->env->traces_changed(a->env->ctx);
}

static void take(struct core *core, nsec now, void *arg)
{
	struct trace_ask *a = arg;
	(void)now;

	for (a->n = 0; a->n < LINES_AT_ONCE; a->n++)
		if (!core_trace_next(core, a->id, &a->lines[a->n]))
			return;
}

static void end(struct core *core, nsec now, void *arg)
{
	struct trace_ask *a = arg;
	(void)now;

	core_trace_end(core, a->id);
	a->env->traces_changed(a->env->ctx);
}

static void print_line(struct cli_conn *conn, const struct trace_view *v, bool json)
{
	if (json) {
		conn_json(conn,
			  json_pack("{sf,so,si}", "seconds", (double)v->at_ns / 1e9, "text",
				    json_text(v->text, strlen(v->text)), "lost", (int)v->lost));
		return;
	}
	if (v->lost)
		cli_print(conn->cli, "           (%u lines lost)", v->lost);
	cli_print(conn->cli, "%10.3f %s", (double)v->at_ns / 1e9, v->text);
}

/* What has come since the last time; false when control has gone. */
static bool print_news(struct cli_conn *conn, struct trace_ask *a, bool json)
{
	do {
		if (!conn_ask(conn, take, a))
			return false;
		for (unsigned i = 0; i < a->n; i++)
			print_line(conn, &a->lines[i], json);
	} while (a->n == LINES_AT_ONCE && !ferror(conn->cli->client));
	if (conn->cli->client)
		fflush(conn->cli->client);
	return true;
}

static void follow(struct cli_conn *conn, struct trace_ask *a, bool json)
{
	if (!json)
		cli_print(conn->cli, "Any key ends this");
	for (unsigned ms = 0; ms < TRACE_MAX_S * 1000; ms += LOOK_EVERY_MS)
		if (!print_news(conn, a, json) || !conn_wait(conn, LOOK_EVERY_MS))
			break;
	conn_ask(conn, end, a);
}

static int cmd_trace(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<NAME>", "of a user, who may dial in later"},
					       {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	bool json = conn_wants_json(argv, &argc);
	if (argc != 1) {
		conn_fault(conn, "Usage: trace user NAME");
		return CLI_ERROR_ARG;
	}
	struct trace_ask *a = calloc(1, sizeof(*a));
	if (!a) {
		conn_fault(conn, "Out of memory");
		return CLI_ERROR;
	}
	a->env = conn->env;
	a->user = span_str(argv[0]);
	if (conn_ask(conn, begin, a) && a->id)
		follow(conn, a, json);
	else
		conn_fault(conn, "%d users are traced already, or no user can have that name",
			   LNS_TRACES_MAX);
	free(a);
	return CLI_OK;
}

static const struct command_row commands[] = {
	{MODE_EXEC, "trace", NULL, true, NULL},
	{MODE_EXEC, "trace user", cmd_trace, true, "Follow a subscriber's conversation"},
};

void cli_trace_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

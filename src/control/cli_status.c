/* Commands about the daemon as a whole: pool, counters, version, uptime, shutdown. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/lexer.h"

enum { SLICE = 64 }; /* views that one request copies */

/* ---- show pool ------------------------------------------------------------------------------- */

struct pool_slice {
	struct cli_conn *conn;
	uint64_t cursor;
	bool more;
	unsigned n;
	uint32_t used, total;
	struct ippool_view views[SLICE];
	char pools[SLICE][LNS_POOL_NAME_MAX]; /* what `views` point to */
	unsigned n_names;
	struct ippool_name_view names[IPPOOL_NAMES_MAX + 1];
};

static void copy_pool(struct core *core, nsec now, void *arg)
{
	struct pool_slice *s = arg;
	const struct ippool *pool = s->conn->env->pool(s->conn->env->ctx);
	(void)core;

	s->n = 0;
	s->more = true;
	ippool_totals(pool, &s->used, &s->total);
	while (s->n < SLICE && s->more) {
		s->more = ippool_next(pool, &s->cursor, now, &s->views[s->n]);
		if (!s->more)
			break;
		snprintf(s->pools[s->n], LNS_POOL_NAME_MAX, "%s", s->views[s->n].pool);
		s->views[s->n].pool = s->pools[s->n];
		s->n++;
	}
	for (s->n_names = 0; ippool_name(pool, s->n_names, &s->names[s->n_names]); s->n_names++)
		;
}

static void show_pool_text(struct cli_conn *conn, struct pool_slice *s, struct show_text *t,
			   bool all)
{
	show_pool_header(t);
	while (conn_print(conn, t) && conn_ask(conn, copy_pool, s)) {
		show_clear(t);
		for (unsigned i = 0; i < s->n; i++)
			show_pool_line(t, &s->views[i], all);
		if (!s->more) {
			for (unsigned i = 0; s->n_names > 1 && i < s->n_names; i++)
				show_pool_name(t, &s->names[i]);
			show_pool_totals(t, s->used, s->total);
			conn_print(conn, t);
			return;
		}
	}
}

static void show_pool_json(struct cli_conn *conn, struct pool_slice *s, bool all)
{
	conn_json_begin(conn, "pool");
	while (conn_ask(conn, copy_pool, s)) {
		for (unsigned i = 0; i < s->n; i++)
			if (all || s->views[i].used || s->views[i].user_len)
				conn_json_item(conn, json_pool(&s->views[i]));
		if (!s->more)
			break;
	}
	conn_json_end(conn);
}

static const struct help_row pool_help[] = {{"all", "Include addresses never used"}, {NULL, NULL}};

static int cmd_show_pool(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, pool_help, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	bool all = argc > 0 && lex_is_prefix(argv[0], "all");
	struct show_text *t = conn_text(conn);
	struct pool_slice *s = calloc(1, sizeof(*s));
	if (t && s) {
		s->conn = conn;
		if (json)
			show_pool_json(conn, s, all);
		else
			show_pool_text(conn, s, t, all);
	}
	free(s);
	free(t);
	return CLI_OK;
}

/* ---- counters, version, uptime --------------------------------------------------------------- */

struct counters_ask {
	struct cli_conn *conn;
	struct counter_totals totals;
	time_t reset;
};

static void copy_counters(struct core *core, nsec now, void *arg)
{
	struct counters_ask *a = arg;
	const struct cli_env *env = a->conn->env;
	(void)core;
	(void)now;

	counter_totals_read(&a->totals, env->counters, env->n_counters, &a->conn->baseline->totals);
	a->reset = a->conn->baseline->reset;
}

static void reset_counters(struct core *core, nsec now, void *arg)
{
	struct cli_conn *conn = arg;
	(void)core;
	(void)now;

	counter_totals_read(&conn->baseline->totals, conn->env->counters, conn->env->n_counters,
			    NULL);
	conn->baseline->reset = time(NULL);
}

static int cmd_show_counters(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct counters_ask a = {.conn = conn};
	char reset[32];
	struct tm tm;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (t && conn_ask(conn, copy_counters, &a)) {
		strftime(reset, sizeof(reset), "%Y-%m-%d %H:%M:%S", localtime_r(&a.reset, &tm));
		show_counters(t, &a.totals, reset);
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_counters(&a.totals, reset));
		else
			conn_print(conn, t);
	}
	free(t);
	return CLI_OK;
}

static int cmd_clear_counters(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (conn_ask(conn, reset_counters, conn))
		cli_print(cli, "Counters cleared");
	return CLI_OK;
}

struct about_ask {
	struct cli_conn *conn;
	struct show_text *t;
	json_t *json;
};

static void copy_about(struct core *core, nsec now, void *arg)
{
	struct about_ask *a = arg;
	struct cli_about about = {0};
	(void)core;
	(void)now;

	a->conn->env->about(a->conn->env->ctx, &about);
	show_line(a->t, "L2TPNS %s", about.version);
	show_line(a->t, "Workers: %u", about.workers);
	show_line(a->t, "Packet I/O: %s", about.io_backend);
	show_line(a->t, "Steering: %s", about.steering);
	show_line(a->t, "TUN steering: %s", about.tun_steering);
	show_line(a->t, "TUN threads: %s", about.tun_napi ? "yes" : "no");
	show_line(a->t, "Express interfaces: %s", about.express);
	a->json = json_pack("{ss,si,ss,ss,ss,sb,ss}", "version", about.version, "workers",
			    (int)about.workers, "packet_io", about.io_backend, "steering",
			    about.steering, "tun_steering", about.tun_steering, "tun_threads",
			    (int)about.tun_napi, "express_interfaces", about.express);
}

static int cmd_show_version(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct about_ask a = {.conn = conn, .t = conn_text(conn)};
	if (a.t && conn_ask(conn, copy_about, &a)) {
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_incref(a.json));
		else
			conn_print(conn, a.t);
	}
	json_decref(a.json);
	free(a.t);
	return CLI_OK;
}

struct uptime_ask {
	struct cli_conn *conn;
	struct uptime_view view;
};

static void copy_uptime(struct core *core, nsec now, void *arg)
{
	struct uptime_ask *a = arg;
	struct core_totals totals;
	(void)now;

	core_totals(core, &totals);
	a->view.users = totals.authenticated;
	a->view.rates = *a->conn->env->rates(a->conn->env->ctx);
}

static int cmd_uptime(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct uptime_ask a = {.conn = conn};
	struct timespec mono;
	time_t wall = time(NULL);
	struct tm tm;
	char clock_text[16];
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	if (t && conn_ask(conn, copy_uptime, &a)) {
		clock_gettime(CLOCK_MONOTONIC, &mono);
		a.view.up_s = (uint64_t)(mono.tv_sec - conn->server_started.tv_sec);
		strftime(clock_text, sizeof(clock_text), "%H:%M:%S", localtime_r(&wall, &tm));
		a.view.clock = clock_text;
		if (getloadavg(a.view.load, 3) != 3)
			memset(a.view.load, 0, sizeof(a.view.load));
		show_uptime(t, &a.view);
		if (conn_wants_json(argv, &argc))
			conn_json(conn, json_uptime(&a.view));
		else
			conn_print(conn, t);
	}
	free(t);
	return CLI_OK;
}

/* ---- the daemon itself ----------------------------------------------------------------------- */

static void run_shutdown(struct core *core, nsec now, void *arg)
{
	struct cli_conn *conn = arg;
	(void)core;
	(void)now;
	conn->env->shutdown(conn->env->ctx);
}

static int cmd_shutdown(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (conn_ask(conn, run_shutdown, conn))
		cli_print(cli, "Shutting down, all tunnels are closed");
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show counters", cmd_show_counters, false, "Packets, bytes, events and drops"},
	{MODE_EXEC, "show pool", cmd_show_pool, false, "Addresses of the pool"},
	{MODE_EXEC, "show version", cmd_show_version, false, "Version, workers, packet I/O"},
	{MODE_EXEC, "uptime", cmd_uptime, false, "How long it runs, and throughput"},
	{MODE_EXEC, "clear", NULL, true, NULL},
	{MODE_EXEC, "clear counters", cmd_clear_counters, true, "Set all counters to 0"},
	{MODE_EXEC, "shutdown", cmd_shutdown, true, "Close all tunnels and end"},
};

void cli_status_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

/* show workers: what each forwarding thread has to do. */
#include <stdlib.h>

#include "control/cli_conn.h"
#include "dataplane/dp.h"

struct workers_ask {
	struct cli_conn *conn;
	unsigned n;
	struct worker_view views[LNS_WORKERS_MAX];
};

static void copy_workers(struct core *core, nsec now, void *arg)
{
	struct workers_ask *a = arg;
	const struct cli_env *env = a->conn->env;
	(void)core;
	(void)now;

	a->n = env->workers(env->ctx, a->views);
}

static void show_worker(struct show_text *t, const struct worker_view *v)
{
	char cpu[12] = "any";

	if (v->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%d", v->cpu);
	show_line(t, "%6u %4s %5u.%u%% %8u %7u %9u %9u %6u.%u %6u.%u %12llu %12llu %10llu",
		  v->number, cpu, v->load / 10, v->load % 10, v->sessions, v->tunnels, v->up_rate,
		  v->down_rate, v->l2tp_batch / 10, v->l2tp_batch % 10, v->tun_batch / 10,
		  v->tun_batch % 10, (unsigned long long)v->handed_over,
		  (unsigned long long)v->taken_over, (unsigned long long)v->drops);
}

static json_t *json_worker(const struct worker_view *v)
{
	return json_pack("{si,si,sf,sI,sI,sI,sI,sf,sf,sI,sI,sI,sI,sI}", "worker", (int)v->number,
			 "cpu", v->cpu, "load", v->load / 10.0, "sessions", (json_int_t)v->sessions,
			 "tunnels", (json_int_t)v->tunnels, "up_rate", (json_int_t)v->up_rate,
			 "down_rate", (json_int_t)v->down_rate, "l2tp_batch", v->l2tp_batch / 10.0,
			 "tun_batch", v->tun_batch / 10.0, "up_packets", (json_int_t)v->up,
			 "down_packets", (json_int_t)v->down, "handed_over",
			 (json_int_t)v->handed_over, "taken_over", (json_int_t)v->taken_over,
			 "drops", (json_int_t)v->drops);
}

static void workers_text(struct cli_conn *conn, const struct workers_ask *a, struct show_text *t)
{
	show_line(t, "%6s %4s %7s %8s %7s %9s %9s %8s %8s %12s %12s %10s", "Worker", "CPU", "Load",
		  "Sessions", "Tunnels", "Up/s", "Down/s", "LACbatch", "TUNbatch", "HandedOver",
		  "TakenOver", "Drops");
	for (unsigned i = 0; i < a->n; i++)
		show_worker(t, &a->views[i]);
	conn_print(conn, t);
}

static void workers_json(struct cli_conn *conn, const struct workers_ask *a)
{
	conn_json_begin(conn, "workers");
	for (unsigned i = 0; i < a->n; i++)
		conn_json_item(conn, json_worker(&a->views[i]));
	conn_json_end(conn);
}

static int cmd_show_workers(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct show_text *t = conn_text(conn);
	struct workers_ask *a = calloc(1, sizeof(*a));
	if (t && a) {
		a->conn = conn;
		if (!conn_ask(conn, copy_workers, a))
			; /* said already */
		else if (conn_wants_json(argv, &argc))
			workers_json(conn, a);
		else
			workers_text(conn, a, t);
	}
	free(a);
	free(t);
	return CLI_OK;
}

static const struct command_row rows[] = {
	{MODE_EXEC, "show workers", cmd_show_workers, false,
	 "Show the load of the forwarding threads"},
};

void cli_workers_register(struct cli_conn *conn)
{
	cli_rows_register(conn, rows, sizeof(rows) / sizeof(rows[0]));
}

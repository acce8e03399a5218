/* ping user NAME, ping session ID: LCP echoes to one subscriber, with round-trip times. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/cli_query.h"
#include "control/lexer.h"

enum { PING_COUNT = 4, PING_COUNT_MAX = 1000 };

struct ping {
	struct session_view v;
	unsigned sent, answered;
	double min_ms, max_ms, sum_ms;
	json_t *times; /* NULL: as text */
};

static bool keep_view(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct ping *p = ctx;
	(void)conn;
	p->v = *v;
	return false;
}

static void count_answer(struct ping *p, double ms)
{
	p->min_ms = p->answered == 0 || ms < p->min_ms ? ms : p->min_ms;
	p->max_ms = ms > p->max_ms ? ms : p->max_ms;
	p->sum_ms += ms;
	p->answered++;
}

/* One echo; false when no more are to follow. */
static bool ping_once(struct cli_conn *conn, struct ping *p)
{
	struct worker_answer a;

	if (!cli_query_ping(conn, p->v.key, &a) || !a.pong.sent) {
		conn_fault(conn, "LCP is not open, or the session has ended");
		return false;
	}
	p->sent++;
	double ms = (double)a.pong.rtt_ns / 1e6;
	if (a.pong.answered)
		count_answer(p, ms);
	if (p->times)
		json_array_append_new(p->times, a.pong.answered ? json_real(ms) : json_null());
	else if (a.pong.answered)
		cli_print(conn->cli, "Answer from %u/%u: %.3f ms", p->v.key.tid, p->v.key.sid, ms);
	else
		cli_print(conn->cli, "No answer from %u/%u within 2 s", p->v.key.tid, p->v.key.sid);
	if (conn->cli->client)
		fflush(conn->cli->client);
	return true;
}

static void print_summary(struct cli_conn *conn, struct ping *p)
{
	double mean = p->answered ? p->sum_ms / p->answered : 0;

	if (p->times) {
		conn_json(conn,
			  json_pack("{si,si,si,si,so,sf,sf,sf}", "tid", (int)p->v.key.tid, "sid",
				    (int)p->v.key.sid, "sent", (int)p->sent, "answered",
				    (int)p->answered, "times_ms", p->times, "min_ms", p->min_ms,
				    "mean_ms", mean, "max_ms", p->max_ms));
		return;
	}
	cli_print(conn->cli, "%u sent, %u answered, %.0f%% lost", p->sent, p->answered,
		  p->sent ? 100.0 * (p->sent - p->answered) / p->sent : 0.0);
	if (p->answered)
		cli_print(conn->cli, "Round trip min/mean/max = %.3f/%.3f/%.3f ms", p->min_ms, mean,
			  p->max_ms);
}

static int ping(struct cli_conn *conn, const struct session_query *q, const char *count, bool json)
{
	struct ping p = {0};
	uint64_t n = PING_COUNT;

	if (count && (!lex_number(count, &n) || n < 1 || n > PING_COUNT_MAX)) {
		conn_fault(conn, "Not a number within 1..%d", PING_COUNT_MAX);
		return CLI_ERROR_ARG;
	}
	if (conn_each_session(conn, q, keep_view, &p) == 0) {
		conn_fault(conn, "Not connected");
		return CLI_ERROR;
	}
	p.times = json ? json_array() : NULL;
	for (unsigned i = 0; i < n && ping_once(conn, &p); i++)
		if (i + 1 < n && !conn_wait(conn, 1000))
			break;
	print_summary(conn, &p);
	return p.answered ? CLI_OK : CLI_ERROR;
}

static int cmd_ping_user(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {
		{"<NAME>", "of the user"}, {"<1-1000>", "How many, one each second"}, {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	if (argc < 1 || argc > 2) {
		conn_fault(conn, "Usage: ping user NAME [COUNT]");
		return CLI_ERROR_ARG;
	}
	struct session_query q = {.user = span_str(argv[0])};
	return ping(conn, &q, argc == 2 ? argv[1] : NULL, json);
}

static int cmd_ping_session(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<1-65535>", "Session"},
					       {"<TID>/<SID>", "of this tunnel and session"},
					       {"<1-1000>", "How many, one each second"},
					       {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	struct session_query q = {0};
	(void)command;

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	if (argc < 1 || argc > 2 || !conn_session_id(argv[0], &q)) {
		conn_fault(conn, "Usage: ping session ID [COUNT]");
		return CLI_ERROR_ARG;
	}
	return ping(conn, &q, argc == 2 ? argv[1] : NULL, json);
}

static const struct command_row commands[] = {
	{MODE_EXEC, "ping", NULL, true, NULL},
	{MODE_EXEC, "ping user", cmd_ping_user, true, "LCP echoes to a user, round-trip times"},
	{MODE_EXEC, "ping session", cmd_ping_session, true, "LCP echoes to a session"},
};

void cli_ping_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

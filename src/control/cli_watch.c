/*
 * Commands that look for a while: the tail of the log (`debug`), the rates of one session
 * (`monitor session`), the sessions with the most traffic (`show top`).
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "control/cli_conn.h"
#include "control/lexer.h"
#include "control/log_sink.h"

/* ---- debug ----------------------------------------------------------------------------------- */

static const struct {
	enum log_level level;
	const char *name, *mark;
} levels[] = {
	{LOG_CRITICAL, "critical", "CRIT"}, {LOG_ERROR, "error", "ERROR"},
	{LOG_WARN, "warning", "WARN"},	    {LOG_NOTE, "info", "INFO"},
	{LOG_CALLS, "calls", "CALL"},	    {LOG_DATA, "data", "DATA"},
};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]), LINES_AT_ONCE = 500 };

/* Once a second while the terminal waits for a command. */
static int print_tail(struct cli_def *cli)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct log_tail_line line;
	bool any = false;

	for (unsigned n = 0; n < LINES_AT_ONCE && log_sink_tail(&conn->watched, &line); n++) {
		if (line.level >= LEVELS || !(conn->watch & 1u << line.level))
			continue;
		cli_error(cli, "\r%s-%u-%u %s", levels[line.level].mark, line.tid, line.sid,
			  line.text);
		any = true;
	}
	if (any)
		cli_reprompt(cli);
	return CLI_OK;
}

static const struct help_row debug_help[] = {{"all", "Everything but data"},
					     {"critical", "What stops the service"},
					     {"error", "Errors"},
					     {"warning", "Warnings"},
					     {"info", "Information"},
					     {"calls", "Steps of calls"},
					     {"data", "Packets"},
					     {NULL, NULL}};

/* The levels that the words name, as bits; 0, and said, when one names none. */
static unsigned levels_of(struct cli_conn *conn, char **argv, int argc)
{
	unsigned bits = 0;

	for (int i = 0; i < argc; i++) {
		unsigned word = 0;
		if (lex_is_prefix(argv[i], "all"))
			word = (1u << LOG_DATA) - 1;
		for (unsigned l = 0; l < LEVELS && !word; l++)
			if (lex_is_prefix(argv[i], levels[l].name) &&
			    (strlen(argv[i]) > 1 || argv[i][0] != 'c'))
				word = 1u << levels[l].level;
		if (!word) {
			conn_fault(conn, "Invalid debugging flag \"%s\"", argv[i]);
			return 0;
		}
		bits |= word;
	}
	return bits;
}

static void print_levels(struct cli_conn *conn)
{
	char text[128] = "";
	size_t n = 0;

	for (unsigned l = 0; l < LEVELS; l++)
		if (conn->watch & 1u << levels[l].level)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", levels[l].name);
	cli_print(conn->cli, "Currently debugging:%s", n ? text : " none");
}

static int cmd_debug(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, debug_help, true))
		return CLI_OK;
	if (argc == 0)
		print_levels(conn);
	else
		conn->watch |= levels_of(conn, argv, argc);
	return CLI_OK;
}

static int cmd_no_debug(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, debug_help, true))
		return CLI_OK;
	if (argc == 0)
		conn->watch = 0;
	else
		conn->watch &= ~levels_of(conn, argv, argc);
	return CLI_OK;
}

/* ---- monitor session ------------------------------------------------------------------------- */

enum { MONITOR_MAX_S = 3600 };

/* What may still come of the end of the command's line (CR LF or CR NUL) is no key. */
bool conn_wait(struct cli_conn *conn, unsigned ms)
{
	struct pollfd p = {.fd = conn->shutdown_fd, .events = POLLIN};
	char keys[64];
	ssize_t n;

	while (poll(&p, 1, (int)ms) == 1) {
		n = recv(conn->shutdown_fd, keys, sizeof(keys), MSG_DONTWAIT);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++)
			if (keys[i] != '\n' && keys[i] != '\0')
				return false;
	}
	return true;
}

static bool keep_view(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct session_view *out = ctx;
	(void)conn;
	*out = *v;
	return false;
}

static void print_rates(struct cli_conn *conn, const struct session_view *v,
			const struct sess_counters *before)
{
	const struct sess_counters *n = &v->counters;

	cli_print(conn->cli,
		  "%6u/%-6u down %9.1f kbit/s %7llu p/s   up %9.1f kbit/s %7llu p/s   idle %us",
		  v->key.tid, v->key.sid, (double)(n->down_bytes - before->down_bytes) / 125.0,
		  (unsigned long long)(n->down_packets - before->down_packets),
		  (double)(n->up_bytes - before->up_bytes) / 125.0,
		  (unsigned long long)(n->up_packets - before->up_packets), v->idle_s);
	if (conn->cli->client)
		fflush(conn->cli->client);
}

static int cmd_monitor(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<1-65535>", "of this session"},
					       {"<TID>/<SID>", "of this tunnel and session"},
					       {"user", "<NAME> of this user"},
					       {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	struct session_query q = {0};
	struct session_view v;
	(void)command;

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	if (argc == 2 && lex_is_prefix(argv[0], "user")) {
		q.user = span_str(argv[1]);
	} else if (argc != 1 || !conn_session_id(argv[0], &q)) {
		conn_fault(conn, "Say a session id or user NAME");
		return CLI_ERROR_ARG;
	}
	if (conn_each_session(conn, &q, keep_view, &v) == 0) {
		conn_fault(conn, "Not connected");
		return CLI_ERROR;
	}
	cli_print(cli, "Any key ends this");
	struct sess_key key = v.key;
	for (unsigned s = 0; s < MONITOR_MAX_S; s++) {
		struct sess_counters before = v.counters;
		struct session_query again = {
			.by_sid = true, .has_tid = true, .tid = key.tid, .sid = key.sid};
		if (!conn_wait(conn, 1000))
			break;
		if (conn_each_session(conn, &again, keep_view, &v) == 0 ||
		    !sess_key_equal(v.key, key)) {
			cli_print(cli, "The session has ended");
			break;
		}
		print_rates(conn, &v, &before);
	}
	return CLI_OK;
}

/* ---- show top -------------------------------------------------------------------------------- */

enum { TOP_ROWS = 20, TOP_ROWS_MAX = 1000 };

struct top_row {
	struct sess_key key;
	uint64_t bytes, rate; /* so far; per second */
	uint64_t down, up;
	uint8_t user_len;
	uint8_t user[LNS_USER_MAX];
	struct ip_addr ip;
};

struct top {
	struct top_row *rows;
	size_t n, cap, at; /* at: where the second sample found the last one */
	double seconds;	   /* between the samples */
};

static bool first_sample(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct top *t = ctx;
	(void)conn;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 256;
		struct top_row *more = realloc(t->rows, cap * sizeof(*more));
		if (!more)
			return false;
		t->rows = more;
		t->cap = cap;
	}
	t->rows[t->n++] = (struct top_row){
		.key = v->key, .down = v->counters.down_bytes, .up = v->counters.up_bytes};
	return true;
}

/* The listing is by age, so those of the first sample come in the same order. */
static bool second_sample(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct top *t = ctx;
	(void)conn;

	for (size_t i = t->at; i < t->n; i++) {
		struct top_row *r = &t->rows[i];
		if (!sess_key_equal(r->key, v->key))
			continue;
		t->at = i + 1;
		r->down = v->counters.down_bytes - r->down;
		r->up = v->counters.up_bytes - r->up;
		r->ip = v->ip;
		r->user_len = v->user_len;
		memcpy(r->user, v->user, v->user_len);
		r->bytes = v->counters.down_bytes + v->counters.up_bytes;
		return true;
	}
	return true;
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Both samples. Between them nothing is read: what is typed meanwhile is the next command. */
static void take_samples(struct cli_conn *conn, struct top *t)
{
	struct session_query all = {0};
	double since = seconds_now();

	conn_each_session(conn, &all, first_sample, t);
	nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	conn_each_session(conn, &all, second_sample, t);
	t->seconds = seconds_now() - since;
}

/* Those who were there both times, in bytes per second; returns how many. */
static size_t rates_of(struct top *t)
{
	size_t found = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct top_row *r = &t->rows[i];
		if (!r->bytes && !r->user_len)
			continue;
		r->down = (uint64_t)((double)r->down / t->seconds);
		r->up = (uint64_t)((double)r->up / t->seconds);
		r->rate = r->down + r->up;
		t->rows[found++] = *r;
	}
	return found;
}

static int by_rate(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : 0;
}

static void print_top(struct cli_conn *conn, const struct top_row *r, bool json)
{
	char ip[IP_ADDR_TEXT], user[LNS_USER_MAX + 1];

	if (json) {
		conn_json_item(conn,
			       json_pack("{si,si,so,ss,sI,sI}", "tid", (int)r->key.tid, "sid",
					 (int)r->key.sid, "user", json_text(r->user, r->user_len),
					 "ip", ip_addr_text(&r->ip, ip), "down_bytes_per_s",
					 (json_int_t)r->down, "up_bytes_per_s", (json_int_t)r->up));
		return;
	}
	for (unsigned i = 0; i < r->user_len; i++)
		user[i] = r->user[i] >= 0x20 && r->user[i] < 0x7F ? (char)r->user[i] : '?';
	user[r->user_len] = '\0';
	cli_print(conn->cli, "%5u %5u %-32s %-15s %12.1f %12.1f", r->key.sid, r->key.tid, user,
		  ip_addr_text(&r->ip, ip), (double)r->down / 125.0, (double)r->up / 125.0);
}

static int cmd_show_top(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<1-1000>", "How many"}, {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	struct top t = {0};
	uint64_t wanted = TOP_ROWS;
	(void)command;

	if (conn_help(conn, argv, argc, rows, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	if (argc > 0 && (!lex_number(argv[0], &wanted) || wanted < 1 || wanted > TOP_ROWS_MAX)) {
		conn_fault(conn, "Not a number within 1..%d", TOP_ROWS_MAX);
		return CLI_ERROR_ARG;
	}
	take_samples(conn, &t);
	size_t found = rates_of(&t);
	if (found > 0)
		qsort(t.rows, found, sizeof(*t.rows), by_rate);
	if (json)
		conn_json_begin(conn, "top");
	else
		cli_print(cli, "%5s %5s %-32s %-15s %12s %12s", "SID", "TID", "Username", "IP",
			  "down kbit/s", "up kbit/s");
	for (size_t i = 0; i < found && i < wanted; i++)
		print_top(conn, &t.rows[i], json);
	if (json)
		conn_json_end(conn);
	free(t.rows);
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "debug", cmd_debug, false, "Show the log as it is written"},
	{MODE_EXEC, "no debug", cmd_no_debug, false, "Show it no longer"},
	{MODE_EXEC, "show top", cmd_show_top, false, "Sessions with the most traffic"},
	{MODE_EXEC, "monitor", NULL, false, NULL},
	{MODE_EXEC, "monitor session", cmd_monitor, false, "Rates of a session each second"},
};

void cli_watch_register(struct cli_conn *conn)
{
	conn->watch = 1u << LOG_CRITICAL;
	conn->watched = log_sink_tail_end();
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
	cli_regular(conn->cli, print_tail);
}

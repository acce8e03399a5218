/* Commands about what is done to a user's packets: throttle, filter, snoop; and their displays. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/conf_filter.h"
#include "control/lexer.h"

enum { BITS_PER_KBIT = 1000, SESSIONS_OF_USER_MAX = 64 };

/* ---- changing the policy of a user's sessions ------------------------------------------------ */

/* One command. Everything is done on the control thread, so that no other change gets between. */
struct change {
	const struct cli_env *env;
	const char *user;
	/* False: refused, with a reason; else p is what shall be. */
	bool (*edit)(struct change *c, const struct conf *conf, struct sess_policy *p);
	uint64_t rate[2]; /* kbit/s, up and down */
	bool given[2];	  /* which ways the command names */
	bool remove;
	const char *list[2];
	struct sock_addr collector;
	unsigned found, done;
	char reason[CONF_REASON_TEXT];
};

static void change_one(struct core *core, struct change *c, const struct session_view *v)
{
	struct sess_policy p = v->policy;

	if (v->dying)
		return;
	c->found++;
	if (c->edit(c, c->env->conf(c->env->ctx), &p) && core_set_policy(core, v->key, &p))
		c->done++;
}

static void change_all(struct core *core, nsec now, void *arg)
{
	struct change *c = arg;
	struct session_view v;
	uint64_t cursor = 0;

	while (c->found < SESSIONS_OF_USER_MAX &&
	       core_session_by_user(core, span_str(c->user), &cursor, now, &v))
		change_one(core, c, &v);
}

/* Says what went wrong; true: nothing did. */
static bool run_change(struct cli_conn *conn, struct change *c)
{
	c->env = conn->env;
	if (!conn_ask(conn, change_all, c))
		return false;
	if (c->found == 0)
		conn_fault(conn, "User %s is not connected", c->user);
	else if (c->done == 0)
		conn_fault(conn, "%s", c->reason[0] ? c->reason : "Out of memory");
	return c->done > 0;
}

/* "in X", "out X" or "in X out X"; the words behind the name. False: none of these. */
static bool read_ways(char **argv, int argc, const char *value[2])
{
	value[0] = value[1] = NULL;
	if (argc != 2 && argc != 4)
		return false;
	for (int i = 0; i < argc; i += 2) {
		bool in = strcmp(argv[i], "in") == 0;
		if ((!in && strcmp(argv[i], "out") != 0) || value[in ? 0 : 1])
			return false;
		value[in ? 0 : 1] = argv[i + 1];
	}
	return true;
}

/* ---- throttle -------------------------------------------------------------------------------- */

static const char *const way_names[] = {"in", "out"};

static bool edit_throttle(struct change *c, const struct conf *conf, struct sess_policy *p)
{
	uint64_t *rates[] = {&p->rate_up, &p->rate_down};

	for (unsigned i = 0; i < 2; i++) {
		if (!c->remove && c->given[i] && *rates[i]) {
			snprintf(c->reason, sizeof(c->reason), "User %.64s is already throttled %s",
				 c->user, way_names[i]);
			return false;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		if (c->remove)
			*rates[i] = 0;
		else if (c->given[i])
			*rates[i] = (c->rate[i] ? c->rate[i] : conf->throttle_speed) *
				    (uint64_t)BITS_PER_KBIT;
	}
	if (c->remove || p->rate_up || p->rate_down)
		return true;
	snprintf(c->reason, sizeof(c->reason), "throttle_speed is 0: say a rate");
	return false;
}

static bool read_rate(struct cli_conn *conn, const char *word, uint64_t *out)
{
	if (lex_number(word, out) && *out > 0 && *out <= UINT64_MAX / BITS_PER_KBIT)
		return true;
	cli_error(conn->cli, "Not a rate in kbit/s: \"%s\"", word);
	return false;
}

/* The words behind the name; false: wrong, and said. */
static bool read_throttle(struct cli_conn *conn, char **argv, int argc, struct change *c)
{
	const char *value[2];

	if (argc <= 1) {
		c->given[0] = c->given[1] = true;
		if (argc == 0)
			return true; /* throttle_speed */
		if (!read_rate(conn, argv[0], &c->rate[0]))
			return false;
		c->rate[1] = c->rate[0];
		return true;
	}
	if (!read_ways(argv, argc, value)) {
		cli_error(conn->cli,
			  "Usage: throttle USER [RATE | in RATE | out RATE | in RATE out RATE]");
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		c->given[i] = value[i] != NULL;
		if (value[i] && !read_rate(conn, value[i], &c->rate[i]))
			return false;
	}
	return true;
}

static const struct help_row throttle_help[] = {
	{"<NAME>", "of a user"},
	{"<NAME> <RATE>", "kbit/s both ways; without it throttle_speed"},
	{"<NAME> in <RATE>", "from the user"},
	{"<NAME> out <RATE>", "to the user"},
	{NULL, NULL}};

static int cmd_throttle(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct change c = {.edit = edit_throttle};

	if (conn_help(conn, argv, argc, throttle_help, false))
		return CLI_OK;
	if (argc == 0) {
		cli_error(cli, "Specify a user to throttle");
		return CLI_ERROR;
	}
	conn_audit(conn, command, argv, argc);
	c.user = argv[0];
	if (!read_throttle(conn, argv + 1, argc - 1, &c) || !run_change(conn, &c))
		return CLI_ERROR;
	cli_print(cli, "Throttling user %s", c.user);
	return CLI_OK;
}

/* ---- the forms with "no" --------------------------------------------------------------------- */

static const struct help_row user_help[] = {{"<NAME>", "of a user"}, {NULL, NULL}};

static int remove_all(struct cli_conn *conn, char **argv, int argc, struct change c,
		      const char *done)
{
	int result = CLI_OK;

	if (argc == 0) {
		cli_error(conn->cli, "Specify a user");
		return CLI_ERROR;
	}
	for (int i = 0; i < argc; i++) {
		struct change one = c;
		one.user = argv[i];
		one.remove = true;
		if (run_change(conn, &one))
			cli_print(conn->cli, "%s user %s", done, argv[i]);
		else
			result = CLI_ERROR;
	}
	return result;
}

static int cmd_no_throttle(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	const struct change c = {.edit = edit_throttle};

	if (conn_help(conn, argv, argc, user_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	return remove_all(conn, argv, argc, c, "Unthrottling");
}

/* ---- filter ---------------------------------------------------------------------------------- */

static bool edit_filter(struct change *c, const struct conf *conf, struct sess_policy *p)
{
	char *names[] = {p->filter_in, p->filter_out};

	for (unsigned i = 0; i < 2 && !c->remove; i++) {
		if (!c->list[i])
			continue;
		if (names[i][0]) {
			snprintf(c->reason, sizeof(c->reason), "User %.64s has a filter %s already",
				 c->user, way_names[i]);
			return false;
		}
		if (!conf_filter_exists(conf, c->list[i])) {
			snprintf(c->reason, sizeof(c->reason), "Access list %.31s is not defined",
				 c->list[i]);
			return false;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		if (c->remove)
			memset(names[i], 0, LNS_FILTER_NAME_MAX);
		else if (c->list[i])
			snprintf(names[i], LNS_FILTER_NAME_MAX, "%s", c->list[i]);
	}
	return true;
}

static const struct help_row filter_help[] = {
	{"<NAME> in <LIST>", "from the user"}, {"<NAME> out <LIST>", "to the user"}, {NULL, NULL}};

static int cmd_filter(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct change c = {.edit = edit_filter};

	if (conn_help(conn, argv, argc, filter_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (argc < 3 || !read_ways(argv + 1, argc - 1, c.list)) {
		cli_error(cli, "Usage: filter USER in LIST | out LIST | in LIST out LIST");
		return CLI_ERROR;
	}
	c.user = argv[0];
	if (!run_change(conn, &c))
		return CLI_ERROR;
	cli_print(cli, "Filtering user %s", c.user);
	return CLI_OK;
}

static int cmd_no_filter(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	const struct change c = {.edit = edit_filter};

	if (conn_help(conn, argv, argc, user_help, false))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	return remove_all(conn, argv, argc, c, "Removed all filters from");
}

/* ---- snoop ----------------------------------------------------------------------------------- */

static bool edit_snoop(struct change *c, const struct conf *conf, struct sess_policy *p)
{
	if (c->remove) {
		p->intercept = (struct sock_addr){.port = 0};
		return true;
	}
	p->intercept = c->collector;
	if (!ip_addr_is_set(&c->collector.ip))
		p->intercept = (struct sock_addr){conf->snoop_host, (uint16_t)conf->snoop_port};
	if (ip_addr_is_set(&p->intercept.ip) && p->intercept.port)
		return true;
	snprintf(c->reason, sizeof(c->reason), "snoop_host and snoop_port are not set");
	return false;
}

static bool read_collector(struct cli_conn *conn, char **argv, int argc, struct change *c)
{
	uint64_t port;

	if (argc == 0)
		return true; /* the configuration's */
	if (argc == 2 && ip_addr_parse(span_str(argv[0]), &c->collector.ip) &&
	    lex_number(argv[1], &port) && port > 0 && port <= UINT16_MAX) {
		c->collector.port = (uint16_t)port;
		return true;
	}
	cli_error(conn->cli, "Usage: snoop USER [ADDRESS PORT]");
	return false;
}

static const struct help_row snoop_help[] = {{"<NAME>", "of a user; to snoop_host, snoop_port"},
					     {"<NAME> <ADDRESS> <PORT>", "to this collector"},
					     {NULL, NULL}};

/* Whom it is about stays out of the log, which the unprivileged may watch. */
static int cmd_snoop(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct change c = {.edit = edit_snoop};

	if (conn_help(conn, argv, argc, snoop_help, false))
		return CLI_OK;
	if (argc == 0) {
		cli_error(cli, "Specify a user to snoop");
		return CLI_ERROR;
	}
	conn_audit(conn, command, NULL, 0);
	c.user = argv[0];
	if (!read_collector(conn, argv + 1, argc - 1, &c) || !run_change(conn, &c))
		return CLI_ERROR;
	cli_print(cli, "Snooping user %s", c.user);
	return CLI_OK;
}

static int cmd_no_snoop(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	const struct change c = {.edit = edit_snoop};

	if (conn_help(conn, argv, argc, user_help, false))
		return CLI_OK;
	conn_audit(conn, command, NULL, 0);
	return remove_all(conn, argv, argc, c, "Not snooping");
}

/* ---- displays -------------------------------------------------------------------------------- */

struct throttle_output {
	struct show_text *t;
	bool json;
	unsigned n;
};

struct shapers_ask {
	struct sess_key key;
	bool found;
	struct core_shaper way[2];
};

static void ask_shapers(struct core *core, nsec now, void *arg)
{
	struct shapers_ask *a = arg;

	(void)now;
	a->found = core_session_shapers(core, a->key, a->way);
}

static json_t *json_way(uint64_t rate, const struct core_shaper *s)
{
	return json_pack("{sI,sI,sI,sI,sI,sI}", "rate", (json_int_t)rate, "packets",
			 (json_int_t)s->packets, "bytes", (json_int_t)s->bytes, "delayed",
			 (json_int_t)s->delayed, "dropped", (json_int_t)s->dropped, "queued",
			 (json_int_t)s->queued);
}

static bool print_throttle(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct throttle_output *out = ctx;
	struct shapers_ask a = {.key = v->key};

	if (v->policy.rate_up == 0 && v->policy.rate_down == 0)
		return true;
	if (!conn_ask(conn, ask_shapers, &a))
		return false;
	out->n++;
	show_clear(out->t);
	if (out->json)
		return conn_json_item(conn,
				      json_pack("{si,si,so,so,so}", "sid", v->key.sid, "tid",
						v->key.tid, "user", json_text(v->user, v->user_len),
						"in", json_way(v->policy.rate_up, &a.way[0]), "out",
						json_way(v->policy.rate_down, &a.way[1])));
	show_throttle_line(out->t, v, a.way);
	return conn_print(conn, out->t);
}

static int cmd_show_throttle(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct session_query q = {0};
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct throttle_output out = {.json = conn_wants_json(argv, &argc), .t = conn_text(conn)};
	if (!out.t)
		return CLI_ERROR;
	if (out.json)
		conn_json_begin(conn, "throttled");
	show_throttle_header(out.t);
	if (out.json || conn_print(conn, out.t))
		conn_each_session(conn, &q, print_throttle, &out);
	if (out.json)
		conn_json_end(conn);
	else
		cli_print(cli, "%u throttled", out.n);
	free(out.t);
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show throttle", cmd_show_throttle, false, "Throttled sessions"},
	{MODE_EXEC, "show tbf", cmd_show_throttle, false, "The same"},
	{MODE_EXEC, "no", NULL, false, NULL},
	{MODE_EXEC, "throttle", cmd_throttle, true, "Limit a user's rate"},
	{MODE_EXEC, "no throttle", cmd_no_throttle, true, "Stop it"},
	{MODE_EXEC, "filter", cmd_filter, true, "Put an access list on a user's sessions"},
	{MODE_EXEC, "no filter", cmd_no_filter, true, "Remove it"},
	{MODE_EXEC, "snoop", cmd_snoop, true, "Intercept a user's traffic"},
	{MODE_EXEC, "no snoop", cmd_no_snoop, true, "Stop it"},
};

void cli_service_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

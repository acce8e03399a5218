/*
 * Displays beside the main tables: access lists, histograms, addresses, remote LNSs; and
 * the commands of the original whose feature is not part of this program, which say so.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "control/cli_conn.h"
#include "control/plugins.h"
#include "control/lexer.h"

/* ---- kept blocks ----------------------------------------------------------------------------- */

static const struct conf_kept *next_member(const struct conf_kept *k)
{
	return k->next && !k->next->head && k->next->kind == k->kind ? k->next : NULL;
}

/* "ip access-list standard NAME": its name, NULL when it is no access list. */
static const char *list_name(const struct conf_kept *k)
{
	return k->kind == CONF_KEPT_ACL && k->head ? strrchr(k->text->s, ' ') + 1 : NULL;
}

static const struct conf_kept *find_list(const struct conf *c, const char *name)
{
	for (const struct conf_kept *k = c->kept; k; k = k->next)
		if (list_name(k) && strcmp(list_name(k), name) == 0)
			return k;
	return NULL;
}

static bool is_extended(const struct conf_kept *list)
{
	return strncmp(list->text->s, "ip access-list extended", 23) == 0;
}

struct hits_ask {
	const struct cli_env *env;
	const char *list;
	uint64_t *hits;
	unsigned n;
};

static void ask_hits(struct core *core, nsec now, void *arg)
{
	struct hits_ask *a = arg;
	const struct dp_acl *l = dp_acls_find(a->env->acls(a->env->ctx), a->list);

	(void)core;
	(void)now;
	a->n = l ? dp_acl_rules(l) : 0;
	for (unsigned i = 0; i < a->n; i++)
		a->hits[i] = dp_acl_hits(l, i);
}

/* Into conn->hits; of how many rules. */
static unsigned read_hits(struct cli_conn *conn, const struct conf_kept *list)
{
	struct hits_ask a = {.env = conn->env, .list = list_name(list), .hits = conn->hits};

	return conn->env->acls && conn_ask(conn, ask_hits, &a) ? a.n : 0;
}

static void print_list(struct cli_conn *conn, const struct conf_kept *list, bool first)
{
	unsigned i = 0;

	if (!first)
		cli_print(conn->cli, "%s", "");
	cli_print(conn->cli, "%s IP access list %s", is_extended(list) ? "Extended" : "Standard",
		  list_name(list));
	unsigned n = read_hits(conn, list);
	for (const struct conf_kept *k = next_member(list); k; k = next_member(k), i++) {
		uint64_t hits = i < n ? conn->hits[i] : 0;
		if (hits)
			cli_print(conn->cli, " %s (%llu match%s)", k->text->s,
				  (unsigned long long)hits, hits == 1 ? "" : "es");
		else
			cli_print(conn->cli, " %s", k->text->s);
	}
}

static json_t *json_list(struct cli_conn *conn, const struct conf_kept *list)
{
	json_t *rules = json_array(), *matches = json_array();
	unsigned n = read_hits(conn, list), i = 0;

	for (const struct conf_kept *k = next_member(list); k; k = next_member(k), i++) {
		json_array_append_new(rules, json_string(k->text->s));
		json_array_append_new(matches, json_integer(i < n ? (json_int_t)conn->hits[i] : 0));
	}
	return json_pack("{ss,ss,so,so}", "name", list_name(list), "type",
			 is_extended(list) ? "extended" : "standard", "rules", rules, "matches",
			 matches);
}

static void show_lists(struct cli_conn *conn, const struct conf *c, char **names, int n, bool json)
{
	bool first = true;

	for (int i = 0; i < n; i++) {
		const struct conf_kept *list = find_list(c, names[i]);
		if (!list) {
			conn_fault(conn, "Access list %s is not defined", names[i]);
			return;
		}
		if (json)
			conn_json_item(conn, json_list(conn, list));
		else
			print_list(conn, list, first);
		first = false;
	}
}

static void show_all_lists(struct cli_conn *conn, const struct conf *c, bool json)
{
	bool first = true;

	for (const struct conf_kept *k = c->kept; k; k = k->next) {
		if (!list_name(k))
			continue;
		if (json)
			conn_json_item(conn, json_list(conn, k));
		else
			print_list(conn, k, first);
		first = false;
	}
}

static int cmd_show_access_list(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<NAME>", "of a list"}, {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, rows, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	struct conf *c = conn_conf(conn);
	if (!c)
		return CLI_ERROR;
	if (json)
		conn_json_begin(conn, "access_lists");
	if (argc > 0)
		show_lists(conn, c, argv, argc, json);
	else
		show_all_lists(conn, c, json);
	if (json)
		conn_json_end(conn);
	conf_free(c);
	return CLI_OK;
}

struct plugins_copy {
	struct cli_conn *conn;
	unsigned cursor;
	bool found;
	struct plugins_view view;
};

static void copy_plugin(struct core *core, nsec now, void *arg)
{
	struct plugins_copy *c = arg;
	const struct cli_env *env = c->conn->env;
	(void)core;
	(void)now;

	c->found = env->plugin && env->plugin(env->ctx, &c->cursor, &c->view);
}

static bool print_plugin(struct cli_conn *conn, const struct plugins_view *v, bool json)
{
	const char *note = v->configured ? "" : " (loaded by hand)";
	char text[PLUGINS_REASON + 32];

	if (json)
		return conn_json_item(conn, json_pack("{ss,sb,sb,ss}", "name", v->name, "loaded",
						      v->loaded, "configured", v->configured,
						      "reason", v->reason));
	if (!v->loaded) {
		snprintf(text, sizeof(text), " (not loaded%s%s)", v->reason[0] ? ": " : "",
			 v->reason);
		note = text;
	}
	cli_print(conn->cli, "  %s%s", v->name, note);
	return true;
}

static int cmd_show_plugins(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct plugins_copy c = {.conn = conn};
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	if (json)
		conn_json_begin(conn, "plugins");
	else
		cli_print(cli, "Plugins currently loaded:");
	while (conn_ask(conn, copy_plugin, &c) && c.found && print_plugin(conn, &c.view, json))
		continue;
	if (json)
		conn_json_end(conn);
	return CLI_OK;
}

static void print_forward(struct cli_conn *conn, const struct conf_kept *k, bool json)
{
	struct lex_line line;
	char reason[LEX_REASON_TEXT];

	if (!lex_split(bstr_span(k->text), &line, reason) || line.n != 5)
		return;
	if (json)
		conn_json_item(conn, json_pack("{so,ss,ss}", "mask",
					       json_text(line.word[1], strlen(line.word[1])), "ip",
					       line.word[2], "port", line.word[3]));
	else
		cli_print(conn->cli, "%-15s %3u %-32s %-32s %-11s %-7s %10u", line.word[2], 0u,
			  "********", line.word[1], "File", "Close", 0u);
	mem_wipe(&line, sizeof(line));
}

static int cmd_show_remotelns(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	struct conf *c = conn_conf(conn);
	if (!c)
		return CLI_ERROR;
	if (json)
		conn_json_begin(conn, "remote_lns");
	else
		cli_print(cli, "%-15s %3s %-32s %-32s %-11s %-7s %10s", "IP Remote LNS", "TID",
			  "l2tp secret", "assignment Id", "File/Radius", "State", "Count Sess");
	for (const struct conf_kept *k = c->kept; k; k = k->next)
		if (k->kind == CONF_KEPT_FORWARD)
			print_forward(conn, k, json);
	if (json)
		conn_json_end(conn);
	conf_free(c);
	return CLI_OK;
}

/* ---- histograms ------------------------------------------------------------------------------ */

enum { IDLE_ROWS = 64, IDLE_STEP_S = 5, OPEN_ROWS = 31 };

struct histogram {
	uint32_t rows[IDLE_ROWS], total;
	bool open; /* else idle */
};

static bool count_session(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct histogram *h = ctx;
	unsigned row = 0;
	(void)conn;

	if (h->open)
		for (uint32_t s = v->opened_s; s > 1 && row < OPEN_ROWS - 1; s /= 2)
			row++;
	else
		row = v->idle_s / IDLE_STEP_S < IDLE_ROWS - 1 ? v->idle_s / IDLE_STEP_S
							      : IDLE_ROWS - 1;
	h->rows[row]++;
	h->total++;
	return true;
}

static void print_row(struct cli_conn *conn, const struct histogram *h, unsigned row)
{
	double percent = h->total ? 100.0 * h->rows[row] / h->total : 0;

	if (h->open)
		cli_print(conn->cli, "%10llu %6.2f%% %6u", 1ull << row, percent, h->rows[row]);
	else if (row == IDLE_ROWS - 1)
		cli_print(conn->cli, "      lots %6.2f%% %6u", percent, h->rows[row]);
	else
		cli_print(conn->cli, "%4u-%-5u %6.2f%% %6u", row * IDLE_STEP_S,
			  (row + 1) * IDLE_STEP_S - 1, percent, h->rows[row]);
}

static int histogram(struct cli_def *cli, char **argv, int argc, bool open)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct session_query all = {0};
	struct histogram h = {.open = open};
	unsigned rows = open ? OPEN_ROWS : IDLE_ROWS;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_each_session(conn, &all, count_session, &h);
	if (conn_wants_json(argv, &argc)) {
		json_t *list = json_array();
		for (unsigned i = 0; i < rows; i++)
			json_array_append_new(list, json_integer(h.rows[i]));
		conn_json(conn,
			  json_pack("{ss,so,si}", "seconds", open ? "powers of 2" : "steps of 5",
				    "sessions", list, "total", (int)h.total));
		return CLI_OK;
	}
	cli_print(cli, "%s", open ? "    Open s      %  Count" : "    Idle s      %  Count");
	for (unsigned i = 0; i < rows; i++)
		print_row(conn, &h, i);
	cli_print(cli, "%u total", h.total);
	return CLI_OK;
}

static int cmd_histogram_idle(struct cli_def *cli, const char *command, char **argv, int argc)
{
	(void)command;
	return histogram(cli, argv, argc, false);
}

static int cmd_histogram_open(struct cli_def *cli, const char *command, char **argv, int argc)
{
	(void)command;
	return histogram(cli, argv, argc, true);
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct ipcache {
	bool json;
	unsigned n;
};

static bool print_address(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	struct ipcache *c = ctx;
	char ip[IP_ADDR_TEXT];

	if (!ip_addr_is_set(&v->ip) || v->dying)
		return true;
	c->n++;
	ip_addr_text(&v->ip, ip);
	if (c->json)
		return conn_json_item(conn, json_pack("{si,si,ss}", "sid", (int)v->key.sid, "tid",
						      (int)v->key.tid, "ip", ip));
	cli_print(conn->cli, "%7u  %-15s", v->key.sid, ip);
	return !ferror(conn->cli->client);
}

static int cmd_show_ipcache(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct session_query all = {0};
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct ipcache c = {.json = conn_wants_json(argv, &argc)};
	if (c.json)
		conn_json_begin(conn, "addresses");
	else
		cli_print(cli, "%7s  %s", "Sess#", "IP Address");
	conn_each_session(conn, &all, print_address, &c);
	if (c.json)
		conn_json_end(conn);
	else
		cli_print(cli, "%u IP addresses used", c.n);
	return CLI_OK;
}

/* ---- what there is not ----------------------------------------------------------------------- */

static int cmd_show_banana(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	if (conn_wants_json(argv, &argc)) {
		conn_json(conn, json_pack("{ss}", "banana", "yellow"));
		return CLI_OK;
	}
	cli_print(cli, " _");
	cli_print(cli, "//\\");
	cli_print(cli, "V  \\");
	cli_print(cli, " \\  \\_");
	cli_print(cli, "  \\,'.`-.");
	cli_print(cli, "   |\\ `. `.");
	cli_print(cli, "   ( \\  `. `-.                        _,.-:\\");
	cli_print(cli, "    \\ \\   `.  `-._             __..--' ,-';/");
	cli_print(cli, "     \\ `.   `-.   `-..___..---'   _.--' ,'/");
	cli_print(cli, "      `. `.    `-._        __..--'    ,' /");
	cli_print(cli, "        `. `-_     ``--..''       _.-' ,'");
	cli_print(cli, "          `-_ `-.___        __,--'   ,'");
	cli_print(cli, "             `-.__  `----\"\"\"    __.-'");
	cli_print(cli, "                  `--..____..--'");
	return CLI_OK;
}

static int cmd_absent(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	if (conn_wants_json(argv, &argc))
		conn_json(conn, json_pack("{ss}", "error", "this version has no such feature yet"));
	else
		conn_fault(conn, "%s: this version has no such feature yet", command);
	return CLI_ERROR;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "show access-list", cmd_show_access_list, false, "Access lists"},
	{MODE_EXEC, "show banana", cmd_show_banana, false, "Show a banana"},
	{MODE_EXEC, "show histogram", NULL, false, NULL},
	{MODE_EXEC, "show histogram idle", cmd_histogram_idle, false, "Sessions by idle time"},
	{MODE_EXEC, "show histogram open", cmd_histogram_open, false, "Sessions by age"},
	{MODE_EXEC, "show ipcache", cmd_show_ipcache, false, "Addresses of sessions"},
	{MODE_EXEC, "show plugins", cmd_show_plugins, false,
	 "Plugins: configured, loaded, and why not"},
	{MODE_EXEC, "show remotelns-conf", cmd_show_remotelns, true, "Remote LNSs"},
	{MODE_EXEC, "show cluster", cmd_absent, false, "Nodes of the cluster"},
};

void cli_info_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

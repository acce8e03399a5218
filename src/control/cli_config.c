/*
 * The commands of the configuration modes. A change is one request: control makes a copy, applies
 * the line to it as if it stood in the file, and puts the copy in the place of the configuration
 * when there was no fault.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/cli_conn.h"
#include "control/lexer.h"

enum {
	EDIT_TEXT = LEX_LINE_MAX + CONN_BLOCK_TEXT + 2,
};

/* ---- one edit -------------------------------------------------------------------------------- */

/* A request that changes the configuration, with what there is to say about it. */
struct edit {
	const struct cli_env *env;
	const char *text;
	FILE *said; /* in memory */
	unsigned errors;
	bool no_memory, changed;
};

static void say_of_edit(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	struct edit *e = ctx;
	e->errors += severity == CONF_ERROR;
	if (line > 0) /* the whole is not what was asked about */
		fprintf(e->said, "%s\n", reason);
}

static bool same_value(const struct conf *a, const struct conf *b, const struct conf_var *v)
{
	char one[CONF_VALUE_TEXT], other[CONF_VALUE_TEXT];

	conf_get(a, v, one);
	conf_get(b, v, other);
	bool same = strcmp(one, other) == 0;
	mem_wipe(one, sizeof(one));
	mem_wipe(other, sizeof(other));
	return same;
}

static void note_effect(struct edit *e, const struct conf *old, const struct conf *fresh)
{
	for (unsigned i = 0; i < CONF_VARS; i++) {
		const struct conf_var *v = &conf_vars[i];
		if (!v->done || same_value(old, fresh, v))
			continue;
		if (v->when == CONF_START)
			fprintf(e->said, "%s takes effect at the next start\n", v->name);
		else if (v->when == CONF_NEW)
			fprintf(e->said, "%s takes effect for new sessions and tunnels\n", v->name);
	}
}

static void ignore_line(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static void run_edit(struct core *core, nsec now, void *arg)
{
	struct edit *e = arg;
	const struct conf_report report = {.ctx = e, .say = say_of_edit};
	const struct conf_printer nowhere = {.line = ignore_line};
	const struct conf *old = e->env->conf(e->env->ctx);
	struct conf_bundle b = {.conf = conf_edit(old, span_str(e->text), &report)};
	(void)core;

	e->no_memory = !b.conf;
	e->changed = b.conf && e->errors == 0 && conf_diff(old, b.conf, true, &nowhere) > 0;
	if (!e->changed) {
		conf_free(b.conf);
		return;
	}
	note_effect(e, old, b.conf);
	e->env->apply(e->env->ctx, &b, now);
}

/* Applies these lines; false, and said, when they have a fault. */
static bool edit(struct cli_conn *conn, const char *text)
{
	char *bytes = NULL;
	size_t n = 0;
	struct edit e = {.env = conn->env, .text = text, .said = open_memstream(&bytes, &n)};

	if (!e.said) {
		conn_fault(conn, "Out of memory");
		return false;
	}
	bool asked = conn_ask(conn, run_edit, &e);
	fclose(e.said);
	conn_print_memory(conn, bytes, n);
	if (e.no_memory)
		conn_fault(conn, "Out of memory, nothing changed");
	return asked && !e.no_memory && e.errors == 0;
}

/* ---- commands of the configuration ----------------------------------------------------------- */

/* "WORDS ARGUMENTS" as a line of the file; false when it gets too long for one. */
static bool line_of(char out[static EDIT_TEXT], const char *block, const char *command, char **argv,
		    int argc)
{
	int used = snprintf(out, EDIT_TEXT, "%s%s%s", block, block[0] ? "\n" : "", command);

	for (int i = 0; i < argc; i++) {
		if (used + 2 >= EDIT_TEXT)
			return false;
		out[used++] = ' ';
		size_t n = lex_quote(argv[i], true, out + used, (size_t)(EDIT_TEXT - used));
		if (n == 0)
			return false;
		used += (int)n;
	}
	return true;
}

/* The last word of these is a secret. */
static bool ends_in_secret(const char *command, char **argv, int argc)
{
	if (strcmp(command, "setforward") == 0)
		return argc > 0;
	if (lex_is_prefix(command, "neighbour") || lex_is_prefix(command, "neighbor"))
		return argc > 2 && lex_is_prefix(argv[1], "password");
	const struct conf_var *v =
		strcmp(command, "set") == 0 && argc > 1 ? conf_var_find(argv[0]) : NULL;
	return v && v->type == CONF_SECRET;
}

static void audit_line(struct cli_conn *conn, const char *command, char **argv, int argc)
{
	static char hidden[] = "********";
	char *words[CLI_MAX_LINE_WORDS], in_block[CONN_BLOCK_TEXT + 64];

	if (argc > CLI_MAX_LINE_WORDS)
		argc = CLI_MAX_LINE_WORDS;
	for (int i = 0; i < argc; i++)
		words[i] = argv[i];
	if (ends_in_secret(command, argv, argc))
		words[argc - 1] = hidden;
	bool in = conn->cli->mode > MODE_CONFIG;
	snprintf(in_block, sizeof(in_block), "%s%s%s", in ? conn->block : "", in ? " / " : "",
		 command);
	conn_audit(conn, in_block, words, argc);
}

/* Runs the line in its block; false when it was refused. */
static bool run_line(struct cli_conn *conn, const char *command, char **argv, int argc)
{
	char *text = malloc(EDIT_TEXT);
	bool ok = false;

	if (!text) {
		conn_fault(conn, "Out of memory");
		return false;
	}
	const char *block = conn->cli->mode > MODE_CONFIG ? conn->block : "";
	if (line_of(text, block, command, argv, argc))
		ok = edit(conn, text);
	else
		conn_fault(conn, "The line is too long");
	mem_wipe(text, EDIT_TEXT);
	free(text);
	if (ok)
		audit_line(conn, command, argv, argc);
	return ok;
}

static const struct help_row *rows_of(const char *command)
{
	static const struct help_row plugin[] = {{"<NAME>", "of the plugin"}, {NULL, NULL}};
	static const struct help_row forward[] = {{"<MASK>", "part of the user names"},
						  {"<IP>", "of the remote LNS"},
						  {"<PORT>", "of the remote LNS"},
						  {"<SECRET>", "of the tunnel"},
						  {NULL, NULL}};
	static const struct help_row neighbour[] = {{"<PEER>", "address or host name"},
						    {"remote-as", "<AS> of the peer, 0 = ours"},
						    {"timers", "<KEEPALIVE> <HOLD> in seconds"},
						    {"update-source", "<A.B.C.D> our address"},
						    {NULL, NULL}};
	static const struct help_row rule[] = {
		{"ip", "Any protocol (extended list)"},
		{"tcp", "TCP (extended list)"},
		{"udp", "UDP (extended list)"},
		{"any", "Any address"},
		{"host", "<A.B.C.D> one address"},
		{"<A.B.C.D>", "<WILDCARD> a network"},
		{"eq", "<PORT> this port; neq, gt, lt, range likewise"},
		{"established", "TCP with ACK or RST and without SYN"},
		{"match-any", "<FLAG...> one of +fin -fin +syn -syn ... +urg -urg"},
		{"match-all", "<FLAG...> all of them"},
		{"fragments", "Fragments but the first"},
		{NULL, NULL}};

	if (strstr(command, "plugin"))
		return plugin;
	if (strstr(command, "setforward"))
		return forward;
	if (strstr(command, "neighbour"))
		return neighbour;
	return rule;
}

static int cmd_line(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, rows_of(command), false))
		return CLI_OK;
	return run_line(conn, command, argv, argc) ? CLI_OK : CLI_ERROR;
}

/* ---- set ------------------------------------------------------------------------------------- */

static void describe(struct cli_conn *conn, const struct conf_var *v)
{
	static const char *const effect[] = {[CONF_LIVE] = "at once",
					     [CONF_NEW] = "for new sessions and tunnels",
					     [CONF_START] = "at the next start"};
	cli_print(conn->cli, "  %s", v->help);
	if (v->type == CONF_INT)
		cli_print(conn->cli, "  <%llu-%llu>%s%s", (unsigned long long)v->min,
			  (unsigned long long)v->max, v->unit[0] ? " " : "", v->unit);
	else if (v->type == CONF_BOOL)
		cli_print(conn->cli, "  yes or no");
	else if (v->type == CONF_IPV4 || v->type == CONF_IPV6)
		cli_print(conn->cli, "  an %s address", v->type == CONF_IPV4 ? "IPv4" : "IPv6");
	else
		cli_print(conn->cli, "  a text of up to %llu characters",
			  (unsigned long long)v->max);
	cli_print(conn->cli, "  default \"%s\", takes effect %s%s", v->def, effect[v->when],
		  v->done ? "" : " (accepted, has no effect yet)");
}

/* `set ?` lists all variables, `set PREFIX?` some, `set NAME ?` tells about one. */
static bool set_help(struct cli_conn *conn, char **argv, int argc)
{
	if (argc == 0 || !strchr(argv[argc - 1], '?'))
		return false;
	size_t n = strcspn(argv[0], "?");
	const struct conf_var *v = argc > 1 ? conf_var_find(argv[0]) : NULL;
	if (v)
		describe(conn, v);
	for (unsigned i = 0; i < CONF_VARS && argc == 1; i++)
		if (strncmp(conf_vars[i].name, argv[0], n) == 0)
			cli_print(conn->cli, "  %-28s %s", conf_vars[i].name, conf_vars[i].help);
	return true;
}

static int cmd_set(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (set_help(conn, argv, argc))
		return CLI_OK;
	if (argc != 2) {
		conn_fault(conn, "Usage: set VARIABLE VALUE (quote a value of several words)");
		return CLI_ERROR_ARG;
	}
	if (!run_line(conn, command, argv, argc))
		return CLI_ERROR;
	cli_print(cli, "Setting \"%s\" to \"%s\"", argv[0],
		  ends_in_secret(command, argv, argc) ? "********" : argv[1]);
	return CLI_OK;
}

static int cmd_no_set(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (set_help(conn, argv, argc))
		return CLI_OK;
	return run_line(conn, command, argv, argc) ? CLI_OK : CLI_ERROR;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void enter_block(struct cli_conn *conn, int mode, const char *name, const char *command,
			char **argv, int argc)
{
	char *line = malloc(EDIT_TEXT);

	if (line && line_of(line, "", command, argv, argc) && strlen(line) < CONN_BLOCK_TEXT) {
		snprintf(conn->block, sizeof(conn->block), "%s", line);
		cli_set_configmode(conn->cli, mode, name);
	}
	free(line);
}

static int cmd_router(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {{"<1-4294967295>", "our AS number"}, {NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	if (!run_line(conn, command, argv, argc))
		return CLI_ERROR;
	enter_block(conn, MODE_ROUTER, "router", command, argv, argc);
	return CLI_OK;
}

static const struct help_row list_rows[] = {{"<NAME>", "of the list"}, {NULL, NULL}};

static int access_list(struct cli_def *cli, const char *command, char **argv, int argc, int mode)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, list_rows, false))
		return CLI_OK;
	if (!run_line(conn, command, argv, argc))
		return CLI_ERROR;
	enter_block(conn, mode, mode == MODE_ACL_STANDARD ? "std-nacl" : "ext-nacl", command, argv,
		    argc);
	return CLI_OK;
}

static int cmd_list_standard(struct cli_def *cli, const char *command, char **argv, int argc)
{
	return access_list(cli, command, argv, argc, MODE_ACL_STANDARD);
}

static int cmd_list_extended(struct cli_def *cli, const char *command, char **argv, int argc)
{
	return access_list(cli, command, argv, argc, MODE_ACL_EXTENDED);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_CONFIG, "set", cmd_set, true, "Set a variable"},
	{MODE_CONFIG, "setforward", cmd_line, true, "Pass users on to a remote LNS"},
	{MODE_CONFIG, "load", NULL, true, NULL},
	{MODE_CONFIG, "load plugin", cmd_line, true, "Load a plugin"},
	{MODE_CONFIG, "remove", NULL, true, NULL},
	{MODE_CONFIG, "remove plugin", cmd_line, true, "Remove a plugin"},
	{MODE_CONFIG, "router", NULL, true, NULL},
	{MODE_CONFIG, "router bgp", cmd_router, true, "Configure BGP"},
	{MODE_CONFIG, "ip", NULL, true, NULL},
	{MODE_CONFIG, "ip access-list", NULL, true, "Access lists"},
	{MODE_CONFIG, "ip access-list standard", cmd_list_standard, true, "By source address"},
	{MODE_CONFIG, "ip access-list extended", cmd_list_extended, true,
	 "By protocol, addresses and ports"},
	{MODE_CONFIG, "no", NULL, true, NULL},
	{MODE_CONFIG, "no set", cmd_no_set, true, "Set a variable to its default"},
	{MODE_CONFIG, "no setforward", cmd_line, true, "Pass them on no longer"},
	{MODE_CONFIG, "no router", NULL, true, NULL},
	{MODE_CONFIG, "no router bgp", cmd_line, true, "Remove BGP"},
	{MODE_CONFIG, "no ip", NULL, true, NULL},
	{MODE_CONFIG, "no ip access-list", NULL, true, "Remove an access list"},
	{MODE_CONFIG, "no ip access-list standard", cmd_line, true, "By source address"},
	{MODE_CONFIG, "no ip access-list extended", cmd_line, true,
	 "By protocol, addresses and ports"},

	{MODE_ROUTER, "neighbour", cmd_line, true, "A BGP peer"},
	{MODE_ROUTER, "bgp", NULL, true, NULL},
	{MODE_ROUTER, "bgp router-id", cmd_line, true, "BGP identifier"},
	{MODE_ROUTER, "bgp aggregate", cmd_line, true,
	 "Whether prefixes within an announced network are left out"},
	{MODE_ROUTER, "network", cmd_line, true, "A network to announce besides the pool's"},
	{MODE_ROUTER, "no", NULL, true, NULL},
	{MODE_ROUTER, "no network", cmd_line, true, "Announce it no longer"},
	{MODE_ROUTER, "no neighbour", cmd_line, true, "Remove a peer"},

	{MODE_ACL_STANDARD, "permit", cmd_line, true, "Let pass"},
	{MODE_ACL_STANDARD, "deny", cmd_line, true, "Drop"},
	{MODE_ACL_STANDARD, "no", NULL, true, NULL},
	{MODE_ACL_STANDARD, "no permit", cmd_line, true, "Remove a rule"},
	{MODE_ACL_STANDARD, "no deny", cmd_line, true, "Remove a rule"},

	{MODE_ACL_EXTENDED, "permit", cmd_line, true, "Let pass"},
	{MODE_ACL_EXTENDED, "deny", cmd_line, true, "Drop"},
	{MODE_ACL_EXTENDED, "no", NULL, true, NULL},
	{MODE_ACL_EXTENDED, "no permit", cmd_line, true, "Remove a rule"},
	{MODE_ACL_EXTENDED, "no deny", cmd_line, true, "Remove a rule"},
};

void cli_config_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

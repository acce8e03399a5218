/*
 * The commands about the configuration as a whole: what is in use, what is in the file, reload,
 * write memory, commit-confirmed. What only concerns files is done on the connection's thread.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "control/cli_conn.h"
#include "control/lexer.h"

enum { CONFIRM_MAX_S = 86400 };

/* ---- copies of the configuration ------------------------------------------------------------- */

struct copy_ask {
	const struct cli_env *env;
	struct conf *copy;
};

static void copy_conf(struct core *core, nsec now, void *arg)
{
	struct copy_ask *a = arg;
	(void)core;
	(void)now;
	a->copy = conf_copy(a->env->conf(a->env->ctx));
}

/* What is in use, to keep; NULL, and said, when it cannot be had. */
struct conf *conn_conf(struct cli_conn *conn)
{
	struct copy_ask a = {.env = conn->env};

	if (conn_ask(conn, copy_conf, &a) && !a.copy)
		conn_fault(conn, "Out of memory");
	return a.copy;
}

/* ---- reload ---------------------------------------------------------------------------------- */

static void say_of_file(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
			const char *reason)
{
	struct cli_conn *conn = ctx;
	char at[16] = "";

	if (line)
		snprintf(at, sizeof(at), "%u:", line);
	if (conn->json_open)
		conn_fault(conn, "%s:%s %s", file, at, reason);
	else
		cli_print(conn->cli, "%s:%s %s: %s", file, at,
			  severity == CONF_ERROR ? "error" : "warning", reason);
	conn_log(conn->env, severity == CONF_ERROR ? LOG_ERROR : LOG_WARN, "%s:%s %s", file, at,
		 reason);
}

struct apply_ask {
	const struct cli_env *env;
	struct conf_bundle bundle;
};

static void apply_bundle(struct core *core, nsec now, void *arg)
{
	struct apply_ask *a = arg;
	struct conf_bundle b = a->bundle;
	(void)core;

	a->bundle = (struct conf_bundle){0};
	a->env->apply(a->env->ctx, &b, now);
}

static int cmd_reload(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	const struct file_report report = {.ctx = conn, .say = say_of_file};
	struct apply_ask a = {.env = conn->env};

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	conn_audit(conn, command, argv, argc);
	if (!conf_bundle_load(&a.bundle, conn->env->alloc, conn->env->conf_path, &report)) {
		conn_fault(conn, "Reload refused, nothing changed");
		conn_log(conn->env, LOG_ERROR, "reload refused, nothing changed");
		return CLI_ERROR;
	}
	if (conn_ask(conn, apply_bundle, &a))
		cli_print(cli, "Reloaded %s", conn->env->conf_path);
	conf_bundle_free(&a.bundle);
	return CLI_OK;
}

/* ---- show configuration diff ----------------------------------------------------------------- */

static void print_line(void *ctx, const char *text)
{
	struct cli_conn *conn = ctx;

	if (conn->json_open)
		conn_json_item(conn, json_string(text));
	else
		cli_print(conn->cli, "%s", text);
}

static int cmd_show_diff(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	const struct file_report report = {.ctx = conn, .say = say_of_file};
	const struct conf_printer out = {.ctx = conn, .line = print_line};
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	struct conf *running = conn_conf(conn);
	if (json)
		conn_json_begin(conn, "differences");
	struct conf *file =
		running ? conf_file_load(conn->env->alloc, conn->env->conf_path, &report) : NULL;
	if (file && !file->hostname[0]) /* settled at start */
		memcpy(file->hostname, running->hostname, sizeof(file->hostname));
	if (file && conf_diff(running, file, true, &out) == 0 && !json)
		cli_print(cli, "No difference between what runs and %s", conn->env->conf_path);
	if (json)
		conn_json_end(conn);
	conf_free(file);
	conf_free(running);
	return CLI_OK;
}

/* ---- write memory ---------------------------------------------------------------------------- */

static int cmd_write_memory(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	char reason[CONF_REASON_TEXT];
	size_t n = 0;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	if (cli_rollback_left(conn->server)) {
		conn_fault(conn, "Not confirmed yet: `configure confirm` first");
		return CLI_ERROR;
	}
	struct conf *conf = conn_conf(conn);
	if (!conf)
		return CLI_ERROR;
	conn_audit(conn, command, argv, argc);
	char *text = conf_file_text(conn->env->conf_path, conf, &n);
	if (!text)
		conn_fault(conn, "Out of memory");
	else if (conf_file_write(conn->env->conf_path, span_of(text, n), reason))
		cli_print(cli, "Written to %s", conn->env->conf_path);
	else
		conn_fault(conn, "Cannot write %s: %s", conn->env->conf_path, reason);
	if (text)
		mem_wipe(text, n);
	free(text);
	conf_free(conf);
	return CLI_OK;
}

/* ---- configure ------------------------------------------------------------------------------- */

static int cmd_configure(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	(void)command;

	if (!conn_help(conn, argv, argc, NULL, true))
		cli_set_configmode(cli, MODE_CONFIG, NULL);
	return CLI_OK;
}

/* "10" is minutes, "10s" seconds; 0 when it is neither. */
static unsigned confirm_time(const char *word)
{
	char digits[8];
	uint64_t n;
	size_t len = strspn(word, "0123456789");
	bool seconds = word[len] == 's' && word[len + 1] == '\0';

	if (len == 0 || len >= sizeof(digits) || (word[len] != '\0' && !seconds))
		return 0;
	snprintf(digits, sizeof(digits), "%.*s", (int)len, word);
	if (!lex_number(digits, &n))
		return 0;
	n = seconds ? n : n * 60;
	return n <= CONFIRM_MAX_S ? (unsigned)n : 0;
}

static int cmd_commit_confirmed(struct cli_def *cli, const char *command, char **argv, int argc)
{
	static const struct help_row rows[] = {
		{"<1-1440>", "Minutes until what was changed is rolled back; 30s: seconds"},
		{NULL, NULL}};
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, rows, false))
		return CLI_OK;
	unsigned seconds = argc == 1 ? confirm_time(argv[0]) : 0;
	if (!seconds) {
		conn_fault(conn, "Say in how many minutes, 1 to 1440");
		return CLI_ERROR_ARG;
	}
	struct conf *conf = conn_conf(conn);
	if (!conf)
		return CLI_ERROR;
	if (!cli_rollback_arm(conn->server, conf, seconds)) {
		conf_free(conf);
		conn_fault(conn, "One is pending already: confirm it or roll it back first");
		return CLI_ERROR;
	}
	conn_audit(conn, command, argv, argc);
	cli_print(cli,
		  "What is changed from now on is rolled back in %u seconds, unless "
		  "`configure confirm` is given",
		  seconds);
	cli_set_configmode(cli, MODE_CONFIG, NULL);
	return CLI_OK;
}

static int cmd_confirm(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct conf_bundle confirmed;
	if (!cli_rollback_take(conn->server, &confirmed)) {
		conn_fault(conn, "Nothing waits to be confirmed");
		return CLI_ERROR;
	}
	conf_bundle_free(&confirmed);
	conn_audit(conn, command, argv, argc);
	cli_print(cli, "Confirmed; `write memory` keeps it beyond the next start");
	return CLI_OK;
}

static int cmd_rollback(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct apply_ask a = {.env = conn->env};

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	if (!cli_rollback_take(conn->server, &a.bundle)) {
		conn_fault(conn, "Nothing waits to be confirmed");
		return CLI_ERROR;
	}
	conn_audit(conn, command, argv, argc);
	if (conn_ask(conn, apply_bundle, &a))
		cli_print(cli, "Rolled back");
	conf_bundle_free(&a.bundle);
	return CLI_OK;
}

/* ---- show running-config, write terminal ----------------------------------------------------- */

struct config_ask {
	struct cli_conn *conn;
	bool secrets;
	FILE *out; /* in memory */
	bool want_json;
	json_t *json;
};

static void write_config_line(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

static void copy_config(struct core *core, nsec now, void *arg)
{
	struct config_ask *a = arg;
	const struct cli_env *env = a->conn->env;
	struct conf_printer printer = {.ctx = a->out, .line = write_config_line};
	(void)core;
	(void)now;

	if (a->want_json)
		a->json = json_conf(env->conf(env->ctx), a->secrets);
	else
		conf_print(env->conf(env->ctx), a->secrets, &printer);
}

/* Secrets are shown to the privileged only. */
static int cmd_show_config(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	char *bytes = NULL;
	size_t n = 0;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	struct config_ask a = {.conn = conn, .out = open_memstream(&bytes, &n)};
	if (!a.out) {
		conn_fault(conn, "Out of memory");
		return CLI_ERROR;
	}
	a.secrets = conn_is_privileged(conn);
	a.want_json = conn_wants_json(argv, &argc);
	bool ok = conn_ask(conn, copy_config, &a);
	fclose(a.out);
	if (ok && a.want_json)
		conn_json(conn, a.json);
	conn_print_memory(conn, bytes, ok ? n : 0);
	return CLI_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command_row commands[] = {
	{MODE_EXEC, "configure", NULL, true, "Change the configuration"},
	{MODE_EXEC, "configure terminal", cmd_configure, true, "From this terminal"},
	{MODE_EXEC, "configure commit-confirmed", cmd_commit_confirmed, true,
	 "The same, rolled back unless confirmed in time"},
	{MODE_EXEC, "configure confirm", cmd_confirm, true, "Keep what was changed"},
	{MODE_EXEC, "configure rollback", cmd_rollback, true, "Take back what was changed"},
	{MODE_EXEC, "show running-config", cmd_show_config, true, "Configuration in use"},
	{MODE_EXEC, "write terminal", cmd_show_config, false, "Configuration in use"},
	{MODE_EXEC, "show configuration", NULL, true, "Configuration in the file"},
	{MODE_EXEC, "show configuration diff", cmd_show_diff, true,
	 "What a reload would change: - is in use, + is in the file"},
	{MODE_EXEC, "write memory", cmd_write_memory, true, "Write the configuration to its file"},
	{MODE_EXEC, "reload", cmd_reload, true, "Read the configuration again"},
};

void cli_files_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

/* capture session ID to FILE: one subscriber's packets in a file for Wireshark and the like. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli_conn.h"
#include "control/lexer.h"

enum {
	SIZE_MB = 10,
	SIZE_MAX_MB = 1000,
	SECONDS = 60,
	SECONDS_MAX = 3600,
	NAME_MAX_LEN = 60,
};

static bool keep_view(struct cli_conn *conn, const struct session_view *v, void *ctx)
{
	(void)conn;
	*(struct session_view *)ctx = *v;
	return false;
}

/* The session that a word names; false, and said, when there is none. */
static bool find_session(struct cli_conn *conn, const char *word, struct session_view *v)
{
	struct session_query q = {0};

	if (!conn_session_id(word, &q)) {
		conn_fault(conn, "Invalid session id \"%s\"", word);
		return false;
	}
	if (conn_each_session(conn, &q, keep_view, v) == 0) {
		conn_fault(conn, "Session %s is not active", word);
		return false;
	}
	return true;
}

/* Captures are made in one directory only: a name, or the path of a file right in there. */
static bool path_of(const char *dir, const char *word, char out[static CAPTURE_PATH_MAX])
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(dir);

	if (n && strncmp(word, dir, n) == 0 && word[n] == '/')
		word += n + 1;
	size_t len = strlen(word);
	if (len == 0 || len > NAME_MAX_LEN || word[0] == '.' || strspn(word, allowed) != len)
		return false;
	return (size_t)snprintf(out, CAPTURE_PATH_MAX, "%s/%s", dir, word) < CAPTURE_PATH_MAX;
}

/* "size 20 seconds 30"; false, and said, when it is wrong. */
static bool parse_bounds(struct cli_conn *conn, char **argv, int argc, struct capture_conf *conf)
{
	for (int i = 0; i < argc; i += 2) {
		uint64_t n = 0;
		bool size = lex_is_prefix(argv[i], "size");
		uint64_t max = size ? SIZE_MAX_MB : SECONDS_MAX;
		if ((!size && !lex_is_prefix(argv[i], "seconds")) || i + 1 == argc ||
		    !lex_number(argv[i + 1], &n) || n < 1 || n > max) {
			cli_error(conn->cli,
				  "Usage: capture session ID to FILE [size <1-%d>] "
				  "[seconds <1-%d>]",
				  SIZE_MAX_MB, SECONDS_MAX);
			return false;
		}
		if (size)
			conf->max_bytes = n * 1000000;
		else
			conf->max_s = (unsigned)n;
	}
	return true;
}

static void start(struct cli_conn *conn, const char *dir, char **argv, int argc)
{
	char path[CAPTURE_PATH_MAX], comment[LNS_USER_MAX + 64], reason[160];
	struct capture_conf conf = {.path = path,
				    .comment = comment,
				    .max_bytes = (uint64_t)SIZE_MB * 1000000,
				    .max_s = SECONDS};
	struct session_view v;

	if (!path_of(dir, argv[2], path)) {
		conn_fault(conn, "FILE is a name in %s: letters, digits, . _ -", dir);
		return;
	}
	if (!parse_bounds(conn, argv + 3, argc - 3, &conf) || !find_session(conn, argv[0], &v))
		return;
	conf.key = v.key;
	snprintf(comment, sizeof(comment), "session %u/%u of %s", v.key.tid, v.key.sid, v.user);
	if (tap_io_capture(conn->env->tap, &conf, reason))
		cli_print(conn->cli, "Capturing session %u/%u to %s, %llu MB or %u s at most",
			  v.key.tid, v.key.sid, path,
			  (unsigned long long)(conf.max_bytes / 1000000), conf.max_s);
	else
		conn_fault(conn, "Cannot capture to %s: %s", path, reason);
}

static const struct help_row session_help[] = {{"<1-65535>", "Session"},
					       {"<TID>/<SID>", "of this tunnel and session"},
					       {"to", "<FILE> name of the file"},
					       {"size", "<1-1000> MB at most, 10 unless said"},
					       {"seconds", "<1-3600> at most, 60 unless said"},
					       {NULL, NULL}};

static int cmd_capture(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);

	if (conn_help(conn, argv, argc, session_help, false))
		return CLI_OK;
	if (!conn->env->tap) {
		conn_fault(conn, "There are no captures");
		return CLI_ERROR;
	}
	if (argc < 3 || !lex_is_prefix(argv[1], "to")) {
		conn_fault(conn, "Usage: capture session ID to FILE [size MB] [seconds S]");
		return CLI_ERROR_ARG;
	}
	struct conf *conf = conn_conf(conn);
	if (!conf)
		return CLI_ERROR;
	conn_audit(conn, command, argv, argc);
	start(conn, conf->capture_dir, argv, argc);
	conf_free(conf);
	return CLI_OK;
}

static int cmd_no_capture(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct session_view v;

	if (conn_help(conn, argv, argc, session_help, false))
		return CLI_OK;
	if (argc != 1 || !find_session(conn, argv[0], &v))
		return CLI_ERROR_ARG;
	conn_audit(conn, command, argv, argc);
	if (conn->env->tap && tap_io_stop(conn->env->tap, v.key))
		cli_print(cli, "Stopped");
	else
		conn_fault(conn, "Session %s is not captured", argv[0]);
	return CLI_OK;
}

static void print_capture(struct cli_conn *conn, const struct capture_view *v, bool json)
{
	if (!json) {
		cli_print(conn->cli, "%5u %5u %9llu %10llu %6u  %-22s %s", v->key.sid, v->key.tid,
			  (unsigned long long)v->packets, (unsigned long long)v->bytes, v->age_s,
			  v->ended ? v->ended : "running", v->path);
		return;
	}
	conn_json_item(conn, json_pack("{si,si,sI,sI,si,ss,ss}", "sid", (int)v->key.sid, "tid",
				       (int)v->key.tid, "packets", (json_int_t)v->packets, "bytes",
				       (json_int_t)v->bytes, "age_s", (int)v->age_s, "state",
				       v->ended ? v->ended : "running", "file", v->path));
}

static int cmd_show_captures(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	struct capture_view v;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	bool json = conn_wants_json(argv, &argc);
	if (json)
		conn_json_begin(conn, "captures");
	else
		cli_print(cli, "%5s %5s %9s %10s %6s  %-22s %s", "SID", "TID", "Packets", "Bytes",
			  "Age", "State", "File");
	for (unsigned i = 0; conn->env->tap && tap_io_capture_view(conn->env->tap, i, &v); i++)
		print_capture(conn, &v, json);
	if (json)
		conn_json_end(conn);
	return CLI_OK;
}

static const struct command_row commands[] = {
	{MODE_EXEC, "capture", NULL, true, NULL},
	{MODE_EXEC, "no capture", NULL, true, NULL},
	{MODE_EXEC, "capture session", cmd_capture, true, "Write a subscriber's packets to a file"},
	{MODE_EXEC, "no capture session", cmd_no_capture, true, "Stop it"},
	{MODE_EXEC, "show captures", cmd_show_captures, true, "Captures of packets"},
};

void cli_capture_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

/*
 * batch: for programs at the UNIX socket (l2tpnsctl). From here on each line is a command without
 * an echo, and each answer ends with a byte 3, a digit that is 0 when all went well, and LF. A byte
 * 2 and LF say that it has begun. The end of the connection ends it.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/crypto.h"
#include "control/cli_conn.h"
#include "control/lexer.h"

enum { BEGUN = 2, ENDED = 3 };

/* The next line without its end; false at the end of the connection. What is too long is cut, and
 * said. */
static bool read_line(struct cli_conn *conn, char line[static LEX_LINE_MAX + 1], bool *whole)
{
	size_t n = 0;
	char c;

	*whole = true;
	while (read(conn->shutdown_fd, &c, 1) == 1) {
		if (c == '\n') {
			line[n] = '\0';
			return true;
		}
		if (n == LEX_LINE_MAX || c == '\0')
			*whole = false;
		else if (c != '\r')
			line[n++] = c;
	}
	return false;
}

static bool answer_end(struct cli_conn *conn, bool ok)
{
	FILE *f = conn->cli->client;

	fprintf(f, "%c%d\n", ENDED, ok ? 0 : 1);
	return fflush(f) == 0 && !ferror(f);
}

static int cmd_batch(struct cli_def *cli, const char *command, char **argv, int argc)
{
	struct cli_conn *conn = cli_get_context(cli);
	char line[LEX_LINE_MAX + 1];
	bool whole;
	(void)command;

	if (conn_help(conn, argv, argc, NULL, true))
		return CLI_OK;
	cli_set_privilege(cli, PRIVILEGE_PRIVILEGED);
	fprintf(cli->client, "%c\n", BEGUN);
	fflush(cli->client);
	while (read_line(conn, line, &whole)) {
		int rc = CLI_ERROR;
		conn->faults = 0;
		if (whole)
			rc = line[strspn(line, " ")] ? cli_run_command(cli, line) : CLI_OK;
		else
			conn_fault(conn, "The line is too long, or has a byte 0 in it");
		mem_wipe(line, sizeof(line)); /* may hold a secret */
		if (!answer_end(conn, rc == CLI_OK && conn->faults == 0) || rc == CLI_QUIT)
			break;
	}
	return CLI_QUIT;
}

static const struct command_row commands[] = {
	{MODE_EXEC, "batch", cmd_batch, true, "Commands of a program, see l2tpnsctl(8)"},
};

void cli_batch_register(struct cli_conn *conn)
{
	cli_rows_register(conn, commands, sizeof(commands) / sizeof(commands[0]));
}

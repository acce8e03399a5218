/*
 * l2tpnsctl - the command line of a running l2tpns for the local root: one command from the
 * arguments, or lines from standard input. It speaks the `batch` command of control/cli_batch.c
 * through the UNIX socket.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BEGUN = 2, ENDED = 3, LINE_MAX_BYTES = 4096 };
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_SERVICE = 3 };

static const char *const default_socket = "/run/l2tpns.sock";

static void help(void)
{
	puts("Usage: l2tpnsctl [-s SOCKET] [COMMAND...]\n"
	     "Runs one command of the command line of l2tpns, or those on standard input, one to "
	     "a\n"
	     "line. `l2tpnsctl help` lists them; `configure terminal` leads to those that change\n"
	     "settings, for the lines behind it.\n"
	     "\n"
	     "  -s SOCKET  the daemon's cli_socket (default /run/l2tpns.sock)\n"
	     "  -h, --help, -V, --version\n"
	     "\n"
	     "Exit status: 0 done, 1 the command was refused or had a fault, 2 wrong use,\n"
	     "3 the daemon cannot be reached.");
}

static int dial(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(at.sun_path)) {
		fprintf(stderr, "l2tpnsctl: %s: the path is too long\n", path);
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	fprintf(stderr, "l2tpnsctl: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Reads up to a byte 2 or 3 and the line behind it; what comes before it is printed, without the
 * CR that telnet wants, when `print`. The digit behind a byte 3; -1: the connection ended. */
static int read_answer(FILE *in, int mark, int print)
{
	int c;

	while ((c = getc(in)) != EOF) {
		if (c != mark) {
			if (print && c != '\r')
				putchar(c);
			if (c == '\n')
				fflush(stdout);
			continue;
		}
		c = getc(in);
		int digit = c == '\n' ? 0 : c - '0';
		while (c != '\n' && c != EOF)
			c = getc(in);
		return c == EOF ? -1 : digit;
	}
	return -1;
}

static int lost(void)
{
	fprintf(stderr, "l2tpnsctl: the daemon closed the connection\n");
	return EXIT_NO_SERVICE;
}

/* One command; the exit status, or -1 when it ended the connection. */
static int run(FILE *in, FILE *out, const char *line)
{
	fprintf(out, "%s\n", line);
	fflush(out);
	return read_answer(in, ENDED, 1);
}

static int run_arguments(FILE *in, FILE *out, int n, char **words)
{
	char line[LINE_MAX_BYTES];
	size_t used = 0;

	for (int i = 0; i < n; i++) {
		/* A word with blanks in it stays one; the console's own quotes do that. */
		const char *quote = i > 0 && (strchr(words[i], ' ') || !words[i][0]) &&
						    !strpbrk(words[i], "|\"")
					    ? "\""
					    : "";
		int k = snprintf(line + used, sizeof(line) - used, "%s%s%s%s", i ? " " : "", quote,
				 words[i], quote);
		if (k < 0 || (size_t)k >= sizeof(line) - used || strchr(words[i], '\n')) {
			fprintf(stderr, "l2tpnsctl: the command is too long or has a line feed\n");
			return EXIT_USAGE;
		}
		used += (size_t)k;
	}
	int rc = run(in, out, line);
	return rc < 0 ? lost() : rc;
}

static int run_lines(FILE *in, FILE *out)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int worst = 0, terminal = isatty(STDIN_FILENO);

	for (;;) {
		if (terminal) {
			fputs("l2tpns# ", stdout);
			fflush(stdout);
		}
		if ((n = getline(&line, &room, stdin)) <= 0)
			break;
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		int rc = run(in, out, line);
		if (rc < 0) {
			int quits = strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0 ||
				    strcmp(line, "logout") == 0;
			worst = quits ? worst : lost();
			break;
		}
		worst = rc ? EXIT_REFUSED : worst;
	}
	free(line);
	return worst;
}

/* The options; -1: go on. */
static int options(int argc, char **argv, const char **path)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {"socket", required_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "+hVs:", longs, NULL)) != -1) {
		if (c == 's') {
			*path = optarg;
			continue;
		}
		if (c == 'h')
			help();
		else if (c == 'V')
			puts("l2tpnsctl " LNS_VERSION);
		return c == 'h' || c == 'V' ? EXIT_SUCCESS : EXIT_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	const char *path = default_socket;
	int rc = options(argc, argv, &path);

	if (rc >= 0)
		return rc;
	int fd = dial(path);
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
	FILE *out = in ? fdopen(dup(fd), "w") : NULL;
	if (!out)
		return EXIT_NO_SERVICE;
	fputs("batch\r", out);
	fflush(out);
	if (read_answer(in, BEGUN, 0) < 0)
		return lost();
	if (optind < argc)
		rc = run_arguments(in, out, argc - optind, argv + optind);
	else
		rc = run_lines(in, out);
	fclose(out);
	fclose(in);
	return rc;
}

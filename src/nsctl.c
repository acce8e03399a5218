/*
 * nsctl.c - the client: one command as one datagram to the daemon, its answer printed. Options,
 * texts and exit status are those of the original.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/nsctl_msg.h"

enum { TIMEOUT_S = 2, SECRET_MAX = 64, HOST_MAX = 256 };

struct options {
	bool debug;
	const char *host; /* HOST[:PORT] */
	int timeout_s;	  /* 0 = for ever */
	char secret[SECRET_MAX];
};

static const char *program = "nsctl";

static int usage(void)
{
	fprintf(stderr,
		"Usage: %s [-d] [-h HOST[:PORT]] [-t TIMEOUT] [-k KEYFILE] COMMAND [ARG ...]\n",
		program);
	return EXIT_FAILURE;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static const struct {
	const char *word, *help;
	uint8_t type;
} built_in[] = {
	{"load_plugin", " PLUGIN                          Load named plugin", NSCTL_REQ_LOAD},
	{"unload_plugin", " PLUGIN                        Unload named plugin", NSCTL_REQ_UNLOAD},
	{"help", "                                        List available commands", NSCTL_REQ_HELP},
};

enum { BUILT_IN = sizeof(built_in) / sizeof(built_in[0]) };

static bool request_of(char **argv, int argc, struct nsctl_msg *m)
{
	bool command = true;

	*m = (struct nsctl_msg){.type = NSCTL_REQ_CONTROL};
	for (unsigned i = 0; i < BUILT_IN; i++)
		if (strcmp(argv[0], built_in[i].word) == 0) {
			m->type = built_in[i].type;
			command = false;
		}
	argv += !command;
	argc -= !command;
	if (argc > NSCTL_ARGS_MAX)
		return false;
	for (int i = 0; i < argc; i++)
		m->argv[m->argc++] = span_str(argv[i]);
	return true;
}

static void print_built_in(void)
{
	puts("Available commands:");
	for (unsigned i = 0; i < BUILT_IN; i++)
		printf("  %s%s\n", built_in[i].word, built_in[i].help);
}

/* ---- for the eyes of people ------------------------------------------------------------------ */

static const char *type_name(uint8_t type)
{
	switch ((enum nsctl_type)type) {
	case NSCTL_REQ_LOAD:
		return "NSCTL_REQ_LOAD";
	case NSCTL_REQ_UNLOAD:
		return "NSCTL_REQ_UNLOAD";
	case NSCTL_REQ_HELP:
		return "NSCTL_REQ_HELP";
	case NSCTL_REQ_CONTROL:
		return "NSCTL_REQ_CONTROL";
	case NSCTL_RES_OK:
		return "NSCTL_RES_OK";
	case NSCTL_RES_ERR:
		return "NSCTL_RES_ERR";
	}
	return "*unknown*";
}

static void dump(const char *what, const struct nsctl_msg *m)
{
	fprintf(stderr, "%s Control packet:\n\tType: %d (%s)\n\tArgs: %d", what, m->type,
		type_name(m->type), m->argc);
	for (unsigned i = 0; i < m->argc; i++)
		fprintf(stderr, "%s%.*s", i ? "\", \"" : " \"", (int)m->argv[i].n,
			(const char *)m->argv[i].p);
	fprintf(stderr, "%s\n\n", m->argc ? "\"" : "");
}

/* ---- talking to the daemon ------------------------------------------------------------------- */

static bool port_of(const char *text, uint16_t *out)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || port == 0 || port > 65535) {
		fprintf(stderr, "%s: invalid port `%s'\n", program, text);
		return false;
	}
	*out = (uint16_t)port;
	return true;
}

static bool resolve(const char *text, struct sockaddr_in *out)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	char host[HOST_MAX];
	uint16_t port = NSCTL_PORT;

	snprintf(host, sizeof(host), "%s", text);
	char *colon = strrchr(host, ':');
	if (colon) {
		*colon = '\0';
		if (!port_of(colon + 1, &port))
			return false;
	}
	if (getaddrinfo(host, NULL, &hints, &found) != 0) {
		fprintf(stderr, "%s: invalid host `%s'\n", program, host);
		return false;
	}
	memcpy(out, found->ai_addr, sizeof(*out));
	out->sin_port = htons(port);
	freeaddrinfo(found);
	return true;
}

static int connected(const char *text)
{
	struct sockaddr_in to;

	if (!resolve(text, &to))
		return -1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fprintf(stderr, "%s: can't create udp socket (%s)\n", program, strerror(errno));
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	fprintf(stderr, "%s: udp connect failed (%s)\n", program, strerror(errno));
	close(fd);
	return -1;
}

static bool send_request(int fd, const struct nsctl_msg *m, const struct nsctl_key *key,
			 uint8_t mac[static SHA256_LEN])
{
	uint8_t bytes[NSCTL_DATAGRAM], nonce[NSCTL_NONCE];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	nsctl_encode(&w, m);
	if (key->secret.n && !w.bad) {
		arc4random_buf(nonce, sizeof(nonce));
		nsctl_sign(&w, key, nonce);
	}
	if (w.bad) {
		fprintf(stderr, "%s: error packing request\n", program);
		return false;
	}
	if (key->secret.n)
		memcpy(mac, bytes + w.n - SHA256_LEN, SHA256_LEN);
	if (send(fd, bytes, w.n, 0) == (ssize_t)w.n)
		return true;
	fprintf(stderr, "%s: error sending request (%s)\n", program, strerror(errno));
	return false;
}

/* Bytes received, or -1 and the reason was said. */
static ssize_t receive(int fd, int timeout_s, void *bytes, size_t room)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int ready = poll(&p, 1, timeout_s ? timeout_s * 1000 : -1);
	ssize_t n = ready > 0 ? recv(fd, bytes, room, 0) : -1;

	if (n < 0)
		fprintf(stderr, "%s: error receiving response (%s)\n", program,
			ready == 0 ? "timed out" : strerror(errno));
	return n;
}

static int ask(const struct options *o, int fd, const struct nsctl_msg *request)
{
	uint8_t bytes[NSCTL_DATAGRAM + 1], mac[SHA256_LEN], theirs[SHA256_LEN];
	struct nsctl_key key = {.secret = span_str(o->secret), .now_s = time(NULL)};
	struct nsctl_msg answer;

	if (!send_request(fd, request, &key, mac))
		return EXIT_FAILURE;
	ssize_t n = receive(fd, o->timeout_s, bytes, sizeof(bytes));
	if (n < 0)
		return EXIT_FAILURE;
	struct span in = span_of(bytes, (size_t)n);
	key.of_request = mac;
	if (key.secret.n && !nsctl_verify(&in, &key, theirs)) {
		fprintf(stderr, "%s: the answer is not signed with this key\n", program);
		return EXIT_FAILURE;
	}
	enum nsctl_fault fault = nsctl_decode(in, &answer);
	if (fault == NSCTL_GOOD && nsctl_is_request(answer.type))
		fault = NSCTL_TYPE;
	if (fault != NSCTL_GOOD) {
		fprintf(stderr, "%s: %s\n", program, nsctl_fault_text(fault));
		return EXIT_FAILURE;
	}
	if (o->debug)
		dump("Received", &answer);
	bool ok = answer.type == NSCTL_RES_OK;
	for (unsigned i = 0; i < answer.argc; i++)
		fprintf(ok ? stdout : stderr, "%.*s\n", (int)answer.argv[i].n,
			(const char *)answer.argv[i].p);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- options --------------------------------------------------------------------------------- */

/* The first line of the file. */
static bool read_key(const char *path, char secret[static SECRET_MAX])
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(secret, SECRET_MAX, f)) {
		fprintf(stderr, "%s: cannot read a key from %s\n", program, path);
		if (f)
			fclose(f);
		return false;
	}
	fclose(f);
	secret[strcspn(secret, "\r\n")] = '\0';
	return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+dh:t:k:")) != -1) {
		char *end = NULL;
		if (c == 'd')
			o->debug = true;
		else if (c == 'h')
			o->host = optarg;
		else if (c == 'k' && !read_key(optarg, o->secret))
			return false;
		else if (c == 't')
			o->timeout_s = (int)strtoul(optarg, &end, 10);
		else if (c != 'k')
			return usage(), false;
		if (end &&
		    (end == optarg || *end != '\0' || o->timeout_s < 0 || o->timeout_s > 86400))
			return usage(), false;
	}
	if (optind == argc || argv[optind][0] == '\0')
		return usage(), false;
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {.host = "127.0.0.1", .timeout_s = TIMEOUT_S};
	struct nsctl_msg request;

	if (!parse(argc, argv, &o))
		return EXIT_FAILURE;
	if (!request_of(argv + optind, argc - optind, &request)) {
		fprintf(stderr, "%s: error packing request\n", program);
		return EXIT_FAILURE;
	}
	int fd = connected(o.host);
	if (fd < 0)
		return EXIT_FAILURE;
	if (request.type == NSCTL_REQ_HELP)
		print_built_in();
	if (o.debug)
		dump("Sending", &request);
	int status = ask(&o, fd, &request);
	close(fd);
	mem_wipe(o.secret, sizeof(o.secret));
	return status;
}

/*
 * l2tpns-capture - receives what `snoop` sends (one raw IP packet in each UDP datagram) and writes
 * a pcap file that tcpdump and Wireshark read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	DATAGRAM_MAX = 65535,
	BATCH = 64,
	RECEIVE_BUFFER = 32 << 20,
	LINKTYPE_RAW = 101, /* the packet begins with its IPv4 or IPv6 header */
	WAIT_MS = 500,	    /* then what was received is written to the file */
	FILE_MODE = 0600,   /* it is somebody's traffic */
};

static const uint32_t PCAP_NANOSECONDS = 0xA1B23C4D;

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_length, link_type;
};

struct packet_header {
	uint32_t seconds, nanoseconds, captured, length;
};

struct options {
	const char *address, *port, *from, *file;
	unsigned long long count; /* packets; 0 = no end */
	bool quiet;
};

struct state {
	const struct options *options;
	int fd;
	FILE *file;
	unsigned long long packets, bytes, strange;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t room[BATCH][DATAGRAM_MAX];
};

static _Atomic bool stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = true;
}

/* ---- options --------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
	fprintf(to, "Usage: l2tpns-capture [OPTION]... PORT FILE\n"
		    "Receives intercepted packets (l2tpns: snoop USER ADDRESS PORT) on UDP port "
		    "PORT and\n"
		    "writes them to FILE in pcap format; - is the standard output.\n\n"
		    "  -a, --address ADDRESS  listen on this address only\n"
		    "  -f, --from ADDRESS     take packets of this sender only, the l2tpns\n"
		    "  -c, --count N          end after N packets\n"
		    "  -q, --quiet            no summary at the end\n"
		    "  -h, --help             this\n\n"
		    "SIGINT and SIGTERM end it. An existing FILE is not overwritten.\n");
}

static bool read_count(const char *text, unsigned long long *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

/* False: to end with *status. */
static bool read_options(int argc, char **argv, struct options *o, int *status)
{
	static const struct option known[] = {
		{"address", required_argument, NULL, 'a'}, {"from", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'c'},   {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0}};
	int c;

	*status = EXIT_FAILURE;
	while ((c = getopt_long(argc, argv, "a:f:c:qh", known, NULL)) != -1) {
		if (c == 'a') {
			o->address = optarg;
		} else if (c == 'f') {
			o->from = optarg;
		} else if (c == 'q') {
			o->quiet = true;
		} else if (c == 'h') {
			usage(stdout);
			*status = EXIT_SUCCESS;
			return false;
		} else if (c != 'c' || !read_count(optarg, &o->count)) {
			usage(stderr);
			return false;
		}
	}
	if (argc - optind != 2) {
		usage(stderr);
		return false;
	}
	o->port = argv[optind];
	o->file = argv[optind + 1];
	return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_socket(const struct options *o)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_DGRAM};
	struct addrinfo *at;
	int size = RECEIVE_BUFFER;
	/* Both families, unless one was asked for. */
	int why = getaddrinfo(o->address ? o->address : "::", o->port, &hints, &at);

	if (why != 0) {
		fprintf(stderr, "l2tpns-capture: %s port %s: %s\n", o->address ? o->address : "",
			o->port, gai_strerror(why));
		return -1;
	}
	int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (fd < 0 || bind(fd, at->ai_addr, at->ai_addrlen) != 0) {
		fprintf(stderr, "l2tpns-capture: port %s: %s\n", o->port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(at);
	return fd;
}

static FILE *open_file(const char *name)
{
	struct pcap_header h = {.magic = PCAP_NANOSECONDS,
				.major = 2,
				.minor = 4,
				.snap_length = DATAGRAM_MAX,
				.link_type = LINKTYPE_RAW};
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDOUT_FILENO
			  : open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (f && fwrite(&h, sizeof(h), 1, f) == 1 && fflush(f) == 0)
		return f;
	fprintf(stderr, "l2tpns-capture: %s: %s\n", name, strerror(errno));
	return NULL;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* The sender's address as text, an IPv4 one without the prefix of its IPv6 form. */
static bool is_wanted(const struct options *o, const struct sockaddr_storage *from)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (!o->from)
		return true;
	if (from->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, text,
			  sizeof(text));
	else
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, text,
			  sizeof(text));
	return strcmp(text, o->from) == 0 ||
	       (strncmp(text, "::ffff:", 7) == 0 && strcmp(text + 7, o->from) == 0);
}

static bool is_ip(const uint8_t *packet, size_t n)
{
	unsigned version = n ? packet[0] >> 4 : 0;

	return (version == 4 && n >= 20) || (version == 6 && n >= 40);
}

/* False: the file takes no more. */
static bool write_packet(struct state *s, const uint8_t *packet, size_t n)
{
	struct timespec now;

	if (!is_ip(packet, n)) {
		s->strange++;
		return true;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	struct packet_header h = {.seconds = (uint32_t)now.tv_sec,
				  .nanoseconds = (uint32_t)now.tv_nsec,
				  .captured = (uint32_t)n,
				  .length = (uint32_t)n};
	s->packets++;
	s->bytes += n;
	return fwrite(&h, sizeof(h), 1, s->file) == 1 && fwrite(packet, n, 1, s->file) == 1;
}

static bool is_enough(const struct state *s)
{
	return s->options->count && s->packets >= s->options->count;
}

static bool receive(struct state *s)
{
	for (unsigned i = 0; i < BATCH; i++) {
		s->iov[i] = (struct iovec){s->room[i], DATAGRAM_MAX};
		s->msgs[i].msg_hdr = (struct msghdr){.msg_name = &s->from[i],
						     .msg_namelen = sizeof(s->from[i]),
						     .msg_iov = &s->iov[i],
						     .msg_iovlen = 1};
	}
	int n = recvmmsg(s->fd, s->msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n && !is_enough(s); i++)
		if (is_wanted(s->options, &s->from[i]) &&
		    !write_packet(s, s->room[i], s->msgs[i].msg_len))
			return false;
	return true;
}

static bool run(struct state *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	bool ok = true;

	while (ok && !stopping && !is_enough(s)) {
		if (poll(&p, 1, WAIT_MS) > 0)
			ok = receive(s);
		else
			ok = fflush(s->file) == 0;
	}
	return fflush(s->file) == 0 && ok;
}

int main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_signal};
	struct options o = {.quiet = false};
	int status;

	if (!read_options(argc, argv, &o, &status))
		return status;
	struct state *s = calloc(1, sizeof(*s));
	if (!s)
		return EXIT_FAILURE;
	s->options = &o;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	s->fd = open_socket(&o);
	s->file = s->fd >= 0 ? open_file(o.file) : NULL;
	bool ok = s->file && run(s);
	if (s->file && !ok)
		fprintf(stderr, "l2tpns-capture: %s: %s\n", o.file, strerror(errno));
	if (s->file && !o.quiet)
		fprintf(stderr, "%llu packets, %llu bytes; %llu datagrams that are no IP packet\n",
			s->packets, s->bytes, s->strange);
	if (s->file && fclose(s->file) != 0)
		ok = false;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

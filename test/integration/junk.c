/*
 * junk.c - sends hostile datagrams to an L2TP server, from any source address and as fast as the
 * machine can: random bytes, headers that lie, real messages cut and changed, SCCRQs from
 * thousands of addresses, messages and data for other people's tunnels and sessions. Repeatable
 * (--seed). A test program: it needs root and a network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr),
	PAYLOAD_MAX = 1460,
	BATCH = 64,
	L2TP_PORT = 1701,
	FLAGS_CONTROL = 0xC802, /* T, L and S bits, version 2 */
	FLAGS_DATA = 0x0002,
};

struct mode;

struct junk {
	const struct mode *mode;
	struct in_addr to, from;
	unsigned from_bits; /* random low bits of the source address */
	uint64_t count, rate;
	uint64_t random;   /* xorshift state, never 0 */
	unsigned tid, sid; /* 0 = any */
	unsigned port;	   /* source port, 0 = any */
	int socket;
};

struct packet {
	uint8_t bytes[PAYLOAD_MAX];
	size_t n;
};

static uint64_t random_next(struct junk *j)
{
	j->random ^= j->random << 13;
	j->random ^= j->random >> 7;
	j->random ^= j->random << 17;
	return j->random;
}

/* 0 <= result < n */
static unsigned random_below(struct junk *j, unsigned n)
{
	return (unsigned)((random_next(j) >> 16) % n);
}

static void put_u8(struct packet *p, unsigned v)
{
	p->bytes[p->n++] = (uint8_t)v;
}

static void put_u16(struct packet *p, unsigned v)
{
	put_u8(p, v >> 8);
	put_u8(p, v & 0xFF);
}

static void put_bytes(struct packet *p, const void *from, size_t n)
{
	memcpy(p->bytes + p->n, from, n);
	p->n += n;
}

static void put_avp(struct packet *p, unsigned type, const void *value, size_t n)
{
	put_u16(p, 0x8000 | (unsigned)(6 + n));
	put_u16(p, 0);
	put_u16(p, type);
	put_bytes(p, value, n);
}

static void put_avp_u16(struct packet *p, unsigned type, unsigned v)
{
	uint8_t value[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put_avp(p, type, value, sizeof(value));
}

/* The length field is filled in by control_end(). */
static void control_begin(struct packet *p, unsigned tid, unsigned sid, unsigned ns, unsigned nr)
{
	p->n = 0;
	put_u16(p, FLAGS_CONTROL);
	put_u16(p, 0);
	put_u16(p, tid);
	put_u16(p, sid);
	put_u16(p, ns);
	put_u16(p, nr);
}

static void control_end(struct packet *p)
{
	p->bytes[2] = (uint8_t)(p->n >> 8);
	p->bytes[3] = (uint8_t)p->n;
}

static void make_sccrq(struct junk *j, struct packet *p)
{
	static const uint8_t version[] = {1, 0}, framing[] = {0, 0, 0, 3}, challenge[16] = {7};

	control_begin(p, 0, 0, 0, 0);
	put_avp_u16(p, 0, 1); /* Message Type: SCCRQ */
	put_avp(p, 2, version, sizeof(version));
	put_avp(p, 3, framing, sizeof(framing));
	put_avp(p, 7, "flood", 5);
	put_avp_u16(p, 9, 1 + random_below(j, 65535));
	put_avp_u16(p, 10, 16);
	if (random_below(j, 2))
		put_avp(p, 11, challenge, sizeof(challenge));
	control_end(p);
}

static unsigned a_tid(struct junk *j)
{
	return j->tid ? j->tid : 1 + random_below(j, 65535);
}

static unsigned a_sid(struct junk *j)
{
	return j->sid ? j->sid : 1 + random_below(j, 65535);
}

/* A message for a tunnel and a session that are somebody else's, or nobody's. */
static void make_foreign_control(struct junk *j, struct packet *p)
{
	static const uint8_t types[] = {3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 99};
	static const uint8_t serial[] = {0, 0, 0, 1}, result[] = {0, 1};
	unsigned tid = a_tid(j), sid = random_below(j, 2) ? 0 : a_sid(j);

	control_begin(p, tid, sid, random_below(j, 8), random_below(j, 8));
	put_avp_u16(p, 0, types[random_below(j, sizeof(types))]);
	put_avp_u16(p, 9, 1 + random_below(j, 65535));
	put_avp(p, 1, result, sizeof(result));
	put_avp_u16(p, 14, 1 + random_below(j, 65535));
	put_avp(p, 15, serial, sizeof(serial));
	control_end(p);
}

/* IP, LCP Terminate-Request, IPCP or noise for a session. */
static void make_foreign_data(struct junk *j, struct packet *p)
{
	static const uint16_t protocols[] = {0x0021, 0xC021, 0x8021, 0xC023,
					     0xC223, 0x0057, 0x80FD, 0x1234};
	static const uint8_t terminate[] = {5, 1, 0, 4};
	size_t noise = random_below(j, 200);

	p->n = 0;
	put_u16(p, FLAGS_DATA);
	put_u16(p, a_tid(j));
	put_u16(p, a_sid(j));
	put_u16(p, 0xFF03);
	put_u16(p, protocols[random_below(j, 8)]);
	if (random_below(j, 2))
		put_bytes(p, terminate, sizeof(terminate));
	while (noise-- > 0)
		put_u8(p, (unsigned)random_next(j) & 0xFF);
}

static uint16_t ip_checksum(const struct iphdr *ip)
{
	uint8_t bytes[sizeof(*ip)];
	uint32_t sum = 0;

	memcpy(bytes, ip, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* An IP packet of a subscriber who uses somebody else's address. */
static void make_spoofed(struct junk *j, struct packet *p)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(HEADERS),
		.saddr = (uint32_t)random_next(j),
		.daddr = (uint32_t)random_next(j),
	};
	static const uint8_t udp[sizeof(struct udphdr)] = {4, 0, 4, 0, 0, sizeof(udp)};

	ip.check = ip_checksum(&ip);
	p->n = 0;
	put_u16(p, FLAGS_DATA);
	put_u16(p, a_tid(j));
	put_u16(p, a_sid(j));
	put_u16(p, 0xFF03);
	put_u16(p, 0x0021);
	put_bytes(p, &ip, sizeof(ip));
	put_bytes(p, udp, sizeof(udp));
}

static void make_random(struct junk *j, struct packet *p)
{
	size_t n = random_below(j, 4) ? random_below(j, 64) : random_below(j, PAYLOAD_MAX);

	for (p->n = 0; p->n < n;)
		put_u8(p, (unsigned)random_next(j) & 0xFF);
}

/* Version 2, all other bits and numbers at random, lengths that lie. */
static void make_header(struct junk *j, struct packet *p)
{
	make_random(j, p);
	if (p->n < 8)
		return;
	p->bytes[1] = (uint8_t)((p->bytes[1] & 0xF0) | 2);
	if (random_below(j, 2))
		p->bytes[0] |= 0x80;
	for (size_t i = 2; i < 8; i += 2)
		p->bytes[i] = (uint8_t)(random_below(j, 3) ? 0 : p->bytes[i]);
}

/* A well-formed message, cut anywhere and with some bytes changed. */
static void make_mutated(struct junk *j, struct packet *p)
{
	if (random_below(j, 3) == 0)
		make_foreign_data(j, p);
	else if (random_below(j, 2))
		make_foreign_control(j, p);
	else
		make_sccrq(j, p);
	if (random_below(j, 2))
		p->n = random_below(j, (unsigned)p->n + 1);
	for (unsigned changes = random_below(j, 5); changes > 0 && p->n > 0; changes--)
		p->bytes[random_below(j, (unsigned)p->n)] = (uint8_t)random_next(j);
}

static const struct mode {
	const char *name;
	void (*make)(struct junk *j, struct packet *p);
} modes[] = {
	{"random", make_random},	   {"header", make_header},
	{"mutated", make_mutated},	   {"sccrq", make_sccrq},
	{"data", make_foreign_data},	   {"spoofed", make_spoofed},
	{"control", make_foreign_control},
};

static const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	}
	fprintf(stderr, "junk: no mode '%s'\n", name);
	exit(2);
}

static void fill_headers(struct junk *j, uint8_t *out, size_t payload)
{
	uint32_t from =
		ntohl(j->from.s_addr) | (uint32_t)(random_next(j) & ((1u << j->from_bits) - 1));
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(HEADERS + payload)),
		.saddr = htonl(from),
		.daddr = j->to.s_addr,
	};
	unsigned any = random_below(j, 2) ? L2TP_PORT : 1024 + random_below(j, 60000);
	struct udphdr udp = {
		.source = htons((uint16_t)(j->port ? j->port : any)),
		.dest = htons(L2TP_PORT),
		.len = htons((uint16_t)(sizeof(udp) + payload)),
	};

	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), &udp, sizeof(udp));
}

/* Sends `n` packets; returns how many the kernel took. */
static uint64_t send_batch(struct junk *j, unsigned n)
{
	static uint8_t buffers[BATCH][HEADERS + PAYLOAD_MAX];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = j->to};
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct packet p;

	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < n; i++) {
		p.n = 0;
		j->mode->make(j, &p);
		fill_headers(j, buffers[i], p.n);
		memcpy(buffers[i] + HEADERS, p.bytes, p.n);
		parts[i] = (struct iovec){buffers[i], HEADERS + p.n};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &to;
		messages[i].msg_hdr.msg_namelen = sizeof(to);
	}
	int sent = sendmmsg(j->socket, messages, n, 0);
	if (sent < 0 && errno != EMSGSIZE && errno != ENOBUFS) {
		perror("junk: sendmmsg");
		exit(1);
	}
	return sent < 0 ? 0 : (uint64_t)sent;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run(struct junk *j)
{
	double start = seconds_now();
	uint64_t tried = 0, sent = 0;

	while (tried < j->count) {
		uint64_t left = j->count - tried;
		unsigned n = left < BATCH ? (unsigned)left : BATCH;

		sent += send_batch(j, n);
		tried += n;
		while (j->rate > 0 && (double)tried / (double)j->rate > seconds_now() - start)
			usleep(500);
	}
	printf("%s: %llu datagrams in %.2f s\n", j->mode->name, (unsigned long long)sent,
	       seconds_now() - start);
}

static void usage(void)
{
	fprintf(stderr, "usage: junk --to ADDRESS --from ADDRESS[/PREFIX] --mode MODE [--count N] "
			"[--rate N/s]\n"
			"            [--tunnel ID] [--session ID] [--port N] [--seed N]\n"
			"modes: random header mutated sccrq data spoofed control\n");
	exit(2);
}

static void parse_from(struct junk *j, char *text)
{
	char *slash = strchr(text, '/');
	unsigned prefix = 32;

	if (slash != NULL) {
		*slash = '\0';
		prefix = (unsigned)strtoul(slash + 1, NULL, 10);
	}
	if (prefix < 8 || prefix > 32 || inet_pton(AF_INET, text, &j->from) != 1)
		usage();
	j->from_bits = 32 - prefix;
}

static void parse(struct junk *j, int argc, char **argv)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},	   {"from", required_argument, NULL, 'f'},
		{"mode", required_argument, NULL, 'm'},	   {"count", required_argument, NULL, 'c'},
		{"rate", required_argument, NULL, 'r'},	   {"tunnel", required_argument, NULL, 'T'},
		{"session", required_argument, NULL, 'S'}, {"port", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 's'},	   {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long long number = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (option) {
		case 't':
			inet_pton(AF_INET, optarg, &j->to);
			break;
		case 'f':
			parse_from(j, optarg);
			break;
		case 'm':
			j->mode = mode_find(optarg);
			break;
		case 'c':
			j->count = number;
			break;
		case 'r':
			j->rate = number;
			break;
		case 'T':
			j->tid = (unsigned)number & 0xFFFF;
			break;
		case 'S':
			j->sid = (unsigned)number & 0xFFFF;
			break;
		case 'p':
			j->port = (unsigned)number & 0xFFFF;
			break;
		case 's':
			j->random = number * 2654435761u + 1;
			break;
		default:
			usage();
		}
	}
	if (j->mode == NULL || j->to.s_addr == 0 || j->from.s_addr == 0)
		usage();
}

int main(int argc, char **argv)
{
	struct junk j = {.count = 100000, .random = 88172645463325252u};
	int on = 1;

	parse(&j, argc, argv);
	j.socket = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (j.socket < 0 || setsockopt(j.socket, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)) != 0) {
		perror("junk: raw socket");
		return 1;
	}
	run(&j);
	return 0;
}

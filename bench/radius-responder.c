/*
 * radius-responder - answers Access-Requests (PAP, CHAP) and accounting as fast as one thread can,
 * so that a benchmark of an LNS does not measure its RADIUS server. Not a RADIUS server: one
 * password for everybody, no state but which
 * accounting records it has answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/nsec.h"
#include "lg_seen.h"

enum { ROUTES = 0x64400000, ROUTES_MASK = 0x3FFFFF, ROUTES_MAX = 4 };
enum { BATCH = 64, BUFFER = 8 << 20, DELAYED_MAX = 65536, REPLY_MAX = 256 };

static const char help[] =
	"usage: radius-responder --secret TEXT [options]\n"
	"\n"
	"Answers Access-Requests and Accounting-Requests for benchmarks. Ends at SIGTERM or "
	"SIGINT\n"
	"and then prints what it did as one line of JSON; at SIGUSR2 what it did so far. SIGUSR1 "
	"turns\n"
	"accounting silent, and back.\n"
	"\n"
	"  --bind ADDRESS     (127.0.0.1)\n"
	"  --port N           authentication; accounting is the next one (1812)\n"
	"  --secret TEXT      shared with the client\n"
	"  --password TEXT    of every user (secret); with --any-password it is not checked\n"
	"  --any-password\n"
	"  --pool ADDRESS     Framed-IP-Address: this plus the number at the end of the user's "
	"name\n"
	"  --routes N         so many Framed-Routes for each user, up to 4: /29 in 100.64.0.0/10\n"
	"  --message-auth     Message-Authenticator in every answer, not only when asked with one\n"
	"  --session-timeout S\n"
	"  --delay MS         answer later\n"
	"  --silent PERCENT   of the requests are not answered\n"
	"  --no-accounting    accounting is silent until SIGUSR1\n"
	"  --reject PERCENT   of the logins are refused\n";

struct conf {
	struct in_addr bind;
	unsigned port;
	struct span secret, password;
	bool any_password, always_message_auth, no_accounting;
	uint32_t pool, session_timeout_s;
	unsigned delay_ms, silent, reject, routes;
};

struct stats {
	uint64_t accepts, rejects, accounting, silent, bad, late;
};

/* An answer that waits for its time; the delay is the same for all, so the order is too. */
struct delayed {
	nsec due;
	int fd;
	struct sockaddr_in to;
	uint16_t n;
	uint8_t bytes[REPLY_MAX];
};

struct responder {
	struct conf conf;
	struct stats stats;
	struct lg_seen seen;
	nsec now;
	uint32_t random;
	struct delayed *queue;
	unsigned head, queued;
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	struct sockaddr_in from[BATCH];
	uint8_t in_room[BATCH][LG_RAD_MAX], out_room[BATCH][REPLY_MAX];
};

static volatile sig_atomic_t ended, toggled, asked;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		toggled = 1;
	else if (number == SIGUSR2)
		asked = 1;
	else
		ended = number;
}

static nsec clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (nsec){t.tv_sec * INT64_C(1000000000) + t.tv_nsec};
}

/* True in so many of a hundred cases; always the same sequence. */
static bool chance(struct responder *r, unsigned percent)
{
	r->random = r->random * 1664525u + 1013904223u;
	return (r->random >> 8) % 100 < percent;
}

/* ---- one request ----------------------------------------------------------------------------- */

static bool answer_login(struct responder *r, const struct lg_rad_request *q, struct wbuf *w)
{
	const struct conf *c = &r->conf;
	struct lg_rad_answer a = {
		.message_auth = c->always_message_auth || q->message_auth.p != NULL,
		.framed_ip = c->pool ? c->pool + lg_rad_user_number(q->user) : 0,
		.session_timeout_s = c->session_timeout_s,
		.route = ROUTES | (lg_rad_user_number(q->user) * c->routes * 8 & ROUTES_MASK),
		.n_routes = c->routes,
	};
	bool good = (c->any_password || lg_rad_password_ok(q, c->secret, c->password)) &&
		    !chance(r, c->reject);
	if (good)
		r->stats.accepts++;
	else
		r->stats.rejects++;
	return lg_rad_reply(w, q, good ? LG_RAD_ACCEPT : LG_RAD_REJECT, &a, c->secret);
}

static bool answer(struct responder *r, struct span datagram, struct wbuf *w)
{
	struct lg_rad_request q;
	struct lg_rad_answer none = {0};
	if (!lg_rad_decode(datagram, &q) || !lg_rad_message_auth_ok(&q, r->conf.secret)) {
		r->stats.bad++;
		return false;
	}
	bool accounting = q.code == LG_RAD_ACCT_REQUEST;
	if (chance(r, r->conf.silent) || (accounting && r->conf.no_accounting)) {
		r->stats.silent++;
		return false;
	}
	if (q.code == LG_RAD_REQUEST)
		return answer_login(r, &q, w);
	if (q.code != LG_RAD_ACCT_REQUEST)
		return false;
	r->stats.accounting++;
	if (!lg_seen_add(&r->seen, &q))
		return false;
	return lg_rad_reply(w, &q, LG_RAD_ACCT_RESPONSE, &none, r->conf.secret);
}

/* ---- in and out ------------------------------------------------------------------------------ */

static void send_all(int fd, struct mmsghdr *m, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, m + done, n - done, 0);
		done += sent > 0 ? (unsigned)sent : 1; /* what cannot be sent is asked for again */
	}
}

static void keep(struct responder *r, int fd, unsigned i, struct span bytes)
{
	if (r->queued == DELAYED_MAX) {
		r->stats.late++;
		return;
	}
	struct delayed *d = &r->queue[(r->head + r->queued++) % DELAYED_MAX];
	*d = (struct delayed){.due = nsec_add(r->now, NSEC_MS(r->conf.delay_ms)),
			      .fd = fd,
			      .to = r->from[i],
			      .n = (uint16_t)bytes.n};
	memcpy(d->bytes, bytes.p, bytes.n);
}

static void send_due(struct responder *r)
{
	while (r->queued > 0 && nsec_reached(r->queue[r->head].due, r->now)) {
		struct delayed *d = &r->queue[r->head];
		if (sendto(d->fd, d->bytes, d->n, 0, (struct sockaddr *)&d->to, sizeof(d->to)) < 0)
			r->stats.late++;
		r->head = (r->head + 1) % DELAYED_MAX;
		r->queued--;
	}
}

static void serve(struct responder *r, int fd)
{
	unsigned n_out = 0;
	int n = recvmmsg(fd, r->in, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct wbuf w = wbuf_of(r->out_room[n_out], REPLY_MAX);
		r->in[i].msg_hdr.msg_namelen = sizeof(r->from[i]);
		if (!answer(r, span_of(r->in_room[i], r->in[i].msg_len), &w))
			continue;
		if (r->conf.delay_ms) {
			keep(r, fd, (unsigned)i, wbuf_written(&w));
			continue;
		}
		r->out_iov[n_out].iov_len = w.n;
		r->out[n_out].msg_hdr.msg_name = &r->from[i];
		n_out++;
	}
	send_all(fd, r->out, n_out);
}

static void prepare(struct responder *r)
{
	for (unsigned i = 0; i < BATCH; i++) {
		r->in_iov[i] = (struct iovec){r->in_room[i], LG_RAD_MAX};
		r->out_iov[i] = (struct iovec){r->out_room[i], 0};
		r->in[i].msg_hdr = (struct msghdr){.msg_name = &r->from[i],
						   .msg_namelen = sizeof(r->from[i]),
						   .msg_iov = &r->in_iov[i],
						   .msg_iovlen = 1};
		r->out[i].msg_hdr = (struct msghdr){.msg_namelen = sizeof(r->from[i]),
						    .msg_iov = &r->out_iov[i],
						    .msg_iovlen = 1};
	}
}

static int open_port(const struct conf *c, unsigned port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr = c->bind, .sin_port = htons((uint16_t)port)};
	int size = BUFFER;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		fprintf(stderr, "radius-responder: port %u: %s\n", port, strerror(errno));
		exit(1);
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static void print(const struct responder *r)
{
	const struct lg_seen *s = &r->seen;

	printf("{\"accepts\":%llu,\"rejects\":%llu,\"accounting\":%llu,\"silent\":%llu,"
	       "\"bad\":%llu,\"late\":%llu,\"starts\":%llu,\"stops\":%llu,\"interims\":%llu,"
	       "\"others\":%llu,\"resent\":%llu,\"doubled\":%llu,\"altered\":%llu,\"delayed\":%llu,"
	       "\"paired\":%s}\n",
	       (unsigned long long)r->stats.accepts, (unsigned long long)r->stats.rejects,
	       (unsigned long long)r->stats.accounting, (unsigned long long)r->stats.silent,
	       (unsigned long long)r->stats.bad, (unsigned long long)r->stats.late,
	       (unsigned long long)s->records[LG_RAD_START],
	       (unsigned long long)s->records[LG_RAD_STOP],
	       (unsigned long long)s->records[LG_RAD_INTERIM], (unsigned long long)s->records[0],
	       (unsigned long long)s->resent, (unsigned long long)s->doubled,
	       (unsigned long long)s->altered, (unsigned long long)s->late,
	       s->starts == s->stops ? "true" : "false");
	fflush(stdout);
}

static void signals(struct responder *r)
{
	if (toggled)
		r->conf.no_accounting = !r->conf.no_accounting;
	toggled = 0;
	if (asked)
		print(r);
	asked = 0;
}

static void run(struct responder *r)
{
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
	p[0].fd = open_port(&r->conf, r->conf.port);
	p[1].fd = open_port(&r->conf, r->conf.port + 1);
	while (!ended) {
		poll(p, 2, r->queued ? 1 : 1000);
		signals(r);
		r->now = clock_now();
		for (int i = 0; i < 2; i++)
			if (p[i].revents & POLLIN)
				serve(r, p[i].fd);
		send_due(r);
	}
	close(p[0].fd);
	close(p[1].fd);
}

/* ---- options --------------------------------------------------------------------------------- */

static unsigned number(const char *text, unsigned high)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0' || v > high) {
		fprintf(stderr, "radius-responder: '%s' is not a number up to %u\n", text, high);
		exit(2);
	}
	return (unsigned)v;
}

static struct in_addr address(const char *text)
{
	struct in_addr a;
	if (inet_pton(AF_INET, text, &a) != 1) {
		fprintf(stderr, "radius-responder: '%s' is not an IPv4 address\n", text);
		exit(2);
	}
	return a;
}

static void option(struct conf *c, int o, const char *arg)
{
	switch (o) {
	case 'b':
		c->bind = address(arg);
		break;
	case 'p':
		c->port = number(arg, 65534);
		break;
	case 's':
		c->secret = span_str(arg);
		break;
	case 'w':
		c->password = span_str(arg);
		break;
	case 'a':
		c->any_password = true;
		break;
	case 'n':
		c->no_accounting = true;
		break;
	case 'f':
		c->pool = ntohl(address(arg).s_addr);
		break;
	case 'm':
		c->always_message_auth = true;
		break;
	case 't':
		c->session_timeout_s = number(arg, 1u << 31);
		break;
	case 'd':
		c->delay_ms = number(arg, 60000);
		break;
	case 'q':
		c->silent = number(arg, 100);
		break;
	case 'r':
		c->reject = number(arg, 100);
		break;
	case 'R':
		c->routes = number(arg, ROUTES_MAX);
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		exit(2);
	}
}

static const struct option options[] = {
	{"bind", required_argument, NULL, 'b'},
	{"port", required_argument, NULL, 'p'},
	{"secret", required_argument, NULL, 's'},
	{"password", required_argument, NULL, 'w'},
	{"any-password", no_argument, NULL, 'a'},
	{"pool", required_argument, NULL, 'f'},
	{"no-accounting", no_argument, NULL, 'n'},
	{"message-auth", no_argument, NULL, 'm'},
	{"session-timeout", required_argument, NULL, 't'},
	{"delay", required_argument, NULL, 'd'},
	{"silent", required_argument, NULL, 'q'},
	{"reject", required_argument, NULL, 'r'},
	{"routes", required_argument, NULL, 'R'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	static struct responder r;
	struct sigaction a = {.sa_handler = on_signal};
	int o;

	r.conf = (struct conf){.bind.s_addr = htonl(INADDR_LOOPBACK),
			       .port = 1812,
			       .password = span_str("secret")};
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1)
		option(&r.conf, o, optarg);
	if (r.conf.secret.n == 0 || optind != argc) {
		fprintf(stderr, "radius-responder: --secret is needed; --help tells more\n");
		return 2;
	}
	r.queue = calloc(r.conf.delay_ms ? DELAYED_MAX : 1, sizeof(*r.queue));
	if (!r.queue)
		return 1;
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &a, NULL);
	prepare(&r);
	run(&r);
	print(&r);
	lg_seen_free(&r.seen);
	free(r.queue);
	return 0;
}

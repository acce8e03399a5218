/*
 * loadgen - a LAC with many PPP subscribers, and a host behind the LNS, to measure an L2TP network
 * server. Steps are done in the order given; each prints one line of JSON.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lg.h"

static const char help[] =
	"usage: loadgen --lns ADDRESS [options] STEP...\n"
	"\n"
	"Plays a LAC with PPP subscribers against an L2TP network server and measures it.\n"
	"Results are lines of JSON on standard output, text for people on standard error.\n"
	"Exit status: 0 all well, 1 a step failed or was incomplete, 2 wrong usage.\n"
	"\n"
	"Steps, done one after the other; parameters as in up:sessions=1000,rate=500\n"
	"  up       open tunnels and dial: sessions=N (the first N; all) rate=DIALS/s (as fast as\n"
	"           possible) inflight=N (64) timeout=SECONDS\n"
	"  hold     answer echoes and HELLOs: seconds=S (until SIGINT) redial=1 (lost sessions)\n"
	"           tun=NAME (a network interface for the first subscriber, in the LAC's "
	"namespace)\n"
	"  traffic  UDP through the sessions: dir=up|down|both size=48..1500|imix (64; of the "
	"inner\n"
	"           IP packet) rate=PACKETS/s per direction (as fast as possible) seconds=S (5)\n"
	"           sessions=N (all) burst=PACKETS of one session in a row (1)\n"
	"           chunk=PACKETS leaving together (32) flows=N ports per session, in turn (1):\n"
	"           packets of different flows never merge and may overtake each other, which\n"
	"           reordered counts too; ping=N/s echo requests beside the load;\n"
	"           sleep=1 leaves the CPU to others between two chunks (else it polls)\n"
	"  search   the highest rate that is carried: dir, size, sessions, burst, chunk, flows as "
	"above,\n"
	"           loss=FRACTION allowed (0.001) high=PACKETS/s to begin with (1000000) seconds=S "
	"of\n"
	"           each try (1) tries=N (9)\n"
	"  ping     subscribers ping the core address: rate=N/s (1000) seconds=S (3)\n"
	"  churn    sessions go and come: rate=N/s (100) seconds=S (10) how=cdn|lcp inflight=N\n"
	"  down     how=cdn|lcp|stopccn: CDN for each session, LCP Terminate-Request before it, "
	"or\n"
	"           only StopCCN for the tunnels; timeout=S (60); keep=N: only the sessions from\n"
	"           number N on, and the tunnels stay\n"
	"\n"
	"The LNS and the LAC\n"
	"  --lns ADDRESS[:PORT]    where to dial\n"
	"  --sessions N            room for sessions, up to 1048576 (1)\n"
	"  --tunnels N             tunnels they are spread over, up to 65535 (1)\n"
	"  --source ADDR[,ADDR...] addresses of the LACs (any)\n"
	"  --ports N               source ports per address (one per tunnel, at most 64)\n"
	"  --port-base N           the first of them (1701)\n"
	"  --secret TEXT           tunnel secret, to answer a challenge\n"
	"  --challenge             challenge the LNS as well\n"
	"  --hostname NAME         of the LAC (loadgen)\n"
	"  --window N              receive window that we announce, 4 to 128 (16)\n"
	"  --l2tp-tries N          retransmissions before a tunnel is lost (8)\n"
	"  --speed N               Tx Connect Speed of the calls (10000000)\n"
	"  --length-bit            data packets with the length field\n"
	"Subscribers\n"
	"  --auth pap|chap|any     what they accept (any)\n"
	"  --user NAME             %u becomes the session's number, %xHH that byte (user%u)\n"
	"  --password TEXT         (secret)\n"
	"  --mru N                 asked for in LCP, 0 = not (1462)\n"
	"  --lcp-waits             no LCP packet before the LNS's first one (or a timeout)\n"
	"  --no-dns                do not ask for DNS servers\n"
	"  --ppp-timeout MS        between repetitions (3000)\n"
	"  --ppp-tries N           of one packet (10)\n"
	"The host behind the LNS\n"
	"  --core-addr ADDRESS     bound here; without it there is no traffic and no ping\n"
	"  --core-port N           (9000)\n"
	"Where things are\n"
	"  --netns NAME            network namespace (ip netns) of the LAC\n"
	"  --core-netns NAME       and of the host behind the LNS\n"
	"  --watch-pid PID         the daemon under test: CPU time and memory in each result\n"
	"  --watch-thread PID      a kernel thread that works for it (NAPI); may be repeated\n"
	"  --watch-cpu N           busy time of this CPU in each result\n"
	"Output\n"
	"  --interactive           after the steps, more are read from standard input, one a "
	"line;\n"
	"                          the sessions are held meanwhile\n"
	"  --label TEXT            put into each line of JSON\n"
	"  --json FILE             append the lines to a file instead\n"
	"  -v                      say more, -vv say it for each session\n";

enum option_id {
	O_LNS = 256,
	O_SESSIONS,
	O_TUNNELS,
	O_SOURCE,
	O_PORTS,
	O_PORT_BASE,
	O_SECRET,
	O_CHALLENGE,
	O_HOSTNAME,
	O_WINDOW,
	O_L2TP_TRIES,
	O_LENGTH_BIT,
	O_AUTH,
	O_USER,
	O_PASSWORD,
	O_MRU,
	O_SPEED,
	O_NO_DNS,
	O_LCP_WAITS,
	O_PPP_TIMEOUT,
	O_PPP_TRIES,
	O_CORE_ADDR,
	O_CORE_PORT,
	O_NETNS,
	O_CORE_NETNS,
	O_WATCH_PID,
	O_WATCH_CPU,
	O_WATCH_THREAD,
	O_LABEL,
	O_JSON,
	O_INTERACTIVE,
};

static const struct option options[] = {
	{"help", no_argument, NULL, 'h'},
	{"lns", required_argument, NULL, O_LNS},
	{"sessions", required_argument, NULL, O_SESSIONS},
	{"tunnels", required_argument, NULL, O_TUNNELS},
	{"source", required_argument, NULL, O_SOURCE},
	{"ports", required_argument, NULL, O_PORTS},
	{"port-base", required_argument, NULL, O_PORT_BASE},
	{"secret", required_argument, NULL, O_SECRET},
	{"challenge", no_argument, NULL, O_CHALLENGE},
	{"hostname", required_argument, NULL, O_HOSTNAME},
	{"window", required_argument, NULL, O_WINDOW},
	{"l2tp-tries", required_argument, NULL, O_L2TP_TRIES},
	{"length-bit", no_argument, NULL, O_LENGTH_BIT},
	{"auth", required_argument, NULL, O_AUTH},
	{"user", required_argument, NULL, O_USER},
	{"password", required_argument, NULL, O_PASSWORD},
	{"mru", required_argument, NULL, O_MRU},
	{"speed", required_argument, NULL, O_SPEED},
	{"lcp-waits", no_argument, NULL, O_LCP_WAITS},
	{"no-dns", no_argument, NULL, O_NO_DNS},
	{"ppp-timeout", required_argument, NULL, O_PPP_TIMEOUT},
	{"ppp-tries", required_argument, NULL, O_PPP_TRIES},
	{"core-addr", required_argument, NULL, O_CORE_ADDR},
	{"core-port", required_argument, NULL, O_CORE_PORT},
	{"netns", required_argument, NULL, O_NETNS},
	{"core-netns", required_argument, NULL, O_CORE_NETNS},
	{"watch-pid", required_argument, NULL, O_WATCH_PID},
	{"watch-thread", required_argument, NULL, O_WATCH_THREAD},
	{"watch-cpu", required_argument, NULL, O_WATCH_CPU},
	{"label", required_argument, NULL, O_LABEL},
	{"json", required_argument, NULL, O_JSON},
	{"interactive", no_argument, NULL, O_INTERACTIVE},
	{NULL, 0, NULL, 0},
};

static volatile sig_atomic_t signalled; /* the only thing a handler may touch */

static void on_signal(int number)
{
	signalled = number;
}

static struct lg_conf defaults(void)
{
	return (struct lg_conf){
		.lns = {.sin_family = AF_INET, .sin_port = htons(1701)},
		.n_sources = 1,
		.port_base = 1701,
		.tunnels = 1,
		.sessions = 1,
		.secret = span_str(""),
		.hostname = "loadgen",
		.window = 16,
		.user = "user%u",
		.password = "secret",
		.ppp = {.mru = 1462,
			.tries = 10,
			.allow_pap = true,
			.allow_chap = true,
			.want_dns = true},
		.ppp_timeout_ms = 3000,
		.l2tp_tries = 8,
		.speed = 10000000,
		.core_port = 9000,
		.watch_cpu = -1,
	};
}

/* A number within bounds, or a message and the end. */
static unsigned number(const char *text, unsigned low, unsigned high)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0' || v < low || v > high) {
		lg_say("loadgen: '%s' is not a number from %u to %u", text, low, high);
		exit(2);
	}
	return (unsigned)v;
}

static struct in_addr address(const char *text)
{
	struct in_addr a;
	if (inet_pton(AF_INET, text, &a) != 1) {
		lg_say("loadgen: '%s' is not an IPv4 address", text);
		exit(2);
	}
	return a;
}

static void lns_address(struct lg_conf *c, char *text)
{
	char *colon = strchr(text, ':');
	if (colon) {
		*colon = '\0';
		c->lns.sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
	}
	c->lns.sin_addr = address(text);
}

static void sources(struct lg_conf *c, char *text)
{
	char *save = NULL;
	c->n_sources = 0;
	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (c->n_sources == LG_SOURCES_MAX) {
			lg_say("loadgen: more than %d source addresses", LG_SOURCES_MAX);
			exit(2);
		}
		c->sources[c->n_sources++] = address(w);
	}
}

static void auth(struct lg_conf *c, const char *text)
{
	bool any = strcmp(text, "any") == 0;
	c->ppp.allow_pap = any || strcmp(text, "pap") == 0;
	c->ppp.allow_chap = any || strcmp(text, "chap") == 0;
	if (!c->ppp.allow_pap && !c->ppp.allow_chap) {
		lg_say("loadgen: --auth is pap, chap or any");
		exit(2);
	}
}

/* True when the option was one of the LAC's. */
static bool lac_option(struct lg_conf *c, int o, char *arg)
{
	switch (o) {
	case O_LNS:
		lns_address(c, arg);
		return true;
	case O_SESSIONS:
		c->sessions = number(arg, 1, LG_SESSIONS_MAX);
		return true;
	case O_TUNNELS:
		c->tunnels = number(arg, 1, LG_TUNNELS_MAX);
		return true;
	case O_SOURCE:
		sources(c, arg);
		return true;
	case O_PORTS:
		c->ports = number(arg, 1, LG_SOCKS_MAX);
		return true;
	case O_PORT_BASE:
		c->port_base = number(arg, 1, 65535);
		return true;
	case O_SECRET:
		c->secret = span_str(arg);
		return true;
	case O_CHALLENGE:
		c->challenge = true;
		return true;
	case O_HOSTNAME:
		c->hostname = arg;
		return true;
	case O_WINDOW:
		c->window = number(arg, 4, 128);
		return true;
	case O_L2TP_TRIES:
		c->l2tp_tries = number(arg, 1, 100);
		return true;
	case O_LENGTH_BIT:
		c->length_bit = true;
		return true;
	default:
		return false;
	}
}

static bool subscriber_option(struct lg_conf *c, int o, const char *arg)
{
	switch (o) {
	case O_AUTH:
		auth(c, arg);
		return true;
	case O_USER:
		c->user = arg;
		return true;
	case O_PASSWORD:
		c->password = arg;
		return true;
	case O_MRU:
		c->ppp.mru = (uint16_t)number(arg, 0, 65535);
		return true;
	case O_SPEED:
		c->speed = (uint32_t)number(arg, 0, UINT32_MAX);
		return true;
	case O_LCP_WAITS:
		c->ppp.lcp_waits = true;
		return true;
	case O_NO_DNS:
		c->ppp.want_dns = false;
		return true;
	case O_PPP_TIMEOUT:
		c->ppp_timeout_ms = number(arg, 10, 600000);
		return true;
	case O_PPP_TRIES:
		c->ppp.tries = (uint8_t)number(arg, 1, 255);
		return true;
	default:
		return false;
	}
}

static bool other_option(struct lg_conf *c, int o, const char *arg)
{
	switch (o) {
	case O_CORE_ADDR:
		c->core_addr = address(arg);
		return true;
	case O_CORE_PORT:
		c->core_port = number(arg, 1, 65535);
		return true;
	case O_NETNS:
		c->netns = arg;
		return true;
	case O_CORE_NETNS:
		c->core_netns = arg;
		return true;
	case O_WATCH_PID:
		c->watch_pid = (int)number(arg, 1, 1 << 22);
		return true;
	case O_WATCH_THREAD:
		if (c->n_watch_threads == LG_WATCH_THREADS)
			return false;
		c->watch_threads[c->n_watch_threads++] = (int)number(arg, 1, 1 << 22);
		return true;
	case O_WATCH_CPU:
		c->watch_cpu = (int)number(arg, 0, 4095);
		return true;
	case O_LABEL:
		c->label = arg;
		return true;
	case O_JSON:
		c->json = arg;
		return true;
	case O_INTERACTIVE:
		c->interactive = true;
		return true;
	case 'v':
		c->verbose++;
		return true;
	default:
		return false;
	}
}

static void parse(struct lg_conf *c, int argc, char **argv)
{
	int o;
	while ((o = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (o == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		if (!lac_option(c, o, optarg) && !subscriber_option(c, o, optarg) &&
		    !other_option(c, o, optarg))
			exit(2);
	}
	if (c->lns.sin_addr.s_addr == 0 || (optind == argc && !c->interactive)) {
		lg_say("loadgen: --lns and at least one step are needed; --help tells more");
		exit(2);
	}
	for (int i = optind; i < argc; i++)
		if (!lg_step_check(argv[i]))
			exit(2);
}

/* What follows from several options together. */
static bool settle(struct lg_conf *c)
{
	if (c->tunnels > c->sessions)
		c->tunnels = c->sessions;
	if (c->ports == 0)
		c->ports = c->tunnels < 64 ? c->tunnels : 64;
	if (c->ports * c->n_sources > LG_SOCKS_MAX || c->port_base + c->ports > 65536) {
		lg_say("loadgen: too many source ports");
		return false;
	}
	if ((c->sessions + c->tunnels - 1) / c->tunnels > 65535) {
		lg_say("loadgen: more than 65535 sessions in one tunnel");
		return false;
	}
	return true;
}

static void catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal};
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

/* After a signal only the teardown is still done. */
static int run_steps(struct lg *g, char **step, int n)
{
	bool stopped = false;
	int status = 0;
	for (int i = 0; i < n; i++) {
		if (stopped && strncmp(step[i], "down", 4) != 0)
			continue;
		g->stop = false;
		int s = lg_step_run(g, step[i]);
		stopped |= signalled != 0;
		signalled = 0;
		if (s > status)
			status = s;
		if (s == 2)
			break;
	}
	return status;
}

/* A line from standard input, without its end; false when there is no more. */
static bool next_line(struct lg *g, char *line, int size)
{
	if (!lg_io_await_input(g)) {
		lg_say("loadgen: --interactive needs a pipe or a terminal as standard input");
		return false;
	}
	while (!g->input && signalled == 0)
		lg_turn(g, NSEC_MS(20));
	if (signalled != 0 || !fgets(line, size, stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* Lines come one at a time, each after the result of the one before. */
static int run_input(struct lg *g)
{
	char line[256];
	int status = 0;
	setvbuf(stdin, NULL, _IONBF, 0);
	while (next_line(g, line, sizeof(line))) {
		int s = lg_step_run(g, line);
		if (s > status)
			status = s;
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct lg g;
	int status = 1;

	g.conf = defaults();
	g.signal = &signalled;
	parse(&g.conf, argc, argv);
	if (!settle(&g.conf))
		return 2;
	catch_signals();
	if (lg_io_open(&g) && lg_lac_init(&g)) {
		status = run_steps(&g, argv + optind, argc - optind);
		if (g.conf.interactive && status < 2)
			status = run_input(&g);
	} else {
		lg_say("loadgen: cannot start");
	}
	lg_lac_fini(&g);
	lg_io_close(&g);
	return status;
}

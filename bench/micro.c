/*
 * micro - times the inner loops of the forwarding code, without kernel and network: header parse,
 * lookups among 1 to 1,000,000 sessions, both packet paths, joining, cutting, checksum, insertion
 * into a hash map. One line of JSON per case: ns per packet (the median of several runs) and, where
 * the machine counts them, instructions; with --callgrind valgrind counts them.
 */
#include <getopt.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/hmap.h"
#include "base/rcu.h"
#include "control/heap.h"
#include "dataplane/dp_checksum.h"
#include "dataplane/dp_down.h"
#include "dataplane/dp_merge.h"
#include "dataplane/dp_up.h"
#include "dp_segments.h"
#include "l2tp/l2tp_hdr.h"

enum {
	BATCH = 64,
	ROOM = 1600, /* bytes of one packet, our header before it */
	SUPER = 44 * 1400,
	RUNS = 7,
	RUN_NS = 60 * 1000000,
	KEYS = 1 << 16, /* different sessions in a row before the sequence begins again */
	PER_TUNNEL = 60000,
};

/* Everything that a case works on. */
struct bench {
	uint32_t sessions;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct dp_world world;
	struct l2tp_path path;
	uint32_t *pick; /* [KEYS] sessions in random order */
	unsigned at;
	struct dp_merge merge;
	struct dp_down down;
	struct dp_up_result up[BATCH];
	struct hmap map;
	struct hmap_node *nodes;
	uint8_t datagram[BATCH][ROOM];
	uint8_t packet[BATCH][ROOM];
	uint8_t whole[65536];
	size_t n[BATCH], whole_n;
	uint64_t sink; /* keeps results alive */
};

/* ---- time and instructions ------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A counter of this thread's instructions in user space, or -1. */
static int counter_open(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t counter_read(int fd)
{
	uint64_t v = 0;
	return fd >= 0 && read(fd, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

/* ---- sessions and packets -------------------------------------------------------------------- */

static struct sess_key key_of(uint32_t i)
{
	return (struct sess_key){.tid = (uint16_t)(1 + i / PER_TUNNEL),
				 .sid = (uint16_t)(1 + i % PER_TUNNEL),
				 .gen = 1};
}

static uint32_t ip_of(uint32_t i)
{
	return 0x0A400000u + i;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "micro: %s\n", what);
	exit(1);
}

static void add_session(struct bench *b, uint32_t i)
{
	struct dp_session_spec spec = {
		.key = key_of(i),
		.path = b->path,
		.peer_tid = (uint16_t)(1 + i / PER_TUNNEL),
		.peer_sid = (uint16_t)(1 + i % PER_TUNNEL),
		.flags = DP_IP4,
		.mru = 1492,
		.ip = ip_addr_v4(ip_of(i)),
	};
	struct ip_prefix p = {.addr = spec.ip, .len = 32};
	uint32_t slot = dp_slot_take_own(b->tables, 0);
	must(slot != DP_SLOT_NONE && dp_publish_own(b->tables, 0, slot, &spec), "table: no memory");
	struct dp_route_value v = {.slot = slot, .generation = dp_slot_generation(b->tables, slot)};
	must(dp_route_add_own(b->routes, &p, v), "routes: no memory");
	if (i % 1024 == 0) {
		rcu_quiescent();
		dp_table_turn_own(b->tables, 0);
		dp_routes_turn_own(b->routes);
	}
}

static void make_sessions(struct bench *b, uint32_t sessions)
{
	uint64_t x = 88172645463325252u;
	b->sessions = sessions;
	b->tables = dp_tables_new(&heap, 1);
	b->routes = dp_routes_new(&heap);
	b->pick = malloc(KEYS * sizeof(*b->pick));
	must(b->tables && b->routes && b->pick, "no memory");
	b->conf = (struct dp_conf){.mru = 1492, .icmp_rate = 5};
	b->path = (struct l2tp_path){.peer = {ip_addr_v4(0xC0000201), 1701}};
	b->world = (struct dp_world){.tables = b->tables,
				     .routes = b->routes,
				     .conf = &b->conf,
				     .counters = &b->counters,
				     .n_workers = 1,
				     .now = {NSEC_S(100)}};
	for (uint32_t i = 0; i < sessions; i++)
		add_session(b, i);
	for (unsigned i = 0; i < KEYS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		b->pick[i] = (uint32_t)(x % sessions);
	}
}

static void drop_sessions(struct bench *b)
{
	dp_routes_free(b->routes);
	dp_tables_free(b->tables);
	free(b->pick);
}

static uint32_t next_session(struct bench *b)
{
	return b->pick[b->at++ % KEYS];
}

/* A UDP packet of 64 bytes. */
static size_t small_packet(uint8_t *out, uint32_t src, uint32_t dst, uint16_t port)
{
	static const uint8_t payload[36];
	struct seg s = {.udp = true,
			.src = src,
			.dst = dst,
			.sport = port,
			.dport = 9000,
			.ttl = 64,
			.fragment = 0x4000,
			.payload = payload,
			.n = sizeof(payload)};
	return seg_make(&s, out);
}

static size_t data_header(uint8_t *out, struct sess_key k)
{
	struct wbuf w = wbuf_of(out, DP_HEADER_MAX);
	wbuf_u16(&w, L2TP_VERSION);
	wbuf_u16(&w, k.tid);
	wbuf_u16(&w, k.sid);
	wbuf_u32(&w, 0xFF030021);
	return w.n;
}

static void make_up_batch(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		uint32_t s = next_session(b);
		size_t head = data_header(b->datagram[i], key_of(s));
		b->n[i] = head + small_packet(b->datagram[i] + head, ip_of(s), 0xC6336402,
					      (uint16_t)(5001 + i));
	}
}

static void make_down_batch(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		b->n[i] = small_packet(b->packet[i] + DP_HEADER_MAX, 0xC6336402,
				       ip_of(next_session(b)), (uint16_t)(5001 + i));
}

/* Segments of one TCP flow, 1,400 bytes of payload each. */
static void make_flow(struct bench *b)
{
	static const uint8_t payload[1400];
	struct seg s = {.src = 0x0A400001,
			.dst = 0xC6336402,
			.sport = 5001,
			.dport = 80,
			.ttl = 64,
			.fragment = 0x4000,
			.flags = 0x10,
			.window = 500,
			.payload = payload,
			.n = sizeof(payload)};
	for (unsigned i = 0; i < BATCH; i++) {
		b->n[i] = seg_make(&s, b->packet[i]);
		s.seq += sizeof(payload);
	}
}

static void make_super(struct bench *b)
{
	static const uint8_t payload[SUPER];
	struct seg s = {.partial = true,
			.src = 0xC6336402,
			.dst = 0x0A400001,
			.sport = 80,
			.dport = 5001,
			.ttl = 64,
			.fragment = 0x4000,
			.flags = 0x10,
			.window = 500,
			.payload = payload,
			.n = SUPER};
	b->whole_n = seg_make(&s, b->whole);
}

static void forget_merged(void *ctx, const struct dp_merged *m)
{
	((struct bench *)ctx)->sink += m->packets;
}

static void prepare_merge(struct bench *b)
{
	struct dp_merge_env env = {.ctx = b, .write = forget_merged, .tcp = true, .udp = true};
	dp_merge_init(&b->merge, &env);
}

/* ---- cases: one call handles a batch and says how many packets that were ------------------------
 */

static void begin_parse(struct bench *b)
{
	make_up_batch(b);
}

static unsigned run_parse(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct l2tp_hdr h;
		enum drop why;
		if (l2tp_hdr_decode(span_of(b->datagram[i], b->n[i]), &h, &why))
			b->sink += h.sid;
	}
	return BATCH;
}

static unsigned run_find(struct bench *b)
{
	uint32_t keys[BATCH];
	const struct dp_session *found[BATCH];
	for (unsigned i = 0; i < BATCH; i++) {
		struct sess_key k = key_of(next_session(b));
		keys[i] = (uint32_t)k.tid << 16 | k.sid;
	}
	dp_sessions_find_rcu(b->tables, keys, BATCH, found);
	for (unsigned i = 0; i < BATCH; i++)
		b->sink += found[i]->slot;
	return BATCH;
}

static unsigned run_route(struct bench *b)
{
	uint32_t ips[BATCH];
	struct dp_route_value found[BATCH];
	for (unsigned i = 0; i < BATCH; i++)
		ips[i] = ip_of(next_session(b));
	dp_routes_find4_rcu(b->routes, ips, BATCH, found);
	for (unsigned i = 0; i < BATCH; i++)
		b->sink += found[i].slot;
	return BATCH;
}

/* Only the ids and addresses change from batch to batch, so that making packets costs little. */
static unsigned run_up(struct bench *b)
{
	struct dp_datagram in[BATCH];
	for (unsigned i = 0; i < BATCH; i++) {
		uint32_t s = next_session(b);
		size_t head = data_header(b->datagram[i], key_of(s));
		struct wbuf w = wbuf_of(b->datagram[i] + head + 12, 4);
		wbuf_u32(&w, ip_of(s));
		in[i] = (struct dp_datagram){b->datagram[i], b->n[i], &b->path};
	}
	dp_up(&b->world, in, BATCH, b->up);
	b->sink += b->up[0].n;
	return BATCH;
}

static unsigned run_down(struct bench *b)
{
	struct dp_packet in[BATCH];
	for (unsigned i = 0; i < BATCH; i++) {
		struct wbuf w = wbuf_of(b->packet[i] + DP_HEADER_MAX + 16, 4);
		wbuf_u32(&w, ip_of(next_session(b)));
		in[i] = (struct dp_packet){.p = b->packet[i] + DP_HEADER_MAX, .n = b->n[i]};
	}
	b->sink += dp_down(&b->world, &b->down, in, BATCH);
	return BATCH;
}

static void begin_merge(struct bench *b)
{
	make_flow(b);
	prepare_merge(b);
}

static void begin_apart(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		b->n[i] = small_packet(b->packet[i], 0x0A400001, 0xC6336402, (uint16_t)(5001 + i));
	prepare_merge(b);
}

static unsigned run_merge(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		dp_merge_add(&b->merge, span_of(b->packet[i], b->n[i]));
	dp_merge_flush(&b->merge);
	return BATCH;
}

static unsigned run_cut(struct bench *b)
{
	struct dp_super super = {.size = 1400, .l4 = 20};
	struct dp_cut c;
	uint8_t head[DP_CUT_HEAD_MAX];
	unsigned n = 0;
	must(dp_cut_start(&c, span_of(b->whole, b->whole_n), &super), "cannot be cut");
	for (;; n++) {
		struct wbuf w = wbuf_of(head, sizeof(head));
		struct span payload = dp_cut_next(&c, &w);
		if (payload.n == 0)
			break;
		b->sink += head[16];
	}
	return n;
}

static unsigned run_checksum(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		b->sink += dp_sum_fold(dp_sum(i, span_of(b->packet[i], 1400)));
	return BATCH;
}

static void begin_insert(struct bench *b)
{
	hmap_init(&b->map, &heap);
	b->nodes = calloc(b->sessions, sizeof(*b->nodes));
	must(b->nodes != NULL, "no memory");
}

/* Fills a map and throws it away. */
static unsigned run_insert(struct bench *b)
{
	for (uint32_t i = 0; i < b->sessions; i++)
		must(hmap_insert(&b->map, &b->nodes[i], hash_u64(i)), "no memory");
	hmap_fini(&b->map);
	return b->sessions;
}

static void end_insert(struct bench *b)
{
	free(b->nodes);
}

struct micro_case {
	const char *name;
	void (*begin)(struct bench *b);
	unsigned (*run)(struct bench *b);
	void (*end)(struct bench *b);
	bool levels; /* depends on the number of sessions */
};

static const struct micro_case cases[] = {
	{"parse", begin_parse, run_parse, NULL, false},
	{"lookup-session", NULL, run_find, NULL, true},
	{"lookup-address", NULL, run_route, NULL, true},
	{"up-64", make_up_batch, run_up, NULL, true},
	{"down-64", make_down_batch, run_down, NULL, true},
	{"merge-one-flow", begin_merge, run_merge, NULL, false},
	{"merge-no-flow", begin_apart, run_merge, NULL, false},
	{"cut-1400", make_super, run_cut, NULL, false},
	{"checksum-1400", make_flow, run_checksum, NULL, false},
	{"hmap-insert", begin_insert, run_insert, end_insert, true},
};

/* ---- measuring
 * ----------------------------------------------------------------------------------- */

/* What callgrind counts: nothing outside this function. */
__attribute__((noinline)) static uint64_t measured(const struct micro_case *c, struct bench *b,
						   uint64_t until_ns, unsigned calls)
{
	uint64_t packets = 0;
	for (unsigned i = 0; calls ? i < calls : clock_ns(CLOCK_MONOTONIC) < until_ns; i++)
		packets += c->run(b);
	return packets;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void report(const struct micro_case *c, const struct bench *b, double ns,
		   double instructions)
{
	printf("{\"case\": \"%s\", \"sessions\": %u", c->name, b->sessions);
	if (ns > 0)
		printf(", \"ns\": %.2f", ns);
	if (instructions > 0)
		printf(", \"instructions\": %.1f", instructions);
	printf("}\n");
	fflush(stdout);
}

static void time_case(const struct micro_case *c, struct bench *b, int counter)
{
	double ns[RUNS], instructions[RUNS];
	/* warms caches and branch predictors; later, only time on the CPU counts */
	measured(c, b, clock_ns(CLOCK_MONOTONIC) + RUN_NS / 2, 0);
	for (unsigned i = 0; i < RUNS; i++) {
		uint64_t before = counter_read(counter), start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		double packets = (double)measured(c, b, clock_ns(CLOCK_MONOTONIC) + RUN_NS, 0);
		ns[i] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / packets;
		instructions[i] = (double)(counter_read(counter) - before) / packets;
	}
	qsort(ns, RUNS, sizeof(ns[0]), by_value);
	qsort(instructions, RUNS, sizeof(instructions[0]), by_value);
	report(c, b, ns[RUNS / 2], instructions[RUNS / 2]);
}

/* Runs this program again under valgrind, with so many calls; what it collected. */
static double collected(const char *self, const char *name, uint32_t sessions, unsigned calls)
{
	char command[1024], line[256];
	double count = 0;
	snprintf(command, sizeof(command),
		 "valgrind --tool=callgrind --callgrind-out-file=/dev/null "
		 "--toggle-collect=measured '%s' --fixed %u --sessions %u %s 2>&1",
		 self, calls, sessions, name);
	FILE *f = popen(command, "re");
	must(f != NULL, "cannot run valgrind");
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "Collected :");
		if (at)
			count = strtod(at + strlen("Collected :"), NULL);
	}
	pclose(f);
	must(count > 0, "valgrind counted nothing: is it installed?");
	return count;
}

static void count_case(const char *self, const struct micro_case *c, struct bench *b)
{
	enum { CALLS = 10 };
	double packets = (double)measured(c, b, 0, CALLS);
	report(c, b, 0, collected(self, c->name, b->sessions, CALLS) / packets);
}

/* ---- from the command line
 * -------------------------------------------------------------------------- */

static const char help[] =
	"usage: micro [--sessions N[,N...]] [--callgrind] [CASE...]\n"
	"\n"
	"Times the inner loops of the forwarding code; a line of JSON for each: ns per packet, "
	"and\n"
	"instructions where the processor counts them for us.\n"
	"\n"
	"  --sessions N,...  for the cases that depend on it (1,1000,60000,1000000)\n"
	"  --callgrind       instructions only, counted by valgrind (slow: --sessions 1,1000)\n"
	"  --fixed CALLS     so many batches, nothing printed (for a profiler)\n"
	"Cases (all of them):";

struct options {
	const char *self;
	bool callgrind;
	unsigned fixed;
	uint32_t sessions[8];
	unsigned n_sessions;
};

static void run_case(const struct options *o, const struct micro_case *c, struct bench *b,
		     int counter)
{
	if (c->begin)
		c->begin(b);
	if (o->fixed)
		measured(c, b, 0, o->fixed);
	else if (o->callgrind)
		count_case(o->self, c, b);
	else
		time_case(c, b, counter);
	if (c->end)
		c->end(b);
}

static bool is_wanted(const struct micro_case *c, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], c->name) == 0)
			return true;
	return n == 0;
}

/* The first name that is no case's; NULL when all are. */
static const char *unknown_name(char **names, int n)
{
	const size_t n_cases = sizeof(cases) / sizeof(cases[0]);

	for (int i = 0; i < n; i++) {
		size_t c = 0;
		while (c < n_cases && strcmp(names[i], cases[c].name) != 0)
			c++;
		if (c == n_cases)
			return names[i];
	}
	return NULL;
}

static void run_level(const struct options *o, unsigned level, char **names, int n, int counter)
{
	struct bench *b = calloc(1, sizeof(*b));
	must(b != NULL, "no memory");
	make_sessions(b, o->sessions[level]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (is_wanted(&cases[i], names, n) && (cases[i].levels || level == 0))
			run_case(o, &cases[i], b, counter);
	drop_sessions(b);
	free(b);
}

static void parse_sessions(struct options *o, char *text)
{
	char *save = NULL;
	o->n_sessions = 0;
	for (char *w = strtok_r(text, ",", &save); w && o->n_sessions < 8;
	     w = strtok_r(NULL, ",", &save))
		o->sessions[o->n_sessions++] = (uint32_t)strtoul(w, NULL, 10);
}

static void usage(FILE *to)
{
	fputs(help, to);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		fprintf(to, " %s", cases[i].name);
	fputc('\n', to);
}

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
						{"callgrind", no_argument, NULL, 'c'},
						{"fixed", required_argument, NULL, 'f'},
						{"sessions", required_argument, NULL, 's'},
						{NULL, 0, NULL, 0}};
	int c;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(0);
		} else if (c == 'c') {
			o->callgrind = true;
		} else if (c == 'f') {
			o->fixed = (unsigned)strtoul(optarg, NULL, 10);
		} else if (c == 's') {
			parse_sessions(o, optarg);
		} else {
			return false;
		}
	}
	for (unsigned i = 0; i < o->n_sessions; i++)
		if (o->sessions[i] == 0 || o->sessions[i] > 1 << 20)
			return false;
	return o->n_sessions > 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.self = argv[0], .sessions = {1, 1000, 60000, 1000000}, .n_sessions = 4};
	if (!parse(&o, argc, argv)) {
		usage(stderr);
		return 2;
	}
	const char *unknown = unknown_name(argv + optind, argc - optind);
	if (unknown) {
		fprintf(stderr, "micro: no case \"%s\"; micro --help lists them\n", unknown);
		return 2;
	}
	int counter = counter_open();
	rcu_thread_start();
	for (unsigned i = 0; i < o.n_sessions; i++)
		run_level(&o, i, argv + optind, argc - optind, counter);
	rcu_thread_stop();
	if (counter >= 0)
		close(counter);
	return 0;
}

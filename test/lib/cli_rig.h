/*
 * cli_rig.h - the command line with a core of 200 sessions and a control thread behind it, and
 * terminals that dial it, in a network namespace of their own.
 */
#ifndef LNS_CLI_RIG_H
#define LNS_CLI_RIG_H

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/cli.h"
#include "control/conf_parse.h"
#include "control/core.h"
#include "radius/rad_client.h"
#include "test_alloc.h"

/* ---- a core of 200 sessions in two tunnels --------------------------------------------------- */

enum { SESSIONS = 200 };

static unsigned dropped_sessions, dropped_users, dropped_tunnels;
static struct sess_key last_dropped;
static struct sess_policy policy3; /* of session 3 */

/* Session i has sid i/2+1 in tunnel 7 (even i) or 9 (odd i). */
static inline void made_up(unsigned i, struct session_view *v)
{
	*v = (struct session_view){
		.key = {.tid = i % 2 ? 9 : 7, .sid = (uint16_t)(i / 2 + 1), .gen = i + 1},
		.authenticated = true,
		.up = true,
		.ip = ip_addr_v4(0x0A0A0A00u + i + 1)};
	v->user_len = (uint8_t)snprintf((char *)v->user, sizeof(v->user), "user%u", i);
	v->path.peer = (struct sock_addr){ip_addr_v4(0xC0000201u), 1701};
	if (i == 3)
		v->policy = policy3;
}

bool core_set_policy(struct core *c, struct sess_key key, const struct sess_policy *policy)
{
	(void)c;
	assert_int_equal(key.gen, 4);
	policy3 = *policy;
	return true;
}

bool core_session_shapers(struct core *c, struct sess_key key, struct core_shaper out[2])
{
	(void)c;
	(void)key;
	out[0] = (struct core_shaper){.packets = 1, .queued = 17};
	out[1] = (struct core_shaper){.dropped = 4711};
	return true;
}

bool core_session_next(struct core *c, uint64_t *cursor, nsec now, struct session_view *out)
{
	(void)c;
	(void)now;
	if (*cursor >= SESSIONS)
		return false;
	made_up((unsigned)(*cursor)++, out);
	return true;
}

bool core_session_find(struct core *c, uint16_t tid, uint16_t sid, nsec now,
		       struct session_view *out)
{
	(void)c;
	(void)now;
	if ((tid != 7 && tid != 9) || sid < 1 || sid > SESSIONS / 2)
		return false;
	made_up((sid - 1u) * 2 + (tid == 9), out);
	return true;
}

bool core_session_by_user(struct core *c, struct span user, uint64_t *cursor, nsec now,
			  struct session_view *out)
{
	while (core_session_next(c, cursor, now, out))
		if (span_equal(user, span_of(out->user, out->user_len)))
			return true;
	return false;
}

bool core_session_by_ip(struct core *c, const struct ip_addr *ip, nsec now,
			struct session_view *out)
{
	uint64_t cursor = 0;
	while (core_session_next(c, &cursor, now, out))
		if (ip_addr_equal(ip, &out->ip))
			return true;
	return false;
}

bool core_tunnel_next(struct core *c, uint32_t *cursor, nsec now, struct tunnel_view *out)
{
	return *cursor < 2 && core_tunnel_find(c, (*cursor)++ ? 9 : 7, now, out);
}

bool core_tunnel_find(struct core *c, uint16_t tid, nsec now, struct tunnel_view *out)
{
	(void)c;
	(void)now;
	*out = (struct tunnel_view){.tid = tid, .state = TUNNEL_OPEN, .sessions = SESSIONS / 2};
	out->path.peer = (struct sock_addr){ip_addr_v4(0xC0000201u), 1701};
	return tid == 7 || tid == 9;
}

void core_totals(const struct core *c, struct core_totals *out)
{
	(void)c;
	*out = (struct core_totals){.sessions = SESSIONS, .authenticated = SESSIONS};
}

/* A client with a server of its own for logins, one request sent and one that waits. */
static struct rad_client *radius;
static struct test_alloc radius_memory;

static inline void no_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 0x55, n);
}

static inline void no_send(void *ctx, unsigned sock, const struct sock_addr *to,
			   const struct ip_addr *from, struct span data)
{
	(void)ctx;
	(void)sock;
	(void)to;
	(void)from;
	(void)data;
}

static inline void no_close(void *ctx, unsigned sock)
{
	(void)ctx;
	(void)sock;
}

static inline void radius_start(void)
{
	static struct counters counters;
	struct rad_client_env env = {.alloc = &radius_memory.alloc,
				     .counters = &counters,
				     .random = no_random,
				     .send = no_send,
				     .close = no_close};
	struct rad_client_conf conf = {.n_servers = 1,
				       .max_sockets = 4,
				       .tries = 1,
				       .timeout_ms = 1000,
				       .timeout_max_ms = 1000,
				       .window = 1};
	struct rad_ask ask = {.kind = RAD_AUTH, .cookie = 5};

	conf.servers[0].addr[RAD_AUTH] = (struct sock_addr){ip_addr_v4(0xC0000205), 1812};
	conf.servers[0].not_for[RAD_ACCT] = true;
	snprintf(conf.servers[0].secret, sizeof(conf.servers[0].secret), "hush");
	test_alloc_init(&radius_memory);
	radius = rad_client_new(&env, &conf, NSEC_ZERO);
	assert_non_null(rad_client_ask(radius, &ask, NSEC_ZERO));
	assert_non_null(rad_client_ask(radius, &ask, NSEC_ZERO));
}

static inline void radius_stop(void)
{
	rad_client_free(radius);
	assert_int_equal(radius_memory.blocks, 0);
}

const struct rad_client *core_radius(const struct core *c)
{
	(void)c;
	return radius;
}

bool core_radius_session(const struct core *c, uint64_t cookie, struct sess_key *out)
{
	(void)c;
	*out = (struct sess_key){.tid = 7, .sid = (uint16_t)cookie, .gen = 1};
	return true;
}

bool core_session_extra(struct core *c, struct sess_key key, struct session_extra *out)
{
	(void)c;
	*out = (struct session_extra){.n_tunnels = 1};
	out->v6.has_interface_id = true;
	out->v6.prefix = (struct ip_prefix){.addr = {.family = 6, .b = {0x20, 1}}, .len = 64};
	out->v6.delegated[out->v6.n_delegated++] = out->v6.prefix;
	out->tunnels[0] = (struct aaa_tunnel){.tag = 1, .type = 3, .server_endpoint = "192.0.2.7"};
	return key.sid == 5;
}

void core_acct_view(const struct core *c, struct core_acct_view *out)
{
	(void)c;
	*out = (struct core_acct_view){.journal = true, .waiting = 3, .journal_depth = 4};
}

bool core_drop_session(struct core *c, struct sess_key key, const struct end_reason *why, nsec now)
{
	(void)c;
	(void)now;
	assert_int_equal(why->cdn_result, 3);
	last_dropped = key;
	dropped_sessions++;
	return true;
}

unsigned core_drop_user(struct core *c, struct span user, const struct end_reason *why, nsec now)
{
	(void)c;
	(void)now;
	(void)why;
	dropped_users++;
	return span_equal(user, span_str("user3")) ? 1 : 0;
}

bool core_drop_tunnel(struct core *c, uint16_t tid, nsec now)
{
	(void)c;
	(void)now;
	dropped_tunnels++;
	return tid == 9;
}

void core_query_session(struct core *c, struct sess_key key,
			void (*done)(void *arg, const struct msg_session_info *info), void *arg,
			nsec now)
{
	struct msg_session_info info = {
		.key = key, .found = true, .phase = 3, .ipcp = 9, .mru = 1462};
	(void)c;
	(void)now;
	done(arg, &info);
}

void core_query_tunnel(struct core *c, uint16_t tid,
		       void (*done)(void *arg, const struct msg_tunnel_info *info), void *arg,
		       nsec now)
{
	struct msg_tunnel_info info = {.tid = tid, .found = true, .ns = 11, .nr = 12};
	(void)c;
	(void)now;
	done(arg, &info);
}

/* Those of tunnel 9 never answer. */
void core_ping_session(struct core *c, struct sess_key key,
		       void (*done)(void *arg, const struct msg_session_pong *pong), void *arg,
		       nsec now)
{
	struct msg_session_pong pong = {
		.key = key, .sent = true, .answered = key.tid == 7, .rtt_ns = 1500000};
	(void)c;
	(void)now;
	done(arg, &pong);
}

bool core_set_tap(struct core *c, struct sess_key key, bool on)
{
	(void)c;
	(void)key;
	(void)on;
	return true;
}

unsigned core_trace_start(struct core *c, struct span user, nsec now)
{
	(void)c;
	(void)now;
	return span_equal(user, span_str("user0")) ? 1 : 0;
}

static _Atomic unsigned traces_ended, lines_taken;

void core_trace_end(struct core *c, unsigned id)
{
	(void)c;
	assert_int_equal(id, 1);
	traces_ended++;
}

bool core_trace_next(struct core *c, unsigned id, struct trace_view *out)
{
	(void)c;
	assert_int_equal(id, 1);
	*out = (struct trace_view){.at_ns = 1500000000, .text = "LCP    -> Configure-Request id 1"};
	return lines_taken++ % 2 == 0;
}

/* ---- a control thread ------------------------------------------------------------------------ */

static bool have_namespace; /* see rig_begin() */
static struct test_alloc memory;
static struct request_queue *queue;
static struct conf *conf;
static struct ippool *pool;
static struct counters block;
static const struct counters *const blocks[] = {&block};
static struct rates_view rates;
static _Atomic bool ending;
static pthread_t control;
static struct cli_server *server;
static _Atomic unsigned applied, shutdowns;
static char conf_path[64], socket_path[108];

static inline void *control_thread(void *arg)
{
	(void)arg;
	while (!ending) {
		struct pollfd p = {.fd = request_fd(queue), .events = POLLIN};
		poll(&p, 1, 20);
		request_serve(queue, NULL, (nsec){NSEC_S(1)});
	}
	return NULL;
}

static inline const struct conf *get_conf(void *ctx)
{
	(void)ctx;
	return conf;
}

static inline const struct ippool *get_pool(void *ctx)
{
	(void)ctx;
	return pool;
}

static inline const struct rates_view *get_rates(void *ctx)
{
	(void)ctx;
	return &rates;
}

static inline unsigned workers(void *ctx, struct worker_view *out)
{
	(void)ctx;
	out[0] = (struct worker_view){.cpu = -1, .load = 123, .up_rate = 4567};
	out[1] = (struct worker_view){.number = 1, .cpu = 3, .taken_over = 99};
	return 2;
}

static inline void about(void *ctx, struct cli_about *out)
{
	(void)ctx;
	*out = (struct cli_about){"9.9.9", 4, "full", "session", "map", true, "core"};
}

/* The configuration belongs to the control thread: other threads ask. */
struct asked {
	uint32_t debug;
	char secret[LNS_SECRET_MAX];
};

static inline void look_at_conf(struct core *core, nsec now, void *arg)
{
	struct asked *a = arg;

	(void)core;
	(void)now;
	a->debug = conf->debug;
	snprintf(a->secret, sizeof(a->secret), "%s", conf->l2tp_secret);
}

static inline struct asked asked(void)
{
	struct asked a = {0};

	assert_true(request_run(queue, look_at_conf, &a));
	return a;
}

static inline void apply(void *ctx, struct conf_bundle *b, nsec now)
{
	(void)ctx;
	(void)now;
	struct conf_bundle old = {.conf = conf};
	conf = b->conf;
	b->conf = NULL;
	old.users = cli_server_update(server, conf, b->users);
	b->users = NULL;
	cli_server_replaced(server, &old);
	conf_bundle_free(&old);
	conf_bundle_free(b);
	applied++;
}

static inline void count_shutdown(void *ctx)
{
	(void)ctx;
	shutdowns++;
}

static inline void nothing_changed(void *ctx)
{
	(void)ctx;
}

static inline void ignore_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static inline void ignore_report(void *ctx, uint32_t line, enum conf_severity severity,
				 const char *reason)
{
	(void)ctx;
	(void)line;
	(void)severity;
	(void)reason;
}

static inline uint16_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	close(fd);
	return ntohs(at.sin_port);
}

static inline struct cli_users *users_of(const char *const *lines)
{
	char reason[96];
	struct cli_users *u = cli_users_new(&memory.alloc);
	for (; *lines; lines++)
		assert_true(cli_users_add_line(u, span_str(*lines), reason));
	return u;
}

static inline void start(const char *const *user_lines, unsigned idle_s)
{
	char text[512], reason[160];
	snprintf(text, sizeof(text),
		 "set cli_port %u\nset cli_idle_timeout %u\nset cli_max_connections 3\n"
		 "set l2tp_secret hunter2\nset cli_bind_address %s\nset cli_socket \"%s\"\n",
		 free_port(), idle_s, have_namespace ? "0.0.0.0" : "127.0.0.1", socket_path);
	test_alloc_init(&memory);
	conf = conf_load(&memory.alloc, span_str(text),
			 &(struct conf_report){.say = ignore_report});
	pool = ippool_new(&memory.alloc);
	queue = request_queue_new();
	ending = false;
	assert_int_equal(pthread_create(&control, NULL, control_thread, NULL), 0);
	struct cli_env env = {.requests = queue,
			      .hostname = "lns",
			      .counters = blocks,
			      .n_counters = 1,
			      .conf = get_conf,
			      .pool = get_pool,
			      .rates = get_rates,
			      .about = about,
			      .workers = workers,
			      .apply = apply,
			      .conf_path = conf_path,
			      .alloc = &memory.alloc,
			      .traces_changed = nothing_changed,
			      .shutdown = count_shutdown,
			      .log = ignore_log};
	server = cli_server_start(&env, conf, user_lines ? users_of(user_lines) : NULL, reason);
	if (!server)
		fail_msg("%s", reason);
}

static inline void stop(void)
{
	ending = true;
	pthread_join(control, NULL);
	request_shutdown(queue);
	cli_server_stop(server);
	request_queue_free(queue);
	ippool_free(pool);
	conf_free(conf);
	assert_int_equal(memory.blocks, 0);
}

/* ---- a terminal ------------------------------------------------------------------------------ */

struct terminal {
	int fd;
	size_t n;
	char text[1 << 20]; /* since the last prompt */
};

enum { REMOTE = 0x0A010101 }; /* our other address, 10.1.1.1 */
static bool remote;	      /* use it */

static inline void dial(struct terminal *t)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)conf->cli_port),
				 .sin_addr.s_addr = htonl(remote ? REMOTE : INADDR_LOOPBACK)};
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	t->n = 0;
	assert_int_equal(connect(t->fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* Reads until the text ends with `end`; false when the connection ends first. */
static inline bool read_until(struct terminal *t, const char *end)
{
	t->n = 0;
	for (;;) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};
		if (poll(&p, 1, 15000) != 1)
			fail_msg("silence, after: %s", t->text);
		ssize_t n = read(t->fd, t->text + t->n, sizeof(t->text) - 1 - t->n);
		if (n <= 0)
			return false;
		t->n += (size_t)n;
		t->text[t->n] = '\0';
		if (t->n >= strlen(end) && strcmp(t->text + t->n - strlen(end), end) == 0)
			return true;
	}
}

static inline const char *type(struct terminal *t, const char *line, const char *end)
{
	assert_int_equal(write(t->fd, line, strlen(line)), strlen(line));
	assert_int_equal(write(t->fd, "\r\n", 2), 2);
	assert_true(read_until(t, end));
	return t->text;
}

static inline void assert_shows(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static inline unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;
	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static struct terminal terminal;

static inline const char *run(const char *line)
{
	return type(&terminal, line, "lns> ");
}
static inline const char *run_privileged(const char *line)
{
	return type(&terminal, line, "lns# ");
}

/* ---- the configuration ----------------------------------------------------------------------- */

static inline const char *run_config(const char *line)
{
	return type(&terminal, line, "lns(config)# ");
}

/* A file with this text, removed by forget_file(). */
static inline void make_file(const char *text)
{
	snprintf(conf_path, sizeof(conf_path), "/tmp/test_cli.XXXXXX");
	int fd = mkstemp(conf_path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(chmod(conf_path, 0640), 0);
}

static inline void write_file(const char *text)
{
	FILE *f = fopen(conf_path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline const char *file_text(void)
{
	static char text[16384];
	FILE *f = fopen(conf_path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static inline void forget_file(void)
{
	unlink(conf_path);
	conf_path[0] = '\0';
}

static inline void privileged_terminal(void)
{
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	run_privileged("enable");
}

/* A network of our own, with an address beside 127.0.0.1. */
static inline bool enter_namespace(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(REMOTE)};

	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	r.ifr_flags = IFF_UP | IFF_LOOPBACK;
	bool ok = ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "lo:1");
	memcpy(&r.ifr_addr, &at, sizeof(at));
	ok = ok && ioctl(fd, SIOCSIFADDR, &r) == 0;
	close(fd);
	return ok;
}

/* Before and after all tests of a program: its namespace, a RADIUS client. */
static inline int rig_begin(void **state)
{
	(void)state;
	have_namespace = enter_namespace();
	radius_start();
	return 0;
}

static inline int rig_end(void **state)
{
	(void)state;
	radius_stop();
	return 0;
}

#endif

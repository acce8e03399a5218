/* The command line over a loopback connection, with a control thread whose core is made up here. */
#include "control/cli.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cmocka.h>
#include <jansson.h>

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
static void made_up(unsigned i, struct session_view *v)
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

static void no_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 0x55, n);
}

static void no_send(void *ctx, unsigned sock, const struct sock_addr *to,
		    const struct ip_addr *from, struct span data)
{
	(void)ctx;
	(void)sock;
	(void)to;
	(void)from;
	(void)data;
}

static void no_close(void *ctx, unsigned sock)
{
	(void)ctx;
	(void)sock;
}

static void radius_start(void)
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

static void radius_stop(void)
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

static bool have_namespace; /* see main() */
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

static void *control_thread(void *arg)
{
	(void)arg;
	while (!ending) {
		struct pollfd p = {.fd = request_fd(queue), .events = POLLIN};
		poll(&p, 1, 20);
		request_serve(queue, NULL, (nsec){NSEC_S(1)});
	}
	return NULL;
}

static const struct conf *get_conf(void *ctx)
{
	(void)ctx;
	return conf;
}

static const struct ippool *get_pool(void *ctx)
{
	(void)ctx;
	return pool;
}

static const struct rates_view *get_rates(void *ctx)
{
	(void)ctx;
	return &rates;
}

static unsigned workers(void *ctx, struct worker_view *out)
{
	(void)ctx;
	out[0] = (struct worker_view){.cpu = -1, .load = 123, .up_rate = 4567};
	out[1] = (struct worker_view){.number = 1, .cpu = 3, .taken_over = 99};
	return 2;
}

static void about(void *ctx, struct cli_about *out)
{
	(void)ctx;
	*out = (struct cli_about){"9.9.9", 4, "full", "session", "map", true};
}

/* The configuration belongs to the control thread: other threads ask. */
struct asked {
	uint32_t debug;
	char secret[LNS_SECRET_MAX];
};

static void look_at_conf(struct core *core, nsec now, void *arg)
{
	struct asked *a = arg;

	(void)core;
	(void)now;
	a->debug = conf->debug;
	snprintf(a->secret, sizeof(a->secret), "%s", conf->l2tp_secret);
}

static struct asked asked(void)
{
	struct asked a = {0};

	assert_true(request_run(queue, look_at_conf, &a));
	return a;
}

static void apply(void *ctx, struct conf_bundle *b, nsec now)
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

static void count_shutdown(void *ctx)
{
	(void)ctx;
	shutdowns++;
}

static void nothing_changed(void *ctx)
{
	(void)ctx;
}

static void ignore_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void ignore_report(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	(void)line;
	(void)severity;
	(void)reason;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	close(fd);
	return ntohs(at.sin_port);
}

static struct cli_users *users_of(const char *const *lines)
{
	char reason[96];
	struct cli_users *u = cli_users_new(&memory.alloc);
	for (; *lines; lines++)
		assert_true(cli_users_add_line(u, span_str(*lines), reason));
	return u;
}

static void start(const char *const *user_lines, unsigned idle_s)
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

static void stop(void)
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

static void dial(struct terminal *t)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)conf->cli_port),
				 .sin_addr.s_addr = htonl(remote ? REMOTE : INADDR_LOOPBACK)};
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	t->n = 0;
	assert_int_equal(connect(t->fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* Reads until the text ends with `end`; false when the connection ends first. */
static bool read_until(struct terminal *t, const char *end)
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

static const char *type(struct terminal *t, const char *line, const char *end)
{
	assert_int_equal(write(t->fd, line, strlen(line)), strlen(line));
	assert_int_equal(write(t->fd, "\r\n", 2), 2);
	assert_true(read_until(t, end));
	return t->text;
}

static void assert_shows(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;
	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static struct terminal terminal;

static const char *run(const char *line)
{
	return type(&terminal, line, "lns> ");
}
static const char *run_privileged(const char *line)
{
	return type(&terminal, line, "lns# ");
}

static void privileged_terminal(void);
static void make_file(const char *text);
static void forget_file(void);
static const char *run_config(const char *line);

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_local_connection_needs_no_login(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show version"), "L2TPNS 9.9.9\r\n");
	assert_shows(run("sh ver"), "Workers: 4\r\n");
	assert_shows(run("nonsense"), "Invalid command \"nonsense\"");
	write(terminal.fd, "quit\r\n", 6);
	assert_false(read_until(&terminal, "never"));
	close(terminal.fd);
	stop();
}

static void listings_are_whole(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	const char *text = run("show session");
	assert_shows(text, "SID LkToSID   TID Username");
	assert_shows(text, "user0 ");
	assert_shows(text, "user199 ");
	assert_int_equal(count_of(text, "(L)192.0.2.1"), SESSIONS);
	assert_int_equal(count_of(run("show users"), "\r\nuser"), SESSIONS);
	assert_shows(run("show session | count"), "201\r\n");
	assert_shows(run("show tunnels"), "   7               (null)            192.0.2.1   Open");
	assert_shows(run("show pool"), "Used: 0");
	assert_shows(run("show counters"), "radius_retries");
	assert_shows(run("uptime"), "200 users, load average");
	close(terminal.fd);
	stop();
}

static void an_id_finds_all_sessions_that_have_it(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	const char *text = run("show session 5");
	assert_shows(text, "IPv6 prefix        2001::/64\r\n");
	assert_shows(text, "IPv6 interface     0000:0000:0000:0000\r\n");
	assert_shows(text,
		     "Tunnel granted     tag 1 type 3 medium 0 preference 0 to 192.0.2.7 as -");
	assert_shows(text, "user8\r\n");
	assert_shows(text, "user9\r\n");
	text = run("show session 9/5");
	assert_null(strstr(text, "user8\r\n"));
	assert_shows(text, "user9\r\n");
	assert_shows(text, "IPCP state:     Opened");
	assert_shows(run("show session 70000"), "Invalid session id \"70000\"");
	assert_shows(run("show session 5000"), "Session 5000 is not active");
	assert_shows(run("show users user3"), "Session 2:");
	assert_shows(run("show users nobody"), "User nobody is not connected");
	assert_shows(run("show tunnels 9"), "Next Recv:      12");
	assert_shows(run("show tunnels 8"), "Tunnel 8 is not active");
	close(terminal.fd);
	stop();
}

static void only_the_privileged_change_things(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("drop tunnel 9"), "Invalid command");
	assert_shows(run("show running-config"), "Invalid command");
	assert_shows(run("write terminal"), "set l2tp_secret \"********\"");
	run_privileged("enable");
	assert_shows(run_privileged("show running-config"), "set l2tp_secret \"hunter2\"");
	assert_shows(run_privileged("drop tunnel 9"), "Tunnel 9 shut down");
	assert_shows(run_privileged("drop tunnel 8 x"), "Tunnel 8 is not active");
	assert_int_equal(dropped_tunnels, 2);
	assert_shows(run_privileged("drop session 5"), "several tunnels, say TID/5");
	assert_int_equal(dropped_sessions, 0);
	assert_shows(run_privileged("drop session 9/5"), "Dropping session 9/5");
	assert_int_equal(dropped_sessions, 1);
	assert_int_equal(last_dropped.tid, 9);
	assert_shows(run_privileged("drop user user3"), "Dropping user user3 (1 session)");
	assert_shows(run_privileged("drop user nobody"), "User nobody is not connected");
	run_privileged("shutdown");
	assert_int_equal(shutdowns, 1);
	close(terminal.fd);
	stop();
}

static void users_are_throttled(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("throttle user3"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("throttle user3"), "Throttling user user3");
	assert_int_equal(policy3.rate_up, 28000);
	assert_int_equal(policy3.rate_down, 28000);
	assert_shows(run_privileged("throttle user3 in 5"), "already throttled in");
	assert_shows(run_privileged("no throttle user3"), "Unthrottling user user3");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("throttle user3 out 18446744073709551"), "Throttling");
	assert_int_equal(policy3.rate_up, 0);
	assert_true(policy3.rate_down == UINT64_C(18446744073709551000));
	assert_shows(run_privileged("throttle user3 in 64"), "Throttling");
	const char *text = run_privileged("show throttle");
	assert_shows(text,
		     "user3                                    64 18446744073709551       17");
	assert_shows(text, "4711\r\n1 throttled");
	assert_shows(run_privileged("show throttle json"), "\"rate\":64000");
	assert_shows(run_privileged("show session 9/2"), "YES (64kbps/18446744073709551kbps)");
	run_privileged("no throttle user3");
	assert_shows(run_privileged("throttle user3 in 1 out 2"), "Throttling");
	assert_int_equal(policy3.rate_up, 1000);
	assert_int_equal(policy3.rate_down, 2000);
	assert_shows(run_privileged("throttle nobody"), "User nobody is not connected");
	static const char *const wrong[] = {"0",    "-1",	"x",   "18446744073709552",
					    "in",   "in 1 out", "1 2", "in 1 in 2",
					    "up 3", "in 0"};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[80];
		run_privileged("no throttle user3");
		snprintf(line, sizeof(line), "throttle user3 %s", wrong[i]);
		run_privileged(line);
		assert_true(sess_policy_is_empty(&policy3));
	}
	close(terminal.fd);
	stop();
}

static void users_are_filtered(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	struct conf_report quiet = {.say = ignore_report};
	struct conf *edited = conf_edit(
		conf, span_str("ip access-list extended web\n permit tcp any any eq 80\n"), &quiet);
	conf_free(conf);
	conf = edited;
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("filter user3 in web"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("filter user3 in nolist"), "nolist is not defined");
	assert_shows(run_privileged("filter user3"), "Usage");
	assert_shows(run_privileged("filter user3 up web"), "Usage");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("filter user3 in web"), "Filtering user user3");
	assert_string_equal(policy3.filter_in, "web");
	assert_string_equal(policy3.filter_out, "");
	assert_shows(run_privileged("filter user3 in web"), "has a filter in already");
	assert_shows(run_privileged("filter user3 out web"), "Filtering");
	assert_string_equal(policy3.filter_out, "web");
	assert_shows(run_privileged("show session 9/2"), "Filter in:");
	assert_shows(run_privileged("no filter user3"), "Removed all filters");
	assert_true(sess_policy_is_empty(&policy3));
	close(terminal.fd);
	stop();
}

static void only_the_privileged_see_interception(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	run_privileged("enable");
	assert_shows(run_privileged("snoop user3"), "snoop_host and snoop_port are not set");
	assert_shows(run_privileged("snoop user3 1.2.3.4"), "Usage");
	assert_shows(run_privileged("snoop user3 1.2.3 99"), "Usage");
	assert_shows(run_privileged("snoop user3 1.2.3.4 65536"), "Usage");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("snoop user3 192.0.2.9 5555"), "Snooping user user3");
	assert_int_equal(policy3.intercept.port, 5555);
	assert_shows(run_privileged("show session 9/2"), "192.0.2.9:5555");
	assert_shows(run_privileged("show session json"), "192.0.2.9:5555");
	run("disable");
	assert_null(strstr(run("show session 9/2"), "5555"));
	assert_null(strstr(run("show session json"), "5555"));
	assert_null(strstr(run("show users user3"), "5555"));
	assert_shows(run("no snoop user3"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("no snoop user3"), "Not snooping user user3");
	assert_true(sess_policy_is_empty(&policy3));
	close(terminal.fd);
	stop();
}

static void cleared_counters_start_at_zero(void **state)
{
	(void)state;
	start(NULL, 600);
	counter_add(&block, C_IP_ALLOCATED, 41);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show counters"), "ip_allocated                  41\r\n");
	run_privileged("enable");
	run_privileged("clear counters");
	counter_add(&block, C_IP_ALLOCATED, 1);
	assert_shows(run_privileged("show counters"), "ip_allocated                  1\r\n");
	close(terminal.fd);
	stop();
}

static void the_enable_password_is_asked_for(void **state)
{
	(void)state;
	static const char *const users[] = {"enable:{crypt}$6$ab$7A4bb9DeB/4mb6IBJVVgjQRv0BjKrGFDr"
					    "z6o0DWXJOnZfzWRhoPN4PlxWZ1Yt5B8BuDvaHpTPLyz2o8/E3XYu1",
					    "enable:sesame", NULL};
	start(users, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	type(&terminal, "enable", "Password: ");
	assert_shows(run("wrong"), "Access denied");
	type(&terminal, "enable", "Password: ");
	run_privileged("sesame");
	close(terminal.fd);
	stop();
}

/* From another address than 127.0.0.1, within our own network namespace. */
static void a_remote_connection_needs_a_login(void **state)
{
	(void)state;
	static const char *const users[] = {"fred:{crypt}$1$aa$xJg7NtMUmGu7nPzLq1Vm41",
					    "joe:secret", "enable:sesame", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	remote = true;
	dial(&terminal);
	assert_true(read_until(&terminal, "Username: "));
	type(&terminal, "joe", "Password: ");
	assert_shows(type(&terminal, "wrong", "Username: "), "Access denied");
	type(&terminal, "enable", "Password: ");
	assert_shows(type(&terminal, "sesame", "Username: "), "Access denied");
	type(&terminal, "joe", "Password: ");
	run("secret");
	type(&terminal, "enable", "Password: ");
	run_privileged("sesame");
	close(terminal.fd);

	/* After the third wrong password the connection is closed. */
	dial(&terminal);
	assert_true(read_until(&terminal, "Username: "));
	for (unsigned i = 0; i < 2; i++) {
		type(&terminal, "joe", "Password: ");
		type(&terminal, "wrong", "Username: ");
	}
	type(&terminal, "joe", "Password: ");
	write(terminal.fd, "wrong\r\n", 7);
	while (read_until(&terminal, "never"))
		;
	close(terminal.fd);
	remote = false;
	stop();
}

static void wrong_passwords_lock_an_address_out(void **state)
{
	(void)state;
	static const char *const users[] = {"joe:secret", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	remote = true;
	for (unsigned round = 0; round < 2; round++) {
		dial(&terminal);
		assert_true(read_until(&terminal, "Username: "));
		for (unsigned i = 0; i < 2; i++) {
			type(&terminal, "joe", "Password: ");
			type(&terminal, "wrong", "Username: ");
		}
		type(&terminal, "joe", "Password: ");
		write(terminal.fd, "wrong\r\n", 7);
		while (read_until(&terminal, "never"))
			;
		close(terminal.fd);
	}
	dial(&terminal);
	assert_false(read_until(&terminal, "Username: "));
	close(terminal.fd);
	remote = false;
	dial(&terminal); /* the machine itself is not locked out */
	assert_true(read_until(&terminal, "lns> "));
	close(terminal.fd);
	stop();
}

static void an_access_list_keeps_others_out(void **state)
{
	(void)state;
	static const char *const users[] = {"joe:secret", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	privileged_terminal();
	run_config("configure terminal");
	run_config("set cli_access_list admins");
	remote = true;
	static struct terminal other;
	dial(&other);
	assert_false(read_until(&other, "Username: "));
	close(other.fd);
	type(&terminal, "ip access-list standard admins", "lns(config-std-nacl)# ");
	type(&terminal, "deny 10.1.1.2", "lns(config-std-nacl)# ");
	type(&terminal, "permit any host 10.1.1.77", "lns(config-std-nacl)# ");
	dial(&other); /* not the address that it connects to */
	assert_false(read_until(&other, "Username: "));
	close(other.fd);
	type(&terminal, "permit 10.1.0.0 0.0.255.255 host 10.1.1.1", "lns(config-std-nacl)# ");
	dial(&other);
	assert_true(read_until(&other, "Username: "));
	close(other.fd);
	remote = false;
	close(terminal.fd);
	stop();
}

static void the_local_root_has_a_socket(void **state)
{
	(void)state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/test_cli_socket.%d", (int)getpid());
	snprintf(socket_path, sizeof(socket_path), "%s", at.sun_path);
	static const char *const users[] = {"enable:sesame", NULL};
	start(users, 600);
	assert_int_equal(stat(at.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	terminal.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(terminal.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(read_until(&terminal, "lns> "));
	assert_int_not_equal((unsigned char)terminal.text[0], 255); /* no telnet */
	assert_shows(run("show version"), "L2TPNS 9.9.9");
	assert_shows(run("show running-config"), "hunter2"); /* privileged at once */
	assert_shows(run("drop user user3"), "Dropping user user3");
	/* The protocol of l2tpnsctl. */
	write(terminal.fd, "batch\r", 6);
	assert_true(read_until(&terminal, "\2\n"));
	write(terminal.fd, "show version\n", 13);
	assert_true(read_until(&terminal, "\3"
					  "0\n"));
	assert_shows(terminal.text, "L2TPNS 9.9.9");
	write(terminal.fd, "nonsense\nshow session 60000\n\n", 29);
	assert_true(read_until(&terminal, "\3"
					  "0\n"));
	assert_int_equal(count_of(terminal.text, "\3"
						 "1\n"),
			 2);
	close(terminal.fd);
	/* Telnet that takes all connections does not keep root out. */
	static struct terminal telnet[3];
	for (unsigned i = 0; i < 3; i++) {
		dial(&telnet[i]);
		read_until(&telnet[i], "lns> ");
	}
	terminal.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(terminal.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(read_until(&terminal, "lns> "));
	close(terminal.fd);
	stop();
	for (unsigned i = 0; i < 3; i++)
		close(telnet[i].fd);
	socket_path[0] = '\0';
	assert_int_equal(stat(at.sun_path, &st), -1);
}

static void a_remote_connection_is_closed_without_users(void **state)
{
	(void)state;
	static const char *const only_enable[] = {"enable:sesame", NULL};
	if (!have_namespace)
		skip();
	remote = true;
	start(NULL, 600);
	dial(&terminal);
	assert_false(read_until(&terminal, ": "));
	close(terminal.fd);
	cli_users_free(cli_server_update(server, conf, users_of(only_enable)));
	dial(&terminal);
	assert_false(read_until(&terminal, ": "));
	close(terminal.fd);
	remote = false;
	stop();
}

static void a_ping_tells_round_trip_times(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	const char *text = run_privileged("ping user user0 2");
	assert_int_equal(count_of(text, "Answer from 7/1: 1.500 ms"), 2);
	assert_shows(text, "2 sent, 2 answered, 0% lost");
	assert_shows(text, "= 1.500/1.500/1.500 ms");
	assert_shows(run_privileged("ping session 9/1 1"), "1 sent, 0 answered, 100% lost");
	assert_shows(run_privileged("ping user user0 1 json"), "\"answered\":1");
	assert_shows(run_privileged("ping user nobody"), "Not connected");
	assert_shows(run_privileged("ping user user0 0"), "Not a number within 1..1000");
	assert_shows(run_privileged("ping session zero"), "Usage: ping session");
	close(terminal.fd);
	stop();
}

static void an_idle_connection_is_closed(void **state)
{
	(void)state;
	start(NULL, 1);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_false(read_until(&terminal, "never"));
	close(terminal.fd);
	stop();
}

static void connections_are_limited_and_stopped(void **state)
{
	(void)state;
	static struct terminal more[4];
	start(NULL, 600);
	for (unsigned i = 0; i < 3; i++) {
		dial(&more[i]);
		assert_true(read_until(&more[i], "lns> "));
	}
	dial(&more[3]);
	assert_false(read_until(&more[3], "lns> "));
	stop(); /* does not wait for terminals */
	for (unsigned i = 0; i < 4; i++) {
		while (read_until(&more[i], "never"))
			;
		close(more[i].fd);
	}
}

static void an_address_in_use_is_reported(void **state)
{
	(void)state;
	char reason[160] = "";
	start(NULL, 600);
	struct cli_env env = {.requests = queue, .hostname = "lns"};
	assert_null(cli_server_start(&env, conf, NULL, reason));
	assert_non_null(strstr(reason, "cannot listen on "));
	stop();
}

/* The JSON that a command printed; the echo and the prompt cut off. */
static json_t *json_in(const char *command, const char *answer)
{
	char *text = strdup(answer);
	char *from = strchr(text, '\n'), *to = strstr(text, "\r\nlns");
	json_error_t error;

	assert_non_null(from);
	assert_non_null(to);
	*to = '\0';
	json_t *json = json_loads(from, 0, &error);
	if (!json)
		fail_msg("%s: %s at %d in:\n%s", command, error.text, error.position, text);
	free(text);
	return json;
}

static json_t *json_of(const char *command)
{
	return json_in(command, run(command));
}

static size_t size_of(const char *command, const char *list)
{
	json_t *json = json_of(command);
	size_t n = json_array_size(json_object_get(json, list));
	json_decref(json);
	return n;
}

static void the_load_of_each_worker_is_shown(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show workers"), "     0  any    12.3%");
	assert_shows(run("show workers"), "     1    3     0.0%");
	assert_shows(run("show workers json"), "\"taken_over\":99");
	close(terminal.fd);
	stop();
}

static void every_display_can_be_json(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"show version json",	    "uptime json",
		"show workers json",	    "show counters json",
		"show pool json",	    "show pool all json",
		"write terminal json",	    "show access-list json",
		"show histogram idle json", "show histogram open json",
		"show plugins json",	    "show radius json",
		"show radius servers json", "show radius all json",
		"show users user3 json",    "show session 9/5 json",
		"show tunnels 9 json",	    "show session user nobody json",
		"show tunnels all json",
	};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		json_decref(json_of(commands[i]));
	assert_int_equal(size_of("show session json", "sessions"), SESSIONS);
	assert_int_equal(size_of("show users json", "users"), SESSIONS);
	assert_int_equal(size_of("show tunnels json", "tunnels"), 2);
	assert_int_equal(size_of("show ipcache json", "addresses"), SESSIONS);
	assert_int_equal(size_of("show session 5 json", "sessions"), 2);
	assert_shows(run("show session 9/5 json"), "\"delegated\":[\"2001::/64\"]");
	assert_int_equal(size_of("show top 7 json", "top"), 7);
	assert_shows(run("write terminal json"), "\"l2tp_secret\":\"********\"");
	close(terminal.fd);
	stop();
}

/* The displays that the console itself offers, so that a new one cannot be forgotten. */
static void whatever_show_offers_can_be_json(void **state)
{
	(void)state;
	unsigned n = 0;
	char word[64], command[96];

	make_file("set l2tp_secret hunter3\n");
	start(NULL, 600);
	privileged_terminal();
	char *offered = strdup(run_privileged("show ?"));
	for (char *line = strchr(offered, '\n'); line; line = strchr(line + 1, '\n')) {
		if (sscanf(line + 1, "  %63s", word) != 1 || strncmp(line + 1, "  ", 2) != 0)
			continue;
		const char *more = strcmp(word, "configuration") == 0 ? " diff"
				   : strcmp(word, "histogram") == 0   ? " idle"
								      : "";
		snprintf(command, sizeof(command), "show %s%s json", word, more);
		json_decref(json_in(command, run_privileged(command)));
		n++;
	}
	if (n < 15)
		fail_msg("only %u displays in:\n%s", n, offered);
	free(offered);
	close(terminal.fd);
	stop();
	forget_file();
}

static void sessions_can_be_filtered(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_int_equal(count_of(run("show session tunnel 9"), "(L)192.0.2.1"), SESSIONS / 2);
	assert_int_equal(count_of(run("show session state up"), "(L)192.0.2.1"), SESSIONS);
	assert_int_equal(count_of(run("show session state dying"), "(L)192.0.2.1"), 0);
	const char *text = run("show session user user3");
	assert_int_equal(count_of(text, "(L)192.0.2.1"), 1);
	assert_shows(text, "user3 ");
	assert_shows(run("show session ip 10.10.10.4"), "user3 ");
	assert_shows(run("show session user user3 detail"), "Session 2:");
	assert_shows(run("show session ip nonsense"), "not an IP address");
	assert_shows(run("show session tunnel"), "a value is missing");
	close(terminal.fd);
	stop();
}

static void other_displays_answer(void **state)
{
	(void)state;
	const char *text;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show histogram idle"), "200 total");
	assert_shows(run("show histogram open"), "100.00%    200");
	assert_shows(run("show ipcache"), "200 IP addresses used");
	text = run("show radius");
	assert_shows(text, "    ID  Radius Sock State     Session   Retry Try\r\n");
	assert_shows(text, "     1       0    0  CHAP         7/5     0.0   1\r\n");
	assert_shows(text, "     2       0    0  WAIT         7/5     0.0   0\r\n");
	assert_shows(text, "Free: 1022\r\nUsed: 2\r\n");
	assert_shows(text, "Waiting for room at a server: 1\r\n");
	assert_shows(text, "Accounting records that wait: 3, in the journal: 4\r\n");
	assert_shows(run("show radius all"), "     2  ");
	text = run("show radius servers");
	assert_shows(text, "192.0.2.5:1812           login alive           1            1");
	assert_null(strstr(text, "acct "));
	assert_null(strstr(text, "hush"));
	assert_null(strstr(run("show radius servers json"), "hush"));
	assert_shows(run("show access-list nope"), "Access list nope is not defined");
	assert_shows(run("show top 3"), "down kbit/s");
	assert_shows(run("show banana"), "V  \\");
	assert_shows(run("debug"), "Currently debugging: critical");
	run("debug ca error");
	assert_shows(run("debug"), "Currently debugging: critical error calls");
	run("no debug critical");
	assert_shows(run("debug"), "Currently debugging: error calls");
	assert_shows(run("debug c"), "Invalid debugging flag \"c\"");
	run("no debug");
	assert_shows(run("debug"), "Currently debugging: none");
	assert_shows(run("monitor session 70000"), "Say a session id");
	assert_shows(run("monitor session user nobody"), "Not connected");
	type(&terminal, "monitor session 9/5", "Any key ends this\r\n");
	assert_true(read_until(&terminal, "idle 0s\r\n"));
	assert_shows(run(""), "lns> ");
	close(terminal.fd);
	stop();
}

/* ---- the configuration ----------------------------------------------------------------------- */

static const char *run_config(const char *line)
{
	return type(&terminal, line, "lns(config)# ");
}

/* A file with this text, removed by forget_file(). */
static void make_file(const char *text)
{
	snprintf(conf_path, sizeof(conf_path), "/tmp/test_cli.XXXXXX");
	int fd = mkstemp(conf_path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(chmod(conf_path, 0640), 0);
}

static void write_file(const char *text)
{
	FILE *f = fopen(conf_path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *file_text(void)
{
	static char text[16384];
	FILE *f = fopen(conf_path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void forget_file(void)
{
	unlink(conf_path);
	conf_path[0] = '\0';
}

static void privileged_terminal(void)
{
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	run_privileged("enable");
}

static void variables_are_set_at_once(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("configure terminal"), "Invalid command");
	run_privileged("enable");
	run_config("conf t");
	applied = 0;
	assert_shows(run_config("set debug 4"), "Setting \"debug\" to \"4\"");
	assert_int_equal(asked().debug, 4);
	assert_shows(run_config("set l2tp_secret 'two words'"), "to \"********\"");
	assert_string_equal(asked().secret, "two words");
	assert_shows(run_config("set bind_address 192.0.2.1"), "at the next start");
	assert_int_equal(applied, 3);
	assert_shows(run_config("set debug 4"), "Setting");
	assert_int_equal(applied, 3);
	assert_shows(run_config("set debug many"), "debug: ");
	assert_shows(run_config("set bind_address 1.2.3.400"), "bind_address: ");
	assert_shows(run_config("set nothing 1"), "unknown variable \"nothing\"");
	assert_shows(run_config("set debug"), "Usage: set");
	assert_int_equal(applied, 3);
	assert_int_equal(asked().debug, 4);
	run_config("no set debug");
	assert_int_equal(asked().debug, 0);
	run_privileged("exit");
	close(terminal.fd);
	stop();
}

static void help_tells_about_variables(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	run_config("configure terminal");
	assert_int_equal(write(terminal.fd, "set radius_t?", 13), 13);
	assert_true(read_until(&terminal, "lns(config)# set radius_t"));
	assert_shows(terminal.text, "radius_timeout");
	assert_shows(terminal.text, "radius_tries");
	assert_null(strstr(terminal.text, "l2tp_mtu"));
	/* What is left of the line is no command. */
	run_config("x");
	assert_int_equal(write(terminal.fd, "set l2tp_mtu ?", 14), 14);
	assert_true(read_until(&terminal, "lns(config)# set l2tp_mtu "));
	assert_shows(terminal.text, "<576-2600> bytes");
	close(terminal.fd);
	stop();
}

static void blocks_have_their_prompts(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	run_config("configure terminal");
	type(&terminal, "ip access-list extended web", "lns(config-ext-nacl)# ");
	type(&terminal, "permit tcp any any eq 80", "lns(config-ext-nacl)# ");
	assert_shows(type(&terminal, "permit tcp any any eq http", "lns(config-ext-nacl)# "),
		     "where a port should be");
	type(&terminal, "deny ip any any", "lns(config-ext-nacl)# ");
	type(&terminal, "no deny ip any any", "lns(config-ext-nacl)# ");
	type(&terminal, "ip access-list standard s", "lns(config-std-nacl)# ");
	type(&terminal, "permit 10.0.0.1", "lns(config-std-nacl)# ");
	type(&terminal, "router bgp 65000", "lns(config-router)# ");
	type(&terminal, "neighbour 192.0.2.9 remote-as 7", "lns(config-router)# ");
	run_config("exit");
	assert_shows(run_config("no ip access-list standard nope"), "there is no nope");
	run_privileged("exit");
	const char *text = run_privileged("show running-config");
	assert_shows(text, "ip access-list extended web\r\n permit tcp any any eq 80\r\n");
	assert_shows(text, "ip access-list standard s\r\n permit host 10.0.0.1\r\n");
	assert_shows(text, "router bgp 65000\r\n neighbour 192.0.2.9 remote-as 7\r\n");
	assert_null(strstr(text, "deny"));
	close(terminal.fd);
	stop();
}

static void the_file_is_written_as_a_whole(void **state)
{
	(void)state;
	struct stat st;
	make_file("# ours\nset debug 1 # quiet\n");
	start(NULL, 600);
	privileged_terminal();
	write_file("# ours\nset debug 0\nset hello_interval 60\n");
	run_config("configure terminal");
	run_config("set debug 3");
	run_privileged("exit");
	assert_shows(run_privileged("write memory"), "Written to /tmp/test_cli.");
	assert_int_equal(strncmp(file_text(), "# ours\nset debug 3\nset hello_interval 60\n", 40),
			 0);
	assert_non_null(strstr(file_text(), "\nset l2tp_secret \"hunter2\"\n"));
	assert_int_equal(stat(conf_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_shows(run_privileged("show configuration diff"), "No difference");
	close(terminal.fd);
	stop();
	forget_file();
}

static void a_reload_is_all_or_nothing(void **state)
{
	(void)state;
	char text[512];
	make_file("");
	start(NULL, 600);
	privileged_terminal();
	applied = 0;
	snprintf(text, sizeof(text), "set debug 2\nset nothing 3\nset cli_port %u\n",
		 conf->cli_port);
	write_file(text);
	const char *said = run_privileged("reload");
	assert_shows(said, ":2: error: unknown variable \"nothing\"");
	assert_shows(said, "Reload refused, nothing changed");
	assert_int_equal(applied, 0);
	assert_int_equal(asked().debug, 0);
	write_file("set debug 2\n");
	said = run_privileged("show configuration diff");
	assert_shows(said, "-set debug 0\r\n+set debug 2\r\n");
	assert_shows(said, "+set l2tp_secret \"\"\r\n");
	assert_shows(run_privileged("reload"), "Reloaded /tmp/test_cli.");
	assert_int_equal(applied, 1);
	assert_int_equal(asked().debug, 2);
	assert_string_equal(asked().secret, "");
	close(terminal.fd);
	stop();
	forget_file();
}

static void what_is_not_confirmed_is_rolled_back(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	assert_shows(run_privileged("configure commit-confirmed x"), "Say in how many minutes");
	assert_shows(run_privileged("configure confirm"), "Nothing waits");
	assert_shows(run_config("configure commit-confirmed 1s"), "rolled back in 1 seconds");
	run_config("set debug 4");
	run_privileged("exit");
	assert_shows(run_privileged("write memory"), "Not confirmed yet");
	assert_int_equal(asked().debug, 4);
	for (unsigned i = 0; i < 100 && asked().debug == 4; i++)
		usleep(100000);
	assert_int_equal(asked().debug, 0);

	run_config("configure commit-confirmed 1s");
	run_config("set debug 5");
	run_privileged("exit");
	assert_shows(run_privileged("configure confirm"), "Confirmed");
	usleep(1300000);
	assert_int_equal(asked().debug, 5);

	run_config("configure commit-confirmed 60");
	run_config("set debug 1");
	run_privileged("exit");
	assert_shows(run_privileged("configure rollback"), "Rolled back");
	assert_int_equal(asked().debug, 5);
	run_config("configure commit-confirmed 60"); /* ends with the server */
	close(terminal.fd);
	stop();
}

/* A network of our own, with an address beside 127.0.0.1. */
static bool enter_namespace(void)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_connection_needs_no_login),
		cmocka_unit_test(listings_are_whole),
		cmocka_unit_test(an_id_finds_all_sessions_that_have_it),
		cmocka_unit_test(only_the_privileged_change_things),
		cmocka_unit_test(users_are_throttled),
		cmocka_unit_test(users_are_filtered),
		cmocka_unit_test(only_the_privileged_see_interception),
		cmocka_unit_test(the_load_of_each_worker_is_shown),
		cmocka_unit_test(every_display_can_be_json),
		cmocka_unit_test(whatever_show_offers_can_be_json),
		cmocka_unit_test(sessions_can_be_filtered),
		cmocka_unit_test(other_displays_answer),
		cmocka_unit_test(variables_are_set_at_once),
		cmocka_unit_test(help_tells_about_variables),
		cmocka_unit_test(blocks_have_their_prompts),
		cmocka_unit_test(the_file_is_written_as_a_whole),
		cmocka_unit_test(a_reload_is_all_or_nothing),
		cmocka_unit_test(what_is_not_confirmed_is_rolled_back),
		cmocka_unit_test(cleared_counters_start_at_zero),
		cmocka_unit_test(the_enable_password_is_asked_for),
		cmocka_unit_test(a_remote_connection_needs_a_login),
		cmocka_unit_test(a_remote_connection_is_closed_without_users),
		cmocka_unit_test(wrong_passwords_lock_an_address_out),
		cmocka_unit_test(an_access_list_keeps_others_out),
		cmocka_unit_test(the_local_root_has_a_socket),
		cmocka_unit_test(a_ping_tells_round_trip_times),
		cmocka_unit_test(an_idle_connection_is_closed),
		cmocka_unit_test(connections_are_limited_and_stopped),
		cmocka_unit_test(an_address_in_use_is_reported),
	};
	have_namespace = enter_namespace();
	radius_start();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	radius_stop();
	return failed;
}

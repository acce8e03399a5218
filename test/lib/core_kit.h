/*
 * core_kit.h - a control core with a scripted world: what it posts, sends and routes is kept for
 * the test to look at, time and randomness are the test's. No socket, no thread.
 */
#ifndef LNS_CORE_KIT_H
#define LNS_CORE_KIT_H

#include <stdio.h>
#include <stdlib.h>

#include "base/panic.h"
#include "base/rcu.h"
#include "control/core.h"
#include "control/ippool.h"
#include "control/local_users.h"
#include "radius/rad_auth.h"
#include "radius/rad_packet.h"
#include "test_alloc.h"
#include "test_random.h"

enum { KIT_WORKERS = 2, KIT_POSTS = 64, KIT_SENDS = 64, KIT_MSG = 2048 };

struct kit_post {
	unsigned worker;
	_Alignas(8) uint8_t bytes[KIT_MSG];
};

struct kit_send {
	unsigned sock;
	struct sock_addr to;
	struct ip_addr from;
	size_t n;
	uint8_t bytes[RAD_PACKET_MAX];
};

struct core_kit {
	struct test_alloc mem;
	struct test_random random;
	struct counters counters;
	struct conf conf;
	struct ippool *pool;
	struct local_users *users;
	struct dp_tables *tables;
	struct dp_routes *routes;
	bool lent; /* tables and routes belong to the caller, and so do the slots: slot_of */
	uint32_t (*slot_of)(struct sess_key key);
	struct journal *journal;	/* lent by the test; may be NULL */
	const struct core_hooks *hooks; /* likewise */
	char usage[65536];		/* usage files as they came, each ended by "--" */
	unsigned n_usage;		/* of them */
	struct core *core;
	nsec now;
	struct kit_post posts[KIT_POSTS]; /* a ring of the newest */
	unsigned n_posts;
	struct kit_send sends[KIT_SENDS];
	unsigned n_sends, n_closes;
	int kernel_routes; /* added less removed */
	char last_log[512];
	unsigned n_logs;
};

static inline void kit_random(void *ctx, void *out, size_t n)
{
	struct core_kit *k = ctx;
	test_random_fill(&k->random, out, n);
}

static inline void kit_post(void *ctx, unsigned w, const struct msg *m)
{
	struct core_kit *k = ctx;
	struct kit_post *p = &k->posts[k->n_posts++ % KIT_POSTS];

	LNS_ASSERT(w < KIT_WORKERS && m->len <= KIT_MSG);
	p->worker = w;
	memcpy(p->bytes, m, m->len);
}

static inline void kit_radius_send(void *ctx, unsigned sock, const struct sock_addr *to,
				   const struct ip_addr *from, struct span data)
{
	struct core_kit *k = ctx;
	struct kit_send *s = &k->sends[k->n_sends++ % KIT_SENDS];

	s->sock = sock;
	s->to = *to;
	s->from = *from;
	s->n = data.n;
	span_bytes(&data, s->bytes, data.n);
}

static inline void kit_radius_close(void *ctx, unsigned sock)
{
	struct core_kit *k = ctx;
	(void)sock;
	k->n_closes++;
}

static inline void kit_kernel_route(void *ctx, bool add, const struct ip_prefix *p)
{
	struct core_kit *k = ctx;
	(void)p;
	k->kernel_routes += add ? 1 : -1;
}

static inline void kit_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid,
			   const char *text)
{
	struct core_kit *k = ctx;
	(void)level;
	(void)tid;
	(void)sid;
	k->n_logs++;
	snprintf(k->last_log, sizeof(k->last_log), "%s", text);
}

static inline void kit_usage(void *ctx, const char *dir, int64_t wall_s, struct span text,
			     bool last)
{
	struct core_kit *k = ctx;
	size_t n = strlen(k->usage);

	(void)wall_s;
	if (dir[0] == '\0' || n + text.n + 4 > sizeof(k->usage))
		abort();
	if (text.n)
		memcpy(k->usage + n, text.p, text.n);
	memcpy(k->usage + n + text.n, last ? "--\n" : "", last ? 4 : 1);
	k->n_usage += last;
}

static inline bool kit_crypt_check(const char *password, const char *hash)
{
	return strcmp(hash, "hash-of-secret") == 0 && strcmp(password, "secret") == 0;
}

static inline int64_t kit_wall_clock_s(void *ctx)
{
	struct core_kit *k = ctx;
	return 1763800000 + k->now.ns / 1000000000;
}

/* Two RADIUS servers, when asked for: 192.0.2.1 and .2, port 1812, secret "xyzzy5461". */
static inline void kit_conf_radius(struct core_kit *k)
{
	k->conf.n_radius = 2;
	for (unsigned i = 0; i < 2; i++)
		k->conf.radius[i] =
			(struct sock_addr){.ip = ip_addr_v4(0xC0000201 + i), .port = 1812};
	snprintf(k->conf.radius_secret, sizeof(k->conf.radius_secret), "xyzzy5461");
}

/* What outlives many kits, for fuzzers: making it takes longer than using it. */
struct core_kit_tables {
	struct dp_tables *tables;
	struct dp_routes *routes;
	uint32_t (*slot_of)(struct sess_key key);
};

/* Before kit_start: k->conf may be changed between the two. */
static inline struct core_kit *kit_new_with(const struct core_kit_tables *lent)
{
	struct core_kit *k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	test_alloc_init(&k->mem);
	k->random.state = 1;
	k->now = (nsec){NSEC_S(1000)};
	conf_defaults(&k->conf);
	snprintf(k->conf.hostname, sizeof(k->conf.hostname), "lns");
	k->pool = ippool_new(&k->mem.alloc);
	k->lent = lent != NULL;
	k->slot_of = lent ? lent->slot_of : NULL;
	k->tables = lent ? lent->tables : dp_tables_new(&k->mem.alloc, KIT_WORKERS);
	k->routes = lent ? lent->routes : dp_routes_new(&k->mem.alloc);
	return k;
}

static inline struct core_kit *kit_new(void)
{
	return kit_new_with(NULL);
}

static inline void kit_pool(struct core_kit *k, const char *prefix)
{
	struct ip_prefix p;
	char err[96];

	if (!ip_prefix_parse(span_str(prefix), &p) || !ippool_add(k->pool, &p, err))
		abort();
}

static inline void kit_user(struct core_kit *k, const char *line)
{
	char err[96];

	if (!k->users)
		k->users = local_users_new(&k->mem.alloc);
	if (!local_users_add_line(k->users, span_str(line), err))
		abort();
}

static inline void kit_start(struct core_kit *k)
{
	struct core_env env = {
		.n_workers = KIT_WORKERS,
		.alloc = &k->mem.alloc,
		.counters = &k->counters,
		.tables = k->tables,
		.routes = k->routes,
		.ctx = k,
		.random = kit_random,
		.post = kit_post,
		.radius_send = kit_radius_send,
		.radius_close = kit_radius_close,
		.kernel_route = kit_kernel_route,
		.log = kit_log,
		.crypt_check = kit_crypt_check,
		.wall_clock_s = kit_wall_clock_s,
		.journal = k->journal,
		.usage = kit_usage,
		.hooks = k->hooks,
	};

	k->core = core_new(&env, &k->conf, k->pool, k->users, k->now);
	if (!k->core)
		abort();
}

/* Ends everything; returns the blocks of memory that nobody gave back. */
static inline size_t kit_free(struct core_kit *k)
{
	core_free(k->core);
	ippool_free(k->pool);
	local_users_free(k->users);
	if (!k->lent) {
		dp_routes_free(k->routes);
		dp_tables_free(k->tables);
	}
	size_t left = k->mem.blocks;
	free(k);
	return left;
}

/* The newest message posted, of that kind or NULL. */
static inline const void *kit_posted(const struct core_kit *k, enum msg_kind kind)
{
	for (unsigned i = 0; i < KIT_POSTS && i < k->n_posts; i++) {
		const struct kit_post *p = &k->posts[(k->n_posts - 1 - i) % KIT_POSTS];
		struct msg m;
		memcpy(&m, p->bytes, sizeof(m));
		if (m.kind == kind)
			return p->bytes;
	}
	return NULL;
}

static inline const struct kit_send *kit_sent(const struct core_kit *k)
{
	return k->n_sends ? &k->sends[(k->n_sends - 1) % KIT_SENDS] : NULL;
}

static inline void kit_msg(struct core_kit *k, uint16_t sid, const struct msg *m)
{
	core_msg(k->core, sid % KIT_WORKERS, m, k->now);
}

static inline struct sess_key kit_key(uint16_t tid, uint16_t sid, uint32_t gen)
{
	return (struct sess_key){.tid = tid, .sid = sid, .gen = gen};
}

static inline struct msg_session_new kit_session_new_msg(struct core_kit *k, struct sess_key key)
{
	struct msg_session_new m = MSG_INIT(MSG_SESSION_NEW, struct msg_session_new);

	m.key = key;
	m.slot = k->lent ? k->slot_of(key) : dp_slot_take_own(k->tables, key.sid % KIT_WORKERS);
	m.slot_generation = dp_slot_generation(k->tables, m.slot);
	m.path = (struct l2tp_path){.local_ip = ip_addr_v4(0x0A000001),
				    .peer = {.ip = ip_addr_v4(0x0A000002), .port = 1701}};
	m.peer_tid = 7;
	m.peer_sid = key.sid;
	m.serial = 77;
	m.tx_speed = 100000000;
	m.calling = (struct msg_text){.n = 4, .s = "1234"};
	m.called = (struct msg_text){.n = 4, .s = "5678"};
	m.lac_name = (struct msg_text){.n = 3, .s = "lac"};
	return m;
}

static inline void kit_session_new(struct core_kit *k, struct sess_key key)
{
	struct msg_session_new m = kit_session_new_msg(k, key);

	kit_msg(k, key.sid, &m.msg);
}

static inline void kit_auth_pap(struct core_kit *k, struct sess_key key, const char *user,
				const char *password)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);

	m.key = key;
	m.proto = AUTH_PAP;
	m.user_len = (uint8_t)strlen(user);
	memcpy(m.user, user, m.user_len);
	m.password_len = (uint8_t)strlen(password);
	memcpy(m.password, password, m.password_len);
	kit_msg(k, key.sid, &m.msg);
}

static inline void kit_session_up(struct core_kit *k, struct sess_key key)
{
	struct msg_session_up m = MSG_INIT(MSG_SESSION_UP, struct msg_session_up);

	m.key = key;
	m.family = 4;
	kit_msg(k, key.sid, &m.msg);
}

static inline void kit_session_gone(struct core_kit *k, struct sess_key key,
				    const struct sess_counters *counters)
{
	struct msg_session_gone m = MSG_INIT(MSG_SESSION_GONE, struct msg_session_gone);

	m.key = key;
	m.reason.cause = TERM_USER_REQUEST;
	snprintf(m.reason.text, sizeof(m.reason.text), "bye");
	if (counters)
		m.counters = *counters;
	kit_msg(k, key.sid, &m.msg);
}

/* A signed answer to what was sent last, with the attributes that `put` writes. */
static inline void kit_answer_to(struct core_kit *k, const struct kit_send *to, enum rad_code code,
				 void (*put)(struct wbuf *w))
{
	uint8_t bytes[RAD_PACKET_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct rad_packet request;
	struct span secret = span_str(k->conf.radius_secret);
	struct kit_send at = *to;

	if (!rad_packet_decode(span_of(at.bytes, at.n), &request))
		abort();
	rad_put_header(&w, code, request.id, request.authenticator);
	rad_put_message_authenticator(&w);
	if (put)
		put(&w);
	rad_put_end(&w, 0);
	rad_sign_message(&w, 0, secret, request.authenticator);
	rad_sign_response(&w, 0, secret, request.authenticator);
	core_radius_rx(k->core, at.sock, &at.to, wbuf_written(&w), k->now);
}

static inline void kit_answer(struct core_kit *k, enum rad_code code, void (*put)(struct wbuf *w))
{
	kit_answer_to(k, kit_sent(k), code, put);
}

static inline void kit_advance(struct core_kit *k, int64_t ns)
{
	k->now = nsec_add(k->now, ns);
	core_turn(k->core, k->now);
	rcu_quiescent();
}

static inline struct sess_key kit_login(struct core_kit *k, uint16_t sid, const char *user,
					const char *pw)
{
	struct sess_key key = kit_key(1, sid, sid);
	kit_session_new(k, key);
	kit_auth_pap(k, key, user, pw);
	return key;
}

/* The first attribute of this type in what was sent to RADIUS. */
static inline bool kit_find_attr(const struct kit_send *s, uint8_t number, struct span *value)
{
	struct rad_packet p;
	struct rad_attr a;

	*value = span_of(NULL, 0);
	LNS_ASSERT(rad_packet_decode(span_of(s->bytes, s->n), &p));
	while (rad_attr_next(&p.attrs, &a)) {
		if (a.number == number) {
			*value = a.value;
			return true;
		}
	}
	return false;
}

#endif

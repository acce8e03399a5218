/*
 * A session shard among a dozen ids: calls come and go, AAA answers or not, frames of any content
 * arrive, time passes, memory fails now and then. At the end everything is hung up and nothing may
 * be left: no session, no byte, no timer.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/dp_service.h"
#include "dataplane/session_shard.h"
#include "test_alloc.h"
#include "test_dp_fake.h"
#include "test_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct test_random rnd;
static unsigned told_new, told_gone;

static void env_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	test_random_fill(&rnd, out, n);
}

/* Our last Configure-Request of LCP and of IPCP per session, and the identifier of its challenge.
 */
static struct {
	struct {
		size_t n;
		uint8_t bytes[128];
	} asked[2];
	uint8_t challenge_id;
} heard[16];

static void listen(uint16_t peer_sid, struct span frame)
{
	bool ncp = frame.p[2] == 0x80;

	if (frame.p[2] == 0xC2 && frame.p[4] == 1)
		heard[peer_sid & 15].challenge_id = frame.p[5];
	if (frame.p[4] != 1 || frame.p[3] != 0x21 || frame.n > 128)
		return;
	heard[peer_sid & 15].asked[ncp].n = frame.n;
	memcpy(heard[peer_sid & 15].asked[ncp].bytes, frame.p, frame.n);
}

/* The answer that brings the session further, which no mutation would find. */
static void answer_well(struct session_shard *s, struct sess_key key, uint8_t how, nsec now)
{
	unsigned at = key.sid & 15;
	uint8_t *ours = heard[at].asked[how & 1].bytes;
	uint8_t chap[] = {0xC2, 0x23, 2,  heard[at].challenge_id,
			  0,	21,   16, 1,
			  2,	3,    4,  5,
			  6,	7,    8,  9,
			  1,	2,    3,  4,
			  5,	6,    'a'};

	if (how & 2) {
		session_shard_frame(s, key.tid, key.sid, span_of(chap, sizeof(chap)), now);
	} else if (heard[at].asked[how & 1].n) {
		ours[4] = how & 4 ? 4 : 2; /* Reject or Ack */
		session_shard_frame(s, key.tid, key.sid,
				    span_of(ours + 2, heard[at].asked[how & 1].n - 2), now);
	}
}

static void env_send_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
			   uint16_t peer_sid, bool priority, struct span frame)
{
	(void)ctx;
	(void)priority;
	if (path->peer.port != 1701 || peer_tid == 0 || peer_sid == 0 || frame.n < 8)
		abort();
	listen(peer_sid, frame);
}

static void env_post(void *ctx, unsigned dst, const struct msg *m)
{
	(void)ctx;
	if (dst > 2 && dst != MSG_TO_CONTROL)
		abort();
	told_new += m->kind == MSG_SESSION_NEW;
	told_gone += m->kind == MSG_SESSION_GONE;
}

static void env_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	(void)ctx;
	(void)level;
	(void)tid;
	(void)sid;
	if (strlen(text) >= 60)
		abort();
}

static struct sess_key key_of(uint8_t arg)
{
	return (struct sess_key){(uint16_t)(1 + arg % 3), (uint16_t)(1 + 2 * (arg / 3 % 4)),
				 1u + (arg >> 6)};
}

static void call_up(struct session_shard *s, uint8_t arg, nsec now)
{
	struct msg_call_up m = MSG_INIT(MSG_CALL_UP, struct msg_call_up);

	m.key = key_of(arg);
	m.path.peer.port = 1701;
	m.peer_tid = 5;
	m.peer_sid = m.key.sid;
	m.proxy.auth_type = arg & 1;
	session_shard_msg(s, &m.msg, now);
}

static struct sess_policy policy_of(uint8_t how)
{
	struct sess_policy p = {.rate_up = how & 1 ? 64000 : 0, .burst_down = how};

	if (how & 2)
		p.rate_down = UINT64_MAX >> (how & 31);
	if (how & 4)
		p.filter_in[0] = 'a';
	if (how & 8)
		p.intercept = (struct sock_addr){ip_addr_v4(1), how};
	return p;
}

static void auth_reply(struct session_shard *s, uint8_t arg, uint8_t how, nsec now)
{
	struct msg_auth_reply m = MSG_INIT(MSG_AUTH_REPLY, struct msg_auth_reply);

	m.key = key_of(arg);
	m.accept = how & 1;
	m.profile.ip = ip_addr_v4(0x0A000001u + how);
	m.profile.session_timeout_s = how & 2 ? 30 : 0;
	m.profile.idle_timeout_s = how & 4 ? 10 : 0;
	m.profile.policy = policy_of(how >> 3);
	session_shard_msg(s, &m.msg, now);
}

static void change(struct session_shard *s, uint8_t arg, uint8_t how, nsec now)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	m.key = key_of(arg);
	m.has_policy = true;
	m.policy = policy_of(how);
	session_shard_msg(s, &m.msg, now);
}

/* Kinds whose body is no more than a key, and the two of tunnels. */
static void simple_message(struct session_shard *s, uint8_t what, uint8_t arg, nsec now)
{
	struct msg_call_down down = MSG_INIT(MSG_CALL_DOWN, struct msg_call_down);
	struct msg_drop_session drop = MSG_INIT(MSG_DROP_SESSION, struct msg_drop_session);
	struct msg_session_query query = MSG_INIT(MSG_SESSION_QUERY, struct msg_session_query);
	struct msg_tunnel_gone gone = MSG_INIT(MSG_TUNNEL_GONE, struct msg_tunnel_gone);
	struct msg_tunnel_moved moved = MSG_INIT(MSG_TUNNEL_MOVED, struct msg_tunnel_moved);

	down.key = drop.key = query.key = key_of(arg);
	gone.tid = moved.tid = key_of(arg).tid;
	moved.path.peer.port = 1701;
	const struct msg *const all[] = {&down.msg, &drop.msg, &query.msg, &gone.msg, &moved.msg};
	session_shard_msg(s, all[what % 5], now);
}

static void steps(struct session_shard *s, struct test_alloc *heap, struct span in, nsec *now)
{
	while (in.n) {
		uint8_t what = span_u8(&in), arg = span_u8(&in), how = span_u8(&in);
		struct sess_key key = key_of(arg);

		switch (what % 8) {
		case 0:
			fake_dp.publish_fails = what & 64 ? how % 3 : 0;
			heap->fail_after = what & 128 ? heap->gets + how % 4 : SIZE_MAX;
			call_up(s, arg, *now);
			heap->fail_after = SIZE_MAX;
			break;
		case 1:
			simple_message(s, how, arg, *now);
			break;
		case 2:
			auth_reply(s, arg, how, *now);
			break;
		case 3:
			*now = nsec_add(*now, NSEC_MS(20) * how);
			fake_dp.grace_over |= how & 1;
			session_shard_turn(s, *now);
			break;
		case 5:
			fake_dp.publish_fails = what & 64 ? how % 3 : 0;
			heap->fail_after = what & 128 ? heap->gets + how % 2 : SIZE_MAX;
			change(s, arg, how, *now);
			heap->fail_after = SIZE_MAX;
			break;
		case 4:
			answer_well(s, key, how, *now);
			break;
		default:
			if (how > in.n)
				how = (uint8_t)in.n;
			session_shard_frame(s, key.tid, key.sid, span_sub(&in, how), *now);
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct test_alloc heap;
	static struct counters counters;
	static struct shard_conf conf;
	nsec now = {NSEC_S(1)};

	memset(&fake_dp, 0, sizeof(fake_dp));
	memset(heard, 0, sizeof(heard));
	rnd.state = 1;
	told_new = told_gone = 0;
	test_alloc_init(&heap);
	conf.ppp = (struct ppp_conf){.mru = 1462,
				     .restart_ms = 3000,
				     .first_restart_ms = 200,
				     .max_configure = 10,
				     .max_failure = 5,
				     .max_terminate = 2,
				     .n_auth = n ? bytes[0] % 3 : 0,
				     .auth = {AUTH_PAP, AUTH_CHAP},
				     .auth_timeout_s = 60,
				     .echo_interval_s = 10,
				     .echo_fail_s = 60};
	conf.dp.mss = 1422;
	struct shard_env env = {.self = 1,
				.n_workers = 2,
				.alloc = &heap.alloc,
				.counters = &counters,
				.random = env_random,
				.send_frame = env_send_frame,
				.post = env_post,
				.log = env_log};
	struct dp_intercept nowhere = {.copy = NULL};
	env.services = dp_services_new(&heap.alloc, &counters, &nowhere, 4, now);
	struct session_shard *s = session_shard_new(&env, &conf, now);

	steps(s, &heap, span_of(bytes, n), &now);
	for (uint8_t tunnel = 0; tunnel < 3; tunnel++)
		simple_message(s, 3, tunnel, now);
	fake_dp.grace_over = true;
	for (int i = 0; i < 2; i++)
		session_shard_turn(s, now);
	if (session_shard_count(s) != 0 || told_new != told_gone || fake_dp_used() != 0)
		abort();
	if (!nsec_is_never(session_shard_turn(s, now)))
		abort();
	session_shard_free(s);
	dp_services_free(env.services);
	if (heap.held != 0)
		abort();
	return 0;
}

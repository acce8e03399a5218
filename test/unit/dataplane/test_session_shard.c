/* The sessions of one worker, driven by the messages and frames that its worker would deliver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rcu.h"
#include "dataplane/dp_table.h"
#include "dataplane/dp_service.h"
#include "dataplane/session_shard.h"
#include "dataplane/session_shard_priv.h"
#include "test_alloc.h"
#include "test_ppp_conf.h"
#include "test_random.h"
#include "test_subscriber.h"

enum { POSTS = 64, TID = 7, SID = 9 };

union any_msg {
	struct msg msg;
	struct msg_session_new session_new;
	struct msg_auth_req auth_req;
	struct msg_session_up session_up;
	struct msg_session_gone session_gone;
	struct msg_session_info session_info;
	struct msg_session_pong session_pong;
	struct msg_hangup hangup;
};

/* One worker (index 1 of 2) and what it said. */
static struct {
	struct test_alloc heap;
	struct test_random rnd;
	struct counters counters;
	struct shard_conf conf;
	struct shard_env env;
	struct session_shard *shard;
	nsec now;
	unsigned n_posts;
	struct {
		unsigned dst;
		union any_msg m;
	} posts[POSTS];
	struct subscriber *to; /* gets the frames */
	unsigned frames, priority_frames;
	struct l2tp_path last_path;
	uint16_t last_tid, last_sid;
} w;

static void env_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	test_random_fill(&w.rnd, out, n);
}

static void env_send_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
			   uint16_t peer_sid, bool priority, struct span frame)
{
	(void)ctx;
	w.frames++;
	w.priority_frames += priority;
	w.last_path = *path;
	w.last_tid = peer_tid;
	w.last_sid = peer_sid;
	if (w.to)
		sub_rx(w.to, frame);
}

static void env_post(void *ctx, unsigned dst, const struct msg *m)
{
	(void)ctx;
	assert_true(m->len <= sizeof(union any_msg));
	if (w.n_posts == POSTS)
		return;
	w.posts[w.n_posts].dst = dst;
	memcpy(&w.posts[w.n_posts++].m, m, m->len);
}

static void env_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	(void)ctx;
	(void)level;
	(void)tid;
	(void)sid;
	assert_non_null(text);
}

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	rcu_thread_start();
	test_alloc_init(&w.heap);
	w.now = (nsec){NSEC_S(5000)};
	w.conf.ppp = test_ppp_conf();
	w.conf.dp = (struct dp_conf){.mru = 1462, .mss = 1422};
	w.env = (struct shard_env){
		.self = 1,
		.n_workers = 2,
		.alloc = &w.heap.alloc,
		.counters = &w.counters,
		.tables = dp_tables_new(&w.heap.alloc, 2),
		.random = env_random,
		.send_frame = env_send_frame,
		.post = env_post,
		.log = env_log,
	};
	struct dp_intercept nowhere = {.copy = NULL};
	w.env.services = dp_services_new(&w.heap.alloc, &w.counters, &nowhere, 16, w.now);
	w.shard = session_shard_new(&w.env, &w.conf, w.now);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	session_shard_free(w.shard);
	dp_services_free(w.env.services);
	dp_tables_free(w.env.tables);
	rcu_thread_stop();
	assert_int_equal(w.heap.held, 0);
	return 0;
}

/* ---- what the worker does ------------------------------------------------------------------ */

/* A turn of the worker, grace periods included. */
static nsec turn(void)
{
	nsec next = session_shard_turn(w.shard, w.now);

	for (int i = 0; i < 3; i++) {
		dp_table_turn_own(w.env.tables, 1);
		rcu_quiescent();
		if (w.shard->n_grace)
			rcu_drain(); /* takes real time */
	}
	return next;
}

static void wait_for(int64_t ns)
{
	nsec end = nsec_add(w.now, ns);

	while (nsec_before(w.now, end)) {
		w.now = nsec_min(end, nsec_add(w.now, NSEC_MS(500)));
		turn();
	}
}

static const union any_msg *posted(uint16_t kind)
{
	for (unsigned i = w.n_posts; i-- > 0;)
		if (w.posts[i].m.msg.kind == kind)
			return &w.posts[i].m;
	return NULL;
}

static unsigned count_posted(uint16_t kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.n_posts; i++)
		n += w.posts[i].m.msg.kind == kind;
	return n;
}

static unsigned posted_to(uint16_t kind)
{
	for (unsigned i = w.n_posts; i-- > 0;)
		if (w.posts[i].m.msg.kind == kind)
			return w.posts[i].dst;
	return 9999;
}

static struct sess_key key_of(uint16_t tid, uint16_t sid)
{
	return (struct sess_key){tid, sid, 1};
}

static struct l2tp_path path_of(uint16_t port)
{
	return (struct l2tp_path){.local_ip = ip_addr_v4(0x7F000001),
				  .peer = {.ip = ip_addr_v4(0x7F000002), .port = port}};
}

static struct msg_call_up call_of(uint16_t tid, uint16_t sid)
{
	struct msg_call_up m = MSG_INIT(MSG_CALL_UP, struct msg_call_up);

	m.key = key_of(tid, sid);
	m.path = path_of(1701);
	m.peer_tid = (uint16_t)(tid + 100);
	m.peer_sid = (uint16_t)(sid + 100);
	m.calling = (struct msg_text){.n = 3, .s = "123"};
	return m;
}

static void call_up(uint16_t tid, uint16_t sid)
{
	struct msg_call_up m = call_of(tid, sid);

	session_shard_msg(w.shard, &m.msg, w.now);
}

static void call_down(struct sess_key key)
{
	struct msg_call_down m = MSG_INIT(MSG_CALL_DOWN, struct msg_call_down);

	m.key = key;
	m.reason = (struct end_reason){.cause = TERM_LOST_CARRIER, .text = "CDN"};
	session_shard_msg(w.shard, &m.msg, w.now);
}

static void auth_reply(struct sess_key key, bool accept, uint32_t session_s, uint32_t idle_s)
{
	struct msg_auth_reply m = MSG_INIT(MSG_AUTH_REPLY, struct msg_auth_reply);

	m.key = key;
	m.accept = accept;
	m.reason = (struct end_reason){.cdn_result = 3, .cause = TERM_USER_ERROR, .text = "no"};
	m.profile.ip = ip_addr_v4(0x0A000000u + key.sid);
	m.profile.session_timeout_s = session_s;
	m.profile.idle_timeout_s = idle_s;
	session_shard_msg(w.shard, &m.msg, w.now);
}

static void frame(uint16_t tid, uint16_t sid, const void *bytes, size_t n)
{
	session_shard_frame(w.shard, tid, sid, span_of(bytes, n), w.now);
}

/* Moves frames until both ends are silent; answers AAA's question with a grant. */
static void run_with(struct subscriber *s, uint16_t sid, uint32_t session_s, uint32_t idle_s)
{
	struct sub_frame f;

	w.to = s;
	for (int i = 0; i < 100; i++) {
		bool moved = false;
		while (sub_take(s, &f)) {
			moved = true;
			frame(TID, sid, f.b + 2, f.n - 2u);
		}
		const union any_msg *ask = posted(MSG_AUTH_REQ);
		if (ask) {
			struct sess_key key = ask->auth_req.key;
			w.n_posts = 0;
			auth_reply(key, true, session_s, idle_s);
			moved = true;
		}
		if (!moved)
			break;
	}
}

static struct subscriber sub;

static void dial(uint16_t sid, uint32_t session_s, uint32_t idle_s)
{
	sub_init(&sub, "joe", "secret");
	sub_dial(&sub);
	w.to = &sub;
	call_up(TID, sid);
	run_with(&sub, sid, session_s, idle_s);
	assert_true(sub_up(&sub));
}

static const struct dp_session *record(uint16_t sid)
{
	return dp_session_find_rcu(w.env.tables, TID, sid);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void a_call_is_told_recorded_and_spoken_to(void **state)
{
	(void)state;
	call_up(TID, SID);
	assert_int_equal(session_shard_count(w.shard), 1);
	assert_int_equal(w.frames, 1);
	assert_int_equal(w.last_tid, TID + 100);
	assert_int_equal(w.last_sid, SID + 100);
	const struct msg_session_new *n = &posted(MSG_SESSION_NEW)->session_new;
	assert_true(sess_key_equal(n->key, key_of(TID, SID)));
	assert_int_equal(posted_to(MSG_SESSION_NEW), MSG_TO_CONTROL);
	assert_int_equal(n->calling.n, 3);
	assert_non_null(record(SID));
	assert_int_equal(record(SID)->slot, n->slot);
	assert_int_equal(record(SID)->generation, n->slot_generation);
	assert_int_equal(record(SID)->spec.flags & DP_IP4, 0);
}

static void a_login_publishes_the_record_before_it_is_told(void **state)
{
	(void)state;
	dial(SID, 0, 0);
	const struct dp_session *r = record(SID);
	assert_int_equal(r->spec.flags, DP_IP4 | DP_TX_PFC | DP_TX_ACFC);
	assert_int_equal(ip_addr_u32(&r->spec.ip), 0x0A000000 + SID);
	assert_int_equal(r->spec.mru, 1480);
	assert_int_equal(r->spec.mss, 1422); /* ours is lower than 1480 - 40 */
	assert_int_equal(count_posted(MSG_SESSION_UP), 1);
	assert_int_equal(posted(MSG_SESSION_UP)->session_up.family, 4);
}

static void the_question_to_aaa_carries_the_response(void **state)
{
	(void)state;
	struct sub_frame f;

	sub_init(&sub, "joe", "secret");
	w.to = &sub;
	sub_dial(&sub);
	call_up(TID, SID);
	while (sub_take(&sub, &f))
		frame(TID, SID, f.b + 2, f.n - 2u);
	const struct msg_auth_req *q = &posted(MSG_AUTH_REQ)->auth_req;
	assert_int_equal(q->proto, AUTH_CHAP);
	assert_int_equal(q->challenge_len, 16);
	assert_int_equal(q->user_len, 3);
	assert_memory_equal(q->user, "joe", 3);
	struct span parts[] = {span_of(&q->chap_id, 1), span_str("secret"),
			       span_of(q->challenge, q->challenge_len)};
	uint8_t want[MD5_LEN];
	md5_of(want, parts, 3); /* RFC 1994 4.1 */
	assert_memory_equal(q->response, want, 16);
}

static void a_refusal_ends_in_hangup_and_gone(void **state)
{
	(void)state;
	struct sub_frame f;

	sub_init(&sub, "joe", "wrong");
	w.to = &sub;
	sub_dial(&sub);
	call_up(TID, SID);
	while (sub_take(&sub, &f))
		frame(TID, SID, f.b + 2, f.n - 2u);
	auth_reply(key_of(TID, SID), false, 0, 0);
	assert_true(sub.refused);
	assert_true(sub.terminated);
	while (sub_take(&sub, &f)) /* its Terminate-Ack */
		frame(TID, SID, f.b + 2, f.n - 2u);
	const struct msg_hangup *h = &posted(MSG_HANGUP)->hangup;
	assert_int_equal(posted_to(MSG_HANGUP), TID % 2);
	assert_int_equal(h->reason.cdn_result, 3);
	assert_int_equal(h->reason.cause, TERM_USER_ERROR);
	assert_null(record(SID));
	assert_null(posted(MSG_SESSION_GONE)); /* not before the grace period */
	turn();
	turn();
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_USER_ERROR);
	assert_int_equal(session_shard_count(w.shard), 0);
}

static void counters_in_gone_are_final(void **state)
{
	(void)state;
	dial(SID, 0, 0);
	struct dp_counters *c = record(SID)->counters;
	atomic_store(&c->up_packets, 11);
	atomic_store(&c->down_bytes, 4000);
	call_down(key_of(TID, SID));
	atomic_store(&c->up_packets, 12); /* a worker that still held the record */
	turn();
	turn();
	const struct msg_session_gone *g = &posted(MSG_SESSION_GONE)->session_gone;
	assert_int_equal(g->counters.up_packets, 12);
	assert_int_equal(g->counters.down_bytes, 4000);
	assert_int_equal(g->reason.cause, TERM_LOST_CARRIER);
	assert_null(posted(MSG_HANGUP)); /* the call was gone already */
	assert_int_equal(counter_get(&w.counters, C_SESSIONS_CREATED), 1);
	assert_int_equal(counter_get(&w.counters, C_SESSIONS_CLOSED), 1);
}

static void the_peers_goodbye_outranks_the_cdn_that_follows(void **state)
{
	(void)state;
	static const uint8_t goodbye[] = {0xC0, 0x21, 5, 1, 0, 4};

	dial(SID, 0, 0);
	frame(TID, SID, goodbye, sizeof(goodbye));
	assert_int_equal(record(SID)->spec.flags & DP_IP4, 0);
	call_down(key_of(TID, SID));
	turn();
	turn();
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_USER_REQUEST);
}

static void a_restart_of_lcp_takes_ip_from_the_record_and_back(void **state)
{
	(void)state;
	struct sub_frame f;

	dial(SID, 0, 0);
	w.n_posts = 0;
	sub_dial(&sub);
	assert_true(sub_take(&sub, &f));
	frame(TID, SID, f.b + 2, f.n - 2u);
	assert_int_equal(record(SID)->spec.flags & DP_IP4, 0);
	assert_false(ip_addr_is_set(&record(SID)->spec.ip));
	run_with(&sub, SID, 0, 0);
	assert_true(record(SID)->spec.flags & DP_IP4);
	assert_int_equal(count_posted(MSG_SESSION_UP), 0); /* control knows it already */
}

static void session_timeout_is_told_to_the_peer(void **state)
{
	(void)state;
	dial(SID, 20, 0);
	wait_for(NSEC_S(19));
	assert_false(sub.terminated);
	wait_for(NSEC_S(3));
	assert_true(sub.terminated);
	assert_int_equal(posted(MSG_HANGUP)->hangup.reason.cause, TERM_SESSION_TIMEOUT);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_SESSION_TIMEOUT);
}

static void limits_change_while_the_session_is_up(void **state)
{
	(void)state;
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	dial(SID, 20, 0);
	m.key = key_of(TID, SID);
	m.has_session_timeout = true;
	m.session_left_s = 60;
	session_shard_msg(w.shard, &m.msg, w.now);
	wait_for(NSEC_S(50));
	assert_false(sub.terminated);
	m.session_left_s = 0; /* no limit */
	session_shard_msg(w.shard, &m.msg, w.now);
	wait_for(NSEC_S(20));
	assert_false(sub.terminated);
	m.has_session_timeout = false;
	m.has_idle_timeout = true;
	m.idle_timeout_s = 5;
	session_shard_msg(w.shard, &m.msg, w.now);
	wait_for(NSEC_S(4));
	assert_false(sub.terminated);
	wait_for(NSEC_S(4));
	assert_true(sub.terminated);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_IDLE_TIMEOUT);
	m.key.gen++; /* of a session that is gone */
	session_shard_msg(w.shard, &m.msg, w.now);
}

static void idle_timeout_looks_at_data_only(void **state)
{
	(void)state;
	dial(SID, 0, 15);
	for (int i = 0; i < 5; i++) {
		wait_for(NSEC_S(10));
		atomic_store(&record(SID)->counters->last_data_ns, w.now.ns);
	}
	assert_false(sub.terminated);
	wait_for(NSEC_S(10));
	static const uint8_t echo[] = {0xC0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0};
	frame(TID, SID, echo, sizeof(echo));
	wait_for(NSEC_S(7));
	assert_true(sub.terminated);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_IDLE_TIMEOUT);
}

static void silence_ends_a_session(void **state)
{
	(void)state;
	w.conf.ppp.echo_fail_s = 30;
	dial(SID, 0, 0);
	sub.mute = true;
	wait_for(NSEC_S(45));
	assert_true(w.priority_frames >= 2);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_LOST_SERVICE);
}

static void forwarded_frames_keep_a_session_alive(void **state)
{
	(void)state;
	w.conf.ppp.echo_fail_s = 30;
	w.conf.ppp.echo_only_idle = true;
	dial(SID, 0, 0);
	sub.mute = true;
	w.frames = 0;
	for (int i = 0; i < 20; i++) {
		wait_for(NSEC_S(5));
		atomic_store(&record(SID)->counters->last_up_ns, w.now.ns);
	}
	assert_int_equal(w.frames, 0);
	assert_non_null(record(SID));
}

static void frames_of_nobody_are_counted(void **state)
{
	(void)state;
	call_up(TID, SID);
	frame(TID, SID + 2, "\xC0\x21", 2);
	frame(TID + 1, SID, "\xC0\x21", 2);
	assert_int_equal(counter_drops(&w.counters, DROP_NO_SESSION), 2);
	frame(TID, SID, "", 0);
	assert_int_equal(counter_drops(&w.counters, DROP_PPP_SHORT), 1);
}

static void early(uint16_t sid, uint16_t port)
{
	static const uint8_t request[] = {0xC0, 0x21, 1, 1, 0, 4}; /* LCP Configure-Request */
	struct l2tp_path from = path_of(port);

	session_shard_early(w.shard, TID, sid, &from, span_of(request, sizeof(request)), w.now);
}

static void lcp_before_its_call_is_answered_when_the_call_comes(void **state)
{
	(void)state;
	early(SID, 1701);
	assert_int_equal(w.frames, 0);
	call_up(TID, SID);
	assert_int_equal(w.frames, 2); /* our Configure-Request and the Ack */
	assert_int_equal(counter_drops(&w.counters, DROP_NO_SESSION), 0);
}

static void early_lcp_counts_only_from_the_peer_and_for_a_moment(void **state)
{
	(void)state;
	early(SID, 1702);
	call_up(TID, SID);
	assert_int_equal(w.frames, 1);
	assert_int_equal(counter_drops(&w.counters, DROP_NO_SESSION), 1);

	early(SID + 2, 1701);
	w.now = nsec_add(w.now, NSEC_S(1));
	call_up(TID, SID + 2);
	assert_int_equal(w.frames, 2);
	assert_int_equal(counter_drops(&w.counters, DROP_NO_SESSION), 2);
}

/* Many at once, as when a LAC comes back: all must be kept, each one lost costs its subscriber
 * seconds. Junk grows nothing. */
static void many_early_frames_have_room(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 200; i++)
		early((uint16_t)(SID + 2 * i), 1701);
	assert_int_equal(counter_drops(&w.counters, DROP_NO_SESSION), 0);
	for (uint16_t i = 0; i < 64; i++)
		call_up(TID, (uint16_t)(SID + 2 * i));
	assert_int_equal(w.frames, 2 * 64);
	for (unsigned i = 0; i < 5000; i++)
		early((uint16_t)(1 + 2 * i), 1701);
	assert_true(counter_drops(&w.counters, DROP_NO_SESSION) >= 4000);
}

static void messages_for_another_generation_find_nothing(void **state)
{
	(void)state;
	struct sess_key old = key_of(TID, SID);

	call_up(TID, SID);
	old.gen = 2;
	call_down(old);
	auth_reply(old, true, 0, 0);
	assert_int_equal(session_shard_count(w.shard), 1);
	assert_non_null(record(SID));
	assert_int_equal(counter_get(&w.counters, C_STALE_MESSAGES), 2);
}

static void a_new_call_with_the_ids_of_an_old_one_replaces_it(void **state)
{
	(void)state;
	call_up(TID, SID);
	call_up(TID, SID); /* the same message twice changes nothing */
	assert_int_equal(count_posted(MSG_SESSION_NEW), 1);
	struct msg_call_up m = call_of(TID, SID);
	m.key.gen = 2;
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_int_equal(session_shard_count(w.shard), 2); /* the old one rests */
	assert_int_equal(record(SID)->spec.key.gen, 2);
	turn();
	turn();
	assert_int_equal(session_shard_count(w.shard), 1);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.key.gen, 1);
	assert_null(posted(MSG_HANGUP));
}

static void a_tunnel_takes_all_its_sessions_along(void **state)
{
	(void)state;
	for (uint16_t sid = 1; sid < 41; sid += 2)
		call_up(TID, sid);
	call_up(TID + 1, 1);
	w.n_posts = 0;
	struct msg_tunnel_gone m = MSG_INIT(MSG_TUNNEL_GONE, struct msg_tunnel_gone);
	m.tid = TID;
	m.reason.cause = TERM_LOST_SERVICE;
	session_shard_msg(w.shard, &m.msg, w.now);
	turn();
	turn();
	assert_int_equal(session_shard_count(w.shard), 1);
	assert_int_equal(count_posted(MSG_SESSION_GONE), 20);
	assert_null(posted(MSG_HANGUP));
	assert_non_null(dp_session_find_rcu(w.env.tables, TID + 1, 1));
	session_shard_msg(w.shard, &m.msg, w.now); /* nobody left */
}

static void a_moved_tunnel_moves_frames_and_records(void **state)
{
	(void)state;
	dial(SID, 0, 0);
	struct msg_tunnel_moved m = MSG_INIT(MSG_TUNNEL_MOVED, struct msg_tunnel_moved);
	m.tid = TID;
	m.path = path_of(40000);
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_int_equal(record(SID)->spec.path.peer.port, 40000);
	assert_true(record(SID)->spec.flags & DP_IP4);
	static const uint8_t echo[] = {0xC0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0};
	frame(TID, SID, echo, sizeof(echo));
	assert_int_equal(w.last_path.peer.port, 40000);
}

static void control_can_end_and_ask_about_a_session(void **state)
{
	(void)state;
	dial(SID, 0, 0);
	struct msg_session_query q = MSG_INIT(MSG_SESSION_QUERY, struct msg_session_query);
	q.key = key_of(TID, SID);
	q.cookie = 42;
	session_shard_msg(w.shard, &q.msg, w.now);
	const struct msg_session_info *i = &posted(MSG_SESSION_INFO)->session_info;
	assert_true(i->found);
	assert_int_equal(i->cookie, 42);
	assert_int_equal(i->phase, PPP_NETWORK);
	assert_int_equal(i->lcp, PPP_OPENED);
	assert_int_equal(i->ipcp, PPP_OPENED);
	assert_int_equal(i->peer_mru, 1480);
	assert_int_equal(i->auth, AUTH_CHAP);
	q.key.gen = 9;
	session_shard_msg(w.shard, &q.msg, w.now);
	assert_false(posted(MSG_SESSION_INFO)->session_info.found);

	struct msg_drop_session d = MSG_INIT(MSG_DROP_SESSION, struct msg_drop_session);
	d.key = key_of(TID, SID);
	d.reason = (struct end_reason){.cause = TERM_ADMIN_RESET, .text = "drop"};
	session_shard_msg(w.shard, &d.msg, w.now);
	assert_int_equal(record(SID)->spec.flags & DP_IP4, 0);
	assert_true(sub.terminated);
	wait_for(NSEC_S(2)); /* its Ack gets lost */
	assert_int_equal(posted(MSG_HANGUP)->hangup.reason.cdn_result, 3);
	assert_int_equal(posted(MSG_SESSION_GONE)->session_gone.reason.cause, TERM_ADMIN_RESET);
}

static void ping(uint32_t gen, uint64_t cookie)
{
	struct msg_session_ping m = MSG_INIT(MSG_SESSION_PING, struct msg_session_ping);

	m.key = key_of(TID, SID);
	m.key.gen = gen;
	m.cookie = cookie;
	w.n_posts = 0;
	session_shard_msg(w.shard, &m.msg, w.now);
}

static void a_ping_is_answered_with_its_round_trip_time(void **state)
{
	struct sub_frame f;
	(void)state;

	ping(1, 7); /* nobody is there */
	assert_false(posted(MSG_SESSION_PONG)->session_pong.sent);
	call_up(TID, SID);
	ping(key_of(TID, SID).gen, 7); /* LCP is not open */
	assert_false(posted(MSG_SESSION_PONG)->session_pong.sent);
	call_down(key_of(TID, SID));
	turn();
	dial(SID, 0, 0);
	unsigned echoes = sub.echoes;
	ping(key_of(TID, SID).gen, 42);
	assert_int_equal(sub.echoes, echoes + 1);
	assert_null(posted(MSG_SESSION_PONG));
	w.now = nsec_add(w.now, NSEC_MS(25));
	assert_true(sub_take(&sub, &f));
	frame(TID, SID, f.b + 2, f.n - 2u);
	const struct msg_session_pong *p = &posted(MSG_SESSION_PONG)->session_pong;
	assert_true(p->sent && p->answered);
	assert_int_equal(p->cookie, 42);
	assert_int_equal(p->rtt_ns, NSEC_MS(25));
	w.n_posts = 0;
	frame(TID, SID, f.b + 2, f.n - 2u); /* once more: nobody asked */
	assert_null(posted(MSG_SESSION_PONG));
}

static void a_capture_is_a_flag_of_the_record(void **state)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);
	(void)state;

	dial(SID, 0, 0);
	assert_false(record(SID)->spec.flags & DP_TAP);
	m.key = key_of(TID, SID);
	m.has_tap = m.tap = true;
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_true(record(SID)->spec.flags & DP_TAP);
	assert_true(record(SID)->spec.flags & DP_IP4);
	m.has_tap = false; /* says nothing about it */
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_true(record(SID)->spec.flags & DP_TAP);
	m.has_tap = true;
	m.tap = false;
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_false(record(SID)->spec.flags & DP_TAP);
}

static void proxy_avps_take_memory_only_when_sent(void **state)
{
	(void)state;
	call_up(TID, SID);
	size_t without = w.heap.held;
	struct msg_call_up m = call_of(TID, SID + 2);
	m.proxy.auth_type = 3;
	session_shard_msg(w.shard, &m.msg, w.now);
	assert_true(w.heap.held - without >= sizeof(struct msg_proxy));
	assert_true(sizeof(struct session) <= 512);
}

/* Whatever allocation fails, the call is hung up or works; nothing is lost (see tear_down). */
static void out_of_memory_refuses_calls(void **state)
{
	(void)state;
	unsigned refused = 0;

	for (uint16_t n = 0; n < 12; n++) {
		w.n_posts = 0;
		w.heap.fail_after = w.heap.gets + n;
		call_up((uint16_t)(TID + n), SID);
		w.heap.fail_after = SIZE_MAX;
		refused += count_posted(MSG_HANGUP);
		assert_true(count_posted(MSG_HANGUP) == 1 || count_posted(MSG_SESSION_NEW) == 1);
	}
	assert_true(refused > 0);
	turn();
	turn();
	assert_int_equal(session_shard_count(w.shard), 12 - refused);
}

/* Many sessions come, live and go in random order; nothing is left over. */
static void churn_leaves_nothing(void **state)
{
	(void)state;
	enum { N = 2000 };
	static bool live[N];
	memset(live, 0, sizeof(live));
	for (int i = 0; i < 20000; i++) {
		uint16_t n = (uint16_t)test_random_below(&w.rnd, N);
		uint16_t tid = (uint16_t)(1 + n % 5), sid = (uint16_t)(2 * n + 1);
		w.n_posts = 0;
		if (live[n])
			call_down(key_of(tid, sid));
		else
			call_up(tid, sid);
		live[n] = !live[n];
		w.now = nsec_add(w.now, NSEC_MS(1));
		if (i % 1000 == 0)
			turn();
	}
	unsigned want = 0;
	for (int n = 0; n < N; n++)
		want += live[n];
	for (int i = 0; i < 4; i++) {
		w.n_posts = 0;
		turn();
	}
	assert_int_equal(session_shard_count(w.shard), want);
	wait_for(NSEC_S(60)); /* no peer ever answers: all end by themselves */
	assert_int_equal(session_shard_count(w.shard), 0);
	assert_true(nsec_is_never(session_shard_turn(w.shard, w.now)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_is_told_recorded_and_spoken_to),
		T(a_login_publishes_the_record_before_it_is_told),
		T(the_question_to_aaa_carries_the_response),
		T(a_refusal_ends_in_hangup_and_gone),
		T(counters_in_gone_are_final),
		T(the_peers_goodbye_outranks_the_cdn_that_follows),
		T(a_restart_of_lcp_takes_ip_from_the_record_and_back),
		T(session_timeout_is_told_to_the_peer),
		T(limits_change_while_the_session_is_up),
		T(idle_timeout_looks_at_data_only),
		T(silence_ends_a_session),
		T(forwarded_frames_keep_a_session_alive),
		T(frames_of_nobody_are_counted),
		T(lcp_before_its_call_is_answered_when_the_call_comes),
		T(early_lcp_counts_only_from_the_peer_and_for_a_moment),
		T(many_early_frames_have_room),
		T(messages_for_another_generation_find_nothing),
		T(a_new_call_with_the_ids_of_an_old_one_replaces_it),
		T(a_tunnel_takes_all_its_sessions_along),
		T(a_moved_tunnel_moves_frames_and_records),
		T(control_can_end_and_ask_about_a_session),
		T(a_ping_is_answered_with_its_round_trip_time),
		T(a_capture_is_a_flag_of_the_record),
		T(proxy_avps_take_memory_only_when_sent),
		T(out_of_memory_refuses_calls),
		T(churn_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

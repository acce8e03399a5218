/*
 * tunnel_rig.h - a tunnel shard in a bottle: an environment that records what the shard sends and
 * posts, and a writer of the peer's messages. For unit tests and the fuzzer.
 */
#ifndef LNS_TUNNEL_RIG_H
#define LNS_TUNNEL_RIG_H

#include "dataplane/tunnel_shard.h"
#include "l2tp/l2tp_hdr.h"
#include "l2tp/l2tp_msg.h"
#include "test_alloc.h"
#include "test_random.h"

enum { RIG_KEPT = 256, RIG_BYTES = 1600, RIG_WORKERS = 4, RIG_SELF = 1 };

struct rig_sent {
	struct l2tp_path to;
	size_t n;
	uint8_t bytes[RIG_BYTES];
};

struct rig_post {
	unsigned to;
	_Alignas(8) uint8_t bytes[MSG_MAX];
};

struct rig {
	struct shard_env env;
	struct shard_conf conf;
	struct counters counters;
	struct test_alloc mem;
	struct test_random random;
	struct tunnel_shard *shard;
	nsec now;
	struct l2tp_path peer; /* where rig_rx comes from */
	uint32_t load[RIG_WORKERS];
	unsigned n_sent, n_posts, n_logs; /* since rig_forget; only RIG_KEPT are kept */
	struct rig_sent sent[RIG_KEPT];
	struct rig_post posts[RIG_KEPT];
	char last_log[LOG_LINE_MAX];
};

static inline void rig_on_random(void *ctx, void *out, size_t n)
{
	test_random_fill(&((struct rig *)ctx)->random, out, n);
}

static inline void rig_on_send(void *ctx, const struct l2tp_path *path, struct span datagram)
{
	struct rig *r = ctx;
	struct rig_sent *s = &r->sent[r->n_sent % RIG_KEPT];

	s->to = *path;
	s->n = datagram.n < RIG_BYTES ? datagram.n : RIG_BYTES;
	memcpy(s->bytes, datagram.p, s->n);
	r->n_sent++;
}

static inline void rig_on_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
				uint16_t peer_sid, bool priority, struct span frame)
{
	(void)ctx, (void)path, (void)peer_tid, (void)peer_sid, (void)priority, (void)frame;
	abort(); /* a tunnel shard sends no PPP */
}

static inline void rig_on_post(void *ctx, unsigned dst, const struct msg *m)
{
	struct rig *r = ctx;
	struct rig_post *p = &r->posts[r->n_posts % RIG_KEPT];

	p->to = dst;
	memcpy(p->bytes, m, m->len);
	r->n_posts++;
}

static inline uint32_t rig_on_sessions(void *ctx, unsigned w)
{
	return ((struct rig *)ctx)->load[w];
}

static inline void rig_on_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid,
			      const char *text)
{
	struct rig *r = ctx;

	(void)level, (void)tid, (void)sid;
	strncpy(r->last_log, text, sizeof(r->last_log) - 1);
	r->n_logs++;
}

static inline void rig_forget(struct rig *r)
{
	r->n_sent = r->n_posts = r->n_logs = 0;
}

static inline struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	test_alloc_init(&r->mem);
	r->env = (struct shard_env){.self = RIG_SELF,
				    .n_workers = RIG_WORKERS,
				    .alloc = &r->mem.alloc,
				    .counters = &r->counters,
				    .ctx = r,
				    .random = rig_on_random,
				    .send_control = rig_on_send,
				    .send_frame = rig_on_frame,
				    .post = rig_on_post,
				    .sessions_of = rig_on_sessions,
				    .log = rig_on_log};
	r->conf.l2tp = (struct l2tp_conf){.host_name = "lns",
					  .secret = "secret",
					  .window = 128,
					  .max_retries = 5,
					  .retransmit_cap_s = 8,
					  .hello_interval_s = 60,
					  .max_tunnels = 100,
					  .max_half_open = 50,
					  .max_half_open_per_source = 10,
					  .max_sessions = 100000};
	r->now = (nsec){NSEC_S(1000)};
	r->peer.local_ip = ip_addr_v4(0xC0000201);
	r->peer.peer = (struct sock_addr){.ip = ip_addr_v4(0xC0000202), .port = 1701};
	r->shard = tunnel_shard_new(&r->env, &r->conf, r->now);
	if (!r->shard)
		abort();
	return r;
}

/* Returns how many blocks of memory the shard forgot. */
static inline size_t rig_free(struct rig *r)
{
	tunnel_shard_free(r->shard);
	size_t leaked = r->mem.blocks;
	free(r);
	return leaked;
}

static inline nsec rig_turn(struct rig *r)
{
	return tunnel_shard_turn(r->shard, r->now);
}

/* Lets time pass, in steps of at most 100 ms, as a worker would see it. */
static inline void rig_pass_ms(struct rig *r, int64_t ms)
{
	nsec end = nsec_add(r->now, NSEC_MS(ms));

	while (nsec_before(r->now, end)) {
		r->now = nsec_min(nsec_add(r->now, NSEC_MS(100)), end);
		rig_turn(r);
	}
}

/* One message of the peer in the making. */
struct rig_msg {
	struct wbuf w;
	uint8_t bytes[RIG_BYTES];
};

static inline void rig_begin(struct rig_msg *m, uint16_t tid, uint16_t sid, enum l2tp_msg_type type)
{
	m->w = wbuf_of(m->bytes, sizeof(m->bytes));
	l2tp_msg_begin(&m->w, tid, sid, type);
}

static inline void rig_rx_bytes(struct rig *r, struct span datagram)
{
	tunnel_shard_rx(r->shard, &r->peer, datagram, r->now);
}

/* Gives the message to the shard. */
static inline void rig_rx(struct rig *r, struct rig_msg *m, uint16_t ns, uint16_t nr)
{
	l2tp_hdr_finish(&m->w);
	l2tp_hdr_stamp(m->w.p, m->w.n, ns, nr);
	rig_rx_bytes(r, wbuf_written(&m->w));
}

static inline void rig_rx_zlb(struct rig *r, uint16_t tid, uint16_t ns, uint16_t nr)
{
	uint8_t bytes[L2TP_CONTROL_HEADER];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_hdr_begin(&w, tid, 0);
	l2tp_hdr_stamp(bytes, sizeof(bytes), ns, nr);
	rig_rx_bytes(r, wbuf_written(&w));
}

static inline void rig_sccrq(struct rig_msg *m, uint16_t peer_tid)
{
	rig_begin(m, 0, 0, L2TP_SCCRQ);
	l2tp_avp_put_u16(&m->w, L2TP_AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_put_u32(&m->w, L2TP_AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_put(&m->w, L2TP_AVP_HOST_NAME, span_str("lac"));
	if (peer_tid)
		l2tp_avp_put_u16(&m->w, L2TP_AVP_ASSIGNED_TUNNEL_ID, peer_tid);
}

/* A datagram that the shard sent, decoded; false when there were fewer. */
struct rig_got {
	struct l2tp_hdr h;
	struct l2tp_msg m; /* type 0: a ZLB */
};

static inline bool rig_got(struct rig *r, unsigned i, struct rig_got *out)
{
	enum drop why;

	if (i >= r->n_sent || i >= RIG_KEPT)
		return false;
	struct rig_sent *s = &r->sent[i];
	if (!l2tp_hdr_decode_control(span_of(s->bytes, s->n), &out->h, &why))
		abort();
	out->m.type = 0;
	if (out->h.body.n && !l2tp_msg_decode(out->h.body, span_of(NULL, 0), &out->m))
		abort();
	return true;
}

/* The first post of this kind from number *i on; *i is moved behind it. NULL = none. */
static inline const void *rig_post(struct rig *r, enum msg_kind kind, unsigned *i, unsigned *to)
{
	for (; *i < r->n_posts && *i < RIG_KEPT; (*i)++) {
		const struct msg *m = (const struct msg *)r->posts[*i].bytes;
		if (m->kind == kind) {
			if (to)
				*to = r->posts[*i].to;
			(*i)++;
			return m;
		}
	}
	return NULL;
}

static inline unsigned rig_posts_of(struct rig *r, enum msg_kind kind)
{
	unsigned i = 0, n = 0;

	while (rig_post(r, kind, &i, NULL))
		n++;
	return n;
}

#endif

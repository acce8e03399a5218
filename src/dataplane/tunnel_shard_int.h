/*
 * tunnel_shard_int.h - what the files of the tunnel shard share: its tables and the life of tunnels
 * and calls. Owned by the worker of the shard; nobody else includes this.
 */
#ifndef LNS_TUNNEL_SHARD_INT_H
#define LNS_TUNNEL_SHARD_INT_H

#include "base/hash.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/wheel.h"
#include "dataplane/tunnel_shard.h"
#include "l2tp/l2tp_auth.h"
#include "l2tp/l2tp_call.h"
#include "l2tp/l2tp_cause.h"
#include "l2tp/l2tp_chan.h"
#include "l2tp/l2tp_tunnel.h"

enum {
	TUNNEL_OPENING_S = 60,	   /* from SCCRQ to SCCCN at most */
	SCCRQ_STRAY_S = 4,	   /* what a copy of the SCCRQ may be late behind the SCCCN */
	TUNNEL_REST_S = 30,	   /* a tunnel id is not given out again before */
	CALL_SETUP_S = 60,	   /* from ICRP to ICCN at most */
	CALL_REST_S = 10,	   /* a session id is not given out again before */
	CALL_QUEUE_MAX = 16384,	   /* messages waiting for the peer: new calls are ignored above */
	EARLY_QUEUE_MAX = 64,	   /* the same, before the tunnel is open */
	OPENING_EVICTED_MAX = 500, /* half-open tunnels that give their places in a second */
	EARLY_AHEAD_MAX = 4,	   /* messages ahead of order that are kept before it is open */
	CONTROL_RX_MAX = 4096,	   /* bytes of the longest message that we read */
	SHUTDOWN_RETRIES = 2,	   /* resends of a StopCCN when we leave */
	CONTROL_MAX = 1500,	   /* bytes of the longest message that we write */
	SID_CHUNK_BITS = 1024,
	SID_CHUNKS = 65, /* 65,536 ids, and the rounding of up to 64 classes */
};

/* What the wheel's timers are embedded in (wheel_timer.kind). */
enum { TIMER_TUNNEL, TIMER_CALL_SETUP };

/* Session ids of one tunnel in use or at rest, a bit each, the ids of one worker side by side. */
struct sid_set {
	uint64_t *chunk[SID_CHUNKS];	  /* NULL: none of its ids is taken */
	uint16_t cursor[LNS_WORKERS_MAX]; /* where the search of each class goes on */
};

/* Half-open tunnels of one address. */
struct source {
	struct hmap_node node;
	struct ip_addr ip;
	uint32_t half_open;
};

struct tunnel {
	struct hmap_node by_peer; /* peer address, port and tunnel id */
	struct list_head all;
	struct list_head dirty;	  /* in shard->dirty: an acknowledgement is due */
	struct list_head closed;  /* in shard->closed */
	struct list_head opening; /* in shard->opening, as long as it counts as half open */
	struct wheel_timer timer; /* the earliest of everything below */
	struct l2tp_path path;
	uint16_t tid, peer_tid;
	uint8_t state; /* enum l2tp_tunnel_state */
	bool challenged;
	bool was_open;			       /* its id rests when it is gone */
	bool busy;			       /* counted in shard->n_busy */
	uint8_t challenge[L2TP_CHALLENGE_LEN]; /* ours */
	struct l2tp_chan chan;
	uint64_t sccrq;			 /* hash of the SCCRQ's AVPs: tells a repetition */
	struct source *source;		 /* counts this tunnel as half open; NULL later */
	nsec opened;			 /* SCCCN came; before that: SCCRQ came */
	nsec last_rx;			 /* control messages */
	nsec deadline;			 /* of WAIT_CTL_CONN and CLOSED */
	struct bstr *host_name, *vendor; /* may be NULL */
	struct end_reason reason;	 /* why it closes */
	struct list_head calls;		 /* in.tunnel, not the resting ones */
	struct list_head resting;	 /* in.tunnel, the oldest first */
	uint32_t n_calls;		 /* in <calls> */
	struct sid_set *sids;		 /* NULL before the first call */
};

/* What a call needs until ICCN. */
struct call_setup {
	struct wheel_timer timer;
	struct call *call;
	uint32_t serial;
	struct msg_text calling, called;
};

struct call {
	struct hmap_node by_sid;  /* our ids */
	struct hmap_node by_peer; /* our tunnel id, the peer's session id; not when resting */
	struct list_head in_tunnel;
	struct tunnel *tunnel;
	union {
		struct call_setup *setup; /* WAIT_CONNECT */
		nsec rests_until;	  /* RESTING */
	};
	uint32_t gen;
	uint16_t sid, peer_sid;
	uint8_t state; /* enum l2tp_call_state, never IDLE */
};

static inline struct sess_key call_key(const struct call *c)
{
	return (struct sess_key){c->tunnel->tid, c->sid, c->gen};
}

struct tunnel_shard {
	const struct shard_env *env;
	const struct shard_conf *conf;
	struct wheel wheel;
	struct tunnel **by_tid;	   /* by tid / n_workers */
	uint32_t *tid_rests_until; /* seconds of the clock, by tid / n_workers */
	uint32_t n_tids;
	struct hmap tunnels_by_peer, calls_by_sid, calls_by_peer, sources;
	struct list_head all, dirty;
	struct list_head closed, opening; /* the oldest first */
	uint32_t n_live;		  /* tunnels that are not CLOSED */
	uint32_t n_half_open;		  /* never open, and not CLOSED */
	uint32_t n_closed;
	uint32_t evicted_s, n_evicted;	   /* the second that they were counted in */
	uint32_t n_busy;		   /* tunnels whose messages wait for an acknowledgement */
	uint32_t n_calls;		   /* not the resting ones */
	uint32_t pending[LNS_WORKERS_MAX]; /* calls in WAIT_CONNECT that each worker will get */
	uint32_t last_gen;
	uint64_t seed; /* of the hashes */
	bool shutdown;
};

/* ---- tunnel_shard_ids.c: which ids are free ---- */

/* A tunnel id of this worker that is neither used nor at rest; 0 = none. */
uint16_t tid_pick(struct tunnel_shard *s, nsec now);
/* A session id owned by worker <w>, or another's when it has none; 0 = none. */
uint16_t sid_pick(struct tunnel_shard *s, struct tunnel *t, unsigned w);
/* Marks it used; false when out of memory. */
bool sid_take(struct tunnel_shard *s, struct tunnel *t, uint16_t sid);
void sid_put(struct tunnel_shard *s, struct tunnel *t, uint16_t sid);
void sids_free(struct tunnel_shard *s, struct tunnel *t);

/* ---- tunnel_shard_send.c: what we write ---- */

struct l2tp_chan_conf shard_chan_conf(const struct tunnel_shard *s);
/* Sends what the windows let go. */
void tunnel_flush(struct tunnel_shard *s, struct tunnel *t, nsec now);
/* The same, and the acknowledgement if it is still due. */
void tunnel_flush_ack(struct tunnel_shard *s, struct tunnel *t, nsec now);
/* Each queues one message; false when out of memory. */
bool send_sccrp(struct tunnel_shard *s, struct tunnel *t, struct span challenge);
bool send_stopccn(struct tunnel *t, uint16_t result, uint16_t error, const char *text);
bool send_hello(struct tunnel *t);
bool send_icrp(struct tunnel_shard *s, const struct call *c, nsec now);
struct cdn {
	uint16_t sid, peer_sid;
	uint16_t result, error;
	const char *text;
};
/* Also for a call that never was one: then `gen` is 0. */
bool send_cdn(struct tunnel_shard *s, struct tunnel *t, const struct cdn *cdn, uint32_t gen,
	      nsec now);
/* A StopCCN that answers an SCCRQ for which we keep no state. */
struct refusal {
	uint16_t peer_tid;
	uint16_t result, error;
	const char *text;
};
void send_refusal(struct tunnel_shard *s, const struct l2tp_path *to, const struct refusal *r,
		  nsec now);

/* ---- tunnel_shard_tell.c: messages to other threads, and the log ---- */

void tell_tunnel_state(struct tunnel_shard *s, const struct tunnel *t, enum tunnel_state state);
void tell_workers_gone(struct tunnel_shard *s, const struct tunnel *t);
void tell_workers_moved(struct tunnel_shard *s, const struct tunnel *t);
void tell_call_up(struct tunnel_shard *s, const struct call *c, const struct l2tp_msg *iccn);
void tell_call_down(struct tunnel_shard *s, const struct call *c, const struct end_reason *reason);
void tell_tunnel_info(struct tunnel_shard *s, const struct msg_tunnel_query *q, nsec now);
struct msg_text msg_text_of(struct span bytes);

/* While somebody traces: a message about a call, its AVPs. */
void tell_trace(struct tunnel_shard *s, struct sess_key key, bool sent, uint16_t type,
		struct span avps, nsec now);

/* One line: "<what>: <detail>". */
void note(struct tunnel_shard *s, enum log_level level, uint16_t tid, uint16_t sid,
	  const char *what, const char *detail);
/* "AVP 0/23 in ICRQ" */
enum { FAULT_TEXT = 60 };
const char *fault_text(const struct l2tp_msg *m, char buf[static FAULT_TEXT]);

/* ---- tunnel_shard_tunnel.c: life of a tunnel ---- */

struct tunnel *tunnel_find(const struct tunnel_shard *s, uint16_t tid);
/* The tunnel that this peer opened under this id of its own; the newest, closed ones included. */
struct tunnel *tunnel_find_peer(const struct tunnel_shard *s, const struct sock_addr *peer,
				uint16_t peer_tid);
/* Whether this SCCRQ opened <t>: then it is a duplicate, else the peer begins anew. */
bool sccrq_is_repeated(const struct tunnel_shard *s, const struct tunnel *t,
		       const struct l2tp_hdr *h, nsec now);
/* An SCCRQ that belongs to no tunnel. */
void tunnel_open(struct tunnel_shard *s, const struct l2tp_path *from, const struct l2tp_hdr *h,
		 const struct l2tp_msg *m, nsec now);
/* The next message of the tunnel in order. */
void tunnel_handle(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_hdr *h,
		   const struct l2tp_msg *m, nsec now);
void tunnel_moved(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_path *to);
/* StopCCN; calls end now, the tunnel when it is acknowledged. */
struct stop {
	uint16_t result, error;
	enum term_cause cause;
	const char *text;
};
void tunnel_stop(struct tunnel_shard *s, struct tunnel *t, const struct stop *why, nsec now);
/* After anything that may have changed the channel: a StopCCN that was acknowledged ends it. */
void tunnel_settle(struct tunnel_shard *s, struct tunnel *t, nsec now);
/* Ends everything that changed a tunnel: arms its timer and counts it as busy or not. */
void tunnel_timer_set(struct tunnel_shard *s, struct tunnel *t);
void tunnel_timer(struct tunnel_shard *s, struct tunnel *t, nsec now);
void tunnel_free(struct tunnel_shard *s, struct tunnel *t, nsec now);

/* ---- tunnel_shard_call.c: life of a call ---- */

void call_handle(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_hdr *h,
		 const struct l2tp_msg *m, nsec now);
/* A message about a call before the tunnel is open. */
void call_refuse_early(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m,
		       nsec now);
void call_hangup(struct tunnel_shard *s, const struct msg_hangup *m, nsec now);
void call_setup_timer(struct tunnel_shard *s, struct call_setup *setup, nsec now);
/* Ends all calls of the tunnel without a message to anybody. */
void calls_end(struct tunnel_shard *s, struct tunnel *t);
/* Ids that have rested long enough are free again. */
void calls_rested(struct tunnel_shard *s, struct tunnel *t, nsec now);
struct call *call_find(const struct tunnel_shard *s, uint16_t tid, uint16_t sid);

#endif

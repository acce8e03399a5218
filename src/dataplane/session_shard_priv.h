/*
 * session_shard_priv.h - what the files session_shard*.c share: one session, the sessions of one
 * tunnel, the shard. Private to them; owned by the worker.
 */
#ifndef LNS_SESSION_SHARD_PRIV_H
#define LNS_SESSION_SHARD_PRIV_H

#include "base/hmap.h"
#include "base/list.h"
#include "base/wheel.h"
#include "dataplane/dp_service.h"
#include "dataplane/dp_table.h"
#include "dataplane/session_shard.h"
#include "ppp/ppp_link.h"

/* A tunnel as this shard knows it: the outer path, and who has to hear of its end. */
struct shard_tunnel {
	struct hmap_node node;
	uint16_t tid;
	struct l2tp_path path;
	struct list_head sessions; /* by session.in_tunnel */
};

/* Whether control is told of its packets while somebody traces: until the user is known, always. */
enum session_trace { SESSION_TRACE_MAYBE, SESSION_TRACE_YES, SESSION_TRACE_NO };

/*
 * LIVE until the link is dead or the call is gone; then its record is unpublished and the session
 * waits in the grace list, known to nobody, until no reader can count a packet for it any more.
 */
struct session {
	struct hmap_node node;	    /* in by_id while LIVE */
	struct list_head in_tunnel; /* while LIVE; then in session_shard.grace */
	struct wheel_timer timer;
	nsec timer_at; /* what the timer was set to: it may fire early, never late */
	struct sess_key key;
	struct shard_tunnel *tunnel; /* NULL when not LIVE */
	uint32_t slot;
	uint16_t peer_tid, peer_sid;
	uint16_t mtu;		    /* Framed-MTU; 0 = none */
	bool call_gone;		    /* the L2TP call is down: no frames, no HANGUP */
	bool up_told;		    /* SESSION_UP was sent */
	uint8_t trace;		    /* enum session_trace */
	bool tap;		    /* an operator captures its packets */
	uint32_t idle_timeout_s;    /* 0 = none */
	nsec idle_from;		    /* IPCP opened */
	nsec expires;		    /* Session-Timeout */
	uint64_t ping;		    /* cookie of an operator's ping that waits; 0 = none */
	struct dp_service *service; /* of its policy; NULL until the first one */
	bool served;		    /* the policy asks for something now */
	struct msg_proxy *proxy;    /* the LAC's proxy AVPs; NULL = it sent none */
	struct ppp_link link;
};

enum { EARLY_FRAMES = 1024, EARLY_FRAME_MAX = 128 };

/* An LCP frame that came before its call; n is 0 in a free place. */
struct early_frame {
	struct l2tp_path path;
	nsec until;
	uint16_t tid, sid;
	uint8_t n;
	uint8_t bytes[EARLY_FRAME_MAX];
};

struct session_shard {
	struct shard_env env;
	const struct shard_conf *conf;
	struct wheel wheel;
	struct hmap by_id;	/* sessions by (tid, sid) */
	struct hmap tunnels;	/* shard_tunnel by tid */
	struct list_head grace; /* oldest first */
	unsigned n_grace;
	struct ppp_actions out; /* of the step in progress */
	struct early_frame early[EARLY_FRAMES];
};

/* ---- session_shard_table.c: birth, look-up, death ---- */

struct session *session_find(const struct session_shard *s, uint16_t tid, uint16_t sid);
/* NULL, and counted, when the generation is not the living one's. */
struct session *session_find_key(struct session_shard *s, struct sess_key key);
struct shard_tunnel *shard_tunnel_find(const struct session_shard *s, uint16_t tid);
/* A session with its slot, not published yet. NULL: out of memory or slots. */
struct session *session_new(struct session_shard *s, const struct msg_call_up *call);
/* Out of every table, into the grace list. */
void session_retire(struct session_shard *s, struct session *x);
/* The same for all of them, when the shard ends. */
void session_retire_all(struct session_shard *s);
void session_free(struct session_shard *s, struct session *x);

/* ---- session_shard_early.c ---- */

/* Gives a new session the frame that came before it, if there is one. */
void session_early_deliver(struct session_shard *s, struct sess_key key, nsec now);

/* ---- session_shard_trace.c ---- */

/* A frame from or to the peer; free of charge while nobody traces. */
void session_trace_frame(struct session_shard *s, const struct session *x, bool sent,
			 struct span frame, nsec now);
/* The user is known: is he one of those? */
void session_trace_user(const struct session_shard *s, struct session *x, struct span user);

/* ---- session_shard_act.c: what a step of the link asks for ---- */

/* The surroundings of the next step; clears the actions. */
struct ppp_io session_io(struct session_shard *s, nsec now);
/* Carries the actions out and sets the timer. The session may be retired afterwards. */
void session_act(struct session_shard *s, struct session *x, nsec now);
/* Publishes the record as the link stands now. False: out of memory. */
bool session_publish(struct session_shard *s, struct session *x);
/* Keeps what is to be done to its packets, for the record to be published next. False: out of
 * memory, nothing changed. */
bool session_policy(struct session_shard *s, struct session *x, const struct sess_policy *p,
		    nsec now);
/* Ends a session whose link is dead or does not matter any more: record, HANGUP, grace. */
void session_end(struct session_shard *s, struct session *x, const struct end_reason *why);
/* HANGUP for a call that no session could be made for, or whose session ended. */
void session_hangup(const struct session_shard *s, struct sess_key key,
		    const struct end_reason *why);
/* When Idle-Timeout strikes; NSEC_NEVER without one. */
nsec session_idle_end(const struct session_shard *s, const struct session *x);

#endif

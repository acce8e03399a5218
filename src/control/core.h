/*
 * core.h - the brain of the control thread: the AAA life of every session (authentication, address,
 * routes, duplicates, accounting events), the tunnels as the workers reported them, and what the
 * CLI and other management may see and do. One owner: the control thread. Pure: messages,
 * RADIUS datagrams, requests and `now` in; core_env calls out.
 */
#ifndef LNS_CORE_H
#define LNS_CORE_H

#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/msg.h"
#include "base/wbuf.h"
#include "control/acct_journal.h"
#include "control/conf.h"
#include "control/core_hooks.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"

struct core;

struct core_env {
	unsigned n_workers;
	const struct alloc *alloc;
	struct counters *counters; /* of the control thread */
	struct dp_tables *tables;  /* read only */
	struct dp_routes *routes;  /* control is the writer */
	void *ctx;
	void (*random)(void *ctx, void *out, size_t n);
	/* To worker w's inbox; never fails from the caller's view (waits in a bounded list). */
	void (*post)(void *ctx, unsigned w, const struct msg *m);
	/* Sends one RADIUS datagram from client socket `sock` and, when it is set, from
	 * our address `from`; the shell (radius_io.c) owns the
	 * sockets, opens one per index on first use and closes it on radius_close. */
	void (*radius_send)(void *ctx, unsigned sock, const struct sock_addr *to,
			    const struct ip_addr *from, struct span data);
	void (*radius_close)(void *ctx, unsigned sock);
	/* A kernel route toward the TUN device; prefixes are reference counted by the core. */
	void (*kernel_route)(void *ctx, bool add, const struct ip_prefix *p);
	void (*log)(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text);
	/* crypt(3) of a password of the local file; may be NULL: such subscribers are refused. */
	bool (*crypt_check)(const char *password, const char *hash);
	/* Accounting records are written there first; NULL: there is none. Lent by the shell. */
	struct journal *journal;
	/* The next piece of a usage file (usage_io.c); may be NULL: there are none. */
	void (*usage)(void *ctx, const char *dir, int64_t wall_s, struct span text, bool last);
	/* Seconds since 1970, for what leaves the program (RADIUS, Acct-Session-Id). */
	int64_t (*wall_clock_s)(void *ctx);
	const struct core_hooks *hooks; /* NULL: none; outlives the core */
};

/* `conf` stays valid until core_conf() replaces it. Pools and local users are loaded by the shell
 * from their files (ippool.h, local_users.h) and lent the same way. */
struct ippool;
struct local_users;
struct core *core_new(const struct core_env *env, const struct conf *conf, struct ippool *pool,
		      const struct local_users *users, nsec now);
void core_free(struct core *c);
void core_conf(struct core *c, const struct conf *conf, const struct local_users *users, nsec now);
/* Before and after the pool's ranges are replaced: our own addresses, and those that sessions have
 * from elsewhere, are never given out of the new ones. */
void core_pool_leave(struct core *c, nsec now);
void core_pool_join(struct core *c, nsec now);

void core_msg(struct core *c, unsigned from_worker, const struct msg *m, nsec now);
/* A datagram arrived on RADIUS client socket `sock`. */
void core_radius_rx(struct core *c, unsigned sock, const struct sock_addr *from, struct span data,
		    nsec now);
/* What the journal asked to read; bytes.bad: it could not be read. */
void core_journal_read(struct core *c, uint64_t file, uint32_t at, struct span bytes, nsec now);
/* A Disconnect or CoA request arrived. True: *reply holds the answer to send back. */
bool core_dae_rx(struct core *c, const struct sock_addr *from, struct span datagram,
		 struct wbuf *reply, nsec now);
/* Handles what is due; returns when to call again. */
nsec core_turn(struct core *c, nsec now);
/* True while a RADIUS server has something to answer, or to be told. */
bool core_waits(const struct core *c);
/* The same, or sessions remain: a drain is not complete. */
bool core_busy(const struct core *c);

/* ---- what management may see: copies, never pointers into the tables ------------------------ */

struct session_view {
	struct sess_key key;
	uint32_t slot;
	unsigned worker;
	bool authenticated, up, dying;
	uint8_t user_len;
	uint8_t user[LNS_USER_MAX + 1]; /* any bytes; NUL behind them */
	struct ip_addr ip;
	bool ip_from_pool;
	struct l2tp_path path;
	uint16_t peer_tid, peer_sid;
	uint64_t tx_speed, rx_speed;
	struct msg_text calling, called, lac_name;
	uint32_t unique_id; /* Acct-Session-Id's first half; 0 before authentication */
	uint32_t opened_s;  /* age */
	uint32_t idle_s;    /* since the subscriber's last packet */
	uint32_t session_timeout_s, idle_timeout_s; /* as granted; 0 = none */
	struct sess_counters counters;
	uint8_t n_routes;
	struct ip_prefix routes[LNS_ROUTES_MAX];
	struct ip_addr dns[2];
	struct sess_policy policy;
};

/* What RADIUS granted it beyond IPv4. Passwords are wiped. */
struct session_extra {
	struct aaa_ipv6 v6;
	uint8_t n_tunnels;
	struct aaa_tunnel tunnels[LNS_TUNNELS_MAX];
};

struct tunnel_view {
	uint16_t tid, peer_tid;
	uint8_t state; /* enum tunnel_state */
	struct l2tp_path path;
	uint16_t peer_window;
	struct msg_text host_name, vendor;
	uint32_t sessions;
	uint32_t age_s;
};

/* Iteration that survives changes between calls: start with *cursor = 0; false at the end. Order is
 * by tunnel id, then session id for tunnels; by age for sessions. */
bool core_session_next(struct core *c, uint64_t *cursor, nsec now, struct session_view *out);
bool core_session_find(struct core *c, uint16_t tid, uint16_t sid, nsec now,
		       struct session_view *out);
/* That very one, or false. */
bool core_session_of_key(struct core *c, struct sess_key key, nsec now, struct session_view *out);
/* All sessions of a user name (case-insensitive, as the duplicate rule); same cursor rules. */
bool core_session_by_user(struct core *c, struct span user, uint64_t *cursor, nsec now,
			  struct session_view *out);
bool core_session_by_ip(struct core *c, const struct ip_addr *ip, nsec now,
			struct session_view *out);
/* False: nothing of that kind. */
bool core_session_extra(struct core *c, struct sess_key key, struct session_extra *out);
bool core_tunnel_next(struct core *c, uint32_t *cursor, nsec now, struct tunnel_view *out);
bool core_tunnel_find(struct core *c, uint16_t tid, nsec now, struct tunnel_view *out);

struct core_totals {
	uint32_t sessions, authenticated, up, tunnels;
	uint32_t radius_outstanding;
};
void core_totals(const struct core *c, struct core_totals *out);

/* The client of the RADIUS servers, to be looked at on the control thread only. */
struct rad_client;
const struct rad_client *core_radius(const struct core *c);
/* The session that a login is about, by the cookie of its request; false: it is gone. */
bool core_radius_session(const struct core *c, uint64_t cookie, struct sess_key *out);

/* Accounting records that no server has taken yet. */
struct core_acct_view {
	bool journal; /* there is one */
	bool silent;  /* no server takes records now */
	uint64_t under_way, waiting;
	uint64_t postponed;	/* servers do not take them while they take others */
	uint64_t in_memory;	/* of those two: lost when the program ends */
	uint64_t journal_depth; /* of the three: in the journal */
	uint64_t journal_bytes, journal_bytes_max, journal_given_up;
	uint32_t journal_files;
};
void core_acct_view(const struct core *c, struct core_acct_view *out);

/* ---- what management may do ------------------------------------------------------------------ */

bool core_drop_session(struct core *c, struct sess_key key, const struct end_reason *why, nsec now);
/* Number of sessions told to end. */
unsigned core_drop_user(struct core *c, struct span user, const struct end_reason *why, nsec now);
bool core_drop_tunnel(struct core *c, uint16_t tid, nsec now);
/* Replaces what is done to the session's packets, at once; only whether it is in the walled garden
 * stays as it is. False: no such session, or it is ending. */
bool core_set_policy(struct core *c, struct sess_key key, const struct sess_policy *policy);
/* Into the walled garden or out of it: no accounting inside, on release a session of its own begins
 * for accounting. False: no such session, or it is ending. */
bool core_set_garden(struct core *c, struct sess_key key, bool garden, nsec now);
/* Another user name; other sessions of that name end, unless duplicates are allowed. */
bool core_set_user(struct core *c, struct sess_key key, struct span user, nsec now);
/* What the LAC said about the line; bit/s. */
bool core_set_speeds(struct core *c, struct sess_key key, uint64_t tx, uint64_t rx);
/* What one way of a throttled session did so far. */
struct core_shaper {
	uint64_t packets, bytes, delayed, dropped;
	uint32_t queued;
};
/* From the subscriber, to the subscriber. False: no such session, or it is not throttled. */
bool core_session_shapers(struct core *c, struct sess_key key, struct core_shaper out[2]);
/* Copies of the session's packets go to the workers' taps (dataplane/dp_tap.h), or no longer. False
 * as above. */
bool core_set_tap(struct core *c, struct sess_key key, bool on);
/* Follows the conversation of a user, who need not be there yet. Returns its number; 0: there are
 * LNS_TRACES_MAX already, no such name is possible, or no memory. Publish core_trace_names() to the
 * workers after each change. */
unsigned core_trace_start(struct core *c, struct span user, nsec now);
void core_trace_end(struct core *c, unsigned id);
/* The next line; false when there is none at the moment. */
struct trace_view {
	int64_t at_ns; /* since the trace began */
	unsigned lost; /* lines before this one that nobody took in time */
	char text[256];
};
bool core_trace_next(struct core *c, unsigned id, struct trace_view *out);
void core_trace_names(const struct core *c, struct trace_names *out);
/* Tells every worker to close all tunnels and refuse new ones (SIGQUIT). */
void core_shutdown(struct core *c, nsec now);
/* Tells the kernel all routes of sessions again: it forgot them with the TUN device's state. */
void core_kernel_routes_again(struct core *c);
/* The service ends: Accounting-Off is sent, after the last session of a shutdown. */
void core_leave(struct core *c, nsec now);
/* Details that only the owner worker knows; `done` runs later, on this thread (found = false
 * after 2 s of silence). */
void core_query_session(struct core *c, struct sess_key key,
			void (*done)(void *arg, const struct msg_session_info *info), void *arg,
			nsec now);
/* An LCP echo; `done` runs when the subscriber answered, or after 2 s. */
void core_ping_session(struct core *c, struct sess_key key,
		       void (*done)(void *arg, const struct msg_session_pong *pong), void *arg,
		       nsec now);
void core_query_tunnel(struct core *c, uint16_t tid,
		       void (*done)(void *arg, const struct msg_tunnel_info *info), void *arg,
		       nsec now);

#endif

/*
 * core_priv.h - the tables of the control brain, shared by core*.c, aaa*.c and acct.c and by nobody
 * else. Owned by the control thread.
 *
 *	core.c		what comes in: messages, time, configuration, orders
 *	core_session.c	the table of sessions and its indexes
 *	core_tunnel.c	the table of tunnels
 *	core_route.c	routes toward sessions, in the forwarding map and in the kernel
 *	core_policy.c	what is done to the packets of a session
 *	core_extra.c	what RADIUS granted beyond IPv4: IPv6, tunnels
 *	core_hook.c	where plugins have a say
 *	core_view.c	copies for management
 *	core_query.c	questions to workers
 *	core_trace.c	conversations that operators follow
 *	aaa.c		a login: who asks whom, what is granted, who has to go
 *	aaa_radius.c	the same as RADIUS attributes and answers
 *	core_dae.c	Disconnect and CoA requests
 *	acct.c		accounting records of a session's life
 *	acct_usage.c	usage files
 *	acct_late.c	their way to a server, through the journal or kept in memory
 */
#ifndef LNS_CORE_PRIV_H
#define LNS_CORE_PRIV_H

#include "base/hmap.h"
#include "base/list.h"
#include "base/wheel.h"
#include "control/conf_radius.h"
#include "control/core.h"
#include "control/ippool.h"
#include "control/local_users.h"
#include "radius/rad_accept.h"
#include "radius/rad_client.h"
#include "radius/rad_dae.h"

enum { CORE_MEMOS = 32, CORE_TIDS = 65536, CORE_LOG_TEXT = 400, CORE_USER_TEXT = 80 };

struct core_session;

/* What RADIUS granted beyond IPv4; few sessions have any. */
struct core_extra {
	struct aaa_ipv6 v6;
	uint8_t n_tunnels;
	struct aaa_tunnel tunnels[LNS_TUNNELS_MAX];
};

/* All sessions of one user name, letters of either case being equal. Lives while one has it. */
struct core_user {
	struct hmap_node by_name;
	struct list_head sessions; /* core_session.of_user, oldest first */
	struct bstr *name;	   /* as the first of them wrote it */
};

/* A prefix that sessions have in common; the newest holder gets the packets. */
struct core_prefix {
	struct hmap_node node;
	struct ip_prefix prefix;
	struct list_head holders; /* core_route.holders, newest first */
};

/* One prefix of one session. */
struct core_route {
	struct list_head holders;
	struct core_session *session;
	struct core_prefix *at; /* NULL: not installed */
	struct ip_prefix prefix;
};

struct core_session {
	struct sess_key key;
	uint32_t slot;
	uint64_t serial; /* order of arrival, never repeated */
	struct hmap_node by_key, by_ip, by_id;
	struct list_head by_age, of_user;
	struct wheel_timer interim;
	struct core_user *user;	   /* NULL until the peer gave a name */
	struct bstr *spelling;	   /* NULL: as `user` has it; capitals do not make another user */
	struct rad_request *asked; /* the login that RADIUS has to decide */
	nsec opened;
	int64_t opened_wall_s; /* since 1970; second half of Acct-Session-Id */
	uint64_t tx_speed, rx_speed;
	struct bstr *calling, *called; /* NULL when empty */
	struct bstr *classes[RAD_CLASSES_MAX];
	struct sess_policy *policy;   /* NULL: empty */
	struct core_release *release; /* NULL: never left the walled garden */
	struct core_extra *extra;     /* NULL: empty */
	struct core_route *routes;    /* Framed-Routes, then the address if the kernel must know */
	uint32_t unique_id;
	uint32_t call_serial; /* the LAC's number of the call */
	uint32_t session_timeout_s, idle_timeout_s, interim_s;
	uint64_t usage_up, usage_down; /* bytes that usage files have told */
	uint16_t peer_tid, peer_sid;
	uint16_t auth_proto; /* enum auth_proto of the login */
	struct l2tp_path path;
	struct ip_addr ip, dns[2];
	uint8_t slot_generation;
	uint8_t n_routes;    /* Framed-Routes */
	uint8_t n_installed; /* entries of `routes` in all */
	bool authenticated, up, dying;
	bool has_id;	   /* found by Acct-Session-Id */
	bool ip_owned;	   /* found by address; false when a newer session took it */
	bool ip_from_pool; /* assigned by us */
	bool ip_claimed;   /* the pool must get it back */
	bool ip_routed;	   /* in the forwarding map */
	bool asked_again;  /* `asked` is a periodic re-authentication */
	bool counted;	   /* an accounting Start was sent */
	bool local_user;   /* the local file let it in, not RADIUS */
	bool hooked;	   /* hooks were told of it: they are told of its end */
};

/* Accounting and what management sees begin anew when a session leaves the walled garden. */
struct core_release {
	nsec at;
	struct sess_counters base;
};

/* A policy that is being made while hooks are asked: their orders change it, not the session's. */
struct core_pending {
	bool active;
	struct sess_key key;
	struct sess_policy policy;
};

struct core_tunnel {
	uint16_t tid, peer_tid, peer_window;
	uint8_t state; /* TUNNEL_FREE: only sessions are left of it */
	struct l2tp_path path;
	struct bstr *host_name, *vendor;
	uint32_t sessions;
	nsec opened;
};

/* Where a walk over sessions goes on; found again by what it returned last. */
struct core_memo {
	uint64_t serial;	     /* 0: unused */
	struct core_session *resume; /* NULL: that was the last */
	bool of_user;		     /* which list it walks */
};

enum { CORE_DAE_CLIENTS = CONF_RADIUS_CLIENTS, CORE_DAE_DONE = 2048 };

/* Who may send Disconnect and CoA requests. */
struct core_dae_client {
	struct ip_prefix net;
	uint8_t secret_n;
	uint8_t secret[LNS_SECRET_MAX];
};

/* A request that was answered. */
struct core_dae_done {
	bool used;
	uint8_t id;
	uint16_t error; /* enum rad_error_cause of the answer */
	nsec until;	/* it is forgotten then */
	uint8_t authenticator[RAD_AUTHENTICATOR];
};

struct core {
	struct core_env env;
	const struct conf *conf;
	const struct local_users *users;
	struct ippool *pool;
	struct rad_client *radius;
	struct rad_terms radius_terms; /* from the configuration */

	struct hmap sessions_by_key, sessions_by_ip, sessions_by_id, users_by_name, prefixes;
	struct list_head sessions; /* by age */
	uint64_t serial, hash_seed;
	uint32_t n_authenticated, n_up, n_tunnels;
	uint32_t unique_id;
	struct core_memo memos[CORE_MEMOS];
	unsigned next_memo;
	uint32_t n_tunnel_records; /* those of which only sessions are left included */
	struct core_tunnel *tunnels[CORE_TIDS];

	struct core_pending pending;
	struct hmap queries;
	struct list_head queries_by_age;
	uint64_t query_cookie;
	struct wheel wheel; /* interim records */

	nsec now; /* of what is being handled */
	unsigned n_traces, trace_id;
	struct core_trace *traces[LNS_TRACES_MAX];
	struct trace_packet *trace_backlog; /* NULL without a trace */
	unsigned trace_next;		    /* its oldest packet */

	unsigned n_dae_clients, next_dae_done;
	struct core_dae_client dae_clients[CORE_DAE_CLIENTS];
	struct core_dae_done dae_done[CORE_DAE_DONE]; /* a ring of the newest */

	struct list_head usage_ended; /* for the next usage file */
	uint32_t n_usage_ended;
	nsec started, usage_all_at, usage_ended_at, usage_turn;
	struct core_session *usage_next; /* where the file that is being made goes on */
	uint64_t usage_last;		 /* serial of the last one that it lists */
	int64_t usage_wall_s;
	bool usage_begun;

	struct list_head late_asked, late_new; /* records that no server took, oldest first */
	struct list_head late_postponed;       /* not even while it took others */
	uint32_t n_late, n_postponed;	       /* in memory: those of the journal come beside */
	uint32_t acct_under_way, late_window, late_probes;
	nsec late_next, postponed_next; /* when the first of them is sent again */
	nsec acct_answered, postponed_note;
	bool late_silent; /* no server takes records */
	bool late_full_told, journal_full_told;

	bool accounting;      /* Accounting-On was sent */
	unsigned walks;	      /* over a user's sessions: no name may change meanwhile */
	bool accounting_ends; /* Accounting-Off is due */
	bool closing;	      /* all sessions are ending: Accounting-Off comes behind them */
};

/* core.c */
__attribute__((format(printf, 4, 5))) void core_log(struct core *c, enum log_level level,
						    const struct core_session *s,
						    const char *format, ...);
/* User names hold any byte: those that are not printable become '?'. Returns buf. */
const char *core_user_text(struct span user, char buf[static CORE_USER_TEXT]);
unsigned core_worker_of(const struct core *c, const struct core_session *s);
/* Tells the worker to end it; once. */
void core_session_end(struct core *c, struct core_session *s, const struct end_reason *why,
		      nsec now);
struct end_reason core_reason(uint16_t cdn_result, uint16_t cdn_error, enum term_cause cause,
			      const char *text);

/* core_session.c */
struct core_session *core_session_new(struct core *c, const struct msg_session_new *m, nsec now);
/* Forgets it and all that it holds. */
void core_session_free(struct core *c, struct core_session *s, nsec now);
struct core_session *core_session_get(const struct core *c, struct sess_key key);
/* Whatever generation it has; the newest that is not dying, else any. */
struct core_session *core_session_get_any(const struct core *c, uint16_t tid, uint16_t sid);
struct core_session *core_session_at(const struct core *c, const struct ip_addr *ip);
struct core_user *core_user_get(const struct core *c, struct span name);
/* Gives the session its user name, replacing another. False = out of memory. */
bool core_session_name(struct core *c, struct core_session *s, struct span name);
/* Makes it the one that is found by its address. */
bool core_session_own_ip(struct core *c, struct core_session *s);
void core_session_disown_ip(struct core *c, struct core_session *s);
/* Gives it its Acct-Session-Id, once. */
void core_session_number(struct core *c, struct core_session *s);
/* Gives it another one. */
void core_session_renumber(struct core *c, struct core_session *s);
/* By the text of an Acct-Session-Id; NULL when there is none. */
struct core_session *core_session_by_id(const struct core *c, struct span id);
struct span core_session_user(const struct core_session *s);

/* core_tunnel.c */
void core_tunnel_msg(struct core *c, const struct msg_tunnel_state *m, nsec now);
bool core_tunnel_add_session(struct core *c, const struct msg_session_new *m, nsec now);
void core_tunnel_del_session(struct core *c, uint16_t tid);
void core_tunnels_free(struct core *c);

/* core_route.c */
/* The prefixes of a session, from what was granted. False = out of memory. */
bool core_routes_set(struct core *c, struct core_session *s, const struct aaa_profile *p);
bool core_routes_up(struct core *c, struct core_session *s);
/* Tells again whose they are: the session went into the walled garden, or left it. */
void core_routes_tell(struct core *c, struct core_session *s);
void core_routes_down(struct core *c, struct core_session *s);
void core_routes_free(struct core *c, struct core_session *s);

/* core_policy.c */
/* Remembers it, without telling the worker. False = out of memory (the old one stays). */
bool core_policy_keep(struct core *c, struct core_session *s, const struct sess_policy *policy);
void core_policy_free(struct core *c, struct core_session *s);
struct sess_policy core_policy_of(const struct core_session *s);
/* As hooks see it: the one that is being made, if there is one. */
struct sess_policy core_policy_seen(const struct core *c, const struct core_session *s);
bool core_in_garden(const struct core_session *s);

/* core_hook.c: each does nothing when there is no such hook. */
/* False: the login is dropped without an answer. */
bool core_hook_pre_auth(struct core *c, struct msg_auth_req *m);
/* What counts of a verdict. What hooks want to be done is waiting for core_hook_grant(). */
bool core_hook_post_auth(struct core *c, struct core_session *s, bool allowed);
/* The policy that a login is granted, as hooks want it; `pairs` of the Access-Accept, or NULL. */
void core_hook_grant(struct core *c, struct core_session *s, const struct rad_avpairs *pairs,
		     struct sess_policy *policy);
/* A CoA-Request is carried out: `policy` goes through the hooks. */
void core_hook_change(struct core *c, struct core_session *s, const struct rad_avpairs *pairs,
		      struct sess_policy *policy);
void core_hook_account(struct core *c, struct core_session *s, struct wbuf *w);
/* *policy may be changed. */
void core_hook_new(struct core *c, struct core_session *s, struct sess_policy *policy);
void core_hook_kill(struct core *c, struct core_session *s);

/* core_extra.c */
/* Remembers what the grant has of it. False = out of memory. */
bool core_extra_keep(struct core *c, struct core_session *s, const struct rad_grant *g);
void core_extra_free(struct core *c, struct core_session *s);

/* core_view.c */
/* Walks that would resume at `s` go on behind it; call before it leaves a list. */
void core_memos_skip(struct core *c, const struct core_session *s, bool of_user);

/* core_query.c */
void core_query_session_info(struct core *c, const struct msg_session_info *m);
void core_query_pong(struct core *c, const struct msg_session_pong *m);
void core_query_tunnel_info(struct core *c, const struct msg_tunnel_info *m);
void core_queries_turn(struct core *c, nsec now);
nsec core_queries_next(const struct core *c);
void core_queries_free(struct core *c);

/* core_trace.c */
void core_trace_msg(struct core *c, const struct msg_trace *m);
/* The peer gave its name. */
void core_trace_named(struct core *c, struct sess_key key, struct span user);
/* Something happened to a session; free of charge while nobody traces. */
void core_trace_note(struct core *c, const struct core_session *s, const char *text);
/* A RADIUS packet about it. */
void core_trace_radius(struct core *c, const struct core_session *s, uint8_t code, bool sent,
		       struct span attrs);
void core_traces_free(struct core *c);

/* aaa.c */
void aaa_request(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now);
/* `p` is completed and sent to the worker; or the login is refused when no address is left. */
void aaa_accept(struct core *c, struct core_session *s, struct rad_grant *g, nsec now);
void aaa_refuse(struct core *c, struct core_session *s, const struct end_reason *why,
		struct span reply_message);
/* Ends the older sessions of its name, unless the configuration lets them be. */
void aaa_end_duplicates(struct core *c, struct core_session *s, const char *text, nsec now);
/* Addresses and routes go back. */
void aaa_release(struct core *c, struct core_session *s, nsec now);

/* aaa_radius.c */
void aaa_radius_conf(const struct core *c, struct rad_client_conf *out);
/* What the configuration says of attributes. */
void aaa_radius_terms(struct core *c);
/* True when the request is under way. */
bool aaa_radius_ask(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now);
void aaa_radius_answer(struct core *c, const struct rad_answer *a, nsec now);
enum { AAA_SESSION_ID = 17, AAA_PORT_ID = 16 }; /* with the NUL */
/* Acct-Session-Id, NAS-Port and NAS-Port-Id as every request tells them. The texts return buf. */
const char *aaa_session_id(const struct core_session *s, char buf[static AAA_SESSION_ID]);
uint32_t aaa_nas_port(const struct core_session *s);
const char *aaa_port_id(const struct core_session *s, char buf[static AAA_PORT_ID]);
/* Who we are; `s` may be NULL. */
void aaa_radius_put_nas(const struct core *c, const struct core_session *s, struct wbuf *w);
/* What every request says about the session, Access and Accounting alike. */
void aaa_radius_put_session(const struct core *c, const struct core_session *s, struct wbuf *w);

/* acct.c */
/* Says Accounting-On when accounting starts. */
void acct_service(struct core *c, nsec now);
/* Says Accounting-Off when nothing is left to be said before it. */
void acct_end_turn(struct core *c, nsec now);
void acct_up(struct core *c, struct core_session *s, nsec now);
void acct_gone(struct core *c, struct core_session *s, const struct msg_session_gone *m, nsec now);
void acct_interim_due(struct core *c, struct core_session *s, nsec now);
/* It enters the walled garden: Stop; or leaves it: Start, of an accounting session of its own. */
void acct_garden(struct core *c, struct core_session *s, bool entered, nsec now);
/* Since its Start. */
struct sess_counters acct_counters(const struct core *c, const struct core_session *s);
/* Acct-Interim-Interval of a session that is up was changed. */
void acct_interval_changed(struct core *c, struct core_session *s, nsec now);

/* acct_usage.c */
void acct_usage_init(struct core *c, nsec now);
/* Writes the last file. */
void acct_usage_free(struct core *c);
void acct_usage_turn(struct core *c, nsec now);
nsec acct_usage_next(const struct core *c, nsec now);
void acct_usage_gone(struct core *c, struct core_session *s, const struct sess_counters *final,
		     nsec now);
/* A walk that would go on at `s` goes on behind it. */
void acct_usage_skip(struct core *c, const struct core_session *s);

/* acct_late.c */
void acct_late_init(struct core *c);
void acct_late_free(struct core *c);
/* Sends a record; one that no server takes is kept and sent again until one does. Where room is
 * short, one that can be done without (spare) is refused first. */
void acct_send(struct core *c, struct span attrs, bool spare, nsec now);
void acct_answer(struct core *c, const struct rad_answer *a, nsec now);
void acct_late_turn(struct core *c, nsec now);
/* Records wait that would be lost, or that a server takes right now. */
bool acct_late_waits(const struct core *c);
nsec acct_late_next(const struct core *c);

/* core_dae.c */
/* Who may ask, from the configuration. */
void core_dae_conf(struct core *c);

#endif

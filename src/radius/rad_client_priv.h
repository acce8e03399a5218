/*
 * rad_client_priv.h - what the parts of the RADIUS client share: rad_client.c (life of a request),
 * rad_ids.c (sockets and identifiers), rad_request.c (a request as a packet, its waiting time),
 * rad_server.c (choice of a server, dead time, probes), rad_view.c (what is shown). Nobody else
 * includes it. RFC 2865, RFC 5080; owned as rad_client.h says.
 */
#ifndef LNS_RAD_CLIENT_PRIV_H
#define LNS_RAD_CLIENT_PRIV_H

#include "base/list.h"
#include "base/wheel.h"
#include "radius/rad_client.h"

enum {
	RAD_IDS = 256, /* per channel */
	MAP_WORDS = RAD_SOCKETS_MAX / 64,
	NO_SERVER = 255,
	TIMER_REQUEST = 1,
	TIMER_SOCKET,
	LATENCY_BUCKETS = 26, /* bucket b: below 2^b microseconds, the last one all above */
};

/* The identifiers of one socket toward one server and kind. */
struct channel {
	uint16_t used;
	uint8_t next_id; /* where the search starts: an id rests as long as it can */
	struct rad_request *by_id[RAD_IDS];
};

/* One address and port that requests go to. */
struct target {
	struct channel *channels[RAD_SOCKETS_MAX]; /* NULL: nothing was sent from that socket */
	uint64_t full[MAP_WORDS];		   /* sockets whose 256 are all used */
};

/* What one server did with requests of one kind. */
struct traffic {
	uint32_t under_way; /* requests that wait for its answer */
	uint64_t sent, answered, timeouts;
	uint32_t latency[LATENCY_BUCKETS];
	uint64_t refused[RAD_REFUSALS];
};

enum server_state {
	SERVER_ALIVE,
	SERVER_DEAD,  /* passed over until dead_until */
	SERVER_PROBE, /* something has been sent to see whether it is back */
};

struct server {
	struct rad_server_conf conf;
	enum server_state state;
	uint8_t silent;	    /* timeouts since its last valid reply */
	nsec last_reply;    /* when that came */
	bool told_unsigned; /* it was logged that its replies have no Message-Authenticator */
	nsec dead_until;
	struct target *targets[RAD_KINDS];
	struct traffic traffic[RAD_KINDS];
};

struct sock {
	struct wheel_timer idle; /* first, as in a request */
	uint32_t used;		 /* identifiers of all channels */
	uint16_t index;
	bool open; /* something was sent from it */
};

/* Where a request stands at one server. */
struct binding {
	uint16_t sock;
	uint8_t id;
	bool held;
	uint32_t delay_s; /* Acct-Delay-Time as told to this server */
};

struct rad_request {
	struct wheel_timer timer; /* first: what expires is cast to its request */
	struct list_head all;
	struct list_head waiting; /* linked while no server has room for it */
	uint64_t cookie;
	nsec asked_at;
	uint32_t delay_s; /* when it was asked for */
	uint8_t kind;
	bool under_way; /* counted at `server` */
	uint8_t server; /* asked last; NO_SERVER: it is gone from the list */
	uint8_t tries;
	bool has_password;
	bool probe;	  /* it belongs to nobody and goes to `server` only */
	nsec sent_at;	  /* last */
	uint32_t wait_ms; /* of the running timer, without jitter of the next */
	struct binding at[RAD_SERVERS_MAX];
	uint8_t authenticator[RAD_AUTHENTICATOR];
	uint16_t password_n, attrs_n;
	uint8_t bytes[]; /* password, attributes */
};

struct rad_client {
	struct rad_client_env env;
	struct rad_client_conf conf;
	struct server servers[RAD_SERVERS_MAX]; /* conf.n_servers of them */
	struct sock *socks[RAD_SOCKETS_MAX];
	uint32_t outstanding, open_socks, n_waiting;
	uint32_t n_probes; /* among the outstanding ones */
	struct list_head requests;
	struct list_head waiting[RAD_KINDS]; /* oldest first */
	struct wheel wheel;
	uint8_t packet[RAD_PACKET_MAX]; /* being encoded; wiped after use */
	uint8_t over[RAD_PACKET_MAX];	/* attributes of the request that ended last */
};

/* rad_ids.c: an identifier at server i, kept until it is released or the socket closes. False: none
 * is free, or no memory. */
bool rad_ids_hold(struct rad_client *c, struct rad_request *r, unsigned i, nsec now);
void rad_ids_release(struct rad_client *c, struct rad_request *r, unsigned i, nsec now);
void rad_ids_close(struct rad_client *c, unsigned s);
void rad_ids_target_free(struct rad_client *c, struct target *t);

/* rad_request.c */
struct rad_request *rad_request_new(struct rad_client *c, const struct rad_ask *ask, nsec now);
void rad_request_start(struct rad_client *c, struct rad_request *r, unsigned i, nsec now);
void rad_request_free(struct rad_client *c, struct rad_request *r, nsec now);
void rad_request_back(struct rad_client *c, struct rad_request *r);
void rad_request_queue(struct rad_client *c, struct rad_request *r);
void rad_request_unqueue(struct rad_client *c, struct rad_request *r);
void rad_request_encode_acct(struct wbuf *w, const struct rad_request *r, const struct binding *b,
			     struct span secret);
uint32_t rad_request_jitter(struct rad_client *c, uint32_t ms);

/* rad_server.c */
struct span rad_server_secret(const struct server *s);
void rad_server_log(struct rad_client *c, enum log_level level, const struct server *s,
		    const char *what);
bool rad_server_serves(const struct server *s, unsigned kind);
bool rad_server_usable(const struct server *s, nsec now);
unsigned rad_server_next(const struct rad_client *c, unsigned kind, unsigned first);
unsigned rad_server_choose(const struct rad_client *c, unsigned kind, unsigned first, nsec now);
bool rad_server_has_room(const struct rad_client *c, unsigned i, unsigned kind);
void rad_server_silent(struct rad_client *c, const struct rad_request *r, nsec now);
void rad_server_answered(struct rad_client *c, struct server *s, const struct rad_request *r,
			 nsec now);
void rad_probe_free(struct rad_client *c, struct rad_request *r, nsec now);
void rad_probes_turn(struct rad_client *c, nsec now);
nsec rad_probes_next(const struct rad_client *c);
void rad_probes_end(struct rad_client *c, nsec now);

#endif

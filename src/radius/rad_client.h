/*
 * rad_client.h - the RADIUS client machine (RFC 2865 2.5, RFC 5080 2.2.1): outstanding requests,
 * identifiers, retransmission with jitter, a list of servers with failover, servers that are marked
 * dead and come back. Owned by one thread; time is an argument; it sends through rad_client_env
 * and hands answers and timeouts back as values, so it never re-enters its owner.
 *
 * A request is kept as its attributes and encoded each time it is sent, since the hidden password
 * and the Message-Authenticator depend on the server's secret. It keeps its authenticator, and one
 * identifier per server asked, until it is over: a late answer of the first server counts although
 * the second has been asked meanwhile.
 *
 * At most `window` requests of one kind are under way to one server, so that a storm of logins does
 * not overrun its socket buffer; the others wait here, in order, no longer than a request that is
 * repeated until it is given up.
 *
 * An accounting request carries Acct-Delay-Time as of its first sending to that server: when it is
 * repeated it is the same packet with the same Identifier, which the server's duplicate detection
 * needs. RFC 2866 4.1 would have the delay grow, and then a new Identifier each time.
 *
 * A silent server is dead for a while and asked last. Then a request that waits anyway shows
 * whether it is back; or, where the server's configuration says so, it is asked again and again
 * with Status-Server (RFC 5997) or the login of a test user, and no request is risked.
 *
 * Identifiers come from virtual sockets: each gives 256 per server and kind. Sockets are numbered
 * from 0, used lowest first, and closed when nothing was outstanding on them for a while.
 */
#ifndef LNS_RAD_CLIENT_H
#define LNS_RAD_CLIENT_H

#include "base/alloc.h"
#include "base/counters.h"
#include "base/facts.h"
#include "base/log.h"
#include "base/nsec.h"
#include "radius/rad_packet.h"

enum {
	RAD_SERVERS_MAX = 16,
	RAD_SOCKETS_MAX = 4096, /* 1,048,576 identifiers per server and kind */
};

enum rad_kind { RAD_AUTH, RAD_ACCT, RAD_KINDS };

/* How a dead server is found to be back. */
enum rad_probe { RAD_PROBE_REQUEST, RAD_PROBE_STATUS, RAD_PROBE_USER };

enum { RAD_PROBE_USER_TEXT = 64, RAD_NAS_TEXT = 64 };

struct rad_server_conf {
	struct sock_addr addr[RAD_KINDS]; /* same address, two ports */
	char secret[LNS_SECRET_MAX];
	bool need_message_authenticator; /* refuse Access replies without one */
	bool not_for[RAD_KINDS];	 /* it does not take requests of that kind */
	struct ip_addr source;		 /* our address toward it; unset: the kernel's choice */
	uint8_t probe;			 /* enum rad_probe */
	char probe_user[RAD_PROBE_USER_TEXT];
};

struct rad_client_conf {
	uint8_t n_servers; /* 0: every request is refused */
	struct rad_server_conf servers[RAD_SERVERS_MAX];
	uint16_t max_sockets;	 /* 1..RAD_SOCKETS_MAX */
	uint16_t tries;		 /* times that a request is sent, all servers together */
	uint32_t timeout_ms;	 /* wait after the first (IRT); doubles each time */
	uint32_t timeout_max_ms; /* longest wait (MRT) */
	uint32_t dead_time_ms;	 /* how long a silent server is passed over; 0 = never */
	uint32_t idle_ms;	 /* a socket without requests is closed after this */
	char nas[RAD_NAS_TEXT];	 /* NAS-Identifier of probes; "" = none */
	uint32_t window;	 /* requests under way per server and kind; 0 = no limit */
};

struct rad_client_env {
	const struct alloc *alloc;
	struct counters *counters;
	void *ctx;
	void (*random)(void *ctx, void *out, size_t n);
	/* `from`: the address to send from, unset: any. */
	void (*send)(void *ctx, unsigned sock, const struct sock_addr *to,
		     const struct ip_addr *from, struct span data);
	void (*close)(void *ctx, unsigned sock);
	void (*log)(void *ctx, enum log_level level, const char *text);
};

struct rad_client;
struct rad_request;

struct rad_client *rad_client_new(const struct rad_client_env *env,
				  const struct rad_client_conf *conf, nsec now);
/* Forgets what is outstanding. */
void rad_client_free(struct rad_client *c);
/* Servers that stay keep their requests; those of others are sent to the new ones. */
void rad_client_conf(struct rad_client *c, const struct rad_client_conf *conf, nsec now);

struct rad_ask {
	enum rad_kind kind;
	uint64_t cookie;
	struct span attrs;    /* encoded; neither User-Password nor Message-Authenticator in it */
	struct span password; /* PAP: hidden for each server; p == NULL: none */
	uint8_t authenticator[RAD_AUTHENTICATOR]; /* RAD_AUTH: random */
	uint32_t delay_s; /* RAD_ACCT: how long ago that happened which it reports */
};

/* Sends a request, now or when its turn has come. NULL: no server is configured, no identifier is
 * free, or no memory. The request is valid until it is answered, timed out or cancelled. */
struct rad_request *rad_client_ask(struct rad_client *c, const struct rad_ask *ask, nsec now);
/* Forgets a request: there will be no answer. */
void rad_client_cancel(struct rad_client *c, struct rad_request *r, nsec now);

struct rad_answer {
	enum rad_kind kind;
	uint64_t cookie;
	bool timeout;	   /* no server answered */
	struct span attrs; /* of an accounting request, valid until the next call of the client */
	uint32_t delay_s;  /* age of what an accounting request reports, by now */
	nsec asked_at;	   /* when that was */
	bool sent;	   /* to a server at all, which may have been too busy */
	struct sock_addr server;		  /* who answered */
	struct span secret;			  /* that of the server, valid as `attrs` is */
	uint8_t authenticator[RAD_AUTHENTICATOR]; /* of an Access-Request */
	struct rad_packet packet;		  /* points into the datagram */
};

/* A datagram on socket `sock`. True: *out is the checked answer to a request, which is over now. */
bool rad_client_rx(struct rad_client *c, unsigned sock, const struct sock_addr *from,
		   struct span datagram, nsec now, struct rad_answer *out);
/* Does what is due. True: *out says that a request timed out, and call again; false: done. */
bool rad_client_turn(struct rad_client *c, nsec now, struct rad_answer *out);
/* When to call rad_client_turn next. */
nsec rad_client_next(const struct rad_client *c);
uint32_t rad_client_outstanding(const struct rad_client *c);
/* Sockets that are open now. */
uint32_t rad_client_sockets(const struct rad_client *c);
/* How many requests of one kind to one server the sockets have identifiers for. */
uint32_t rad_client_identifiers(const struct rad_client *c);
/* False while the server is passed over. */
bool rad_client_server_alive(const struct rad_client *c, unsigned server);

/* Why a reply that came from a server's address is not taken; each is a counter too. */
enum rad_refusal {
	RAD_REFUSED_ID,
	RAD_REFUSED_CODE,
	RAD_REFUSED_AUTHENTICATOR,
	RAD_REFUSED_MESSAGE,
	RAD_REFUSED_UNSIGNED,
	RAD_REFUSALS
};
const char *rad_refusal_name(enum rad_refusal why);

/* What is known of one server and kind. */
struct rad_server_view {
	struct sock_addr addr;
	bool serves; /* it takes requests of that kind */
	bool alive;
	uint32_t under_way;
	uint64_t sent, answered, timeouts; /* repetitions included */
	uint32_t p50_us, p99_us;	   /* of its answers; upper ends of a factor of two */
	uint64_t refused[RAD_REFUSALS];
};
unsigned rad_client_servers(const struct rad_client *c);
void rad_client_server_view(const struct rad_client *c, unsigned server, enum rad_kind kind,
			    struct rad_server_view *out);
/* Requests that wait for room at a server. */
uint32_t rad_client_waiting(const struct rad_client *c);

/* A request that is not over. */
struct rad_request_view {
	uint8_t kind; /* enum rad_kind */
	uint64_t cookie;
	bool waiting; /* for room at a server: what follows does not count */
	struct sock_addr server;
	uint16_t sock;
	uint8_t id;
	uint8_t tries;
	bool chap;	      /* a login without a password */
	uint32_t status_type; /* Acct-Status-Type of a record */
	uint32_t retry_ms;    /* until it is sent again or given up */
};
/* The oldest ones; returns how many were written, `max` at most. */
unsigned rad_client_requests(const struct rad_client *c, nsec now, struct rad_request_view *out,
			     unsigned max);

#endif

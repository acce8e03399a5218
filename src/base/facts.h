/*
 * facts.h - what every layer may know about a session: how it is named, why it ends, and what AAA
 * said about it. Plain values, copied between threads, never pointers into anybody's table.
 */
#ifndef LNS_FACTS_H
#define LNS_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/nsec.h"

enum {
	LNS_USER_MAX = 253,	 /* bytes of a user name (RFC 2865: 253) */
	LNS_PASSWORD_MAX = 128,	 /* bytes of a PAP password (RFC 2865 5.2) */
	LNS_NUMBER_MAX = 64,	 /* bytes kept of calling and called numbers */
	LNS_HOSTNAME_MAX = 64,	 /* bytes kept of a peer's host name */
	LNS_SECRET_MAX = 64,	 /* bytes of a shared secret */
	LNS_CHALLENGE_MAX = 64,	 /* bytes of a CHAP challenge that we take from a proxy */
	LNS_CHAP_RESPONSE = 16,	 /* MD5 */
	LNS_REPLY_MSG_MAX = 128, /* bytes of a Reply-Message passed on to the peer */
	LNS_ROUTES_MAX = 16,	 /* Framed-Routes of one session in one profile */
	LNS_FILTER_NAME_MAX = 32,
	LNS_POOL_NAME_MAX = 32,	  /* of a named address pool, with the NUL */
	LNS_DELEGATED_MAX = 5,	  /* delegated IPv6 prefixes of one session */
	LNS_ROUTES6_MAX = 8,	  /* Framed-IPv6-Routes of one session */
	LNS_TUNNEL_TEXT_MAX = 64, /* of the names and endpoints of a tunnel, with the NUL */
	LNS_TUNNELS_MAX = 4,	  /* alternatives among the tunnels of one session (RFC 2868) */
	LNS_CLASS_MAX = 253,
	LNS_WORKERS_MAX = 64,
};

/*
 * The name of a session everywhere: our tunnel id and our session id as on the wire, and a
 * generation that is never repeated for the pair. A key whose generation no longer matches finds
 * nothing. tid is owned by worker tid % N, sid by worker sid % N.
 */
struct sess_key {
	uint16_t tid;
	uint16_t sid;
	uint32_t gen; /* never 0 */
};

static inline bool sess_key_equal(struct sess_key a, struct sess_key b)
{
	return a.tid == b.tid && a.sid == b.sid && a.gen == b.gen;
}

/* Acct-Terminate-Cause (RFC 2866 5.10). */
enum term_cause {
	TERM_NONE = 0,
	TERM_USER_REQUEST = 1,
	TERM_LOST_CARRIER = 2,
	TERM_LOST_SERVICE = 3,
	TERM_IDLE_TIMEOUT = 4,
	TERM_SESSION_TIMEOUT = 5,
	TERM_ADMIN_RESET = 6,
	TERM_ADMIN_REBOOT = 7,
	TERM_PORT_ERROR = 8,
	TERM_NAS_ERROR = 9,
	TERM_NAS_REQUEST = 10,
	TERM_NAS_REBOOT = 11,
	TERM_PORT_UNNEEDED = 12,
	TERM_PORT_PREEMPTED = 13,
	TERM_PORT_SUSPENDED = 14,
	TERM_SERVICE_UNAVAILABLE = 15,
	TERM_CALLBACK = 16,
	TERM_USER_ERROR = 17,
	TERM_HOST_REQUEST = 18,
	TERM_REAUTHENTICATION_FAILURE = 20, /* RFC 3580 3.2 */
};

/* Why a session ends: what the LAC is told (RFC 2661 4.4.2) and what accounting is told. */
struct end_reason {
	uint16_t cdn_result; /* Result Code of our CDN; 0 = the peer sent CDN or is gone, send none
			      */
	uint16_t cdn_error;  /* Error Code when cdn_result is 2 */
	uint8_t cause;	     /* enum term_cause */
	char text[60];	     /* for logs, CDN Error Message and disc-cause-ext; NUL-terminated */
};

/* Authentication protocols as PPP numbers them. */
enum auth_proto { AUTH_NONE = 0, AUTH_PAP = 0xC023, AUTH_CHAP = 0xC223 };

/*
 * What is done to a session's packets beyond routing them. Control keeps the truth and always hands
 * on the whole of it, so that a change is never seen half. All zero: nothing, the straight path.
 */
struct sess_policy {
	uint64_t rate_up, rate_down;	     /* bit/s; 0 = no limit; "up" is from the subscriber */
	uint32_t burst_up, burst_down;	     /* bytes; 0 = the configuration's */
	struct sock_addr intercept;	     /* collector of copies (raw IP in UDP); unset = none */
	char filter_in[LNS_FILTER_NAME_MAX]; /* access list, without ".in"; "" = none */
	char filter_out[LNS_FILTER_NAME_MAX];
	bool garden; /* walled garden: let in, but confined */
};

bool sess_policy_equal(const struct sess_policy *a, const struct sess_policy *b);
/* True: nothing is done to the packets. */
bool sess_policy_is_empty(const struct sess_policy *p);

/* The user names whose conversations operators follow (`trace user`); n is 0 nearly always. */
enum { LNS_TRACES_MAX = 4 };

struct trace_names {
	unsigned n;
	struct {
		uint8_t n;
		uint8_t s[LNS_USER_MAX];
	} name[LNS_TRACES_MAX];
};

/* Letters of either case are equal, as everywhere with user names. */
bool trace_names_has(const struct trace_names *t, const uint8_t *user, size_t n);

/* IPv6 of one session as AAA grants it; all zero: nothing was said. */
struct aaa_ipv6 {
	bool has_interface_id;
	uint8_t interface_id[8]; /* Framed-Interface-Id */
	struct ip_prefix prefix; /* Framed-IPv6-Prefix: of the link */
	struct ip_addr address;	 /* Framed-IPv6-Address */
	uint8_t n_delegated, n_routes;
	struct ip_prefix delegated[LNS_DELEGATED_MAX]; /* Delegated-IPv6-Prefix */
	struct ip_prefix routes[LNS_ROUTES6_MAX];      /* Framed-IPv6-Route */
	struct ip_addr dns[2];			       /* DNS-Server-IPv6-Address */
	char pool[LNS_POOL_NAME_MAX];		       /* Framed-IPv6-Pool */
	char delegated_pool[LNS_POOL_NAME_MAX];	       /* Delegated-IPv6-Prefix-Pool */
};

/* A tunnel that AAA wants the session to be passed on through (RFC 2868): one tag's attributes. */
struct aaa_tunnel {
	uint8_t tag;
	uint32_t type, medium; /* 0 = not said; 3 = L2TP; 1 = IPv4, 2 = IPv6 */
	uint32_t preference;   /* the lowest first */
	char client_endpoint[LNS_TUNNEL_TEXT_MAX], server_endpoint[LNS_TUNNEL_TEXT_MAX];
	char client_name[LNS_TUNNEL_TEXT_MAX], server_name[LNS_TUNNEL_TEXT_MAX]; /* Auth-IDs */
	char assignment[LNS_TUNNEL_TEXT_MAX];
	uint8_t password_n;
	uint8_t password[LNS_SECRET_MAX]; /* in clear: wiped with the record, never shown */
};

/* What AAA grants one session. Filled by RADIUS or the local file, completed by the pools. */
struct aaa_profile {
	struct ip_addr ip;	/* the subscriber's address; unset: none could be had */
	struct ip_addr peer_ip; /* our address in IPCP */
	struct ip_addr dns[2];	/* unset ones are 0.0.0.0 in IPCP */
	bool ip_from_pool;
	uint8_t n_routes;
	struct ip_prefix
		routes[LNS_ROUTES_MAX]; /* Framed-Routes, the address itself not included */
	uint32_t session_timeout_s;	/* 0 = none */
	uint32_t idle_timeout_s;	/* 0 = none */
	uint32_t interim_s;		/* Acct-Interim-Interval; 0 = ours */
	uint16_t mtu;			/* Framed-MTU; 0 = none */
	struct sess_policy policy;
	struct aaa_ipv6 v6;
	uint8_t reply_len; /* Reply-Message for PAP/CHAP */
	char reply[LNS_REPLY_MSG_MAX];
};

/* Final or interim counters of a session; "up" is from the subscriber. */
struct sess_counters {
	uint64_t up_packets, up_bytes;
	uint64_t down_packets, down_bytes;
};

#endif

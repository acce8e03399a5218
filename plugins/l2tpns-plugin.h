/*
 * l2tpns-plugin.h - everything that a plugin of l2tpns may know and do. This header is the whole
 * contract: it needs nothing else of the program. How to write one: docs/plugins.md.
 *
 * A plugin is a shared library NAME.so in the plugin directory. It defines plugin_api_version, and
 * of the other symbols below those that it wants; each hook is called for its event. A hook gets
 * facts in a structure of its own and answers there and by its result; it never sees the program's
 * tables. Sessions are named by a handle that is never used twice: a session that has ended is
 * simply not found any more.
 *
 * Threads: every hook but packet_rx and packet_tx runs on the control thread, one at a time, and
 * the functions of struct plugin_functions may be called from these hooks only (log and log_hex:
 * from any thread). A hook that waits holds up logins and commands, though never forwarding: what
 * takes longer than a few milliseconds belongs on a thread of the plugin's own. packet_rx and
 * packet_tx run on all forwarding threads at the same time.
 */
#ifndef L2TPNS_PLUGIN_H
#define L2TPNS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Versions 1 to 7 are those of the l2tpns of 2000-2011, whose plugins saw its tables. */
#define PLUGIN_API_VERSION 8

/* What a hook returns. */
enum {
	PLUGIN_RET_ERROR = 0,	  /* failed; no further plugin is asked */
	PLUGIN_RET_OK = 1,	  /* go on with the next plugin */
	PLUGIN_RET_STOP = 2,	  /* done; no further plugin is asked */
	PLUGIN_RET_NOTMASTER = 3, /* control only: the master of the cluster has to be asked */
};

enum {
	PLUGIN_USER_SIZE = 254, /* sizes with the NUL */
	PLUGIN_NUMBER_SIZE = 65,
	PLUGIN_FILTER_SIZE = 32,
	PLUGIN_ADDR_SIZE = 46,
	PLUGIN_REPLY_SIZE = 256, /* a line of an answer to nsctl */
};

enum { PLUGIN_PAP = 0xC023, PLUGIN_CHAP = 0xC223 };
enum { PLUGIN_RES_OK = 0x21, PLUGIN_RES_ERR = 0x22 };

/* Levels of the log. */
enum {
	PLUGIN_LOG_CRITICAL,
	PLUGIN_LOG_ERROR,
	PLUGIN_LOG_WARNING,
	PLUGIN_LOG_INFO,
	PLUGIN_LOG_CALL,
	PLUGIN_LOG_DATA,
};

/* A session; 0 = none. */
typedef uint64_t plugin_session;

struct plugin_addr {
	uint8_t family; /* 4, 6; 0 = none */
	uint8_t b[16];	/* network order; an IPv4 address has the first four */
};

struct plugin_prefix {
	struct plugin_addr addr;
	uint8_t len;
};

/* What may be known about a session. Rates are in kbit/s, "in" is from the subscriber. */
struct plugin_session_info {
	plugin_session s;
	uint16_t t, id; /* tunnel and session id, as on the wire */
	char user[PLUGIN_USER_SIZE];
	char calling[PLUGIN_NUMBER_SIZE], called[PLUGIN_NUMBER_SIZE];
	uint8_t authenticated, up, dying;
	uint8_t walled_garden;
	uint8_t ip_from_pool;
	struct plugin_addr ip;		    /* the subscriber's; none before a login is accepted */
	uint64_t throttle_in, throttle_out; /* 0 = not throttled */
	struct plugin_addr snoop_ip;	    /* none = not intercepted */
	uint16_t snoop_port;
	char filter_in[PLUGIN_FILTER_SIZE], filter_out[PLUGIN_FILTER_SIZE];
	uint64_t tx_connect_speed, rx_connect_speed; /* bit/s, as the LAC said; 0 = unknown */
	uint32_t opened_s, idle_s;
	uint64_t pin, cin, pout, cout; /* packets and bytes, "in" from the subscriber */
};

/* ---- events: structures ---------------------------------------------------------------------- */

/* A subscriber wants to log in; nobody was asked yet. */
struct param_pre_auth {
	uint16_t t;
	plugin_session s;
	char *username; /* may be changed in place, NUL-terminated within username_size */
	size_t username_size;
	char *password; /* likewise; with CHAP the response, not a text */
	size_t password_size, password_len;
	int protocol;	   /* PLUGIN_PAP or PLUGIN_CHAP */
	int continue_auth; /* 1; set to 0: the login is dropped without an answer */
};

/* RADIUS, or the local file, has decided. */
struct param_post_auth {
	uint16_t t;
	plugin_session s;
	const char *username;
	short auth_allowed; /* may be changed */
	int protocol;
};

/* A packet of a subscriber goes by: see plugin_packet_threadsafe. The inner IP packet. */
struct param_packet {
	uint16_t t;
	plugin_session s;
	const uint8_t *buf;
	size_t len;
	int drop; /* 0; set to 1: the packet goes nowhere */
};
#define param_packet_rx param_packet
#define param_packet_tx param_packet

/* Once a second. */
struct param_timer {
	int64_t time_now; /* seconds since 1970 */
};

/* A login was accepted: address and policy are settled, the link is told next. */
struct param_new_session {
	uint16_t t;
	plugin_session s;
};

/* A session that new_session was called for ends; once. */
struct param_kill_session {
	uint16_t t;
	plugin_session s;
};

/* A Cisco-AVPair of an Access-Accept or a CoA-Request. */
struct param_radius_response {
	uint16_t t;
	plugin_session s;
	const char *key, *value; /* value is empty when there was no `=` */
};

/* A CoA-Request arrived: what is controlled by AVPairs goes back to nothing. */
struct param_radius_reset {
	uint16_t t;
	plugin_session s;
};

/* An accounting record is made. */
struct param_radius_account {
	uint16_t t;
	plugin_session s;
	uint8_t *packet; /* room for whole attributes, to be written from packet + used on */
	size_t size, used;
};

/* A command of nsctl. */
struct param_control {
	int iam_master;
	int argc;
	const char *const *argv;
	int response;	  /* 0; PLUGIN_RES_OK or PLUGIN_RES_ERR when the command is ours */
	char *additional; /* one line for the asker: empty, may be filled */
	size_t additional_size;
};

/* This node became the master of the cluster; one that stands alone is it from the start. */
struct param_become_master {
	int reserved;
};

/* After that, for each session that is up. */
struct param_new_session_master {
	uint16_t t;
	plugin_session s;
};

/* ---- what a plugin may ask ------------------------------------------------------------------- */

/* Functions that return int: 1 = done, 0 = no such session, or it is ending. */
struct plugin_functions {
	size_t size; /* of this struct; what lies beyond is not there */

	void (*log)(int level, plugin_session s, uint16_t t, const char *format, ...)
		__attribute__((format(printf, 4, 5)));
	void (*log_hex)(int level, const char *title, const void *data, size_t len);
	/* Returns buf. */
	const char *(*fmtaddr)(const struct plugin_addr *a, char *buf, size_t size);
	/* 0: not an address. */
	int (*parse_addr)(const char *text, struct plugin_addr *out);

	/* The first session of the user that is up, name compared exactly; none in the garden. */
	plugin_session (*get_session_by_username)(const char *name);
	/* By session id; t = 0: of whatever tunnel, none when several have it. */
	plugin_session (*get_session_by_id)(unsigned t, unsigned id);
	/* "ID", "TUNNEL/ID" or a user name. */
	plugin_session (*find_session)(const char *text);
	/* All sessions: start with *cursor = 0; 0 at the end. */
	plugin_session (*next_session)(uint64_t *cursor);
	int (*get_session)(plugin_session s, struct plugin_session_info *out);
	/* Networks routed to the session besides its address; returns how many there are. */
	unsigned (*get_routes)(plugin_session s, struct plugin_prefix *out, unsigned n);

	/* A variable of startup-config as text; 0: there is none, or it does not fit. */
	int (*getconfig)(const char *name, char *out, size_t size);
	/* As a number; `otherwise` when there is none. */
	uint64_t (*getconfig_number)(const char *name, uint64_t otherwise);

	/* Ends the session: result and error go into CDN, cause into accounting. */
	int (*sessionshutdown)(plugin_session s, const char *reason, int result, int error,
			       int cause);
	int (*sessionkill)(plugin_session s, const char *reason);
	/* kbit/s; 0 = no limit, -1 = as it is. */
	int (*throttle)(plugin_session s, int64_t rate_in, int64_t rate_out);
	/* NULL: not any more. */
	int (*snoop)(plugin_session s, const struct plugin_addr *to, uint16_t port);
	/* Names of access lists; "" = none, NULL = as it is. */
	int (*filter)(plugin_session s, const char *in, const char *out);
	/* Into or out of the walled garden. No accounting inside; on release a Start is sent. */
	int (*walled_garden)(plugin_session s, int on);
	/* Another user name; its other sessions end unless duplicates are allowed. Refused while
	 * the sessions of a user are gone through: a CoA-Request or Disconnect-Request by name, a
	 * drop. */
	int (*set_username)(plugin_session s, const char *name);
	int (*set_connect_speed)(plugin_session s, uint64_t tx, uint64_t rx);
	/* In radius_account: adds a Cisco-AVPair. 0: no room. */
	int (*put_avpair)(struct param_radius_account *p, const char *text);
};

/* ---- symbols of a plugin --------------------------------------------------------------------- */

/* Must be there: PLUGIN_API_VERSION. */
extern int plugin_api_version;
/* When it is loaded: 0 = it cannot work, do not load it. The table stays valid. */
int plugin_init(const struct plugin_functions *functions);
/* When it is unloaded or the program ends. */
void plugin_done(void);
/* Lines for `nsctl help`, NULL behind the last. */
extern const char *plugin_control_help[];
/* Must be there and not 0 for packet_rx and packet_tx, which many threads call at once. */
extern int plugin_packet_threadsafe;

int plugin_pre_auth(struct param_pre_auth *p);
int plugin_post_auth(struct param_post_auth *p);
int plugin_packet_rx(struct param_packet_rx *p);
int plugin_packet_tx(struct param_packet_tx *p);
int plugin_timer(struct param_timer *p);
int plugin_new_session(struct param_new_session *p);
int plugin_kill_session(struct param_kill_session *p);
int plugin_radius_response(struct param_radius_response *p);
int plugin_radius_reset(struct param_radius_reset *p);
int plugin_radius_account(struct param_radius_account *p);
int plugin_control(struct param_control *p);
int plugin_become_master(struct param_become_master *p);
int plugin_new_session_master(struct param_new_session_master *p);

#ifdef __cplusplus
}
#endif

#endif

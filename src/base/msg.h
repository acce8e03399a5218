/*
 * msg.h - every message between workers and control: one enum, one fixed body per kind, copied by
 * value through the ring of each (sender, receiver) pair. Bodies hold facts and keys, no pointers.
 * A full ring: packet kinds (MSG_F_PACKET) are dropped and counted; all others wait, in order, in
 * the sender's bounded pending list.
 *
 * Who sends what (T = tunnel shard, S = session shard, C = control):
 *
 *	T -> S	CALL_UP CALL_DOWN TUNNEL_GONE TUNNEL_MOVED
 *	S -> T	HANGUP
 *	T -> C	TUNNEL_STATE TUNNEL_INFO
 *	S -> C	SESSION_NEW AUTH_REQ SESSION_UP SESSION_GONE SESSION_INFO SESSION_PONG
 *	S, T -> C  TRACE
 *	C -> S	AUTH_REPLY DROP_SESSION SESSION_CHANGE SESSION_QUERY SESSION_PING
 *	C -> T	DROP_TUNNEL TUNNEL_QUERY SHUTDOWN
 *	worker -> worker  L2TP_CONTROL PPP_FRAME TUN_PACKET (packets that reached a worker not their
 *			  owner)
 */
#ifndef LNS_MSG_H
#define LNS_MSG_H

#include "base/addr.h"
#include "base/facts.h"
#include "base/nsec.h"

enum msg_kind {
	MSG_NONE,
	MSG_CALL_UP,
	MSG_CALL_DOWN,
	MSG_TUNNEL_GONE,
	MSG_TUNNEL_MOVED,
	MSG_HANGUP,
	MSG_TUNNEL_STATE,
	MSG_TUNNEL_QUERY,
	MSG_TUNNEL_INFO,
	MSG_SESSION_NEW,
	MSG_AUTH_REQ,
	MSG_AUTH_REPLY,
	MSG_SESSION_UP,
	MSG_SESSION_GONE,
	MSG_SESSION_QUERY,
	MSG_SESSION_INFO,
	MSG_SESSION_PING,
	MSG_SESSION_PONG,
	MSG_TRACE,
	MSG_DROP_SESSION,
	MSG_SESSION_CHANGE,
	MSG_DROP_TUNNEL,
	MSG_SHUTDOWN,
	MSG_L2TP_CONTROL,
	MSG_PPP_FRAME,
	MSG_TUN_PACKET,
	MSG_KINDS
};

enum { MSG_MAX = 4096 }; /* bytes of the largest message, bodies and packets alike */

/* Opens every message; `kind` says which struct it is. */
struct msg {
	uint16_t kind; /* enum msg_kind */
	uint16_t len;  /* bytes in all, this header included */
};

/* A counted text within a message. */
struct msg_text {
	uint8_t n;
	uint8_t s[LNS_NUMBER_MAX];
};

/* Proxy LCP and proxy authentication AVPs of one call (RFC 2661 4.4.5). */
struct msg_proxy {
	uint8_t first_rx_confreq_len, last_tx_confreq_len, last_rx_confreq_len;
	uint8_t first_rx_confreq[64], last_tx_confreq[64], last_rx_confreq[64]; /* options only */
	uint16_t auth_type; /* AVP 29; 0 = not given: 1 text, 2 CHAP, 3 PAP, 4 none, 5 MS-CHAPv1 */
	uint8_t auth_id;
	uint8_t auth_name_len, auth_challenge_len, auth_response_len;
	uint8_t auth_name[LNS_USER_MAX];
	uint8_t auth_challenge[LNS_CHALLENGE_MAX];
	uint8_t auth_response[LNS_PASSWORD_MAX];
};

/* T -> S: ICCN arrived, the PPP link starts. */
struct msg_call_up {
	struct msg msg;
	struct sess_key key;
	struct l2tp_path path;
	uint16_t peer_tid, peer_sid; /* what we write into packets to the peer */
	uint32_t serial;	     /* Call Serial Number */
	uint64_t tx_speed, rx_speed; /* bit/s; 0 = unknown */
	uint32_t framing;	     /* AVP 19 bits: 1 sync, 2 async */
	bool sequencing;	     /* peer requires sequence numbers in data */
	struct msg_text calling, called;
	struct msg_text lac_name; /* Host Name of the tunnel's peer */
	struct msg_proxy proxy;
};

/* T -> S: the call ended on the L2TP side (CDN, drop); answer nothing. */
struct msg_call_down {
	struct msg msg;
	struct sess_key key;
	struct end_reason reason;
};

/* T -> every S: all sessions of the tunnel ended. */
struct msg_tunnel_gone {
	struct msg msg;
	uint16_t tid;
	struct end_reason reason;
};

/* T -> every S: the peer's address or port changed. */
struct msg_tunnel_moved {
	struct msg msg;
	uint16_t tid;
	struct l2tp_path path;
};

/* S -> T: the session ended by itself; send CDN with reason.cdn_*. */
struct msg_hangup {
	struct msg msg;
	struct sess_key key;
	struct end_reason reason;
};

enum tunnel_state { TUNNEL_FREE, TUNNEL_OPEN, TUNNEL_CLOSING, TUNNEL_OPENING };

/* T -> C: at each change of state. TUNNEL_FREE: forget it. */
struct msg_tunnel_state {
	struct msg msg;
	uint16_t tid, peer_tid;
	uint8_t state; /* enum tunnel_state */
	struct l2tp_path path;
	uint16_t peer_window;
	struct msg_text host_name, vendor;
	struct end_reason reason; /* of CLOSING and FREE */
};

/* C -> T and back: numbers that only the owner knows. `cookie` is returned unchanged. */
struct msg_tunnel_query {
	struct msg msg;
	uint16_t tid;
	uint64_t cookie;
};

struct msg_tunnel_info {
	struct msg msg;
	uint16_t tid;
	uint64_t cookie;
	bool found;
	uint16_t ns, nr;
	uint32_t queued;     /* control messages not acknowledged yet */
	uint32_t idle_s;     /* since the peer's last control message */
	uint32_t sent_age_s; /* since our last control message */
	uint32_t calls;
	uint32_t retransmits;
};

/* S -> C: a call came up. */
struct msg_session_new {
	struct msg msg;
	struct sess_key key;
	uint32_t slot;		 /* of the forwarding record; what routes point to */
	uint8_t slot_generation; /* another session may have the slot when this is read */
	struct l2tp_path path;
	uint16_t peer_tid, peer_sid;
	uint32_t serial; /* Call Serial Number */
	uint64_t tx_speed, rx_speed;
	struct msg_text calling, called, lac_name;
};

/* S -> C: please authorise. Secrets in it are wiped by the receiver after use. */
struct msg_auth_req {
	struct msg msg;
	struct sess_key key;
	uint16_t proto; /* enum auth_proto; AUTH_NONE: no authentication was asked for */
	uint8_t chap_id;
	uint8_t user_len, password_len, challenge_len;
	uint8_t user[LNS_USER_MAX];
	uint8_t password[LNS_PASSWORD_MAX]; /* PAP */
	uint8_t challenge[LNS_CHALLENGE_MAX];
	uint8_t response[LNS_CHAP_RESPONSE];
	bool reauth; /* periodic CHAP of a session that is up: grant or refuse, assign nothing */
};

/* C -> S. */
struct msg_auth_reply {
	struct msg msg;
	struct sess_key key;
	bool accept;
	struct end_reason reason; /* of a refusal */
	struct aaa_profile profile;
};

/* S -> C: the first network protocol is open; accounting starts, routes are needed. */
struct msg_session_up {
	struct msg msg;
	struct sess_key key;
	uint8_t family; /* 4 or 6 */
};

/* S -> C: sent after the grace period, so the counters are final. */
struct msg_session_gone {
	struct msg msg;
	struct sess_key key;
	uint32_t slot;
	struct end_reason reason;
	struct sess_counters counters;
};

struct msg_session_query {
	struct msg msg;
	struct sess_key key;
	uint64_t cookie;
};

/* State numbers are those of ppp/ppp.h (phases) and ppp/ppp_fsm.h (automaton). */
struct msg_session_info {
	struct msg msg;
	struct sess_key key;
	uint64_t cookie;
	bool found;
	uint8_t phase, lcp, ipcp, ipv6cp, ccp;
	uint16_t mru, peer_mru;
	uint16_t auth; /* enum auth_proto agreed */
};

/* C -> S and back: an LCP echo. There is no answer when the peer gives none. */
struct msg_session_ping {
	struct msg msg;
	struct sess_key key;
	uint64_t cookie;
};

struct msg_session_pong {
	struct msg msg;
	struct sess_key key;
	uint64_t cookie;
	bool sent;     /* LCP is open */
	bool answered; /* within `rtt_ns` */
	uint64_t rtt_ns;
};

enum trace_what { TRACE_L2TP, TRACE_PPP, TRACE_RADIUS };
enum { TRACE_BYTES_MAX = 512 };

/* S, T -> C, only while somebody traces: one control packet of a session that is traced or whose
 * user is not known yet. Only the first `n` of `bytes` are sent. */
struct msg_trace {
	struct msg msg;
	struct sess_key key;
	nsec at;
	uint8_t what; /* enum trace_what */
	uint8_t l2tp; /* message type of TRACE_L2TP */
	bool sent;    /* by us */
	uint16_t n;
	uint8_t bytes[TRACE_BYTES_MAX]; /* AVPs, or a PPP frame from its protocol on */
};

/* C -> S: end this session (terminate PPP, then HANGUP). */
struct msg_drop_session {
	struct msg msg;
	struct sess_key key;
	struct end_reason reason;
};

/* C -> S: what changes of a session that is authorised: by CoA, an operator, a plugin, a reload. */
struct msg_session_change {
	struct msg msg;
	struct sess_key key;
	bool has_session_timeout, has_idle_timeout, has_policy, has_tap, has_trace;
	uint32_t session_left_s;   /* from now on; 0 = no limit */
	uint32_t idle_timeout_s;   /* 0 = none */
	struct sess_policy policy; /* the whole of it */
	bool tap;		   /* copy its packets for a capture (dp_tap.h) */
	bool trace;		   /* tell its control packets (MSG_TRACE) */
};

/* C -> T: StopCCN with this Result Code. */
struct msg_drop_tunnel {
	struct msg msg;
	uint16_t tid;
	uint16_t result;
	char text[60];
};

/* C -> T: close every tunnel (StopCCN 6), refuse new ones. */
struct msg_shutdown {
	struct msg msg;
};

/* A packet follows the struct: len - sizeof(struct) bytes of a whole L2TP datagram. */
struct msg_l2tp_control {
	struct msg msg;
	struct l2tp_path path;
};

/* A PPP frame follows (address/control already stripped: starts with the protocol field). */
struct msg_ppp_frame {
	struct msg msg;
	uint16_t tid, sid;
	struct l2tp_path path;
};

enum { MSG_PACKET_ROOM = 16 };

/* An IP packet from the TUN device follows, for a session of the receiver's. */
struct msg_tun_packet {
	struct msg msg;
	uint8_t room[MSG_PACKET_ROOM]; /* for what the receiver puts before the packet */
};

/* Packets may be dropped when a ring is full; nothing else may. */
static inline bool msg_is_packet(uint16_t kind)
{
	return kind == MSG_L2TP_CONTROL || kind == MSG_PPP_FRAME || kind == MSG_TUN_PACKET ||
	       kind == MSG_TRACE;
}

/* struct msg_x m = MSG_INIT(MSG_X, struct msg_x); then fill and post &m.msg. */
#define MSG_INIT(kind_, type)                                                                      \
	{                                                                                          \
		.msg = {.kind = (kind_), .len = (uint16_t)sizeof(type) }                           \
	}

/* Whose inbox: workers are 0..N-1, control is MSG_TO_CONTROL. */
enum { MSG_TO_CONTROL = 255 };

#endif

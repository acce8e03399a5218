/*
 * lg.h - the load generator: a LAC with PPP subscribers in user space, and a host behind the LNS.
 * One thread owns everything here; sockets may live in different network namespaces. Sessions are
 * plain array entries of about 120 bytes; session i belongs to tunnel i % tunnels, and its id on
 * the wire gives its index without a table.
 */
#ifndef LG_H
#define LG_H

#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/nsec.h"
#include "base/wheel.h"
#include "lg_chan.h"
#include "lg_hist.h"
#include "lg_ppp.h"

enum {
	LG_SOURCES_MAX = 64,
	LG_SOCKS_MAX = 4096,
	LG_SESSIONS_MAX = 1 << 20,
	LG_TUNNELS_MAX = 65535,
	LG_WATCH_THREADS = 16,
	LG_WATCH_WORKERS = 16,
	LG_BATCH = 64, /* datagrams per system call */
	LG_SLOT = 512, /* bytes of a queued outgoing datagram */
	LG_DATAGRAM = 65536,
	LG_SLOW_MS = 500,
};

enum lg_fail {
#define LG_FAIL(name, text) LG_FAIL_##name,
#include "lg_fail.def"
#undef LG_FAIL
	LG_FAILS
};

enum lg_timer_kind { LG_TIMER_TUNNEL, LG_TIMER_SESSION };

enum lg_session_state {
	LG_S_IDLE,
	LG_S_CALLING, /* ICRQ is out */
	LG_S_PPP,     /* ICCN is out, PPP is being negotiated */
	LG_S_UP,
	LG_S_ENDING, /* Terminate-Request is out, CDN follows */
};

struct lg_session {
	struct wheel_timer timer; /* PPP retry, or the wait for Terminate-Ack */
	nsec dialled, asked; /* asked: the password, or the answer to the challenge, went out */
	struct lg_ppp ppp;
	uint32_t up_seq, up_seen;     /* next sequence number sent, and expected behind the LNS */
	uint32_t down_seq, down_seen; /* the same towards the subscriber */
	uint16_t peer_sid;
	uint8_t state; /* enum lg_session_state */
	uint8_t reuse; /* how often its id was used, modulo what fits */
};

enum lg_tunnel_state { LG_T_IDLE, LG_T_OPENING, LG_T_UP, LG_T_CLOSING, LG_T_DEAD };

struct lg_tunnel {
	struct wheel_timer timer; /* retransmission */
	struct lg_chan chan;
	struct sockaddr_in peer;
	uint16_t id, peer_id;
	uint16_t sock;
	uint8_t state; /* enum lg_tunnel_state */
	bool dirty;    /* in lg.dirty: something to send or to acknowledge */
	uint8_t challenge[16];
};

struct lg_conf {
	struct sockaddr_in lns;
	const char *netns, *core_netns;
	struct in_addr sources[LG_SOURCES_MAX];
	unsigned n_sources;
	unsigned port_base, ports;
	unsigned tunnels, sessions;
	struct span secret;
	bool challenge;
	const char *hostname;
	unsigned window;
	const char *user; /* %u stands for the number of the session */
	const char *password;
	struct lg_ppp_conf ppp;
	unsigned ppp_timeout_ms, l2tp_tries;
	bool length_bit;
	uint32_t speed; /* Tx Connect Speed */
	struct in_addr core_addr;
	unsigned core_port;
	int watch_pid, watch_cpu;
	int watch_threads[LG_WATCH_THREADS]; /* kernel threads that work for the daemon */
	unsigned n_watch_threads;
	const char *label;
	const char *json;
	bool interactive;
	int verbose;
};

/* Outgoing datagrams of one socket, sent with one sendmmsg(). */
struct lg_out {
	unsigned n;
	struct mmsghdr msg[LG_BATCH];
	struct iovec iov[LG_BATCH];
	struct sockaddr_in to[LG_BATCH];
	uint8_t room[LG_BATCH][LG_SLOT];
};

struct lg_sock {
	int fd;
	struct lg_out *out; /* made at first use */
	bool queued;	    /* in lg.flush */
};

/* One direction of the test traffic. */
struct lg_flow {
	uint64_t sent, received, reordered, misdelivered, bytes;
	struct lg_hist latency;
};

struct lg_stats {
	uint64_t dials, up, lost; /* lost: were up, and ended without our doing */
	uint64_t fails[LG_FAILS];
	uint64_t l2tp_resent, ppp_resent, hellos, stray, bad, other_ip;
	uint64_t tx_datagrams, rx_datagrams, tx_errors;
	uint16_t cdn_result, cdn_error; /* of the last CDN received */
	struct lg_hist setup, auth;	/* auth: from the password to the verdict */
	uint64_t slow_setups; /* took longer than LG_SLOW_MS: a packet got lost, or waited */
	struct lg_flow upward, downward;
	uint64_t pings, pongs;
	struct lg_hist rtt;
};

struct lg_rx; /* lg_io.c */

struct lg {
	struct lg_conf conf;
	struct wheel wheel;
	nsec now;
	struct lg_session *sessions;
	struct lg_tunnel *tunnels;
	unsigned per_tunnel, reuses;
	struct lg_sock *socks;
	unsigned n_socks;
	int poll, core;
	bool input; /* standard input has something: a step, or its end */
	int tun;    /* the interface of one subscriber, or -1 */
	struct lg_session *tun_session;
	struct lg_tun_run *tun_run; /* lg_tun.c */
	struct lg_rx *rx;
	uint16_t *dirty; /* tunnel indexes */
	unsigned n_dirty;
	uint16_t *flush; /* socket indexes */
	unsigned n_flush;
	unsigned tunnels_up, tunnels_opening, sessions_up, dialling, ending;
	unsigned *opening; /* per socket: tunnels waiting for SCCRP */
	struct lg_stats stats;
	const volatile sig_atomic_t *signal; /* set by the handler */
	bool stop;			     /* it was: leave the step */
};

/* ---- lg_io.c: sockets, namespaces, batches --------------------------------------------------- */

/* Opens all sockets; false after a message on stderr. */
bool lg_io_open(struct lg *g);
void lg_io_close(struct lg *g);
nsec lg_clock(void);
/* Queues one datagram of at most LG_SLOT bytes. */
void lg_io_send(struct lg *g, unsigned sock, const struct sockaddr_in *to, struct span datagram);
void lg_io_flush(struct lg *g);
/* Sends n datagrams of equal length (the last may be shorter) that lie one behind the other. */
unsigned lg_io_send_run(int fd, const struct sockaddr_in *to, struct span all, unsigned each);
/* Receives what is there; waits at most this long for it. */
void lg_io_receive(struct lg *g, int64_t wait_ns);

/* Enters a network namespace, by name or path; returns the one left (for lg_io_leave), or -1. */
int lg_io_enter(const char *netns);
void lg_io_leave(int before);
bool lg_io_watch_tun(struct lg *g, int fd);
bool lg_io_await_input(struct lg *g);

/* ---- lg_tun.c: a network interface for one subscriber -------------------------------------- */

bool lg_tun_open(struct lg *g, const char *name, struct lg_session *s);
void lg_tun_close(struct lg *g);
void lg_tun_read(struct lg *g);
void lg_tun_write(struct lg *g, struct span packet);

/* ---- lg_lac.c: tunnels, calls, subscribers --------------------------------------------------- */

bool lg_lac_init(struct lg *g);
void lg_lac_fini(struct lg *g);
void lg_tunnel_open(struct lg *g, struct lg_tunnel *t);
void lg_tunnel_close(struct lg *g, struct lg_tunnel *t);
/* Whether the tunnel takes another call now. */
bool lg_tunnel_has_room(const struct lg_tunnel *t);
void lg_session_dial(struct lg *g, struct lg_session *s);
/* CDN, or Terminate-Request first. */
void lg_session_end(struct lg *g, struct lg_session *s, bool terminate_first);
void lg_session_fail(struct lg *g, struct lg_session *s, enum lg_fail why);
void lg_lac_rx(struct lg *g, unsigned sock, const struct sockaddr_in *from, struct span datagram);
/* Timers that are due, acknowledgements and queued messages. */
void lg_lac_turn(struct lg *g);
struct lg_tunnel *lg_tunnel_of(const struct lg *g, const struct lg_session *s);
uint16_t lg_session_id(const struct lg *g, const struct lg_session *s);
const char *lg_fail_name(enum lg_fail why);
const char *lg_fail_text(enum lg_fail why);

/* One turn of the loop: time, input, timers, output. */
void lg_turn(struct lg *g, int64_t wait_ns);

/* ---- lg_traffic.c ---------------------------------------------------------------------------- */

enum { LG_PACKET_MIN = 48, LG_PACKET_MAX = 1500, LG_IMIX = 0 };

struct lg_load {
	bool up, down;
	unsigned size; /* of the inner IP packet; LG_IMIX */
	double rate;   /* packets per second and direction; 0 = as fast as possible */
	double seconds;
	unsigned sessions; /* the first so many that are up; 0 = all */
	unsigned burst;	   /* packets of one session in a row */
	unsigned flows;	   /* ports per session, in turn: packets of different flows never merge */
	double ping;	   /* echo requests per second beside the load */
	unsigned chunk;	   /* packets that leave together */
	bool sleep;	   /* until something is due: leaves the CPU to others, is less exact */
};

/* Runs the load to its end, including the time for late packets. False: nothing could be sent. */
bool lg_traffic_run(struct lg *g, const struct lg_load *load);
bool lg_ping_run(struct lg *g, double rate, double seconds);
/* An IP packet for a subscriber, and one that reached the host behind the LNS. */
void lg_traffic_down_rx(struct lg *g, struct lg_session *s, struct span ip);
void lg_traffic_core_rx(struct lg *g, const struct sockaddr_in *from, struct span payload);

/* ---- lg_report.c: what the daemon under test used, and the lines of output ------------------- */

struct lg_watch {
	nsec at;
	uint64_t process_ns, kernel_ns; /* CPU time of the process, of the kernel threads */
	uint64_t core_ns;		/* time that its CPU was not idle */
	uint64_t rss_kb;
	unsigned n_workers;
	uint64_t worker_ns[LG_WATCH_WORKERS]; /* CPU time of the threads "worker0", "worker1" ... */
};

void lg_watch_read(const struct lg *g, struct lg_watch *w);
/* The difference between two readings; `per` (may be 0) is what CPU time is divided by. */
json_t *lg_watch_json(const struct lg_watch *a, const struct lg_watch *b, const char *unit,
		      uint64_t per);
json_t *lg_hist_json(const struct lg_hist *h);
json_t *lg_fails_json(const struct lg_stats *s);
/* Prints the line and gives `o` up. */
void lg_report(const struct lg *g, json_t *o);
void lg_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- lg_steps.c ------------------------------------------------------------------------------ */

/* Runs one step, e.g. "up:rate=500". Returns 0, or an exit status. */
int lg_step_run(struct lg *g, const char *text);
/* False after a message: not a step or not its parameters. */
bool lg_step_check(const char *text);

#endif

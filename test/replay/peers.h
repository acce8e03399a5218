/*
 * peers.h - the LACs of a replay and the subscribers behind them. A LAC counts Ns and Nr, answers
 * tunnel authentication, acknowledges on its own (unless told not to) and remembers the ids of its
 * calls; all else stands in the script. What the daemon sends becomes lines in the queue.
 */
#ifndef LNS_REPLAY_PEERS_H
#define LNS_REPLAY_PEERS_H

#include "ppp_text.h"
#include "test_subscriber.h"
#include "world.h"

enum { PEERS_MAX = 8, CALLS_MAX = 8, LINES_MAX = 8192, REQUESTS_MAX = 16 };

struct call {
	uint16_t lac_sid, lns_sid;
	struct ppp_memory memory;
	struct subscriber *subscriber; /* plays the link when not NULL */
	nsec tick;		       /* of its restart timer */
};

struct peer {
	char name[16];
	struct l2tp_path path;
	uint16_t tid, lns_tid;
	uint16_t ns, nr;
	bool ack_due, auto_ack, loses; /* loses: sees nothing of what the daemon sends */
	char secret[64];
	uint8_t challenge[64], our_challenge[64]; /* the daemon's, ours */
	size_t challenge_n, our_challenge_n;
	struct call calls[CALLS_MAX];
	unsigned n_calls;
};

struct line {
	bool quiet; /* acknowledgement, route, log: counts only when expected */
	struct text text;
};

struct request { /* RADIUS */
	unsigned sock;
	struct sock_addr to;
	size_t n;
	uint8_t bytes[4096];
};

struct stage {
	struct world *world;
	struct peer peers[PEERS_MAX];
	unsigned n_peers;
	struct line *lines[LINES_MAX];
	unsigned n_lines;
	struct request requests[REQUESTS_MAX];
	unsigned n_requests;
	char radius_secret[64];
	char ignore[8][32]; /* first words of lines that are thrown away */
	unsigned n_ignore;
	bool verbose;
};

struct world_out stage_out(struct stage *s);
void stage_free(struct stage *s);
/* By name; made when there is none yet. */
struct peer *stage_peer(struct stage *s, const char *name);
/* Call by the LAC's session id, 0 = the last one; ends the program when there is none. */
struct call *peer_call(struct peer *p, uint64_t lac_sid);
/* "SCCRQ key=...", "LCP ConfReq ...", "raw data=HEX": words from `first` on. */
void stage_send(struct stage *s, struct peer *p, const struct words *w, unsigned first);
void stage_subscribe(struct stage *s, struct call *c, const struct words *w);
/* Acknowledgements and subscribers, until nobody has more to say. */
void stage_react(struct stage *s);
void stage_advance(struct stage *s, int64_t ns);
void stage_answer_radius(struct stage *s, const struct words *w);

#endif

/*
 * cli_query.h - questions of a connection to the worker that owns a session or a tunnel, by way of
 * control; the connection's thread waits for the answer, for a few seconds at most.
 */
#ifndef LNS_CLI_QUERY_H
#define LNS_CLI_QUERY_H

#include "control/cli_conn.h"

/* Only the one that was asked for is filled. */
struct worker_answer {
	struct msg_session_info session;
	struct msg_tunnel_info tunnel;
	struct msg_session_pong pong;
};

/* False: nobody answered. `found` in the answer says whether there is such a session or tunnel. */
bool cli_query_session(struct cli_conn *conn, struct sess_key key, struct worker_answer *out);
bool cli_query_tunnel(struct cli_conn *conn, uint16_t tid, struct worker_answer *out);
/* An LCP echo; out->pong.answered says whether the subscriber did, within two seconds. */
bool cli_query_ping(struct cli_conn *conn, struct sess_key key, struct worker_answer *out);

#endif

/*
 * request.h - the bridge between threads that may block (one per command line connection) and the
 * control thread: a request is a function that control runs between two turns of its loop while the
 * asking thread waits. Requests must be short; a long listing is many of them. The only locks of
 * the program are in here and in the command line.
 */
#ifndef LNS_REQUEST_H
#define LNS_REQUEST_H

#include <stdbool.h>

#include "base/nsec.h"

struct core;
struct request_queue;

struct request_queue *request_queue_new(void);
/* After request_shutdown() and when no thread can call request_run() any more. */
void request_queue_free(struct request_queue *q);

/* Control: readable when requests wait. Level-triggered; request_serve() clears it. */
int request_fd(const struct request_queue *q);
/* Control: runs the requests that wait, a bounded number; the rest is left for the next turn. */
void request_serve(struct request_queue *q, struct core *core, nsec now);
/* Control: all requests from now on, and those that wait, fail. */
void request_shutdown(struct request_queue *q);

/* Any other thread: returns when control has run fn(core, now, arg); false when it never will. */
bool request_run(struct request_queue *q, void (*fn)(struct core *core, nsec now, void *arg),
		 void *arg);

#endif

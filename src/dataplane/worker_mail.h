/*
 * worker_mail.h - the messages between the threads: one bounded ring per ordered pair of parties
 * (workers 0..N-1, control is party N), waiting lists behind full rings, and waking those who
 * sleep. A party's own part is touched by its thread only. Shell.
 */
#ifndef LNS_WORKER_MAIL_H
#define LNS_WORKER_MAIL_H

#include "base/alloc.h"
#include "base/counters.h"
#include "base/msg.h"
#include "base/span.h"

struct mail;

/* Above so many waiting messages a party takes no new work from its sockets. */
enum { MAIL_PRESSURE = 4096 };

/* NULL: out of memory or descriptors. */
struct mail *mail_new(const struct alloc *a, unsigned n_workers);
void mail_free(struct mail *m);
/* Index of control. */
unsigned mail_control(const struct mail *m);

/* Party `from`: copies the message and `extra` behind it; msg->len counts both. Packets that find
 * the ring full are dropped and counted, all others wait. Others are woken by mail_flush. */
void mail_send(struct mail *m, unsigned from, unsigned to, const struct msg *msg, struct span extra,
	       struct counters *counters);
/* Party `from`: whether a subscriber's packet may be sent there. A quarter of a ring is kept for
 * what holds tunnels and links together, which shares it. */
bool mail_takes_data(const struct mail *m, unsigned from, unsigned to);
/* Party `from`, at the end of its turn: moves waiting messages, wakes who got any. Returns how many
 * messages still wait. */
uint32_t mail_flush(struct mail *m, unsigned from);
uint32_t mail_waiting(const struct mail *m, unsigned from);

/* Party `to`: the next message and its sender; NULL = none. Valid until the next call. The bytes
 * belong to the receiver meanwhile, who may write them. */
struct msg *mail_next(struct mail *m, unsigned to, unsigned *from);
/* Nothing has come and not been taken. Any thread may ask; the answer may be old. */
bool mail_is_empty(const struct mail *m, unsigned to);

/* Becomes readable when a message comes for a party that sleeps. */
int mail_fd(const struct mail *m, unsigned party);
/* Before a blocking wait: true = sleep, false = a message is there already. */
bool mail_sleep(struct mail *m, unsigned party);
void mail_awake(struct mail *m, unsigned party);
/* Any thread, after something was put where the party looks when it is awake: wakes it if it
 * sleeps. Most are awake and see it by themselves. */
void mail_wake(struct mail *m, unsigned party);
/* Any thread: wakes the party although there is no message for it. */
void mail_kick(struct mail *m, unsigned party);

#endif

/*
 * resolver.h - host names to addresses without waiting: a thread of its own asks the system's
 * resolver, which may take seconds. Questions and answers are datagrams of a socket pair; nothing
 * else is shared. Owner: the control thread.
 */
#ifndef LNS_RESOLVER_H
#define LNS_RESOLVER_H

#include "base/addr.h"
#include "base/alloc.h"

enum { RESOLVER_NAME_MAX = 254 }; /* with the NUL */

struct resolver_answer {
	char name[RESOLVER_NAME_MAX];
	struct ip_addr addr; /* unset: there is none, for the reason `why` of gai_strerror() */
	int why;
};

struct resolver;

/* NULL: no thread, or no memory. */
struct resolver *resolver_new(const struct alloc *a);
/* The thread ends when it is done with the name that it looks up; nobody waits for it. */
void resolver_free(struct resolver *r);
/* Readable when there is an answer. */
int resolver_fd(const struct resolver *r);
/* False: too many questions wait. */
bool resolver_ask(struct resolver *r, const char *name);
/* False: no answer is there. */
bool resolver_read(struct resolver *r, struct resolver_answer *out);

#endif

#include "control/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/bgp_sock.h"

enum { STACK_BYTES = 256 * 1024 };

struct resolver {
	const struct alloc *alloc;
	int fd;
};

static void look_up(struct resolver_answer *a)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;

	a->why = getaddrinfo(a->name, NULL, &hints, &found);
	if (a->why != 0)
		return;
	a->addr = bgp_sock_ip(found->ai_addr);
	freeaddrinfo(found);
}

/* Ends when the other end of the pair is closed. */
static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct resolver_answer a;

	for (;;) {
		memset(&a, 0, sizeof(a));
		ssize_t n = recv(fd, a.name, sizeof(a.name) - 1, 0);
		if (n <= 0)
			break;
		look_up(&a);
		if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != (ssize_t)sizeof(a))
			break;
	}
	close(fd);
	return NULL;
}

static bool start(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	bool started = pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd) == 0;
	pthread_attr_destroy(&attr);
	return started;
}

struct resolver *resolver_new(const struct alloc *a)
{
	struct resolver *r = alloc_get(a, sizeof(*r));
	int pair[2];

	if (!r)
		return NULL;
	r->alloc = a;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		alloc_put(a, r, sizeof(*r));
		return NULL;
	}
	r->fd = pair[0];
	if (start(pair[1]))
		return r;
	close(pair[1]);
	resolver_free(r);
	return NULL;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	close(r->fd);
	alloc_put(r->alloc, r, sizeof(*r));
}

int resolver_fd(const struct resolver *r)
{
	return r->fd;
}

bool resolver_ask(struct resolver *r, const char *name)
{
	size_t n = strnlen(name, RESOLVER_NAME_MAX - 1);
	return send(r->fd, name, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

bool resolver_read(struct resolver *r, struct resolver_answer *out)
{
	return recv(r->fd, out, sizeof(*out), MSG_DONTWAIT) == (ssize_t)sizeof(*out);
}

#include "dataplane/express_locals.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

struct express_locals {
	struct alloc alloc;
	uint32_t *ips; /* in ascending order */
	unsigned n, room;
};

struct express_locals *express_locals_new(const struct alloc *a)
{
	struct express_locals *l = alloc_get(a, sizeof(*l));

	if (l)
		l->alloc = *a;
	return l;
}

static void put(const struct express_locals *l)
{
	if (l->ips)
		alloc_put(&l->alloc, l->ips, l->room * sizeof(*l->ips));
}

void express_locals_free(struct express_locals *l)
{
	if (!l)
		return;
	put(l);
	alloc_put(&l->alloc, l, sizeof(*l));
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

bool express_locals_has(const struct express_locals *l, uint32_t ip)
{
	return l->n && bsearch(&ip, l->ips, l->n, sizeof(ip), compare);
}

static void add(struct express_locals *l, const struct sockaddr *sa)
{
	if (sa && sa->sa_family == AF_INET)
		l->ips[l->n++] =
			ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
}

/* The other end of a point-to-point link is none of ours. */
static void add_all(struct express_locals *l, const struct ifaddrs *all)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		add(l, i->ifa_addr);
		if (i->ifa_flags & IFF_BROADCAST)
			add(l, i->ifa_broadaddr);
	}
	if (l->n)
		qsort(l->ips, l->n, sizeof(*l->ips), compare);
}

static unsigned most(const struct ifaddrs *all)
{
	unsigned n = 0;

	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		n += 2;
	return n;
}

static bool read_all(struct express_locals *fresh, const struct alloc *a)
{
	struct ifaddrs *all;

	*fresh = (struct express_locals){.alloc = *a};
	if (getifaddrs(&all) != 0)
		return false;
	fresh->room = most(all);
	fresh->ips = fresh->room ? alloc_get(a, fresh->room * sizeof(*fresh->ips)) : NULL;
	if (fresh->ips)
		add_all(fresh, all);
	freeifaddrs(all);
	if (fresh->room && !fresh->ips)
		errno = ENOMEM;
	return !fresh->room || fresh->ips;
}

bool express_locals_read(struct express_locals *l, void (*found)(void *ctx, uint32_t ip), void *ctx)
{
	struct express_locals fresh;

	if (!read_all(&fresh, &l->alloc))
		return false;
	for (unsigned i = 0; i < fresh.n; i++)
		if (!express_locals_has(l, fresh.ips[i]))
			found(ctx, fresh.ips[i]);
	put(l);
	*l = fresh;
	return true;
}

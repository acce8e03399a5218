#include "dataplane/express_set.h"

#include <errno.h>
#include <stdio.h>

bool express_set_open(struct express_set *s, const struct alloc *a)
{
	if (s->hosts)
		return true;
	s->hosts = express_hosts_open(a);
	s->locals = express_locals_new(a);
	if (s->hosts && s->locals && express_set_places(s))
		return true;
	int why = errno;
	express_set_close(s);
	errno = why;
	return false;
}

void express_set_close(struct express_set *s)
{
	while (s->n)
		express_close(&s->at[--s->n]);
	express_hosts_close(s->hosts);
	express_locals_free(s->locals);
	s->hosts = NULL;
	s->locals = NULL;
}

static bool is_in_use(const struct express *e)
{
	return e->link >= 0;
}

void express_set_name(struct express_set *s)
{
	size_t used = 0;

	snprintf(s->names, sizeof(s->names), "none");
	for (unsigned i = 0; i < s->n; i++)
		if (is_in_use(&s->at[i]))
			used += (size_t)snprintf(s->names + used, sizeof(s->names) - used, "%s%s",
						 used ? ", " : "", s->at[i].name);
}

void express_set_route(struct express_set *s, const struct ip_prefix *p, bool may)
{
	if (p->addr.family != 4 || p->len != 32)
		return;
	uint32_t ip = ip_addr_u32(&p->addr);
	if (may && !express_locals_has(s->locals, ip))
		express_hosts_set(s->hosts, ip);
	else
		express_hosts_clear(s->hosts, ip);
}

static void found_local(void *ctx, uint32_t ip)
{
	struct express_set *s = ctx;

	express_hosts_clear(s->hosts, ip);
}

bool express_set_places(struct express_set *s)
{
	return express_locals_read(s->locals, found_local, s);
}

/* Closing the link also frees an interface that was moved to another network namespace, where its
 * packets would be lost. */
const char *express_set_gone(struct express_set *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct express *e = &s->at[i];
		if (!is_in_use(e) || !atomic_load_explicit(&e->gone, memory_order_relaxed))
			continue;
		express_close(e);
		express_set_name(s);
		return e->name;
	}
	return NULL;
}

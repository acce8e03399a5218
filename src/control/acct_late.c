/* Accounting records that no server took: kept in order, told again until one does. */
#include "control/core_priv.h"

#include "base/panic.h"

enum {
	LATE_MAX = 262144,    /* records; about 100 MB */
	LATE_WINDOW = 64,     /* under way at once, when answers come */
	LATE_PAUSE_MS = 5000, /* after one was not answered again */
	COOKIE_FIRST = 0,
	COOKIE_LATE = 1,
};

struct late_record {
	struct list_head all;
	nsec kept_at;
	uint32_t delay_s; /* age of what it reports at that time */
	uint16_t n;
	uint8_t bytes[];
};

static void late_free(struct core *c, struct late_record *r)
{
	list_del(&r->all);
	c->n_late--;
	alloc_put(c->env.alloc, r, sizeof(*r) + r->n);
}

static void keep(struct core *c, struct list_head *list, struct span attrs, uint32_t delay_s,
		 nsec now)
{
	struct late_record *r = NULL;

	if (c->n_late < LATE_MAX)
		r = alloc_get(c->env.alloc, sizeof(*r) + attrs.n);
	if (!r) {
		counter_add(c->env.counters, C_ACCT_LOST, 1);
		if (!c->late_full_told)
			core_log(c, LOG_ERROR, NULL, "accounting records are lost: %u wait already",
				 c->n_late);
		c->late_full_told = true;
		return;
	}
	r->kept_at = now;
	r->delay_s = delay_s;
	r->n = (uint16_t)attrs.n;
	span_bytes(&attrs, r->bytes, r->n);
	list_add_tail(list, &r->all);
	c->n_late++;
	counter_add(c->env.counters, C_ACCT_LATE, 1);
}

static bool ask(struct core *c, struct span attrs, uint32_t delay_s, uint64_t cookie, nsec now)
{
	struct rad_ask ask = {
		.kind = RAD_ACCT, .attrs = attrs, .cookie = cookie, .delay_s = delay_s};

	return rad_client_ask(c->radius, &ask, now) != NULL;
}

/* What was asked before comes before what happened since. */
static struct late_record *late_first(const struct core *c)
{
	struct list_head *first = list_first(&c->late_asked);

	if (!first)
		first = list_first(&c->late_new);
	return first ? container_of(first, struct late_record, all) : NULL;
}

void acct_late_init(struct core *c)
{
	list_init(&c->late_asked);
	list_init(&c->late_new);
	c->late_next = NSEC_NEVER;
	c->late_window = 1;
}

void acct_late_free(struct core *c)
{
	struct late_record *r;

	if (c->n_late > 0)
		core_log(c, LOG_ERROR, NULL, "%u accounting records lost: no server took them",
			 c->n_late);
	while ((r = late_first(c)) != NULL)
		late_free(c, r);
}

void acct_send(struct core *c, struct span attrs, nsec now)
{
	/* Behind those that wait: the server sees them in order. */
	if (c->n_late == 0 && c->late_under_way == 0 && ask(c, attrs, 0, COOKIE_FIRST, now))
		return;
	keep(c, &c->late_new, attrs, 0, now);
	c->late_next = nsec_min(c->late_next, nsec_add(now, NSEC_MS(LATE_PAUSE_MS)));
}

void acct_answer(struct core *c, const struct rad_answer *a, nsec now)
{
	if (a->cookie == COOKIE_LATE)
		c->late_under_way--;
	if (a->timeout) {
		if (c->n_late == 0)
			core_log(c, LOG_ERROR, NULL,
				 "no RADIUS server takes accounting records: they are kept");
		keep(c, &c->late_asked, a->attrs, a->delay_s, now);
		c->late_window = 1;
		c->late_next = nsec_add(now, NSEC_MS(LATE_PAUSE_MS));
		return;
	}
	if (c->n_late == 0)
		return;
	/* A server answers: one more each time. */
	if (c->late_window < LATE_WINDOW)
		c->late_window++;
	c->late_next = now;
}

void acct_late_turn(struct core *c, nsec now)
{
	struct late_record *r;

	if (!nsec_reached(c->late_next, now))
		return;
	c->late_next = NSEC_NEVER;
	while (c->late_under_way < c->late_window && (r = late_first(c)) != NULL) {
		uint32_t delay_s = r->delay_s + nsec_age_s(r->kept_at, now);
		if (!ask(c, span_of(r->bytes, r->n), delay_s, COOKIE_LATE, now)) {
			c->late_next = nsec_add(now, NSEC_MS(LATE_PAUSE_MS));
			return;
		}
		c->late_under_way++;
		late_free(c, r);
	}
	if (c->n_late > 0 || !c->late_full_told)
		return;
	c->late_full_told = false;
}

nsec acct_late_next(const struct core *c)
{
	return c->late_next;
}

bool acct_late_waits(const struct core *c)
{
	return c->n_late > 0 && rad_client_servers(c->radius) > 0;
}

/*
 * Usage files (accounting_dir): what every subscriber has transferred since the last file. Every
 * 300 s one of all sessions, every 60 s one of those that ended since, as older releases wrote
 * them. The text of many sessions is made in slices; the shell writes it (core_env.usage).
 */
#include "control/core_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/panic.h"

enum {
	ALL_S = 300,
	ENDED_S = 60,
	ENDED_MAX = 8192, /* kept; then they are written at once */
	SLICE = 1000,	  /* sessions per turn */
	TEXT_MAX = 16384,
	LINE_ROOM = LNS_USER_MAX * 4 + 128,
	HEAD_MAX = 1024,
};

/* A session that has ended. */
struct usage_ended {
	struct list_head all;
	struct ip_addr ip;
	struct sess_counters n;
	bool throttled;
	uint8_t user_len;
	uint8_t user[];
};

/* The file that is being made. */
struct text {
	struct core *c;
	size_t n;
	char s[TEXT_MAX];
};

static bool is_on(const struct core *c)
{
	return c->conf->accounting_dir[0] != '\0' && c->env.usage;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void text_out(struct text *t, bool last)
{
	struct core *c = t->c;

	if (t->n > 0 || (last && c->usage_begun))
		c->env.usage(c->env.ctx, c->conf->accounting_dir, c->usage_wall_s,
			     span_of(t->s, t->n), last);
	c->usage_begun = !last;
	t->n = 0;
}

static void put_head(struct text *t, nsec now)
{
	struct core *c = t->c;
	const struct conf *conf = c->conf;
	char ip[IP_ADDR_TEXT];
	bool own = ip_addr_is_set(&conf->tun_address);

	c->usage_wall_s = c->env.wall_clock_s(c->env.ctx);
	int n = snprintf(
		t->s, sizeof(t->s),
		"# dslwatch.pl dump file V1.01\n# host: %s\n# endpoint: %s\n# time: %" PRId64
		"\n# uptime: %u\n# format: username ip qos uptxoctets downrxoctets%s\n",
		conf->hostname, ip_addr_text(own ? &conf->tun_address : &conf->bind_address, ip),
		c->usage_wall_s, nsec_age_s(c->started, now),
		conf->account_all_origin ? " origin(L=LAC, R=Remote LNS, P=PPPOE)" : "");
	LNS_ASSERT(n > 0 && (size_t)n < HEAD_MAX);
	t->n = (size_t)n;
}

/* Fields are separated by blanks and lines by line feeds: bytes that would look like either, or
 * that a terminal obeys, are written as \xNN. */
static void put_user(struct text *t, struct span user)
{
	while (user.n > 0) {
		uint8_t b = span_u8(&user);
		if (b > ' ' && b < 0x7F && b != '\\')
			t->s[t->n++] = (char)b;
		else
			t->n += (size_t)snprintf(t->s + t->n, 5, "\\x%02X", b);
	}
}

static void put_line(struct text *t, struct span user, const struct ip_addr *ip, bool throttled,
		     const struct sess_counters *n, nsec now)
{
	char addr[IP_ADDR_TEXT];

	if (sizeof(t->s) - t->n < LINE_ROOM + HEAD_MAX)
		text_out(t, false);
	if (!t->c->usage_begun && t->n == 0)
		put_head(t, now);
	put_user(t, user);
	t->n += (size_t)snprintf(t->s + t->n, sizeof(t->s) - t->n,
				 " %s %d %" PRIu64 " %" PRIu64 "%s\n", ip_addr_text(ip, addr),
				 throttled ? 2 : 1, n->up_bytes, n->down_bytes,
				 t->c->conf->account_all_origin ? " L" : "");
}

/* ---- sessions -------------------------------------------------------------------------------- */

static bool is_throttled(const struct core_session *s)
{
	return s->policy && (s->policy->rate_up || s->policy->rate_down);
}

/* Bytes since the last file; they begin anew when a session leaves the walled garden. */
static struct sess_counters take(struct core_session *s, const struct sess_counters *n)
{
	struct sess_counters since = *n;

	if (n->up_bytes >= s->usage_up && n->down_bytes >= s->usage_down) {
		since.up_bytes -= s->usage_up;
		since.down_bytes -= s->usage_down;
	}
	s->usage_up = n->up_bytes;
	s->usage_down = n->down_bytes;
	return since;
}

static bool is_listed(const struct core_session *s)
{
	return core_session_user(s).n > 0 && ip_addr_is_set(&s->ip) && !core_in_garden(s);
}

static void put_session(struct text *t, struct core_session *s, nsec now)
{
	if (!is_listed(s))
		return;
	struct sess_counters n = acct_counters(t->c, s);
	n = take(s, &n);
	if (n.up_bytes + n.down_bytes > 0)
		put_line(t, core_session_user(s), &s->ip, is_throttled(s), &n, now);
}

static void ended_free(struct core *c, struct usage_ended *e)
{
	list_del(&e->all);
	c->n_usage_ended--;
	alloc_put(c->env.alloc, e, sizeof(*e) + e->user_len);
}

static void put_ended(struct text *t, nsec now)
{
	struct list_head *first;

	while ((first = list_first(&t->c->usage_ended)) != NULL) {
		struct usage_ended *e = container_of(first, struct usage_ended, all);
		put_line(t, span_of(e->user, e->user_len), &e->ip, e->throttled, &e->n, now);
		ended_free(t->c, e);
	}
}

/* So many sessions more; false: that was the last one. */
static bool put_slice(struct text *t, unsigned max, nsec now)
{
	struct core *c = t->c;

	for (unsigned i = 0; i < max && c->usage_next; i++) {
		struct core_session *s = c->usage_next;
		if (s->serial > c->usage_last)
			c->usage_next = NULL;
		else
			acct_usage_skip(c, s);
		if (s->serial <= c->usage_last)
			put_session(t, s, now);
	}
	return c->usage_next != NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void write_file(struct core *c, unsigned max, nsec now)
{
	struct text t;

	t.c = c;
	t.n = 0;
	put_ended(&t, now);
	text_out(&t, !put_slice(&t, max, now));
}

static void begin_all(struct core *c)
{
	struct list_head *first = list_first(&c->sessions);

	c->usage_next = first ? container_of(first, struct core_session, by_age) : NULL;
	c->usage_last = c->serial;
}

void acct_usage_init(struct core *c, nsec now)
{
	list_init(&c->usage_ended);
	c->started = now;
	c->usage_all_at = nsec_add(now, NSEC_S(ALL_S));
	c->usage_ended_at = nsec_add(now, NSEC_S(ENDED_S));
}

void acct_usage_free(struct core *c)
{
	struct list_head *first;

	if (is_on(c)) {
		begin_all(c);
		write_file(c, UINT32_MAX, c->usage_turn);
	}
	while ((first = list_first(&c->usage_ended)) != NULL)
		ended_free(c, container_of(first, struct usage_ended, all));
}

void acct_usage_gone(struct core *c, struct core_session *s, const struct sess_counters *final,
		     nsec now)
{
	struct span user = core_session_user(s);
	struct sess_counters n = take(s, final);

	if (!is_on(c) || !is_listed(s) || n.up_bytes + n.down_bytes == 0)
		return;
	struct usage_ended *e = alloc_get(c->env.alloc, sizeof(*e) + user.n);
	if (!e) {
		core_log(c, LOG_ERROR, s, "no memory: its last bytes are in no usage file");
		return;
	}
	e->ip = s->ip;
	e->n = n;
	e->throttled = is_throttled(s);
	e->user_len = (uint8_t)user.n;
	span_bytes(&user, e->user, user.n);
	list_add_tail(&c->usage_ended, &e->all);
	if (++c->n_usage_ended >= ENDED_MAX)
		c->usage_ended_at = now;
}

void acct_usage_skip(struct core *c, const struct core_session *s)
{
	struct list_head *next = s->by_age.next;

	if (c->usage_next == s)
		c->usage_next = next == &c->sessions
					? NULL
					: container_of(next, struct core_session, by_age);
}

void acct_usage_turn(struct core *c, nsec now)
{
	bool all = nsec_reached(c->usage_all_at, now);
	bool ended = all || nsec_reached(c->usage_ended_at, now);

	c->usage_turn = now;
	if (all)
		c->usage_all_at = nsec_add(now, NSEC_S(ALL_S));
	if (ended)
		c->usage_ended_at = nsec_add(now, NSEC_S(ENDED_S));
	if (!is_on(c))
		return;
	if (all)
		begin_all(c);
	if (ended || c->usage_next)
		write_file(c, SLICE, now);
}

nsec acct_usage_next(const struct core *c, nsec now)
{
	if (c->usage_next && is_on(c))
		return now;
	return nsec_min(c->usage_all_at, c->usage_ended_at);
}

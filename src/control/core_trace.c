/*
 * Conversations that operators follow. Workers tell the control packets of every session whose user
 * is not known yet; they wait in a backlog that forgets the oldest, until the user's name comes.
 * Without a trace nothing of this has memory, and nobody tells anything.
 */
#include "control/core_priv.h"

#include <stdio.h>

#include "control/trace_text.h"

enum {
	LINES_MAX = 512,    /* of one trace, until they are taken */
	BACKLOG_MAX = 2048, /* packets */
	KEYS_MAX = 16,	    /* sessions of one trace, the newest */
};

struct line {
	nsec at;
	char text[TRACE_LINE_MAX];
};

struct core_trace {
	unsigned id; /* never 0 */
	nsec since;
	uint8_t n_user;
	uint8_t user[LNS_USER_MAX];
	unsigned next_key;
	struct sess_key keys[KEYS_MAX];
	unsigned first, n, lost;
	struct line lines[LINES_MAX]; /* a ring in the order of time */
};

struct trace_packet {
	struct sess_key key;
	nsec at;
	uint8_t what, l2tp;
	bool sent;
	uint16_t n; /* 0: nothing here */
	uint8_t bytes[TRACE_BYTES_MAX];
};

/* ---- lines ----------------------------------------------------------------------------------- */

static struct line *line_at(struct core_trace *t, unsigned i)
{
	return &t->lines[(t->first + i) % LINES_MAX];
}

/* Workers' messages may come in another order than they were sent. */
static void add_line(struct core_trace *t, nsec at, const char *text)
{
	if (t->n == LINES_MAX) {
		t->lost++;
		return;
	}
	unsigned i = t->n++;
	for (; i > 0 && nsec_before(at, line_at(t, i - 1)->at); i--)
		*line_at(t, i) = *line_at(t, i - 1);
	struct line *l = line_at(t, i);
	l->at = at;
	snprintf(l->text, sizeof(l->text), "%s", text);
}

static void add_packet(struct core_trace *t, const struct trace_packet *p)
{
	char text[TRACE_LINE_MAX];
	struct span bytes = span_of(p->bytes, p->n);

	if (p->what == TRACE_L2TP)
		trace_l2tp(p->l2tp, p->sent, bytes, text);
	else
		trace_ppp(p->sent, bytes, text);
	add_line(t, p->at, text);
}

/* ---- who follows whom ------------------------------------------------------------------------ */

static bool has_key(const struct core_trace *t, struct sess_key key)
{
	for (unsigned i = 0; i < KEYS_MAX; i++)
		if (sess_key_equal(t->keys[i], key))
			return true;
	return false;
}

static void add_key(struct core_trace *t, struct sess_key key)
{
	if (has_key(t, key))
		return;
	t->keys[t->next_key] = key;
	t->next_key = (t->next_key + 1) % KEYS_MAX;
}

static bool follows(const struct core_trace *t, struct span user)
{
	struct trace_names one = {.n = 1};

	one.name[0].n = t->n_user;
	memcpy(one.name[0].s, t->user, t->n_user);
	return trace_names_has(&one, user.p, user.n);
}

static void recall(const struct core *c, struct core_trace *t, struct sess_key key)
{
	for (unsigned i = 0; i < BACKLOG_MAX; i++) {
		const struct trace_packet *p = &c->trace_backlog[(c->trace_next + i) % BACKLOG_MAX];
		if (p->n && sess_key_equal(p->key, key))
			add_packet(t, p);
	}
}

void core_trace_named(struct core *c, struct sess_key key, struct span user)
{
	for (unsigned i = 0; c->n_traces && i < LNS_TRACES_MAX; i++) {
		struct core_trace *t = c->traces[i];
		if (!t || has_key(t, key) || !follows(t, user))
			continue;
		add_key(t, key);
		recall(c, t, key);
	}
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void keep(struct core *c, const struct trace_packet *p)
{
	c->trace_backlog[c->trace_next] = *p;
	c->trace_next = (c->trace_next + 1) % BACKLOG_MAX;
}

void core_trace_msg(struct core *c, const struct msg_trace *m)
{
	struct trace_packet p = {.key = m->key,
				 .at = m->at,
				 .what = m->what,
				 .l2tp = m->l2tp,
				 .sent = m->sent,
				 .n = m->n};
	bool taken = false;

	if (!c->n_traces || m->n == 0 || m->n > sizeof(p.bytes))
		return;
	memcpy(p.bytes, m->bytes, m->n);
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++) {
		struct core_trace *t = c->traces[i];
		if (!t || !has_key(t, m->key))
			continue;
		add_packet(t, &p);
		taken = true;
	}
	const struct core_session *s = core_session_get(c, m->key);
	if (!taken && (!s || core_session_user(s).n == 0))
		keep(c, &p);
}

void core_trace_note(struct core *c, const struct core_session *s, const char *text)
{
	char line[TRACE_LINE_MAX];

	if (!c->n_traces || !s)
		return;
	snprintf(line, sizeof(line), "--     %s", text);
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		if (c->traces[i] && has_key(c->traces[i], s->key))
			add_line(c->traces[i], c->now, line);
}

void core_trace_radius(struct core *c, const struct core_session *s, uint8_t code, bool sent,
		       struct span attrs)
{
	char line[TRACE_LINE_MAX];

	if (!c->n_traces)
		return;
	trace_radius(code, sent, attrs, line);
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		if (c->traces[i] && has_key(c->traces[i], s->key))
			add_line(c->traces[i], c->now, line);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void tell_owner(struct core *c, const struct core_session *s, bool on)
{
	struct msg_session_change m = MSG_INIT(MSG_SESSION_CHANGE, struct msg_session_change);

	m.key = s->key;
	m.has_trace = true;
	m.trace = on;
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
}

/* Sessions that the user has already. */
static void find_sessions(struct core *c, struct core_trace *t, struct span user)
{
	struct core_user *u = core_user_get(c, user);
	struct list_head *it;

	if (!u)
		return;
	list_each (it, &u->sessions) {
		const struct core_session *s = container_of(it, struct core_session, of_user);
		add_key(t, s->key);
		tell_owner(c, s, true);
	}
}

static bool take_backlog(struct core *c)
{
	if (!c->trace_backlog)
		c->trace_backlog = alloc_get(c->env.alloc, BACKLOG_MAX * sizeof(*c->trace_backlog));
	return c->trace_backlog != NULL;
}

static void free_backlog(struct core *c)
{
	if (c->n_traces || !c->trace_backlog)
		return;
	alloc_put(c->env.alloc, c->trace_backlog, BACKLOG_MAX * sizeof(*c->trace_backlog));
	c->trace_backlog = NULL;
	c->trace_next = 0;
}

static struct core_trace **free_place(struct core *c)
{
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		if (!c->traces[i])
			return &c->traces[i];
	return NULL;
}

unsigned core_trace_start(struct core *c, struct span user, nsec now)
{
	struct core_trace **place = free_place(c);

	if (!place || user.n == 0 || user.n > LNS_USER_MAX || !take_backlog(c))
		return 0;
	struct core_trace *t = alloc_get(c->env.alloc, sizeof(*t));
	if (!t) {
		free_backlog(c);
		return 0;
	}
	t->id = ++c->trace_id ? c->trace_id : ++c->trace_id;
	t->since = now;
	t->n_user = (uint8_t)user.n;
	memcpy(t->user, user.p, user.n);
	*place = t;
	c->n_traces++;
	find_sessions(c, t, user);
	return t->id;
}

static struct core_trace **find(struct core *c, unsigned id)
{
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		if (c->traces[i] && c->traces[i]->id == id)
			return &c->traces[i];
	return NULL;
}

void core_trace_end(struct core *c, unsigned id)
{
	struct core_trace **place = find(c, id);

	if (!place)
		return;
	alloc_put(c->env.alloc, *place, sizeof(**place));
	*place = NULL;
	c->n_traces--;
	free_backlog(c);
}

void core_traces_free(struct core *c)
{
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++)
		if (c->traces[i])
			core_trace_end(c, c->traces[i]->id);
}

bool core_trace_next(struct core *c, unsigned id, struct trace_view *out)
{
	struct core_trace **place = find(c, id);

	if (!place || (*place)->n == 0)
		return false;
	struct core_trace *t = *place;
	const struct line *l = line_at(t, 0);
	int64_t age = nsec_sub(l->at, t->since);
	*out = (struct trace_view){.at_ns = age, .lost = t->lost};
	snprintf(out->text, sizeof(out->text), "%s", l->text);
	t->first = (t->first + 1) % LINES_MAX;
	t->n--;
	t->lost = 0;
	return true;
}

void core_trace_names(const struct core *c, struct trace_names *out)
{
	out->n = 0;
	for (unsigned i = 0; i < LNS_TRACES_MAX; i++) {
		const struct core_trace *t = c->traces[i];
		if (!t)
			continue;
		out->name[out->n].n = t->n_user;
		memcpy(out->name[out->n++].s, t->user, t->n_user);
	}
}

/*
 * Accounting records on their way to a server. With a journal each is written there first and told
 * done when a server took it; without one, or when the journal has no room, those that no server
 * took are kept in memory. Either way they are sent again, in order, until one does.
 */
#include "control/core_priv.h"

#include <inttypes.h>

#include "base/panic.h"

enum {
	LATE_MAX = 262144,    /* records in memory; about 100 MB */
	LATE_WINDOW = 64,     /* late ones under way at once, when a server answers */
	ASK_MAX = 1024,	      /* under way in all: more than that wait here, not in requests */
	LATE_PAUSE_MS = 5000, /* before silent servers are asked again */
	PROBES_IN_ORDER = 3,  /* then the next record is tried: it may be the record's fault */
	POSTPONED_AT_ONCE = 16,
	POSTPONE_MS = 30000, /* before what servers refuse is tried again */
	NOTE_MS = 1000,	     /* between two lines about such records */
};

/* Of a request: the number of the record in the journal, 0 for one that is not there. */
#define COOKIE_RETRY (1ull << 63) /* it was postponed before */

struct late_record {
	struct list_head all;
	nsec kept_at;
	uint32_t delay_s; /* age of what it reports at that time */
	uint16_t n;
	uint8_t bytes[];
};

/* A record that is sent now, from wherever it is. */
struct next {
	uint64_t seq;
	struct late_record *kept; /* NULL: in the journal */
	struct span attrs;
	uint32_t delay_s;
};

/* ---- in memory ------------------------------------------------------------------------------- */

static void late_free(struct core *c, struct late_record *r)
{
	list_del(&r->all);
	alloc_put(c->env.alloc, r, sizeof(*r) + r->n);
}

static void say_lost(struct core *c)
{
	if (!c->late_full_told)
		core_log(c, LOG_ERROR, NULL, "accounting records are lost: %u wait already",
			 c->n_late);
	c->late_full_told = true;
}

static void keep(struct core *c, struct list_head *list, struct span attrs, uint32_t delay_s,
		 nsec now)
{
	struct late_record *r = NULL;

	if (c->n_late + c->n_postponed < LATE_MAX)
		r = alloc_get(c->env.alloc, sizeof(*r) + attrs.n);
	if (!r) {
		counter_add(c->env.counters, C_ACCT_LOST, 1);
		say_lost(c);
		return;
	}
	r->kept_at = now;
	r->delay_s = delay_s;
	r->n = (uint16_t)attrs.n;
	span_bytes(&attrs, r->bytes, r->n);
	list_add_tail(list, &r->all);
	if (list == &c->late_postponed)
		c->n_postponed++;
	else
		c->n_late++;
}

static struct late_record *first_of(const struct list_head *list)
{
	struct list_head *first = list_first(list);
	return first ? container_of(first, struct late_record, all) : NULL;
}

/* What was asked before comes before what happened since. */
static struct late_record *late_first(const struct core *c)
{
	struct late_record *r = first_of(&c->late_asked);
	return r ? r : first_of(&c->late_new);
}

/* ---- in the journal -------------------------------------------------------------------------- */

static uint64_t in_journal(const struct core *c, enum journal_state state)
{
	return c->env.journal ? journal_count(c->env.journal, state) : 0;
}

static uint32_t age_s(const struct core *c, int64_t wall_s)
{
	int64_t age = c->env.wall_clock_s(c->env.ctx) - wall_s;
	return age < 0 ? 0 : age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

static void say_unreadable(struct core *c, uint64_t seq)
{
	counter_add(c->env.counters, C_ACCT_LOST, 1);
	core_log(c, LOG_CRITICAL, NULL,
		 "accounting journal: record %" PRIu64 " is damaged and lost", seq);
}

/* False: there is none, or it has to be read first. */
static bool journal_got(struct core *c, enum journal_state state, struct next *out)
{
	struct journal_record r;
	enum journal_got got = JOURNAL_NONE;

	if (!c->env.journal)
		return false;
	while ((got = journal_next(c->env.journal, state, &r)) == JOURNAL_UNREADABLE)
		say_unreadable(c, r.seq);
	if (got != JOURNAL_GOT)
		return false;
	*out = (struct next){.seq = r.seq, .attrs = r.attrs, .delay_s = age_s(c, r.wall_s)};
	return true;
}

/* ---- which comes next ------------------------------------------------------------------------ */

static struct next next_kept(struct late_record *r, nsec now)
{
	return (struct next){.kept = r,
			     .attrs = span_of(r->bytes, r->n),
			     .delay_s = r->delay_s + nsec_age_s(r->kept_at, now)};
}

static bool next_late(struct core *c, struct next *out, nsec now)
{
	if (in_journal(c, JOURNAL_WAITING) > 0)
		return journal_got(c, JOURNAL_WAITING, out);
	if (c->n_late == 0)
		return false;
	*out = next_kept(late_first(c), now);
	return true;
}

static bool next_postponed(struct core *c, struct next *out, nsec now)
{
	if (in_journal(c, JOURNAL_POSTPONED) > 0)
		return journal_got(c, JOURNAL_POSTPONED, out);
	if (c->n_postponed == 0)
		return false;
	*out = next_kept(first_of(&c->late_postponed), now);
	return true;
}

static bool ask(struct core *c, const struct next *n, uint64_t flags, nsec now)
{
	struct rad_ask a = {.kind = RAD_ACCT,
			    .attrs = n->attrs,
			    .cookie = n->seq | flags,
			    .delay_s = n->delay_s};

	if (!rad_client_ask(c->radius, &a, now))
		return false;
	c->acct_under_way++;
	if (n->seq)
		journal_set(c->env.journal, n->seq, JOURNAL_ASKED);
	if (n->kept && flags & COOKIE_RETRY)
		c->n_postponed--;
	else if (n->kept)
		c->n_late--;
	if (n->kept)
		late_free(c, n->kept);
	return true;
}

static bool waits(const struct core *c)
{
	return c->n_late > 0 || in_journal(c, JOURNAL_WAITING) > 0;
}

static void wake_at(struct core *c, nsec when)
{
	c->late_next = nsec_min(c->late_next, when);
}

/* ---- sending --------------------------------------------------------------------------------- */

void acct_late_init(struct core *c)
{
	list_init(&c->late_asked);
	list_init(&c->late_new);
	list_init(&c->late_postponed);
	c->late_window = LATE_WINDOW;
	c->postponed_next = NSEC_NEVER;
	c->late_next = waits(c) ? NSEC_ZERO : NSEC_NEVER;
}

void acct_late_free(struct core *c)
{
	struct late_record *r;

	if (c->n_late + c->n_postponed > 0)
		core_log(c, LOG_ERROR, NULL, "%u accounting records lost: no server took them",
			 c->n_late + c->n_postponed);
	while ((r = late_first(c)) != NULL || (r = first_of(&c->late_postponed)) != NULL)
		late_free(c, r);
}

static uint64_t write_down(struct core *c, struct span attrs, bool spare)
{
	if (!c->env.journal)
		return 0;
	uint64_t seq = journal_put(c->env.journal, c->env.wall_clock_s(c->env.ctx), attrs, spare);
	if (seq == 0)
		counter_add(c->env.counters, C_ACCT_JOURNAL_REFUSED, 1);
	if (seq == 0 && !c->journal_full_told)
		core_log(c, LOG_CRITICAL, NULL,
			 "accounting journal: no room for a record, or the disk is too slow: "
			 "records are kept in memory only");
	c->journal_full_told = seq == 0;
	return seq;
}

void acct_send(struct core *c, struct span attrs, bool spare, nsec now)
{
	struct next n = {.seq = write_down(c, attrs, spare), .attrs = attrs};
	/* Behind those that wait: the server sees them in order. */
	bool first = in_journal(c, JOURNAL_WAITING) == (n.seq ? 1 : 0) && c->n_late == 0;

	if (first && !c->late_silent && c->acct_under_way < ASK_MAX && ask(c, &n, 0, now))
		return;
	if (!n.seq)
		keep(c, &c->late_new, attrs, 0, now);
	counter_add(c->env.counters, C_ACCT_LATE, 1);
	wake_at(c, nsec_add(now, NSEC_MS(LATE_PAUSE_MS)));
}

/* ---- answers --------------------------------------------------------------------------------- */

static void requeue_postponed(struct core *c)
{
	if (in_journal(c, JOURNAL_POSTPONED) > 0)
		journal_requeue(c->env.journal);
	list_splice_tail(&c->late_new, &c->late_postponed);
	c->n_late += c->n_postponed;
	c->n_postponed = 0;
}

/* A server answers: what waits is sent, the oldest first. */
static void taken(struct core *c, bool retry, nsec now)
{
	c->acct_answered = now;
	if (c->late_silent)
		core_log(c, LOG_WARN, NULL,
			 "a RADIUS server takes accounting records again: %" PRIu64 " wait",
			 c->n_late + in_journal(c, JOURNAL_WAITING));
	if (c->late_silent && c->env.journal)
		journal_rewind(c->env.journal);
	if (c->late_silent || retry)
		requeue_postponed(c);
	c->late_silent = false;
	c->late_probes = 0;
	if (c->late_window < LATE_WINDOW)
		c->late_window *= 2;
	if (waits(c))
		wake_at(c, now);
	else
		c->late_full_told = false;
}

static void say_postponed(struct core *c, struct span attrs, nsec now)
{
	struct rad_attr a;
	char text[CORE_USER_TEXT] = "";

	if (!nsec_reached(c->postponed_note, now))
		return;
	c->postponed_note = nsec_add(now, NSEC_MS(NOTE_MS));
	while (rad_attr_next(&attrs, &a))
		if (a.number == RAD_ACCT_SESSION_ID)
			core_user_text(a.value, text);
	core_log(c, LOG_WARN, NULL,
		 "a RADIUS server takes others, but not a record of Acct-Session-Id %s: tried "
		 "again later",
		 text);
}

/* Servers take others: that one must not hold them up. */
static void postpone(struct core *c, const struct rad_answer *a, uint64_t seq, nsec now)
{
	if (!(a->cookie & COOKIE_RETRY))
		say_postponed(c, a->attrs, now);
	if (seq)
		journal_set(c->env.journal, seq, JOURNAL_POSTPONED);
	else
		keep(c, &c->late_postponed, a->attrs, a->delay_s, now);
	if (nsec_is_never(c->postponed_next))
		c->postponed_next = nsec_add(now, NSEC_MS(POSTPONE_MS));
}

static void not_taken(struct core *c, const struct rad_answer *a, uint64_t seq, nsec now)
{
	bool in_order = c->late_probes < PROBES_IN_ORDER;

	counter_add(c->env.counters, C_ACCT_LATE, 1);
	if (seq)
		journal_set(c->env.journal, seq, JOURNAL_WAITING);
	else
		keep(c, in_order ? &c->late_asked : &c->late_new, a->attrs, a->delay_s, now);
	if (in_order && c->env.journal)
		journal_rewind(c->env.journal);
	if (!a->sent)
		return; /* there was no room at a server that others keep busy */
	if (!c->late_silent)
		core_log(c, LOG_ERROR, NULL,
			 "no RADIUS server takes accounting records: they are kept");
	c->late_silent = true;
	c->late_window = 1;
	if (c->acct_under_way == 0)
		c->late_probes++;
	c->late_next = nsec_add(now, NSEC_MS(LATE_PAUSE_MS));
}

void acct_answer(struct core *c, const struct rad_answer *a, nsec now)
{
	uint64_t seq = a->cookie & ~COOKIE_RETRY;
	bool retry = a->cookie & COOKIE_RETRY;

	LNS_ASSERT(c->acct_under_way > 0);
	c->acct_under_way--;
	if (!a->timeout) {
		if (seq)
			journal_set(c->env.journal, seq, JOURNAL_DONE);
		taken(c, retry, now);
	} else if (retry || (a->sent && nsec_before(a->asked_at, c->acct_answered))) {
		postpone(c, a, seq, now);
	} else {
		not_taken(c, a, seq, now);
	}
	if (waits(c))
		wake_at(c, nsec_add(now, NSEC_MS(LATE_PAUSE_MS)));
}

/* ---- time ------------------------------------------------------------------------------------ */

static void retry_postponed(struct core *c, nsec now)
{
	struct next n;
	unsigned asked = 0;

	if (!nsec_reached(c->postponed_next, now))
		return;
	c->postponed_next = NSEC_NEVER;
	while (asked < POSTPONED_AT_ONCE && next_postponed(c, &n, now) &&
	       ask(c, &n, COOKIE_RETRY, now))
		asked++;
	if (c->n_postponed + in_journal(c, JOURNAL_POSTPONED) > 0)
		c->postponed_next = nsec_add(now, NSEC_MS(asked ? POSTPONE_MS : NOTE_MS));
}

static void send_late(struct core *c, nsec now)
{
	struct next n;

	if (!nsec_reached(c->late_next, now))
		return;
	c->late_next = NSEC_NEVER;
	while (c->acct_under_way < c->late_window && next_late(c, &n, now))
		if (!ask(c, &n, 0, now))
			break;
	/* An answer, a read or the time that a server is given comes first. */
	if (waits(c))
		c->late_next = nsec_add(now, NSEC_MS(LATE_PAUSE_MS));
}

void acct_late_turn(struct core *c, nsec now)
{
	send_late(c, now);
	retry_postponed(c, now);
	if (c->env.journal)
		journal_flush(c->env.journal);
}

nsec acct_late_next(const struct core *c)
{
	return nsec_min(c->late_next, c->postponed_next);
}

static bool somebody_takes(const struct core *c)
{
	struct rad_server_view v;

	for (unsigned i = 0; i < rad_client_servers(c->radius); i++) {
		rad_client_server_view(c->radius, i, RAD_ACCT, &v);
		if (v.serves)
			return true;
	}
	return false;
}

bool acct_late_waits(const struct core *c)
{
	if (!somebody_takes(c))
		return false;
	/* What the journal has is safe; that is no reason to wait for a server that is silent. */
	return c->n_late > 0 || (in_journal(c, JOURNAL_WAITING) > 0 && !c->late_silent);
}

void core_journal_read(struct core *c, uint64_t file, uint32_t at, struct span bytes, nsec now)
{
	journal_read_done(c->env.journal, file, at, bytes);
	wake_at(c, bytes.bad ? nsec_add(now, NSEC_MS(NOTE_MS)) : now);
}

void core_acct_view(const struct core *c, struct core_acct_view *out)
{
	struct journal_totals t = {0};

	if (c->env.journal)
		journal_totals(c->env.journal, &t);
	*out = (struct core_acct_view){
		.journal = c->env.journal != NULL,
		.silent = c->late_silent,
		.under_way = c->acct_under_way,
		.waiting = c->n_late + t.records[JOURNAL_WAITING],
		.postponed = c->n_postponed + t.records[JOURNAL_POSTPONED],
		.in_memory = c->n_late + c->n_postponed,
		.journal_depth = t.records[JOURNAL_WAITING] + t.records[JOURNAL_ASKED] +
				 t.records[JOURNAL_POSTPONED],
		.journal_bytes = t.bytes,
		.journal_bytes_max = t.bytes_max,
		.journal_files = t.files,
		.journal_given_up = t.given_up,
	};
}

/* Accounting records of sessions and of the service: what is in them and when they are made
 * (RFC 2866; Interim-Update: RFC 2869 2.1). What becomes of them then is in acct_late.c. */
#include "control/core_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/panic.h"

enum {
	ATTRS_MAX = 3072,
	STATUS_START = 1,
	STATUS_STOP = 2,
	STATUS_INTERIM = 3,
	STATUS_ON = 7,
	STATUS_OFF = 8,
	AUTHENTIC_RADIUS = 1,
	AUTHENTIC_LOCAL = 2,
	INTERIM_MIN_S = 60, /* RFC 2869 5.16: a server must not ask for less */
	CISCO_AVPAIR_MAX = 100,
};

static bool is_on(const struct core *c)
{
	return c->conf->radius_accounting && rad_client_servers(c->radius) > 0;
}

/* ---- records (RFC 2866) ---------------------------------------------------------------------- */

static nsec counted_since(const struct core_session *s)
{
	return s->release ? s->release->at : s->opened;
}

static void since_release(const struct core_session *s, struct sess_counters *n)
{
	if (!s->release)
		return;
	n->up_packets -= s->release->base.up_packets;
	n->up_bytes -= s->release->base.up_bytes;
	n->down_packets -= s->release->base.down_packets;
	n->down_bytes -= s->release->base.down_bytes;
}

static void put_start(struct core *c, struct core_session *s, uint32_t status, struct wbuf *w)
{
	rad_put(w, RAD_USER_NAME, core_session_user(s));
	rad_put_u32(w, RAD_ACCT_STATUS_TYPE, status);
	aaa_radius_put_session(c, s, w);
	for (unsigned i = 0; i < RAD_CLASSES_MAX; i++) {
		if (s->classes[i])
			rad_put(w, RAD_CLASS, bstr_span(s->classes[i]));
	}
	rad_put_u32(w, RAD_ACCT_AUTHENTIC, s->local_user ? AUTHENTIC_LOCAL : AUTHENTIC_RADIUS);
	rad_put_u32(w, RAD_EVENT_TIMESTAMP, (uint32_t)c->env.wall_clock_s(c->env.ctx));
	core_hook_account(c, s, w);
}

struct sess_counters acct_counters(const struct core *c, const struct core_session *s)
{
	struct sess_counters n = {0};

	if (s->slot != DP_SLOT_NONE)
		dp_counters_read(dp_slot_counters(c->env.tables, s->slot), &n);
	since_release(s, &n);
	return n;
}

/* Input is what came from the subscriber. 64 bits in two halves (RFC 2869 5.1, 5.2). */
static void put_counters(const struct core_session *s, const struct sess_counters *n, nsec now,
			 struct wbuf *w)
{
	rad_put_u32(w, RAD_ACCT_INPUT_OCTETS, (uint32_t)n->up_bytes);
	rad_put_u32(w, RAD_ACCT_OUTPUT_OCTETS, (uint32_t)n->down_bytes);
	rad_put_u32(w, RAD_ACCT_SESSION_TIME, nsec_age_s(counted_since(s), now));
	rad_put_u32(w, RAD_ACCT_INPUT_PACKETS, (uint32_t)n->up_packets);
	rad_put_u32(w, RAD_ACCT_OUTPUT_PACKETS, (uint32_t)n->down_packets);
	rad_put_u32(w, RAD_ACCT_INPUT_GIGAWORDS, (uint32_t)(n->up_bytes >> 32));
	rad_put_u32(w, RAD_ACCT_OUTPUT_GIGAWORDS, (uint32_t)(n->down_bytes >> 32));
}

static void put_cause(const struct end_reason *why, struct wbuf *w)
{
	uint8_t text[CISCO_AVPAIR_MAX];
	struct wbuf t = wbuf_of(text, sizeof(text));
	size_t n = strnlen(why->text, sizeof(why->text));

	rad_put_u32(w, RAD_ACCT_TERMINATE_CAUSE,
		    why->cause == TERM_NONE ? TERM_NAS_REQUEST : why->cause);
	if (n == 0)
		return;
	wbuf_span(&t, span_str("disc-cause-ext="));
	wbuf_bytes(&t, why->text, n);
	rad_put_vsa(w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, wbuf_written(&t));
}

static void send_record(struct core *c, struct wbuf *w, bool spare, nsec now)
{
	struct span attrs = wbuf_written(w);

	LNS_ASSERT(!attrs.bad);
	acct_send(c, attrs, spare, now);
}

static void send_about(struct core *c, const struct core_session *s, struct wbuf *w, bool spare,
		       nsec now)
{
	core_trace_radius(c, s, RAD_ACCOUNTING_REQUEST, true, wbuf_written(w));
	send_record(c, w, spare, now);
}

/* Accounting-On and -Off: all sessions that the server still knows of are over (RFC 2866 5.1). */
static void send_service(struct core *c, uint32_t status, nsec now)
{
	uint8_t attrs[ATTRS_MAX];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));
	uint32_t wall_s = (uint32_t)c->env.wall_clock_s(c->env.ctx);
	char id[17];

	rad_put_u32(&w, RAD_ACCT_STATUS_TYPE, status);
	snprintf(id, sizeof(id), "%08" PRIX32 "%08" PRIX32, (uint32_t)0, wall_s);
	rad_put_text(&w, RAD_ACCT_SESSION_ID, id);
	aaa_radius_put_nas(c, NULL, &w);
	rad_put_u32(&w, RAD_EVENT_TIMESTAMP, wall_s);
	send_record(c, &w, false, now);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* The server's value wins. */
static uint32_t interval_s(const struct core *c, const struct core_session *s)
{
	if (s->interim_s == 0)
		return c->conf->radius_interim;
	return s->interim_s < INTERIM_MIN_S ? INTERIM_MIN_S : s->interim_s;
}

/* Within 10% of the interval: sessions that came up together do not report together. */
static void interim_start(struct core *c, struct core_session *s, nsec now)
{
	int64_t wait = NSEC_S((int64_t)interval_s(c, s));
	uint32_t random;

	if (wait == 0) {
		wheel_stop(&c->wheel, &s->interim);
		return;
	}
	c->env.random(c->env.ctx, &random, sizeof(random));
	/* Divided first: a server may say 4294967295 for never. */
	wait += wait / 10000 * (int64_t)(random % 2001) - wait / 10;
	wheel_start(&c->wheel, &s->interim, nsec_add(now, wait));
}

void acct_up(struct core *c, struct core_session *s, nsec now)
{
	uint8_t attrs[ATTRS_MAX];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));

	if (s->counted || !is_on(c) || core_in_garden(s))
		return;
	s->counted = true;
	put_start(c, s, STATUS_START, &w);
	send_about(c, s, &w, false, now);
	interim_start(c, s, now);
}

void acct_interval_changed(struct core *c, struct core_session *s, nsec now)
{
	if (s->counted && is_on(c))
		interim_start(c, s, now);
}

void acct_interim_due(struct core *c, struct core_session *s, nsec now)
{
	uint8_t attrs[ATTRS_MAX];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));

	if (s->dying)
		return;
	if (!is_on(c)) { /* it may be switched on again */
		interim_start(c, s, now);
		return;
	}
	struct sess_counters n = acct_counters(c, s);
	put_start(c, s, STATUS_INTERIM, &w);
	put_counters(s, &n, now, &w);
	send_about(c, s, &w, true, now);
	interim_start(c, s, now);
}

static void stop(struct core *c, struct core_session *s, const struct sess_counters *n,
		 const struct end_reason *why, nsec now)
{
	uint8_t attrs[ATTRS_MAX];
	struct wbuf w = wbuf_of(attrs, sizeof(attrs));

	wheel_stop(&c->wheel, &s->interim);
	if (!s->counted)
		return;
	s->counted = false;
	put_start(c, s, STATUS_STOP, &w);
	put_counters(s, n, now, &w);
	put_cause(why, &w);
	send_about(c, s, &w, false, now);
}

void acct_gone(struct core *c, struct core_session *s, const struct msg_session_gone *m, nsec now)
{
	struct sess_counters n = m->counters;

	since_release(s, &n);
	acct_usage_gone(c, s, &n, now);
	stop(c, s, &n, &m->reason, now);
}

/* What was counted so far was another accounting session, or none. */
static void begin_anew(struct core *c, struct core_session *s, nsec now)
{
	struct sess_counters before = {0};

	if (!s->release)
		s->release = alloc_get(c->env.alloc, sizeof(*s->release));
	if (!s->release)
		return; /* without memory the garden's packets are counted too */
	if (s->slot != DP_SLOT_NONE)
		dp_counters_read(dp_slot_counters(c->env.tables, s->slot), &before);
	*s->release = (struct core_release){.at = now, .base = before};
	core_session_renumber(c, s);
}

void acct_garden(struct core *c, struct core_session *s, bool entered, nsec now)
{
	if (entered) {
		struct end_reason why =
			core_reason(0, 0, TERM_ADMIN_RESET, "put into the walled garden");
		struct sess_counters n = acct_counters(c, s);
		stop(c, s, &n, &why, now);
		return;
	}
	begin_anew(c, s, now);
	if (s->up)
		acct_up(c, s, now);
}

void acct_service(struct core *c, nsec now)
{
	bool on = is_on(c);

	if (on && !c->accounting)
		send_service(c, STATUS_ON, now);
	c->accounting = on;
}

void acct_end_turn(struct core *c, nsec now)
{
	if (!c->accounting_ends)
		return;
	if (c->closing && (!list_empty(&c->sessions) || acct_late_waits(c) ||
			   rad_client_outstanding(c->radius) > 0))
		return;
	c->accounting_ends = false;
	send_service(c, STATUS_OFF, now);
}

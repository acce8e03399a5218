#include "lg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PARAMS_MAX = 12,
	TUNNEL_WAIT_S = 70,
	INFLIGHT = 64,
	DIALS_PER_TURN = 64,
	FLOWS_MAX = 50000,
};

/* name=value pairs behind the step's name. */
struct params {
	char text[256];
	unsigned n;
	const char *name[PARAMS_MAX], *value[PARAMS_MAX];
};

struct step {
	const char *name;
	const char *params; /* names, each between blanks */
	int (*run)(struct lg *, struct params *);
};

/* ---- parameters ------------------------------------------------------------------------------ */

static bool params_parse(struct params *p, const char *text)
{
	*p = (struct params){0};
	if (strlen(text) >= sizeof(p->text))
		return false;
	memcpy(p->text, text, strlen(text));
	for (char *save = NULL, *word = strtok_r(p->text, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(word, '=');
		if (!eq || p->n == PARAMS_MAX)
			return false;
		*eq = '\0';
		p->name[p->n] = word;
		p->value[p->n++] = eq + 1;
	}
	return true;
}

static const char *param(const struct params *p, const char *name, const char *otherwise)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->name[i], name) == 0)
			return p->value[i];
	return otherwise;
}

static double param_number(const struct params *p, const char *name, double otherwise)
{
	const char *v = param(p, name, NULL);
	return v ? strtod(v, NULL) : otherwise;
}

/* ---- statistics of one step ------------------------------------------------------------------ */

static void stats_begin(struct lg *g, struct lg_watch *w)
{
	memset(&g->stats, 0, sizeof(g->stats));
	lg_watch_read(g, w);
}

static double seconds_since(const struct lg *g, nsec start)
{
	return (double)nsec_sub(g->now, start) / 1e9;
}

static void add_common(struct lg *g, json_t *o)
{
	const struct lg_stats *s = &g->stats;
	if (s->auth.n)
		json_object_set_new(o, "auth", lg_hist_json(&s->auth));
	json_object_set_new(o, "up_now", json_integer(g->sessions_up));
	json_object_set_new(o, "tunnels_now", json_integer(g->tunnels_up));
	json_object_set_new(o, "lost", json_integer((json_int_t)s->lost));
	json_object_set_new(o, "failures", lg_fails_json(s));
	json_object_set_new(o, "resent",
			    json_pack("{s:I,s:I}", "l2tp", (json_int_t)s->l2tp_resent, "ppp",
				      (json_int_t)s->ppp_resent));
	json_object_set_new(o, "odd",
			    json_pack("{s:I,s:I,s:I,s:I}", "stray", (json_int_t)s->stray, "bad",
				      (json_int_t)s->bad, "other_ip", (json_int_t)s->other_ip,
				      "tx_errors", (json_int_t)s->tx_errors));
}

static void say_failures(const struct lg_stats *s)
{
	for (unsigned i = 0; i < LG_FAILS; i++)
		if (s->fails[i])
			lg_say("  %llu: %s", (unsigned long long)s->fails[i], lg_fail_text(i));
	if (s->fails[LG_FAIL_cdn])
		lg_say("  (last CDN: result %u, error %u)", s->cdn_result, s->cdn_error);
}

/* ---- up -------------------------------------------------------------------------------------- */

/* Opens tunnels, one at a time per socket: some servers tell openings apart by address only. */
static void open_tunnels(struct lg *g, unsigned sessions)
{
	unsigned want = sessions < g->conf.tunnels ? sessions : g->conf.tunnels;
	nsec end = nsec_add(g->now, NSEC_S(TUNNEL_WAIT_S));
	unsigned left = want;
	while (left > 0 && nsec_before(g->now, end) && !g->stop) {
		left = 0;
		for (unsigned i = 0; i < want; i++) {
			struct lg_tunnel *t = &g->tunnels[i];
			if (t->state == LG_T_IDLE && g->opening[t->sock] == 0)
				lg_tunnel_open(g, t);
			left += t->state == LG_T_IDLE || t->state == LG_T_OPENING;
		}
		lg_lac_turn(g);
		lg_io_flush(g);
		if (left)
			lg_turn(g, NSEC_MS(5));
	}
}

struct dialler {
	unsigned next, end, inflight;
	double rate;
	nsec start, most; /* when 99% of the dials were up; NSEC_NEVER before */
	uint64_t dialled;
};

/* Passes over those that are up already; false at the end. */
static bool next_idle(const struct lg *g, struct dialler *d)
{
	while (d->next < d->end && g->sessions[d->next].state != LG_S_IDLE)
		d->next++;
	return d->next < d->end;
}

/* Dials what rate and windows allow. */
static void dial_some(struct lg *g, struct dialler *d)
{
	for (unsigned n = 0; n < DIALS_PER_TURN && next_idle(g, d); n++) {
		struct lg_session *s = &g->sessions[d->next];
		const struct lg_tunnel *t = lg_tunnel_of(g, s);
		if (g->dialling >= d->inflight)
			return;
		if (d->rate > 0 && (double)d->dialled >= d->rate * seconds_since(g, d->start))
			return;
		if (t->state == LG_T_UP && !lg_tunnel_has_room(t))
			return;
		lg_session_dial(g, s);
		d->dialled++;
		d->next++;
	}
}

static void fail_rest(struct lg *g)
{
	for (unsigned i = 0; i < g->conf.sessions && g->dialling > 0; i++) {
		struct lg_session *s = &g->sessions[i];
		if (s->state == LG_S_CALLING || s->state == LG_S_PPP)
			lg_session_fail(g, s, LG_FAIL_step_timeout);
	}
}

/*
 * Rate and CPU time are those of all dials. Few stragglers, each waiting seconds for a repetition,
 * can make up most of the total time: `steady_rate` leaves the slowest 1% out, and says how many
 * dials took longer than LG_SLOW_MS.
 */
static json_t *setup_json(const struct lg_stats *s, const struct dialler *d, double took)
{
	double most = nsec_is_never(d->most) ? took : (double)nsec_sub(d->most, d->start) / 1e9;
	double up = nsec_is_never(d->most) ? (double)s->up : (double)s->dials * 0.99;
	return json_pack("{s:f,s:f,s:I}", "rate", took > 0 ? (double)s->up / took : 0,
			 "steady_rate", most > 0 ? up / most : 0, "stragglers",
			 (json_int_t)s->slow_setups);
}

static void dial_all(struct lg *g, struct dialler *d, double limit)
{
	unsigned wanted = d->end > g->sessions_up ? d->end - g->sessions_up : 0;
	d->start = g->now = lg_clock();
	while ((d->next < d->end || g->dialling > 0) && !g->stop &&
	       seconds_since(g, d->start) < limit) {
		dial_some(g, d);
		lg_lac_turn(g);
		lg_io_flush(g);
		lg_turn(g, NSEC_US(500));
		if (nsec_is_never(d->most) && g->stats.up * 100 >= (uint64_t)wanted * 99)
			d->most = g->now;
	}
}

static int step_up(struct lg *g, struct params *p)
{
	struct lg_watch before, after;
	struct dialler d = {
		.most = NSEC_NEVER,
		.end = (unsigned)param_number(p, "sessions", g->conf.sessions),
		.inflight = (unsigned)param_number(p, "inflight", INFLIGHT),
		.rate = param_number(p, "rate", 0),
	};
	double limit = param_number(p, "timeout", 3600);
	if (d.end > g->conf.sessions)
		d.end = g->conf.sessions;

	stats_begin(g, &before);
	g->now = lg_clock();
	open_tunnels(g, d.end);
	double tunnel_s = seconds_since(g, before.at);
	uint64_t tunnels_up = g->tunnels_up;
	stats_begin(g, &before);
	unsigned up_before = g->sessions_up;
	dial_all(g, &d, limit);
	double took = seconds_since(g, d.start);
	lg_watch_read(g, &after);
	fail_rest(g);
	lg_turn(g, 0);

	const struct lg_stats *s = &g->stats;
	double rate = took > 0 ? (double)s->up / took : 0;
	json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:I,s:f,s:f,s:o,s:o}", "step", "up", "tunnels",
			      (json_int_t)tunnels_up, "up_before", (json_int_t)up_before, "dialled",
			      (json_int_t)s->dials, "ok", (json_int_t)s->up, "tunnel_seconds",
			      tunnel_s, "seconds", took, "latency", lg_hist_json(&s->setup),
			      "watch", lg_watch_json(&before, &after, "session", s->up));
	json_object_update_new(o, setup_json(s, &d, took));
	lg_say("up: %llu of %llu sessions in %.2f s (%.0f/s), %u up now, setup p50 %.1f ms p99 "
	       "%.1f ms, resent %llu L2TP %llu PPP",
	       (unsigned long long)s->up, (unsigned long long)s->dials, took, rate, g->sessions_up,
	       lg_hist_ms(&s->setup, 0.5), lg_hist_ms(&s->setup, 0.99),
	       (unsigned long long)s->l2tp_resent, (unsigned long long)s->ppp_resent);
	say_failures(s);
	bool all = s->up == s->dials && s->dials > 0;
	add_common(g, o);
	lg_report(g, o);
	return all || (s->dials == 0 && g->sessions_up >= d.end) ? 0 : 1;
}

/* ---- hold ------------------------------------------------------------------------------------ */

static int step_hold(struct lg *g, struct params *p)
{
	struct lg_watch before, after;
	double seconds = param_number(p, "seconds", 0);
	bool redial = param_number(p, "redial", 0) > 0;
	const char *tun = param(p, "tun", NULL);
	unsigned cursor = 0;

	if (tun && (g->sessions[0].state != LG_S_UP || !lg_tun_open(g, tun, &g->sessions[0])))
		return 1;
	stats_begin(g, &before);
	nsec start = g->now = lg_clock();
	lg_say("hold: %u sessions, %s", g->sessions_up,
	       seconds > 0 ? "for a while" : "until SIGINT or SIGTERM");
	while (!g->stop && (seconds <= 0 || seconds_since(g, start) < seconds)) {
		struct lg_session *s = &g->sessions[cursor];
		cursor = (cursor + 1) % g->conf.sessions;
		if (redial && s->state == LG_S_IDLE && lg_tunnel_of(g, s)->state == LG_T_UP)
			lg_session_dial(g, s);
		lg_turn(g, NSEC_MS(redial ? 1 : 20));
	}
	lg_watch_read(g, &after);
	lg_tun_close(g);
	json_t *o = json_pack("{s:s,s:f,s:I,s:I,s:o}", "step", "hold", "seconds",
			      seconds_since(g, start), "redialled", (json_int_t)g->stats.dials,
			      "hellos", (json_int_t)g->stats.hellos, "watch",
			      lg_watch_json(&before, &after, "session", g->sessions_up));
	lg_say("hold: %u sessions up, %llu lost", g->sessions_up,
	       (unsigned long long)g->stats.lost);
	say_failures(&g->stats);
	int status = g->stats.lost > 0 && !redial;
	add_common(g, o);
	lg_report(g, o);
	return status;
}

/* ---- traffic --------------------------------------------------------------------------------- */

static json_t *flow_json(const struct lg_flow *f, double seconds)
{
	uint64_t lost = f->sent > f->received ? f->sent - f->received : 0;
	return json_pack("{s:I,s:I,s:I,s:f,s:I,s:I,s:f,s:f,s:o}", "sent", (json_int_t)f->sent,
			 "received", (json_int_t)f->received, "lost", (json_int_t)lost, "loss",
			 f->sent ? (double)lost / (double)f->sent : 0.0, "reordered",
			 (json_int_t)f->reordered, "misdelivered", (json_int_t)f->misdelivered,
			 "pps", (double)f->received / seconds, "mbit",
			 (double)f->bytes * 8 / seconds / 1e6, "latency",
			 lg_hist_json(&f->latency));
}

static void flow_say(const char *name, const struct lg_flow *f, double seconds)
{
	uint64_t lost = f->sent > f->received ? f->sent - f->received : 0;
	if (f->sent == 0)
		return;
	lg_say("  %s: %.0f packets/s, %.1f Mbit/s, sent %llu, lost %llu (%.3f%%), reordered %llu, "
	       "misdelivered %llu, latency p50 %.3f ms p99 %.3f ms",
	       name, (double)f->received / seconds, (double)f->bytes * 8 / seconds / 1e6,
	       (unsigned long long)f->sent, (unsigned long long)lost,
	       100.0 * (double)lost / (double)f->sent, (unsigned long long)f->reordered,
	       (unsigned long long)f->misdelivered, lg_hist_ms(&f->latency, 0.5),
	       lg_hist_ms(&f->latency, 0.99));
}

static unsigned clamp(double v, unsigned low, unsigned high)
{
	return v < low ? low : v > high ? high : (unsigned)v;
}

static bool load_parse(struct params *p, struct lg_load *l)
{
	const char *dir = param(p, "dir", "both"), *size = param(p, "size", "64");
	l->up = strcmp(dir, "down") != 0;
	l->down = strcmp(dir, "up") != 0;
	if (l->up && l->down && strcmp(dir, "both") != 0) {
		lg_say("traffic: dir is up, down or both, not %s", dir);
		return false;
	}
	l->size = strcmp(size, "imix") == 0
			  ? LG_IMIX
			  : clamp(strtod(size, NULL), LG_PACKET_MIN, LG_PACKET_MAX);
	l->rate = param_number(p, "rate", 0);
	l->seconds = param_number(p, "seconds", 5);
	l->sessions = (unsigned)param_number(p, "sessions", 0);
	l->flows = clamp(param_number(p, "flows", 1), 1, FLOWS_MAX);
	l->ping = param_number(p, "ping", 0);
	l->burst = clamp(param_number(p, "burst", 1), 1, 1000000);
	l->chunk = clamp(param_number(p, "chunk", 32), 1, LG_BATCH);
	l->sleep = param_number(p, "sleep", 0) != 0;
	return true;
}

static unsigned used_sessions(const struct lg *g, const struct lg_load *l)
{
	return l->sessions && l->sessions < g->sessions_up ? l->sessions : g->sessions_up;
}

static int step_traffic(struct lg *g, struct params *p)
{
	struct lg_watch before, after;
	struct lg_load load;
	const struct lg_stats *s = &g->stats;

	if (!load_parse(p, &load))
		return 2;
	if (g->core < 0) {
		lg_say("traffic: needs --core-addr");
		return 2;
	}
	stats_begin(g, &before);
	if (!lg_traffic_run(g, &load)) {
		lg_say("traffic: no session is up");
		return 1;
	}
	lg_watch_read(g, &after);
	uint64_t packets = s->upward.received + s->downward.received;
	json_t *o =
		json_pack("{s:s,s:s,s:I,s:f,s:f,s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "step", "traffic",
			  "dir", param(p, "dir", "both"), "size", (json_int_t)load.size, "seconds",
			  load.seconds, "rate", load.rate, "burst", (json_int_t)load.burst, "flows",
			  (json_int_t)load.flows, "sessions", (json_int_t)used_sessions(g, &load),
			  "up", flow_json(&s->upward, load.seconds), "down",
			  flow_json(&s->downward, load.seconds), "rtt", lg_hist_json(&s->rtt),
			  "watch", lg_watch_json(&before, &after, "packet", packets));
	lg_say("traffic: %s, %s bytes, %u sessions", param(p, "dir", "both"),
	       param(p, "size", "64"), used_sessions(g, &load));
	flow_say("up", &s->upward, load.seconds);
	flow_say("down", &s->downward, load.seconds);
	int status = packets == 0;
	add_common(g, o);
	lg_report(g, o);
	return status;
}

/* ---- search: the highest rate without loss ------------------------------------------------- */

static double loss_of(const struct lg_stats *s)
{
	uint64_t sent = s->upward.sent + s->downward.sent;
	uint64_t got = s->upward.received + s->downward.received;
	return sent > got ? (double)(sent - got) / (double)sent : 0;
}

/* Halves the interval between a rate that was carried and one that was not, as RFC 2544 26.1. */
static int step_search(struct lg *g, struct params *p)
{
	struct lg_watch before, after, best_before = {0}, best_after = {0};
	struct lg_load load;
	double low = 0, high = param_number(p, "high", 1000000);
	double allowed = param_number(p, "loss", 0.001);
	unsigned tries = (unsigned)param_number(p, "tries", 9);
	uint64_t packets = 0;
	bool generator_limited = false;

	if (!load_parse(p, &load) || g->core < 0)
		return 2;
	load.seconds = param_number(p, "seconds", 1);
	for (unsigned i = 0; i < tries && !g->stop; i++) {
		load.rate = (low + high) / 2;
		stats_begin(g, &before);
		if (!lg_traffic_run(g, &load))
			return 1;
		lg_watch_read(g, &after);
		bool kept_up = (double)(g->stats.upward.sent + g->stats.downward.sent) >=
			       load.rate * load.seconds * 0.97;
		bool carried = loss_of(&g->stats) <= allowed && kept_up;
		if (g->conf.verbose)
			lg_say("  search: %.0f/s: loss %.3f%%%s", load.rate,
			       100 * loss_of(&g->stats), kept_up ? "" : ", not reached");
		generator_limited |= !kept_up && loss_of(&g->stats) <= allowed;
		if (!carried) {
			high = load.rate;
			continue;
		}
		low = load.rate;
		packets = g->stats.upward.received + g->stats.downward.received;
		best_before = before;
		best_after = after;
	}
	json_t *o =
		json_pack("{s:s,s:s,s:I,s:f,s:f,s:b,s:I,s:I,s:o}", "step", "search", "dir",
			  param(p, "dir", "both"), "size", (json_int_t)load.size, "loss", allowed,
			  "rate", low, "generator_limited", (int)generator_limited, "burst",
			  (json_int_t)load.burst, "sessions", (json_int_t)used_sessions(g, &load),
			  "watch", lg_watch_json(&best_before, &best_after, "packet", packets));
	lg_say("search: %s, %s bytes: %.0f packets/s per direction with at most %.2f%% loss",
	       param(p, "dir", "both"), param(p, "size", "64"), low, 100 * allowed);
	add_common(g, o);
	lg_report(g, o);
	return low <= 0;
}

/* ---- ping ------------------------------------------------------------------------------------ */

static int step_ping(struct lg *g, struct params *p)
{
	struct lg_watch before;
	const struct lg_stats *s = &g->stats;
	double rate = param_number(p, "rate", 1000), seconds = param_number(p, "seconds", 3);

	if (!g->conf.core_addr.s_addr) {
		lg_say("ping: needs --core-addr");
		return 2;
	}
	stats_begin(g, &before);
	if (!lg_ping_run(g, rate, seconds)) {
		lg_say("ping: no session is up");
		return 1;
	}
	json_t *o = json_pack("{s:s,s:I,s:I,s:o}", "step", "ping", "sent", (json_int_t)s->pings,
			      "received", (json_int_t)s->pongs, "rtt", lg_hist_json(&s->rtt));
	lg_say("ping: %llu of %llu answered, rtt p50 %.3f ms p99 %.3f ms max %.3f ms",
	       (unsigned long long)s->pongs, (unsigned long long)s->pings, lg_hist_ms(&s->rtt, 0.5),
	       lg_hist_ms(&s->rtt, 0.99), (double)s->rtt.max_us / 1000.0);
	int status = s->pongs < s->pings;
	add_common(g, o);
	lg_report(g, o);
	return status;
}

/* ---- churn ----------------------------------------------------------------------------------- */

static bool wants_terminate(struct params *p)
{
	return strcmp(param(p, "how", "cdn"), "lcp") == 0;
}

/* The next session that is up, from the cursor on; NULL when there is none. */
static struct lg_session *next_up(struct lg *g, unsigned *cursor)
{
	for (unsigned n = 0; n < g->conf.sessions; n++) {
		struct lg_session *s = &g->sessions[*cursor];
		*cursor = (*cursor + 1) % g->conf.sessions;
		if (s->state == LG_S_UP)
			return s;
	}
	return NULL;
}

static void redial_idle(struct lg *g, unsigned *cursor, unsigned target, unsigned inflight)
{
	for (unsigned n = 0; n < g->conf.sessions && g->dialling < inflight &&
			     g->sessions_up + g->dialling + g->ending < target;
	     n++) {
		struct lg_session *s = &g->sessions[*cursor];
		const struct lg_tunnel *t = lg_tunnel_of(g, s);
		*cursor = (*cursor + 1) % g->conf.sessions;
		if (s->state == LG_S_IDLE && t->state == LG_T_UP && lg_tunnel_has_room(t))
			lg_session_dial(g, s);
	}
}

static int step_churn(struct lg *g, struct params *p)
{
	struct lg_watch before, after;
	double rate = param_number(p, "rate", 100), seconds = param_number(p, "seconds", 10);
	unsigned inflight = (unsigned)param_number(p, "inflight", INFLIGHT);
	/* Those that have been down for long come first, where there is room for more. */
	unsigned target = g->sessions_up, hang = 0, dial = target % g->conf.sessions;
	uint64_t ended = 0;
	const struct lg_stats *s = &g->stats;

	stats_begin(g, &before);
	nsec start = g->now = lg_clock();
	while (!g->stop && (seconds_since(g, start) < seconds || g->dialling || g->ending)) {
		bool on = seconds_since(g, start) < seconds;
		double due = rate * seconds_since(g, start);
		for (unsigned n = 0; on && n < DIALS_PER_TURN && (double)ended < due; n++) {
			struct lg_session *victim = next_up(g, &hang);
			if (!victim)
				break;
			lg_session_end(g, victim, wants_terminate(p));
			ended++;
		}
		redial_idle(g, &dial, target, inflight);
		lg_lac_turn(g);
		lg_io_flush(g);
		lg_turn(g, NSEC_US(500));
	}
	lg_watch_read(g, &after);
	double took = seconds_since(g, start);
	json_t *o = json_pack("{s:s,s:f,s:I,s:I,s:I,s:f,s:o,s:o}", "step", "churn", "seconds", took,
			      "ended", (json_int_t)ended, "dialled", (json_int_t)s->dials, "ok",
			      (json_int_t)s->up, "rate", (double)s->up / took, "latency",
			      lg_hist_json(&s->setup), "watch",
			      lg_watch_json(&before, &after, "session", s->up));
	lg_say("churn: %llu ended, %llu of %llu dialled again (%.0f/s), %u up, setup p50 %.1f ms "
	       "p99 %.1f ms",
	       (unsigned long long)ended, (unsigned long long)s->up, (unsigned long long)s->dials,
	       (double)s->up / took, g->sessions_up, lg_hist_ms(&s->setup, 0.5),
	       lg_hist_ms(&s->setup, 0.99));
	say_failures(s);
	int status = s->up < s->dials;
	add_common(g, o);
	lg_report(g, o);
	return status;
}

/* ---- down ------------------------------------------------------------------------------------ */

static void end_sessions(struct lg *g, unsigned from, bool terminate_first)
{
	unsigned i = from, n = g->conf.sessions;
	while ((i < n || g->ending > 0) && g->tunnels_up > 0) {
		for (unsigned k = 0; k < DIALS_PER_TURN && i < n; k++, i++) {
			struct lg_session *s = &g->sessions[i];
			if (s->state == LG_S_IDLE)
				continue;
			if (g->ending >= INFLIGHT || !lg_tunnel_has_room(lg_tunnel_of(g, s)))
				break;
			lg_session_end(g, s, terminate_first);
		}
		lg_lac_turn(g);
		lg_io_flush(g);
		lg_turn(g, NSEC_US(500));
	}
}

static unsigned tunnels_open(const struct lg *g)
{
	unsigned n = 0;
	for (unsigned i = 0; i < g->conf.tunnels; i++)
		n += g->tunnels[i].state == LG_T_UP || g->tunnels[i].state == LG_T_CLOSING;
	return n;
}

static bool all_acknowledged(const struct lg *g)
{
	for (unsigned i = 0; i < g->conf.tunnels; i++)
		if (lg_chan_pending(&g->tunnels[i].chan) > 0)
			return false;
	return true;
}

/* Ends the sessions from number `keep` on; the tunnels stay. */
static int down_some(struct lg *g, struct params *p, unsigned keep)
{
	struct lg_watch before, after;
	unsigned up = g->sessions_up;
	double limit = param_number(p, "timeout", 60);

	stats_begin(g, &before);
	nsec start = g->now = lg_clock();
	end_sessions(g, keep, wants_terminate(p));
	while (!all_acknowledged(g) && seconds_since(g, start) < limit && !g->stop)
		lg_turn(g, NSEC_MS(1));
	lg_watch_read(g, &after);
	json_t *o =
		json_pack("{s:s,s:I,s:f,s:o}", "step", "down", "sessions",
			  (json_int_t)(up - g->sessions_up), "seconds", seconds_since(g, start),
			  "watch", lg_watch_json(&before, &after, "session", up - g->sessions_up));
	lg_say("down: %u sessions ended, %u stay", up - g->sessions_up, g->sessions_up);
	add_common(g, o);
	lg_report(g, o);
	return !all_acknowledged(g);
}

static int step_down(struct lg *g, struct params *p)
{
	struct lg_watch before, after;
	unsigned keep = (unsigned)param_number(p, "keep", 0);
	if (keep > 0)
		return down_some(g, p, keep);
	const char *how = param(p, "how", "cdn");
	unsigned sessions = g->sessions_up, tunnels = g->tunnels_up;
	double limit = param_number(p, "timeout", 60);

	stats_begin(g, &before);
	nsec start = g->now = lg_clock();
	if (strcmp(how, "stopccn") != 0)
		end_sessions(g, 0, wants_terminate(p));
	for (unsigned i = 0; i < g->conf.tunnels; i++)
		lg_tunnel_close(g, &g->tunnels[i]);
	while (tunnels_open(g) > 0 && seconds_since(g, start) < limit && !g->stop)
		lg_turn(g, NSEC_MS(2));
	lg_watch_read(g, &after);

	unsigned left = tunnels_open(g);
	json_t *o = json_pack("{s:s,s:s,s:I,s:I,s:I,s:f,s:o}", "step", "down", "how", how,
			      "sessions", (json_int_t)sessions, "closed",
			      (json_int_t)(tunnels - (tunnels < left ? tunnels : left)),
			      "unanswered", (json_int_t)left, "seconds", seconds_since(g, start),
			      "watch", lg_watch_json(&before, &after, "session", sessions));
	lg_say("down: %u sessions and %u tunnels closed in %.2f s, %u tunnels did not answer",
	       sessions, tunnels, seconds_since(g, start), left);
	add_common(g, o);
	lg_report(g, o);
	for (unsigned i = 0; i < g->conf.tunnels; i++)
		if (g->tunnels[i].state == LG_T_DEAD) {
			lg_chan_fini(&g->tunnels[i].chan);
			g->tunnels[i].state = LG_T_IDLE;
		}
	return left > 0;
}

/* ---- by name --------------------------------------------------------------------------------- */

static const struct step steps[] = {
	{"up", " sessions rate inflight timeout ", step_up},
	{"hold", " seconds redial tun ", step_hold},
	{"traffic", " dir size rate seconds sessions burst chunk flows ping sleep ", step_traffic},
	{"search", " dir size seconds sessions burst chunk flows high loss tries ", step_search},
	{"ping", " rate seconds ", step_ping},
	{"churn", " rate seconds how inflight ", step_churn},
	{"down", " how timeout keep ", step_down},
};

static const struct step *step_parse(const char *text, struct params *p)
{
	size_t n = strcspn(text, ":");
	const struct step *found = NULL;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strlen(steps[i].name) == n && strncmp(steps[i].name, text, n) == 0)
			found = &steps[i];
	if (!found) {
		lg_say("%s: there is no such step", text);
		return NULL;
	}
	if (!params_parse(p, text[n] ? text + n + 1 : "")) {
		lg_say("%s: parameters are name=value, with commas between them", text);
		return NULL;
	}
	for (unsigned i = 0; i < p->n; i++) {
		char word[64];
		snprintf(word, sizeof(word), " %s ", p->name[i]);
		if (!strstr(found->params, word)) {
			lg_say("%s: no parameter '%s'; there are:%s", text, p->name[i],
			       found->params);
			return NULL;
		}
	}
	return found;
}

bool lg_step_check(const char *text)
{
	struct params p;
	return step_parse(text, &p) != NULL;
}

int lg_step_run(struct lg *g, const char *text)
{
	struct params p;
	const struct step *s = step_parse(text, &p);
	return s ? s->run(g, &p) : 2;
}

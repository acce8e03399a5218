/*
 * cli_show.h - the tables of the command line as text: views in, lines out, columns as operators'
 * scripts know them. Bytes that a terminal would not print as themselves become `?`. Pure.
 */
#ifndef LNS_CLI_SHOW_H
#define LNS_CLI_SHOW_H

#include "control/core.h"
#include "control/ippool.h"
#include "control/rates.h"

/* Whole lines, each ended by LF. A line that does not fit is left out. */
struct show_text {
	size_t n;
	char s[16384]; /* NUL-terminated */
};

void show_clear(struct show_text *t);
void show_line(struct show_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

void show_session_header(struct show_text *t);
void show_session_line(struct show_text *t, const struct session_view *v);
/* `info` NULL: the session's worker did not answer. */
void show_session_detail(struct show_text *t, const struct session_view *v,
			 const struct msg_session_info *info);

/* The throttled ones, with what was done to them. */
void show_throttle_header(struct show_text *t);
void show_throttle_line(struct show_text *t, const struct session_view *v,
			const struct core_shaper way[2]);

void show_tunnel_header(struct show_text *t);
/* Without `all`, only tunnels with a peer that are not closing. */
void show_tunnel_line(struct show_text *t, const struct tunnel_view *v, bool all);
void show_tunnel_detail(struct show_text *t, const struct tunnel_view *v,
			const struct msg_tunnel_info *info);
/* Begins and continues the list of a tunnel's session ids. */
void show_tunnel_sessions(struct show_text *t, const uint16_t *sids, unsigned n, bool first);

/* The user name of an authenticated session. */
void show_user_line(struct show_text *t, const struct session_view *v);

void show_pool_header(struct show_text *t);
/* Addresses that were never used are shown with `all` only. */
void show_pool_line(struct show_text *t, const struct ippool_view *v, bool all);
/* One line of the list of pools, shown when any has a name. */
void show_pool_name(struct show_text *t, const struct ippool_name_view *v);
void show_pool_totals(struct show_text *t, uint32_t used, uint32_t total);

/* Sums of all threads since the last reset. */
struct counter_totals {
	uint64_t events[COUNTERS];
	uint64_t drops[DROPS];
};
/* blocks[0..n-1] added up, less `base`, which may be NULL. */
void counter_totals_read(struct counter_totals *t, const struct counters *const *blocks, unsigned n,
			 const struct counter_totals *base);
/* `reset`: when the counters were last set to 0, as text. */
void show_counters(struct show_text *t, const struct counter_totals *c, const char *reset);

struct uptime_view {
	const char *clock; /* "10:00:00" */
	uint64_t up_s;
	uint32_t users;
	double load[3];
	struct rates_view rates;
};
void show_uptime(struct show_text *t, const struct uptime_view *v);

#endif

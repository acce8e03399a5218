#include "control/bgp_show.h"

#include <stdio.h>

void show_bgp_header(struct show_text *t, const struct bgp_speaker *s)
{
	char id[IP_ADDR_TEXT];

	show_line(t, "BGPv4 router identifier %s, local AS number %u", ip_addr_text(&s->id, id),
		  s->as);
	show_line(t, "%s", "");
	show_line(t, "%-18s %5s %15s %-11s %7s %8s %5s %4s %9s", "Peer", "AS", "Address", "State",
		  "Retries", "Retry in", "Route", "Pend", "Timers");
	show_line(t, "------------------ ----- --------------- ----------- ------- -------- ----- "
		     "---- ---------");
}

uint32_t bgp_seconds_until(nsec when, nsec now)
{
	if (nsec_is_never(when) || nsec_reached(when, now))
		return 0;
	return (uint32_t)((nsec_sub(when, now) + 999999999) / 1000000000);
}

uint32_t bgp_peer_as(const struct bgp_peer *p)
{
	return p->conf.session.remote_as ? p->conf.session.remote_as : p->as;
}

static uint32_t retries_of(const struct bgp_peer *p)
{
	return p->up == BGP_SIDES ? p->failures : 0;
}

void show_bgp_line(struct show_text *t, const struct bgp_peer *p, nsec now)
{
	char address[IP_ADDR_TEXT];
	bool up = p->up != BGP_SIDES;

	show_line(t, "%-18.18s %5u %15s %-11s %7u %7us %5s %4s %4u %4u", p->conf.name,
		  bgp_peer_as(p), ip_addr_text(&p->conf.session.addr, address),
		  bgp_state_name(bgp_peer_state(p)), retries_of(p),
		  up ? 0 : bgp_seconds_until(p->retry_at, now), p->suspended ? "no" : "yes",
		  bgp_peer_is_idle(p) ? "no" : "yes",
		  up ? p->keepalive_s : p->conf.session.keepalive_s,
		  up ? p->hold_s : p->conf.session.hold_s);
}

static void detail_session(struct show_text *t, const struct bgp_peer *p, nsec now)
{
	const struct bgp_conn *c = &p->conns[p->up];
	const struct bgp_open *o = &c->theirs;
	char id[IP_ADDR_TEXT], local[IP_ADDR_TEXT];

	show_line(t, "\tEstablished:        %u s, by %s", nsec_age_s(p->up_at, now),
		  p->up == BGP_OUT ? "us" : "the neighbour");
	show_line(t, "\tIdentifier:         %s", ip_addr_text(&o->id, id));
	show_line(t, "\tLocal address:      %s", ip_addr_text(&c->local, local));
	show_line(t, "\tTimers:             keepalive %u s, hold %u s", p->keepalive_s, p->hold_s);
	show_line(t, "\tHold expires in:    %u s", bgp_seconds_until(c->hold_at, now));
	show_line(t, "\tCapabilities:      %s%s%s%s%s%s", o->family[BGP_IPV4] ? " IPv4" : "",
		  o->family[BGP_IPV6] ? " IPv6" : "", o->as4 ? " AS4" : "",
		  o->refresh ? " refresh" : "", o->extended ? " extended" : "",
		  o->graceful ? " graceful-restart" : "");
	show_line(t, "\tBytes waiting:      %zu", c->tx_n);
}

static void detail_error(struct show_text *t, const struct bgp_peer *p)
{
	const struct bgp_error *e = &p->last_error;
	char text[BGP_ERROR_DATA + 1];

	if (!e->code)
		return;
	bgp_notification_text(e, text);
	show_line(t, "\tLast notification:  %s %u/%u %s%s%s",
		  p->last_error_sent ? "sent" : "received", e->code, e->subcode,
		  bgp_error_text(e->code, e->subcode), text[0] ? ": " : "", text);
}

void show_bgp_detail(struct show_text *t, const struct bgp_peer *p, nsec now)
{
	static const char *const types[] = {"",		 "OPEN",	 "UPDATE", "NOTIFICATION",
					    "KEEPALIVE", "ROUTE-REFRESH"};
	char address[IP_ADDR_TEXT];

	show_line(t, "Neighbour %.200s, address %s, AS %u", p->conf.name,
		  ip_addr_text(&p->conf.session.addr, address), bgp_peer_as(p));
	show_line(t, "\tState:              %s", bgp_state_name(bgp_peer_state(p)));
	if (p->up != BGP_SIDES)
		detail_session(t, p, now);
	else
		show_line(t, "\tRetries:            %u, next in %u s", retries_of(p),
			  bgp_seconds_until(p->retry_at, now));
	show_line(t, "\tRoutes:             %s, %s", p->suspended ? "suspended" : "announced",
		  bgp_peer_is_idle(p) ? "up to date" : "changes pending");
	show_line(t, "\tPrefixes to tell:   %u", p->rib->live);
	show_line(t, "\tAnnouncements sent: %llu, withdrawals %llu",
		  (unsigned long long)p->stats.prefixes_announced,
		  (unsigned long long)p->stats.prefixes_withdrawn);
	show_line(t, "\tPrefixes ignored:   %llu", (unsigned long long)p->stats.prefixes_ignored);
	show_line(t, "\tSessions so far:    %u", p->stats.established);
	detail_error(t, p);
	show_line(t, "\t%-18s %10s %10s", "Messages", "received", "sent");
	for (unsigned i = BGP_OPEN; i <= BGP_ROUTE_REFRESH; i++)
		show_line(t, "\t  %-16s %10llu %10llu", types[i],
			  (unsigned long long)p->stats.rx[i], (unsigned long long)p->stats.tx[i]);
}

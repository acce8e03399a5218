/*
 * bgp_show.h - neighbours as text for the command line, columns as operators' scripts know them.
 * Pure.
 */
#ifndef LNS_BGP_SHOW_H
#define LNS_BGP_SHOW_H

#include "bgp/bgp_speaker.h"
#include "control/cli_show.h"

void show_bgp_header(struct show_text *t, const struct bgp_speaker *s);
void show_bgp_line(struct show_text *t, const struct bgp_peer *p, nsec now);
void show_bgp_detail(struct show_text *t, const struct bgp_peer *p, nsec now);

/* Rounded up; 0 when it is past, or never. */
uint32_t bgp_seconds_until(nsec when, nsec now);
/* The AS that the neighbour has to have. */
uint32_t bgp_peer_as(const struct bgp_peer *p);

#endif

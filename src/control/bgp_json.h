/*
 * bgp_json.h - neighbours as JSON, the facts of bgp_show.h under names. Each returns a new
 * reference, NULL when out of memory.
 */
#ifndef LNS_BGP_JSON_H
#define LNS_BGP_JSON_H

#include <jansson.h>

#include "bgp/bgp_speaker.h"

/* Identifier and AS, to which "neighbours" may be added. */
json_t *json_bgp(const struct bgp_speaker *s);
/* A line of the table, or with `detail` all there is. */
json_t *json_bgp_peer(const struct bgp_peer *p, bool detail, nsec now);

#endif

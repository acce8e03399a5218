/*
 * cli_json.h - what the tables of the command line show, as JSON: the same facts under names,
 * numbers in base units. Text of peers is cut down to printable ASCII. Each returns a new
 * reference, NULL when out of memory.
 */
#ifndef LNS_CLI_JSON_H
#define LNS_CLI_JSON_H

#include <jansson.h>

#include "control/cli_show.h"

/* `info` NULL: not asked, or no answer. */
json_t *json_session(const struct session_view *v, const struct msg_session_info *info);
json_t *json_tunnel(const struct tunnel_view *v, const struct msg_tunnel_info *info);
json_t *json_pool(const struct ippool_view *v);
json_t *json_counters(const struct counter_totals *c, const char *reset);
json_t *json_uptime(const struct uptime_view *v);
/* All variables, plugins and blocks; secrets as "********" unless asked for. */
json_t *json_conf(const struct conf *c, bool secrets);
/* Bytes as a string. */
json_t *json_text(const void *bytes, size_t n);

#endif

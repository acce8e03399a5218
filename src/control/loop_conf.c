#include "control/loop_priv.h"

#include <stdlib.h>

#include "base/panic.h"
#include "control/conf_filter.h"
#include "control/log_sink.h"

/* ---- files --------------------------------------------------------------------------------- */

static void say_line(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
		     const char *reason)
{
	enum log_level level = severity == CONF_ERROR ? LOG_ERROR : LOG_WARN;

	(void)ctx;
	if (line)
		log_sink_printf(level, "%s:%u: %s", file, line, reason);
	else
		log_sink_printf(level, "%s: %s", file, reason);
}

const struct file_report loop_to_log = {.say = say_line};

struct local_users *loop_subscribers_load(const struct conf *conf)
{
	if (!conf->local_users[0])
		return NULL;
	return local_users_file_load(&heap, conf->local_users, &loop_to_log);
}

void loop_network_route(struct loop *l, bool add, const struct ip_prefix *range)
{
	netlink_route(l->netlink, add, range);
	if (l->bgp)
		bgp_io_network(l->bgp, add, range);
}

void loop_pool_route(struct loop *l)
{
	struct ip_prefix range;
	for (unsigned i = 0; ippool_range(l->pool, i, &range); i++)
		loop_network_route(l, true, &range);
}

/* NULL with a number of 0: no memory. */
static struct ip_prefix *ranges_of(const struct ippool *pool, unsigned *n)
{
	struct ip_prefix range, *all;

	for (*n = 0; ippool_range(pool, *n, &range);)
		(*n)++;
	all = calloc(*n + 1, sizeof(*all));
	if (!all)
		*n = 0;
	for (unsigned i = 0; i < *n; i++)
		ippool_range(pool, i, &all[i]);
	return all;
}

/* Networks with an address in use stay routed until the last of them is given back. */
static void replace_pool(struct loop *l, struct ippool *fresh)
{
	unsigned n_before, n_after, n_new = 0;
	struct ip_prefix *before = ranges_of(l->pool, &n_before);
	struct ip_prefix *after = ranges_of(fresh, &n_after);

	for (unsigned i = 0; i < n_after; i++)
		if (!ippool_has_range(l->pool, &after[i]))
			after[n_new++] = after[i];
	if (!before || !after || !ippool_replace(l->pool, fresh)) {
		log_sink_write(LOG_ERROR, 0, 0, "out of memory: the pool stays as it was");
		n_before = n_new = 0;
	}
	for (unsigned i = 0; i < n_before; i++)
		if (!ippool_has_range(l->pool, &before[i]))
			loop_network_route(l, false, &before[i]);
	for (unsigned i = 0; i < n_new; i++)
		loop_network_route(l, true, &after[i]);
	free(before);
	free(after);
}

void loop_pool_load(struct loop *l)
{
	char path[CONF_PATH_MAX];
	l->pool = ippool_new(&heap);
	LNS_ASSERT(l->pool);
	conf_file_path(path, l->options.conf_path, l->conf->ip_pool_file, "ip_pool");
	ippool_file_load(l->pool, path, &l->conf->bind_address, &loop_to_log);

	loop_pool_route(l);
	uint32_t used, total;
	ippool_totals(l->pool, &used, &total);
	log_sink_printf(LOG_NOTE, "pool: %u addresses", total);
}

void loop_places_announce(struct loop *l, bool all)
{
	bool wanted = l->conf->send_garp && !bgp_io_is_on(l->bgp);

	for (unsigned i = 0; i < l->n_places && (all || !wanted); i++)
		l->places[i].ifindex = 0;
	if (wanted)
		counter_add(&l->counters, C_GARP_SENT, garp_update(l->places, l->n_places));
}

/* ---- reload -------------------------------------------------------------------------------- */

void loop_workers_apply(struct loop *l)
{
	struct shard_conf shard;
	conf_to_shard(l->conf, dp_n_workers(l->dp), &shard);
	if (l->core) /* not yet when the data plane starts: nobody is traced then */
		core_trace_names(l->core, &shard.trace);
	shard.version = ++l->conf_version;
	shard.l2tp.refuse_new |= l->phase != PHASE_RUN;
	struct dp_acls *acls =
		conf_filter_compile(l->conf, &heap, shard.version, dp_n_workers(l->dp), l->acls);
	shard.dp.acls = acls;
	if (!acls || !dp_set_conf(l->dp, &shard)) {
		log_sink_write(LOG_ERROR, 0, 0, "out of memory: workers keep the old settings");
		dp_acls_free(acls);
		return;
	}
	l->acls = acls;
}

/* Subscribers to go with the next configuration; those in use, when nothing about them changed. */
static struct local_users *next_subscribers(const struct loop *l, const struct conf_bundle *b)
{
	if (b->subscribers || !b->conf->local_users[0])
		return b->subscribers;
	if (strcmp(b->conf->local_users, l->conf->local_users) == 0)
		return l->users;
	return loop_subscribers_load(b->conf);
}

void loop_bundle_apply(struct loop *l, struct conf_bundle *b, nsec now)
{
	struct conf *fresh = b->conf;

	if (!fresh->hostname[0]) /* settled at start: -h or the system's name */
		memcpy(fresh->hostname, l->conf->hostname, sizeof(fresh->hostname));
	struct local_users *users = next_subscribers(l, b);
	log_sink_open(fresh->log_file);
	log_sink_level(fresh->debug);
	core_conf(l->core, fresh, users, now);
	bgp_io_conf(l->bgp, fresh, now);
	struct conf_bundle old = {.conf = l->conf, .users = b->users, .pool = b->pool};
	if (l->cli)
		old.users = cli_server_update(l->cli, fresh, b->users);
	if (users != l->users)
		old.subscribers = l->users;
	if (b->pool) {
		core_pool_leave(l->core, now);
		replace_pool(l, b->pool); /* it has the old ranges then */
		core_pool_join(l->core, now);
	}
	l->conf = fresh;
	l->users = users;
	*b = (struct conf_bundle){0};
	if (l->cli)
		cli_server_replaced(l->cli, &old);
	conf_bundle_free(&old);
	plugins_conf(l->plugins, l->conf);
	loop_workers_apply(l);
	loop_places_announce(l, false);
}

void loop_reload(struct loop *l, nsec now)
{
	struct conf_bundle b;

	log_sink_open(l->conf->log_file); /* logrotate's signal, whatever the file says */
	if (!conf_bundle_load(&b, &heap, l->options.conf_path, &loop_to_log)) {
		log_sink_write(LOG_ERROR, 0, 0, "reload refused, nothing changed");
		return;
	}
	loop_bundle_apply(l, &b, now);
	log_sink_printf(LOG_NOTE, "reloaded %s", l->options.conf_path);
}

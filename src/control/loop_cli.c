#include "control/loop_priv.h"

#include <errno.h>
#include <string.h>

#include "control/log_sink.h"

static struct cli_users *load_cli_users(const struct loop *l, const struct conf *conf)
{
	char path[CONF_PATH_MAX];
	conf_file_path(path, l->options.conf_path, conf->users_file, "users");
	return cli_users_file_load(&heap, path, &loop_to_log);
}

const struct conf *loop_conf(void *ctx)
{
	return ((struct loop *)ctx)->conf;
}

static const struct ippool *cli_pool(void *ctx)
{
	return ((struct loop *)ctx)->pool;
}

static const struct rates_view *cli_rates(void *ctx)
{
	return &((struct loop *)ctx)->rates.view;
}

static const struct dp_acls *cli_acls(void *ctx)
{
	return ((struct loop *)ctx)->acls;
}

static void cli_apply(void *ctx, struct conf_bundle *b, nsec now)
{
	loop_bundle_apply(ctx, b, now);
}

static void cli_traces_changed(void *ctx)
{
	loop_workers_apply(ctx);
}

static void cli_shutdown(void *ctx)
{
	((struct loop *)ctx)->close_wanted = true;
}

static void cli_about(void *ctx, struct cli_about *out)
{
	struct loop *l = ctx;
	*out = (struct cli_about){.version = LNS_VERSION,
				  .workers = dp_n_workers(l->dp),
				  .io_backend = dp_backend_name(l->dp),
				  .steering = dp_steering_name(l->dp),
				  .tun_steering = dp_tun_steering_name(l->dp),
				  .tun_napi = dp_tun_has_napi(l->dp),
				  .express = dp_express_names(l->dp)};
}

static unsigned cli_workers(void *ctx, struct worker_view *out)
{
	struct loop *l = ctx;

	for (unsigned i = 0; i < dp_n_workers(l->dp); i++)
		out[i] = *dp_worker_view(l->dp, i);
	return dp_n_workers(l->dp);
}

static struct bgp_speaker *cli_bgp(void *ctx)
{
	return bgp_io_speaker(((struct loop *)ctx)->bgp);
}

static bool cli_plugin(void *ctx, unsigned *cursor, struct plugins_view *out)
{
	return plugins_next(((struct loop *)ctx)->plugins, cursor, out);
}

static void cli_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	log_sink_write(level, 0, 0, text);
}

void loop_cli_start(struct loop *l)
{
	const struct cli_env env = {
		.requests = l->requests,
		.hostname = l->conf->hostname,
		.conf_path = l->options.conf_path,
		.alloc = &heap,
		.counters = l->all_counters,
		.n_counters = dp_n_workers(l->dp) + 1,
		.ctx = l,
		.conf = loop_conf,
		.pool = cli_pool,
		.rates = cli_rates,
		.acls = cli_acls,
		.about = cli_about,
		.workers = cli_workers,
		.bgp = cli_bgp,
		.plugin = cli_plugin,
		.apply = cli_apply,
		.traces_changed = cli_traces_changed,
		.tap = l->tap,
		.shutdown = cli_shutdown,
		.log = cli_log,
	};
	char reason[160];
	l->cli = cli_server_start(&env, l->conf, load_cli_users(l, l->conf), reason);
	if (!l->cli)
		log_sink_printf(LOG_ERROR, "no command line: %s", reason);
}

void loop_tap_start(struct loop *l)
{
	unsigned n = dp_n_workers(l->dp);

	for (unsigned w = 0; w < n; w++)
		l->taps[w] = dp_tap_of(l->dp, w);
	l->tap = tap_io_new(l->taps, n, l->requests);
	if (!l->tap)
		log_sink_printf(LOG_ERROR, "no captures: %s", strerror(errno));
}

/* Hooks that see packets: workers walk an immutable list, control replaces it. */
#include <stdlib.h>

#include "base/panic.h"
#include "base/rcu.h"
#include "control/plugins_priv.h"

struct chain {
	unsigned n_rx, n_tx;
	struct plugin *rx[PLUGINS_MAX], *tx[PLUGINS_MAX];
};

/* Replaced by control; workers take it once per packet, within a turn. */
static _Atomic(struct chain *) chain;

static bool run(struct plugin *const *plugins, unsigned n, enum plugin_event event,
		struct sess_key key, struct span packet)
{
	for (unsigned i = 0; i < n; i++) {
		struct param_packet param = {
			.t = key.tid, .s = plugins_handle(key), .buf = packet.p, .len = packet.n};
		int result = plugins[i]->hooks[event](&param);
		if (result < PLUGIN_RET_ERROR || result > PLUGIN_RET_STOP ||
		    (param.drop != 0 && param.drop != 1)) {
			/* Relaxed: control looks once a second, plugins_event.c. */
			atomic_store_explicit(&plugins[i]->packet_rubbish, result ? result : -1,
					      memory_order_relaxed);
			continue;
		}
		if (param.drop)
			return false;
		if (result != PLUGIN_RET_OK)
			break;
	}
	return true;
}

static bool on_rx(struct sess_key key, struct span packet)
{
	const struct chain *c = rcu_get(&chain);
	return !c || run(c->rx, c->n_rx, PLUGIN_ON_packet_rx, key, packet);
}

static bool on_tx(struct sess_key key, struct span packet)
{
	const struct chain *c = rcu_get(&chain);
	return !c || run(c->tx, c->n_tx, PLUGIN_ON_packet_tx, key, packet);
}

static struct chain *chain_new(const struct plugins *p)
{
	struct chain *c = calloc(1, sizeof(*c));

	LNS_ASSERT(c); /* a plugin that is being unloaded must not be called */
	for (unsigned i = 0; i < p->n; i++) {
		struct plugin *plugin = p->loaded[i];
		if (plugin->hooks[PLUGIN_ON_packet_rx])
			c->rx[c->n_rx++] = plugin;
		if (plugin->hooks[PLUGIN_ON_packet_tx])
			c->tx[c->n_tx++] = plugin;
	}
	return c;
}

void plugins_packet_update(struct plugins *p)
{
	static const struct dp_hooks hooks[] = {
		{.rx = on_rx}, {.tx = on_tx}, {.rx = on_rx, .tx = on_tx}};
	struct chain *fresh = chain_new(p), *old = rcu_get(&chain);
	unsigned which = (fresh->n_rx ? 1u : 0u) | (fresh->n_tx ? 2u : 0u);

	rcu_set(&chain, which ? fresh : NULL);
	p->env.packet_hooks(p->env.ctx, which ? &hooks[which - 1] : NULL);
	free(old); /* no worker uses it any more */
	if (!which)
		free(fresh);
}

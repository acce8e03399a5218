/*
 * plugins_priv.h - the host of plugins, shared by plugins*.c and by nobody else.
 *
 *	plugins.c	loading and unloading
 *	plugins_event.c	hooks on the control thread
 *	plugins_packet.c	hooks on the workers
 *	plugins_func.c	what plugins may ask
 */
#ifndef LNS_PLUGINS_PRIV_H
#define LNS_PLUGINS_PRIV_H

#include <l2tpns-plugin.h>

#include "control/plugins.h"

enum plugin_event {
#define PLUGIN_EVENT(name) PLUGIN_ON_##name,
#include "control/plugins.def"
#undef PLUGIN_EVENT
	PLUGIN_EVENTS
};

enum { PLUGINS_MAX = 64, PLUGINS_DIR = 256 };

typedef int plugin_hook(void *param);

struct plugin {
	char name[CONF_PLUGIN_NAME];
	void *handle;
	bool configured;
	bool packets; /* packet_rx, packet_tx may be called */
	plugin_hook *hooks[PLUGIN_EVENTS];
	const char *const *help;
	void (*done)(void);
	nsec slow_told;		      /* when it was last blamed for being slow */
	char rubbish[PLUGINS_REASON]; /* "" = none was returned yet */
	_Atomic(int) packet_rubbish;  /* what packet_rx or packet_tx returned; workers write */
};

/* One that could not be loaded, or was left out. */
struct plugin_failure {
	char name[CONF_PLUGIN_NAME];
	char reason[PLUGINS_REASON];
};

struct plugins {
	struct plugins_env env;
	char dir[PLUGINS_DIR];
	struct core_hooks hooks;
	struct plugin_functions functions;
	unsigned n;
	struct plugin *loaded[PLUGINS_MAX]; /* in the order of loading */
	unsigned depth;			    /* hooks within hooks */
	unsigned n_failures;
	struct plugin_failure failures[PLUGINS_MAX]; /* the newest */
};

/* The one of this process: the functions of plugins have no context. Set by plugins_new(). */
extern struct plugins *plugins_host;

__attribute__((format(printf, 3, 4))) void plugins_log(enum log_level level, plugin_session s,
						       const char *format, ...);
static inline nsec plugins_now(const struct plugins *p)
{
	return p->env.now(p->env.ctx);
}

/* A session's name as plugins know it: never 0, because generations are not. */
static inline plugin_session plugins_handle(struct sess_key key)
{
	return (uint64_t)key.tid << 48 | (uint64_t)key.sid << 32 | key.gen;
}

static inline struct sess_key plugins_key(plugin_session s)
{
	return (struct sess_key){
		.tid = (uint16_t)(s >> 48), .sid = (uint16_t)(s >> 32), .gen = (uint32_t)s};
}

/* plugins.c */
/* Unloads those that returned rubbish; not from within a hook. */
void plugins_sweep(struct plugins *p);

/* plugins_event.c */
void plugins_event_init(struct core_hooks *hooks);
/* It was just loaded, on a master: it gets to know. */
void plugins_event_master(struct plugins *p, struct plugin *plugin);

/* plugins_packet.c */
/* The plugins that see packets are these now; workers use no others when this returns. */
void plugins_packet_update(struct plugins *p);

/* plugins_func.c */
void plugins_func_init(struct plugin_functions *f);

#endif

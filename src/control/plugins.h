/*
 * plugins.h - loads plugins (plugins/l2tpns-plugin.h), calls their hooks in the order in which they
 * were loaded, and checks what they answer: one that cannot be loaded, has another version or
 * returns rubbish is named in the log and left out. One host per process, owned by the control
 * thread; only the hooks for packets run on workers.
 */
#ifndef LNS_PLUGINS_H
#define LNS_PLUGINS_H

#include "control/core.h"
#include "control/core_hooks.h"
#include "dataplane/dp_hook.h"

struct plugins;

struct plugins_env {
	const char *dir; /* where NAME.so is; copied; "" = lib/l2tpns beside the program's folder */
	void *ctx;
	struct core *(*core)(void *ctx);
	const struct conf *(*conf)(void *ctx);
	/* Packets go through these from now on; returns when the ones before are not in use. */
	void (*packet_hooks)(void *ctx, const struct dp_hooks *hooks);
	nsec (*now)(void *ctx);
	/* Any thread. */
	void (*log)(enum log_level level, uint16_t tid, uint16_t sid, const char *text);
};

/* NULL: out of memory. */
struct plugins *plugins_new(const struct plugins_env *env);
/* After plugins_leave(); the core may still have called the hooks until then. */
void plugins_free(struct plugins *p);
/* What the core calls. */
const struct core_hooks *plugins_hooks(const struct plugins *p);

/* Loads what the configuration names and is not loaded, in its order, and unloads what it does not
 * name any more; what was loaded otherwise stays. */
void plugins_conf(struct plugins *p, const struct conf *conf);

enum plugins_result { PLUGINS_DONE, PLUGINS_LOADED_ALREADY, PLUGINS_NOT_LOADED, PLUGINS_FAILED };
/* By hand (nsctl). The log says why not. */
enum plugins_result plugins_load(struct plugins *p, const char *name);
enum plugins_result plugins_unload(struct plugins *p, const char *name);
/* Unloads all: the process ends. */
void plugins_leave(struct plugins *p);

/* Once a second. */
void plugins_timer(struct plugins *p, int64_t wall_clock_s);

enum { PLUGINS_TEXT = 256, PLUGINS_REASON = 128 };

/* A command of nsctl goes through the hooks `control`. */
struct plugins_answer {
	enum {
		PLUGINS_ANSWER_OK,
		PLUGINS_ANSWER_ERROR,
		PLUGINS_ANSWER_FAILED, /* a hook returned ERROR */
		PLUGINS_ANSWER_NOT_MASTER,
		PLUGINS_ANSWER_NOBODY, /* no plugin knows it */
		PLUGINS_ANSWER_BAD,    /* neither an answer nor an error */
	} what;
	char text[PLUGINS_TEXT]; /* "" = none */
};
void plugins_control(struct plugins *p, int argc, const char *const *argv,
		     struct plugins_answer *out);
/* Help lines of all plugins; returns how many, n at most. Valid while no plugin is unloaded. */
unsigned plugins_help(const struct plugins *p, const char **lines, unsigned n);

/* What `show plugins` tells: those of the configuration in its order, then the others. */
struct plugins_view {
	char name[CONF_PLUGIN_NAME];
	bool loaded, configured;
	char reason[PLUGINS_REASON]; /* why it is not loaded; "" = unknown */
};
/* Start with *cursor = 0; false at the end. */
bool plugins_next(const struct plugins *p, unsigned *cursor, struct plugins_view *out);

#endif

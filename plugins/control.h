/*
 * control.h - what the plugins with commands of nsctl have in common: answers and the session that
 * an argument names.
 */
#ifndef L2TPNS_CONTROL_H
#define L2TPNS_CONTROL_H

#include <stdio.h>
#include <string.h>

#include "l2tpns-plugin.h"

static inline int control_ok(struct param_control *p)
{
	p->response = PLUGIN_RES_OK;
	return PLUGIN_RET_STOP;
}

static inline int control_error(struct param_control *p, const char *text)
{
	p->response = PLUGIN_RES_ERR;
	snprintf(p->additional, p->additional_size, "%s", text);
	return PLUGIN_RET_STOP;
}

static inline int control_is(const struct param_control *p, const char *command)
{
	return p->argc > 0 && strcmp(p->argv[0], command) == 0;
}

/* False: there is none, or it has no address yet. */
static inline int control_session(const struct plugin_functions *f, const struct param_control *p,
				  struct plugin_session_info *info)
{
	plugin_session s = f->find_session(p->argv[1]);

	return s && f->get_session(s, info);
}

#endif

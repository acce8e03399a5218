/* stripdomain - the name of a user who logs in ends before its first `@`. */
#include <string.h>

#include "l2tpns-plugin.h"

int plugin_api_version = PLUGIN_API_VERSION;

static const struct plugin_functions *f;

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

int plugin_pre_auth(struct param_pre_auth *p)
{
	char *at = strchr(p->username, '@');

	if (!p->continue_auth)
		return PLUGIN_RET_STOP;
	/* A name that is only a domain stays: nobody logs in without a name. */
	if (!at || at == p->username)
		return PLUGIN_RET_OK;
	f->log(PLUGIN_LOG_INFO, p->s, p->t, "Stripping off trailing domain name \"%s\"", at);
	*at = '\0';
	return PLUGIN_RET_OK;
}

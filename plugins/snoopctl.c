/* snoopctl - commands of nsctl that begin and end the interception of a user. */
#include <stdlib.h>

#include "control.h"

int plugin_api_version = PLUGIN_API_VERSION;

const char *plugin_control_help[] = {
	"  snoop USER|SID IP PORT                      Intercept user traffic",
	"  unsnoop USER|SID                            Stop intercepting user",
	0,
};

static const struct plugin_functions *f;

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

static int port_of(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535 ? (int)port : 0;
}

static int snoop(struct param_control *p, const struct plugin_session_info *info)
{
	struct plugin_addr to;
	int port = port_of(p->argv[3]);

	if (!f->parse_addr(p->argv[2], &to))
		return control_error(p, "invalid ip address");
	if (port == 0)
		return control_error(p, "invalid port");
	if (info->snoop_ip.family == to.family && info->snoop_port == port &&
	    memcmp(info->snoop_ip.b, to.b, sizeof(to.b)) == 0)
		return control_error(p, "already intercepted");
	f->snoop(info->s, &to, (uint16_t)port);
	return control_ok(p);
}

static int unsnoop(struct param_control *p, const struct plugin_session_info *info)
{
	if (info->snoop_ip.family == 0)
		return control_error(p, "not intercepted");
	f->snoop(info->s, NULL, 0);
	return control_ok(p);
}

int plugin_control(struct param_control *p)
{
	struct plugin_session_info info;
	int on = control_is(p, "snoop");

	if (!on && !control_is(p, "unsnoop"))
		return PLUGIN_RET_OK;
	if (!p->iam_master)
		return PLUGIN_RET_NOTMASTER;
	if (on && p->argc != 4)
		return control_error(p, "requires username or session id and host, port");
	if (!on && p->argc != 2)
		return control_error(p, "requires username or session id");
	if (!control_session(f, p, &info))
		return control_error(p, "session not found");
	return on ? snoop(p, &info) : unsnoop(p, &info);
}

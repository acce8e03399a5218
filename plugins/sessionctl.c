/* sessionctl - commands of nsctl that end sessions. */
#include "control.h"

int plugin_api_version = PLUGIN_API_VERSION;

const char *plugin_control_help[] = {
	"  drop USER|SID [REASON]                      Shutdown user session",
	"  kill USER|SID [REASON]                      Kill user session",
	0,
};

static const struct plugin_functions *f;

enum { ADMIN_RESET = 6, CDN_ADMINISTRATIVE = 3 };

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

int plugin_control(struct param_control *p)
{
	struct plugin_session_info info;
	const char *reason = "Requested by administrator.";
	int done;

	if (!control_is(p, "drop") && !control_is(p, "kill"))
		return PLUGIN_RET_OK;
	if (!p->iam_master)
		return PLUGIN_RET_NOTMASTER;
	if (p->argc < 2 || p->argc > 3)
		return control_error(p, "requires username or session id and optional reason");
	if (!control_session(f, p, &info))
		return control_error(p, "session not found");
	if (p->argc > 2 && p->argv[2][0])
		reason = p->argv[2];
	if (control_is(p, "drop"))
		done = f->sessionshutdown(info.s, reason, CDN_ADMINISTRATIVE, 0, ADMIN_RESET);
	else
		done = f->sessionkill(info.s, reason);
	return done ? control_ok(p) : control_error(p, "session not found");
}

/* setrxspeed - a receive speed that the LAC did not tell follows from its transmit speed. */
#include "l2tpns-plugin.h"

int plugin_api_version = PLUGIN_API_VERSION;

static const struct plugin_functions *f;

/* As the LAC tells them; kbit/s. */
static const struct {
	uint64_t tx, rx;
} lines[] = {{256, 64}, {512, 128}, {1500, 256}};

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

int plugin_post_auth(struct param_post_auth *p)
{
	struct plugin_session_info info;

	if (!p->auth_allowed || !f->get_session(p->s, &info) || info.rx_connect_speed != 0)
		return PLUGIN_RET_OK;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (info.tx_connect_speed == lines[i].tx)
			f->set_connect_speed(p->s, lines[i].tx, lines[i].rx);
	return PLUGIN_RET_OK;
}

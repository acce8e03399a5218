/*
 * greeter - an example: notes who comes and goes, answers `nsctl greet NAME`, and counts packets.
 * It needs nothing but the installed header.
 */
#include <l2tpns-plugin.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

int plugin_api_version = PLUGIN_API_VERSION;
int plugin_packet_threadsafe = 1; /* the two counters are atomic */

const char *plugin_control_help[] = {
	"  greet NAME                                  Say hello and how many packets went by",
	NULL,
};

static const struct plugin_functions *f;
static atomic_ullong from_users, to_users;

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	/* Functions that came later than those we use do not matter. */
	return f->size >= offsetof(struct plugin_functions, getconfig);
}

void plugin_done(void)
{
	f->log(PLUGIN_LOG_INFO, 0, 0, "greeter: good bye");
}

int plugin_new_session(struct param_new_session *p)
{
	struct plugin_session_info info;
	char ip[PLUGIN_ADDR_SIZE];

	if (f->get_session(p->s, &info))
		f->log(PLUGIN_LOG_INFO, p->s, p->t, "greeter: welcome %s at %s", info.user,
		       f->fmtaddr(&info.ip, ip, sizeof(ip)));
	return PLUGIN_RET_OK;
}

int plugin_kill_session(struct param_kill_session *p)
{
	f->log(PLUGIN_LOG_INFO, p->s, p->t, "greeter: farewell");
	return PLUGIN_RET_OK;
}

int plugin_packet_rx(struct param_packet_rx *p)
{
	(void)p;
	atomic_fetch_add_explicit(&from_users, 1, memory_order_relaxed);
	return PLUGIN_RET_OK;
}

int plugin_packet_tx(struct param_packet_tx *p)
{
	(void)p;
	atomic_fetch_add_explicit(&to_users, 1, memory_order_relaxed);
	return PLUGIN_RET_OK;
}

int plugin_control(struct param_control *p)
{
	if (p->argc < 1 || strcmp(p->argv[0], "greet") != 0)
		return PLUGIN_RET_OK; /* another plugin's */
	if (p->argc != 2) {
		p->response = PLUGIN_RES_ERR;
		snprintf(p->additional, p->additional_size, "requires a name");
		return PLUGIN_RET_STOP;
	}
	p->response = PLUGIN_RES_OK;
	snprintf(p->additional, p->additional_size,
		 "Hello %s: %llu packets from users, %llu to users", p->argv[1],
		 atomic_load(&from_users), atomic_load(&to_users));
	return PLUGIN_RET_STOP;
}

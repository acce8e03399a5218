/* autosnoop - RADIUS says who is intercepted: Cisco-AVPair intercept=IP:PORT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpns-plugin.h"

int plugin_api_version = PLUGIN_API_VERSION;

static const struct plugin_functions *f;

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

/* "A.B.C.D:PORT" or "[V6]:PORT". */
static int target_of(const char *text, struct plugin_addr *to, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[PLUGIN_ADDR_SIZE], *end;
	size_t n;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return 0;
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	unsigned long number = strtoul(colon + 1, &end, 10);
	if (n >= sizeof(host) || *end != '\0' || number == 0 || number > 65535)
		return 0;
	memcpy(host, text, n);
	host[n] = '\0';
	*port = (uint16_t)number;
	return f->parse_addr(host, to);
}

int plugin_radius_response(struct param_radius_response *p)
{
	struct plugin_addr to;
	uint16_t port;

	/* "yes" and "no" are about the collector of the configuration, which RADIUS itself knows.
	 */
	if (strcmp(p->key, "intercept") != 0 || strcmp(p->value, "yes") == 0 ||
	    strcmp(p->value, "no") == 0)
		return PLUGIN_RET_OK;
	/* Said of nobody by name: the log is not only for those who may know. */
	if (target_of(p->value, &to, &port)) {
		f->log(PLUGIN_LOG_INFO, 0, 0, "         Intercepting user");
		f->snoop(p->s, &to, port);
	} else {
		f->log(PLUGIN_LOG_INFO, 0, 0,
		       "         Not Intercepting user (reply string should be intercept=ip:port)");
		f->snoop(p->s, NULL, 0);
	}
	return PLUGIN_RET_OK;
}

int plugin_radius_reset(struct param_radius_reset *p)
{
	f->snoop(p->s, NULL, 0);
	return PLUGIN_RET_OK;
}

int plugin_radius_account(struct param_radius_account *p)
{
	struct plugin_session_info info;
	char ip[PLUGIN_ADDR_SIZE], text[PLUGIN_ADDR_SIZE + 32];

	if (!f->get_session(p->s, &info) || info.snoop_ip.family == 0)
		return PLUGIN_RET_OK;
	f->fmtaddr(&info.snoop_ip, ip, sizeof(ip));
	snprintf(text, sizeof(text),
		 info.snoop_ip.family == 6 ? "intercept=[%s]:%u" : "intercept=%s:%u", ip,
		 info.snoop_port);
	f->put_avpair(p, text);
	return PLUGIN_RET_OK;
}

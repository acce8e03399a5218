/*
 * plugins-hostile.c - plugins that do what a plugin must not, one for each value of EVIL. Built by
 * the test against the installed header only.
 */
#include <l2tpns-plugin.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	OLD = 1,
	UNNAMED,
	REFUSES,
	BLOCKS,
	RUBBISH,
	OVERFLOWS,
	UNSAFE,
	LIES,
	NAMELESS,
	ENDLESS,
	DROPS
};

#if EVIL != 2
int plugin_api_version = EVIL == OLD ? 7 : PLUGIN_API_VERSION;
#endif

static const struct plugin_functions *f;

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return EVIL != REFUSES;
}

#if EVIL == 4
int plugin_control(struct param_control *p)
{
	const struct timespec second = {.tv_sec = 1};

	if (p->argc < 1 || strcmp(p->argv[0], "block") != 0)
		return PLUGIN_RET_OK;
	nanosleep(&second, NULL);
	p->response = PLUGIN_RES_OK;
	return PLUGIN_RET_STOP;
}
#endif

#if EVIL == 5
int plugin_timer(struct param_timer *p)
{
	(void)p;
	return 77;
}
#endif

#if EVIL == 6 || EVIL == 9
int plugin_pre_auth(struct param_pre_auth *p)
{
	if (EVIL == OVERFLOWS)
		memset(p->username, 'x', p->username_size + 4);
	else
		p->username[0] = '\0';
	return PLUGIN_RET_OK;
}
#endif

#if EVIL == 7 || EVIL == 11
#if EVIL == 11
int plugin_packet_threadsafe = 1;
#endif
int plugin_packet_rx(struct param_packet_rx *p)
{
	/* Echo requests of 90 bytes and more go nowhere. */
	p->drop = p->len > 90 && p->buf[0] >> 4 == 4 && p->buf[9] == 1;
	return PLUGIN_RET_OK;
}
#endif

#if EVIL == 8
int plugin_radius_account(struct param_radius_account *p)
{
	memset(p->packet, 0xFF, 64);
	p->used = 64;
	return PLUGIN_RET_OK;
}
#endif

#if EVIL == 10
int plugin_control(struct param_control *p)
{
	if (p->argc < 1 || strcmp(p->argv[0], "endless") != 0)
		return PLUGIN_RET_OK;
	memset(p->additional, 'x', p->additional_size);
	p->response = 0x99;
	return PLUGIN_RET_STOP;
}
#endif

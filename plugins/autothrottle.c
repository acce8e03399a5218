/*
 * autothrottle - RADIUS says who is throttled, in kbit/s: Cisco-AVPair throttle=yes|no|RATE, or
 * lcp:interface-config[#N]=service-policy input|output RATE, words of which may be abbreviated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpns-plugin.h"

int plugin_api_version = PLUGIN_API_VERSION;

static const struct plugin_functions *f;

static const char interface_config[] = "lcp:interface-config";
static const char service_policy[] = "service-policy";

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

/* -1: not a rate. */
static int64_t rate_of(const char *text)
{
	char *end;
	unsigned long long rate = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || rate > UINT32_MAX)
		return -1;
	return (int64_t)rate;
}

/* Takes the next word of *text; its length. */
static size_t next_word(const char **text, const char **word)
{
	*word = *text + strspn(*text, " \t");
	size_t n = strcspn(*word, " \t");
	*text = *word + n;
	return n;
}

static int is_abbreviation(const char *word, size_t n, const char *of, size_t least)
{
	return n >= least && n <= strlen(of) && strncmp(word, of, n) == 0;
}

/* What is not a service-policy is another's business. */
static void interface_command(const struct param_radius_response *p)
{
	const char *rest = p->value, *word;
	size_t n = next_word(&rest, &word);

	if (!is_abbreviation(word, n, service_policy, 4))
		return;
	n = next_word(&rest, &word);
	int in = is_abbreviation(word, n, "input", 1), out = is_abbreviation(word, n, "output", 1);
	if (!in && !out) {
		f->log(PLUGIN_LOG_INFO, p->s, p->t,
		       "         Not throttling user (invalid type %.*s)", (int)n, word);
		return;
	}
	rest += strspn(rest, " \t");
	int64_t rate = rate_of(rest);
	if (rate < 0) {
		f->log(PLUGIN_LOG_INFO, p->s, p->t,
		       "         Not throttling user (invalid rate %s)", rest);
		return;
	}
	f->log(PLUGIN_LOG_INFO, p->s, p->t, "         Throttling user %s to %lldkb/s",
	       in ? "input" : "output", (long long)rate);
	f->throttle(p->s, in ? rate : -1, in ? -1 : rate);
}

static void throttle(const struct param_radius_response *p)
{
	int64_t rate;

	if (strcmp(p->value, "yes") == 0)
		rate = (int64_t)f->getconfig_number("throttle_speed", 0);
	else if (strcmp(p->value, "no") == 0)
		rate = 0;
	else
		rate = rate_of(p->value);
	if (rate > 0)
		f->log(PLUGIN_LOG_INFO, p->s, p->t, "         Throttling user to %lldkb/s",
		       (long long)rate);
	else
		f->log(PLUGIN_LOG_INFO, p->s, p->t, "         Not throttling user");
	if (rate >= 0)
		f->throttle(p->s, rate, rate);
}

int plugin_radius_response(struct param_radius_response *p)
{
	if (strncmp(p->key, interface_config, sizeof(interface_config) - 1) == 0)
		interface_command(p);
	else if (strcmp(p->key, "throttle") == 0)
		throttle(p);
	return PLUGIN_RET_OK;
}

int plugin_radius_reset(struct param_radius_reset *p)
{
	f->throttle(p->s, 0, 0);
	return PLUGIN_RET_OK;
}

int plugin_radius_account(struct param_radius_account *p)
{
	struct plugin_session_info info;
	char text[96];
	unsigned number = 1;

	if (!f->get_session(p->s, &info))
		return PLUGIN_RET_OK;
	if (info.throttle_in) {
		snprintf(text, sizeof(text), "%s#%u=%s input %llu", interface_config, number++,
			 service_policy, (unsigned long long)info.throttle_in);
		f->put_avpair(p, text);
	}
	if (info.throttle_out) {
		snprintf(text, sizeof(text), "%s#%u=%s output %llu", interface_config, number,
			 service_policy, (unsigned long long)info.throttle_out);
		f->put_avpair(p, text);
	}
	return PLUGIN_RET_OK;
}

/* throttlectl - commands of nsctl that throttle a user. Rates are in kbit/s. */
#include <stdlib.h>

#include "control.h"

int plugin_api_version = PLUGIN_API_VERSION;

const char *plugin_control_help[] = {
	"  throttle USER|SID [RATE|[in|out] RATE ...]  Throttle user traffic",
	"  unthrottle USER|SID                         Stop throttling user",
	0,
};

static const struct plugin_functions *f;

struct rates {
	int64_t in, out; /* -1: as it is */
};

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

/* 0: not a rate. */
static int64_t rate_of(const char *text)
{
	char *end;
	unsigned long long rate = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || rate > UINT32_MAX)
		return 0;
	return (int64_t)rate;
}

/* "in" and "out" may be abbreviated. */
static int is_abbreviation(const char *word, const char *of)
{
	return word[0] && strncmp(word, of, strlen(word)) == 0;
}

/* NULL: they are good. */
static const char *rates_of(const struct param_control *p, struct rates *r)
{
	*r = (struct rates){-1, -1};
	if (p->argc == 2) {
		r->in = r->out = (int64_t)f->getconfig_number("throttle_speed", 0);
		return r->in > 0 ? NULL : "invalid rate";
	}
	if (p->argc == 3) {
		r->in = r->out = rate_of(p->argv[2]);
		return r->in > 0 ? NULL : "invalid rate";
	}
	for (int i = 2; i < p->argc; i += 2) {
		int64_t rate = rate_of(p->argv[i + 1]);
		if (is_abbreviation(p->argv[i], "in"))
			r->in = rate;
		else if (is_abbreviation(p->argv[i], "out"))
			r->out = rate;
		else
			return "requires username or session id and optional rate(s)";
		if (rate <= 0)
			return "invalid rate";
	}
	return NULL;
}

static int throttle(struct param_control *p, const struct plugin_session_info *info)
{
	struct rates r;
	const char *fault = rates_of(p, &r);

	if (fault)
		return control_error(p, fault);
	if (r.in == (int64_t)info->throttle_in && r.out == (int64_t)info->throttle_out)
		return control_error(p, "already throttled");
	f->throttle(info->s, r.in, r.out);
	return control_ok(p);
}

static int unthrottle(struct param_control *p, const struct plugin_session_info *info)
{
	if (info->throttle_in == 0 && info->throttle_out == 0)
		return control_error(p, "not throttled");
	f->throttle(info->s, 0, 0);
	return control_ok(p);
}

int plugin_control(struct param_control *p)
{
	struct plugin_session_info info;
	int on = control_is(p, "throttle");

	if (!on && !control_is(p, "unthrottle"))
		return PLUGIN_RET_OK;
	if (!p->iam_master)
		return PLUGIN_RET_NOTMASTER;
	if (on && (p->argc < 2 || p->argc > 6 || p->argc == 5))
		return control_error(p, "requires username or session id and optional rate(s)");
	if (!on && p->argc != 2)
		return control_error(p, "requires username or session id");
	if (!control_session(f, p, &info))
		return control_error(p, "session not found");
	return on ? throttle(p, &info) : unthrottle(p, &info);
}

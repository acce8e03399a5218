#include "control/cli_filter.h"

#include <stdio.h>
#include <strings.h>

#include "control/lexer.h"

static bool take_state(struct session_filter *f, const char *word)
{
	static const char *const names[] = {
		[SESSION_OPENING] = "opening", [SESSION_UP] = "up", [SESSION_DYING] = "dying"};

	for (unsigned i = SESSION_OPENING; i <= SESSION_DYING; i++)
		if (lex_is_prefix(word, names[i])) {
			f->state = (enum session_state)i;
			return true;
		}
	return false;
}

static bool take_tunnel(struct session_filter *f, const char *word)
{
	uint64_t tid;
	if (!lex_number(word, &tid) || tid < 1 || tid > UINT16_MAX)
		return false;
	f->tid = (uint16_t)tid;
	return true;
}

/* One pair; NULL or what is wrong with the value. */
static const char *take_pair(struct session_filter *f, const char *key, const char *value)
{
	if (lex_is_prefix(key, "user")) {
		f->user = value;
		return NULL;
	}
	if (lex_is_prefix(key, "calling")) {
		f->calling = value;
		return NULL;
	}
	if (lex_is_prefix(key, "ip"))
		return ip_addr_parse(span_str(value), &f->ip) ? NULL : "not an IP address";
	if (lex_is_prefix(key, "tunnel"))
		return take_tunnel(f, value) ? NULL : "not a tunnel id";
	if (lex_is_prefix(key, "state"))
		return take_state(f, value) ? NULL : "not opening, up or dying";
	return "not user, ip, tunnel, calling or state";
}

bool session_filter_parse(struct session_filter *f, char *const *words, int n,
			  char reason[static 96])
{
	*f = (struct session_filter){0};
	for (int i = 0; i < n; i += 2) {
		if (i + 1 == n && lex_is_prefix(words[i], "detail")) {
			f->detail = true;
			return true;
		}
		if (i + 1 == n) {
			snprintf(reason, 96, "\"%.40s\": a value is missing", words[i]);
			return false;
		}
		const char *why = take_pair(f, words[i], words[i + 1]);
		if (why) {
			snprintf(reason, 96, "\"%.20s %.20s\": %s", words[i], words[i + 1], why);
			return false;
		}
	}
	return true;
}

static enum session_state state_of(const struct session_view *v)
{
	if (v->dying)
		return SESSION_DYING;
	return v->up ? SESSION_UP : SESSION_OPENING;
}

bool session_filter_match(const struct session_filter *f, const struct session_view *v)
{
	if (f->tid && f->tid != v->key.tid)
		return false;
	if (f->state != SESSION_ANY && f->state != state_of(v))
		return false;
	if (ip_addr_is_set(&f->ip) && !ip_addr_equal(&f->ip, &v->ip))
		return false;
	if (f->user && (strlen(f->user) != v->user_len ||
			strncasecmp(f->user, (const char *)v->user, v->user_len) != 0))
		return false;
	return !f->calling || (strlen(f->calling) <= v->calling.n &&
			       memcmp(f->calling, v->calling.s, strlen(f->calling)) == 0);
}

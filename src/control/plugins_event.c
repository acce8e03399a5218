/* Hooks on the control thread: facts are copied out, answers are checked before they count. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/plugins_priv.h"
#include "radius/rad_packet.h"

enum {
	CANARY = 8, /* bytes behind what a plugin may write */
	CANARY_BYTE = 0xA5,
	SLOW_MS = 100,
	SLOW_EVERY_S = 10,
	PAIR_TEXT = 256,
};

/* ---- faults ---------------------------------------------------------------------------------- */

static const char *const event_names[] = {
#define PLUGIN_EVENT(name) #name,
#include "control/plugins.def"
#undef PLUGIN_EVENT
};

static void blame(struct plugin *plugin, enum plugin_event event, const char *what)
{
	if (!plugin->rubbish[0])
		snprintf(plugin->rubbish, sizeof(plugin->rubbish), "%s: %s", event_names[event],
			 what);
}

static void canary_set(void *at)
{
	memset(at, CANARY_BYTE, CANARY);
}

static bool canary_lives(const void *at)
{
	static const uint8_t good[CANARY] = {CANARY_BYTE, CANARY_BYTE, CANARY_BYTE, CANARY_BYTE,
					     CANARY_BYTE, CANARY_BYTE, CANARY_BYTE, CANARY_BYTE};
	return memcmp(at, good, CANARY) == 0;
}

static void watch_time(struct plugins *p, struct plugin *plugin, enum plugin_event event,
		       nsec began)
{
	nsec now = plugins_now(p);
	int64_t ms = nsec_sub(now, began) / NSEC_MS(1);

	if (ms < SLOW_MS ||
	    (plugin->slow_told.ns && nsec_sub(now, plugin->slow_told) < NSEC_S(SLOW_EVERY_S)))
		return;
	plugin->slow_told = now;
	plugins_log(LOG_WARN, 0,
		    "plugin %s: %s took %" PRId64 " ms: logins and commands waited for it",
		    plugin->name, event_names[event], ms);
}

/* ---- one hook -------------------------------------------------------------------------------- */

static int call(struct plugins *p, struct plugin *plugin, enum plugin_event event, void *param)
{
	nsec began = plugins_now(p);

	p->depth++;
	int result = plugin->hooks[event](param);
	p->depth--;
	watch_time(p, plugin, event, began);
	if (result < PLUGIN_RET_ERROR || result > PLUGIN_RET_NOTMASTER ||
	    (result == PLUGIN_RET_NOTMASTER && event != PLUGIN_ON_control)) {
		char what[48];
		snprintf(what, sizeof(what), "returned %d", result);
		blame(plugin, event, what);
		result = PLUGIN_RET_OK;
	}
	return result;
}

/* Those that have the hook and did not return rubbish. The list does not change while hooks run. */
static struct plugin *next(struct plugins *p, enum plugin_event event, unsigned *i)
{
	while (*i < p->n) {
		struct plugin *plugin = p->loaded[(*i)++];
		if (plugin->hooks[event] && !plugin->rubbish[0])
			return plugin;
	}
	return NULL;
}

/* Of events whose structure is only read. */
static void tell_all(struct plugins *p, enum plugin_event event, void *param)
{
	struct plugin *plugin;

	for (unsigned i = 0; (plugin = next(p, event, &i));)
		if (call(p, plugin, event, param) != PLUGIN_RET_OK)
			break;
	plugins_sweep(p);
}

/* ---- logins ---------------------------------------------------------------------------------- */

struct login {
	char user[LNS_USER_MAX + 1], user_guard[CANARY];
	char password[LNS_PASSWORD_MAX + 1], password_guard[CANARY];
};

static void login_fill(struct login *l, const struct msg_auth_req *m)
{
	bool chap = m->proto == AUTH_CHAP;

	*l = (struct login){0};
	memcpy(l->user, m->user, m->user_len);
	if (chap)
		memcpy(l->password, m->response, LNS_CHAP_RESPONSE);
	else
		memcpy(l->password, m->password, m->password_len);
	canary_set(l->user_guard);
	canary_set(l->password_guard);
}

/* NULL: what it left behind is well-formed. */
static const char *login_fault(const struct login *l, const struct param_pre_auth *param)
{
	size_t n = strnlen(l->user, sizeof(l->user));

	if (!canary_lives(l->user_guard) || !canary_lives(l->password_guard))
		return "wrote beyond its buffer";
	if (param->username != l->user || param->password != l->password)
		return "replaced a buffer";
	if (n == 0 || n == sizeof(l->user))
		return "left no user name";
	if (param->password_len > LNS_PASSWORD_MAX ||
	    (param->protocol == PLUGIN_CHAP && param->password_len != LNS_CHAP_RESPONSE))
		return "left a password of an impossible length";
	return NULL;
}

/* A name that was not touched may hold any byte, NUL included. */
static void login_take(struct msg_auth_req *m, const struct login *l, size_t password_len)
{
	if (memcmp(l->user, m->user, m->user_len) != 0 || l->user[m->user_len] != '\0') {
		m->user_len = (uint8_t)strlen(l->user);
		memcpy(m->user, l->user, m->user_len);
	}
	if (m->proto == AUTH_CHAP) {
		memcpy(m->response, l->password, LNS_CHAP_RESPONSE);
		return;
	}
	m->password_len = (uint8_t)password_len;
	memcpy(m->password, l->password, password_len);
}

static struct param_pre_auth pre_auth_param(struct login *l, const struct msg_auth_req *m)
{
	return (struct param_pre_auth){
		.t = m->key.tid,
		.s = plugins_handle(m->key),
		.username = l->user,
		.username_size = sizeof(l->user),
		.password = l->password,
		.password_size = sizeof(l->password),
		.password_len = m->proto == AUTH_CHAP ? LNS_CHAP_RESPONSE : m->password_len,
		.protocol = m->proto,
		.continue_auth = 1,
	};
}

static bool on_pre_auth(void *ctx, struct msg_auth_req *m)
{
	struct plugins *p = ctx;
	struct plugin *plugin;
	struct login l;
	bool goes_on = true;
	int result = PLUGIN_RET_OK;

	for (unsigned i = 0;
	     result == PLUGIN_RET_OK && (plugin = next(p, PLUGIN_ON_pre_auth, &i));) {
		login_fill(&l, m);
		struct param_pre_auth param = pre_auth_param(&l, m);
		param.continue_auth = goes_on;
		result = call(p, plugin, PLUGIN_ON_pre_auth, &param);
		const char *fault = login_fault(&l, &param);
		if (fault)
			blame(plugin, PLUGIN_ON_pre_auth, fault);
		if (plugin->rubbish[0])
			continue;
		login_take(m, &l, param.password_len);
		goes_on = param.continue_auth != 0;
	}
	mem_wipe(&l, sizeof(l));
	plugins_sweep(p);
	return goes_on;
}

static const char *text_of(char *out, size_t size, struct span s)
{
	size_t n = s.n < size - 1 ? s.n : size - 1;

	span_bytes(&s, out, n);
	out[n] = '\0';
	return out;
}

static bool on_post_auth(void *ctx, struct sess_key key, struct span user, uint16_t proto,
			 bool allowed)
{
	struct plugins *p = ctx;
	struct plugin *plugin;
	char name[LNS_USER_MAX + 1];
	int result = PLUGIN_RET_OK;

	text_of(name, sizeof(name), user);
	for (unsigned i = 0;
	     result == PLUGIN_RET_OK && (plugin = next(p, PLUGIN_ON_post_auth, &i));) {
		struct param_post_auth param = {.t = key.tid,
						.s = plugins_handle(key),
						.username = name,
						.auth_allowed = allowed,
						.protocol = proto};
		result = call(p, plugin, PLUGIN_ON_post_auth, &param);
		if (!plugin->rubbish[0])
			allowed = param.auth_allowed != 0;
	}
	plugins_sweep(p);
	return allowed;
}

/* ---- RADIUS ---------------------------------------------------------------------------------- */

static void on_radius_reset(void *ctx, struct sess_key key)
{
	struct param_radius_reset param = {.t = key.tid, .s = plugins_handle(key)};
	tell_all(ctx, PLUGIN_ON_radius_reset, &param);
}

static void on_radius_response(void *ctx, struct sess_key key, struct span name, struct span value)
{
	char name_text[PAIR_TEXT], value_text[PAIR_TEXT];
	struct param_radius_response param = {
		.t = key.tid,
		.s = plugins_handle(key),
		.key = text_of(name_text, sizeof(name_text), name),
		.value = text_of(value_text, sizeof(value_text), value),
	};
	tell_all(ctx, PLUGIN_ON_radius_response, &param);
}

enum {
	ACCOUNT_ROOM = 1024,
	ACCOUNT_REST = 1024, /* stays for what the core adds behind */
};

/* Whole attributes, each with a type and a length that fits (RFC 2865 section 5). */
static bool are_attributes(struct span in)
{
	while (in.n > 0) {
		uint8_t type = span_u8(&in), len = span_u8(&in);
		if (in.bad || type == 0 || len < 3)
			return false;
		span_take(&in, len - 2u);
	}
	return !in.bad;
}

static void account_one(struct plugins *p, struct plugin *plugin, struct sess_key key,
			struct wbuf *attrs, int *result)
{
	uint8_t room[ACCOUNT_ROOM + CANARY];
	size_t left = attrs->cap - attrs->n;

	left = left > ACCOUNT_REST ? left - ACCOUNT_REST : 0;
	struct param_radius_account param = {
		.t = key.tid,
		.s = plugins_handle(key),
		.packet = room,
		.size = left < ACCOUNT_ROOM ? left : (size_t)ACCOUNT_ROOM,
	};
	size_t size = param.size;

	canary_set(room + size);
	*result = call(p, plugin, PLUGIN_ON_radius_account, &param);
	if (!canary_lives(room + size) || param.packet != room || param.used > size)
		blame(plugin, PLUGIN_ON_radius_account, "wrote beyond its buffer");
	else if (!are_attributes(span_of(room, param.used)))
		blame(plugin, PLUGIN_ON_radius_account, "wrote what are no attributes");
	else if (!plugin->rubbish[0])
		wbuf_bytes(attrs, room, param.used);
}

static void on_radius_account(void *ctx, struct sess_key key, struct wbuf *attrs)
{
	struct plugins *p = ctx;
	struct plugin *plugin;
	int result = PLUGIN_RET_OK;

	for (unsigned i = 0;
	     result == PLUGIN_RET_OK && (plugin = next(p, PLUGIN_ON_radius_account, &i));)
		account_one(p, plugin, key, attrs, &result);
	plugins_sweep(p);
}

/* ---- life of a session ----------------------------------------------------------------------- */

static void on_new_session(void *ctx, struct sess_key key)
{
	struct param_new_session param = {.t = key.tid, .s = plugins_handle(key)};
	tell_all(ctx, PLUGIN_ON_new_session, &param);
}

static void on_kill_session(void *ctx, struct sess_key key)
{
	struct param_kill_session param = {.t = key.tid, .s = plugins_handle(key)};
	tell_all(ctx, PLUGIN_ON_kill_session, &param);
}

void plugins_event_master(struct plugins *p, struct plugin *plugin)
{
	struct param_become_master master = {0};
	struct session_view v;
	uint64_t cursor = 0;

	if (plugin->hooks[PLUGIN_ON_become_master])
		call(p, plugin, PLUGIN_ON_become_master, &master);
	if (!plugin->hooks[PLUGIN_ON_new_session_master] || !p->env.core(p->env.ctx))
		return;
	while (!plugin->rubbish[0] &&
	       core_session_next(p->env.core(p->env.ctx), &cursor, plugins_now(p), &v)) {
		struct param_new_session_master param = {.t = v.key.tid,
							 .s = plugins_handle(v.key)};
		if (v.authenticated && !v.dying)
			call(p, plugin, PLUGIN_ON_new_session_master, &param);
	}
}

/* ---- time and commands ----------------------------------------------------------------------- */

static void blame_packets(struct plugins *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		int returned =
			atomic_load_explicit(&p->loaded[i]->packet_rubbish, memory_order_relaxed);
		if (returned && !p->loaded[i]->rubbish[0])
			snprintf(p->loaded[i]->rubbish, sizeof(p->loaded[i]->rubbish),
				 "a packet hook returned rubbish (%d)", returned);
	}
}

void plugins_timer(struct plugins *p, int64_t wall_clock_s)
{
	struct param_timer param = {.time_now = wall_clock_s};

	blame_packets(p);
	tell_all(p, PLUGIN_ON_timer, &param);
}

static void answer_of(const struct param_control *param, int result, struct plugins_answer *out)
{
	if (result == PLUGIN_RET_ERROR)
		out->what = PLUGINS_ANSWER_FAILED;
	else if (result == PLUGIN_RET_NOTMASTER)
		out->what = PLUGINS_ANSWER_NOT_MASTER;
	else if (param->response == PLUGIN_RES_OK)
		out->what = PLUGINS_ANSWER_OK;
	else if (param->response == PLUGIN_RES_ERR)
		out->what = PLUGINS_ANSWER_ERROR;
	else
		out->what = param->response ? PLUGINS_ANSWER_BAD : PLUGINS_ANSWER_NOBODY;
}

void plugins_control(struct plugins *p, int argc, const char *const *argv,
		     struct plugins_answer *out)
{
	char text[PLUGIN_REPLY_SIZE + CANARY] = "";
	struct param_control param = {.iam_master = 1,
				      .argc = argc,
				      .argv = argv,
				      .additional = text,
				      .additional_size = PLUGIN_REPLY_SIZE};
	int result = PLUGIN_RET_OK;
	struct plugin *plugin;

	*out = (struct plugins_answer){0};
	canary_set(text + PLUGIN_REPLY_SIZE);
	for (unsigned i = 0;
	     result == PLUGIN_RET_OK && (plugin = next(p, PLUGIN_ON_control, &i));) {
		result = call(p, plugin, PLUGIN_ON_control, &param);
		if (!canary_lives(text + PLUGIN_REPLY_SIZE) || param.additional != text)
			blame(plugin, PLUGIN_ON_control, "wrote beyond its buffer");
		else if (!memchr(text, '\0', PLUGIN_REPLY_SIZE))
			blame(plugin, PLUGIN_ON_control, "its answer has no end");
		if (plugin->rubbish[0])
			text[0] = '\0';
	}
	answer_of(&param, result, out);
	snprintf(out->text, sizeof(out->text), "%.255s", text);
	plugins_sweep(p);
}

/* ---- what the core calls --------------------------------------------------------------------- */

void plugins_event_init(struct core_hooks *hooks)
{
	*hooks = (struct core_hooks){
		.pre_auth = on_pre_auth,
		.post_auth = on_post_auth,
		.radius_reset = on_radius_reset,
		.radius_response = on_radius_response,
		.radius_account = on_radius_account,
		.new_session = on_new_session,
		.kill_session = on_kill_session,
	};
}

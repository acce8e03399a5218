/* What plugins may ask. Their functions have no context: there is one host per process. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/lexer.h"
#include "control/plugins_priv.h"
#include "radius/rad_packet.h"

_Static_assert((int)PLUGIN_USER_SIZE == LNS_USER_MAX + 1, "a user name fits");
_Static_assert((int)PLUGIN_NUMBER_SIZE == LNS_NUMBER_MAX + 1, "a number fits");
_Static_assert((int)PLUGIN_FILTER_SIZE == (int)LNS_FILTER_NAME_MAX, "the name of a list fits");
_Static_assert((int)PLUGIN_ADDR_SIZE == (int)IP_ADDR_TEXT, "an address fits");
_Static_assert((int)PLUGIN_REPLY_SIZE == (int)PLUGINS_TEXT, "an answer fits");

static struct core *core(void)
{
	return plugins_host->env.core(plugins_host->env.ctx);
}

static nsec now(void)
{
	return plugins_now(plugins_host);
}

static bool view_of(plugin_session s, struct session_view *v)
{
	return core() && core_session_of_key(core(), plugins_key(s), now(), v);
}

/* ---- log and addresses ----------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void func_log(int level, plugin_session s, uint16_t t,
							   const char *format, ...)
{
	struct sess_key key = plugins_key(s);
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (level < LOG_CRITICAL || level > LOG_DATA)
		level = LOG_DATA;
	plugins_host->env.log((enum log_level)level, s ? key.tid : t, key.sid, text);
}

enum { HEX_ROW = 16, HEX_MAX = 1024 };

static void func_log_hex(int level, const char *title, const void *data, size_t len)
{
	char row[HEX_ROW * 3 + 1];
	struct span in = span_of(data, len < HEX_MAX ? len : (size_t)HEX_MAX);

	func_log(level, 0, 0, "%s (%zu bytes):", title, len);
	while (in.n > 0) {
		size_t used = 0;
		for (unsigned i = 0; i < HEX_ROW && in.n > 0; i++, used += 3)
			snprintf(row + used, sizeof(row) - used, "%02X ", span_u8(&in));
		func_log(level, 0, 0, "  %s", row);
	}
}

static struct ip_addr addr_in(const struct plugin_addr *a)
{
	struct ip_addr out = {.family = a->family};

	if (a->family == 4)
		memcpy(out.b, a->b, 4);
	else if (a->family == 6)
		memcpy(out.b, a->b, 16);
	else
		out.family = 0;
	return out;
}

static struct plugin_addr addr_out(const struct ip_addr *a)
{
	struct plugin_addr out = {.family = a->family};

	memcpy(out.b, a->b, sizeof(out.b));
	return out;
}

static const char *func_fmtaddr(const struct plugin_addr *a, char *buf, size_t size)
{
	char text[IP_ADDR_TEXT];
	struct ip_addr ip = addr_in(a);

	snprintf(buf, size, "%s", ip_addr_text(&ip, text));
	return buf;
}

static int func_parse_addr(const char *text, struct plugin_addr *out)
{
	struct ip_addr ip;

	if (!ip_addr_parse(span_str(text), &ip))
		return 0;
	*out = addr_out(&ip);
	return 1;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static bool is_usable(const struct session_view *v)
{
	return v->authenticated && !v->dying && ip_addr_is_set(&v->ip);
}

static plugin_session func_by_username(const char *name)
{
	struct span wanted = span_str(name);
	struct session_view v;
	uint64_t cursor = 0;

	while (core() && core_session_by_user(core(), wanted, &cursor, now(), &v))
		if (is_usable(&v) && !v.policy.garden &&
		    span_equal(span_of(v.user, v.user_len), wanted))
			return plugins_handle(v.key);
	return 0;
}

static plugin_session by_id_anywhere(uint16_t id)
{
	struct tunnel_view t;
	struct session_view v;
	plugin_session found = 0;
	uint32_t cursor = 0;

	while (core_tunnel_next(core(), &cursor, now(), &t)) {
		if (!core_session_find(core(), t.tid, id, now(), &v) || !is_usable(&v))
			continue;
		if (found)
			return 0; /* whose is meant nobody knows */
		found = plugins_handle(v.key);
	}
	return found;
}

static plugin_session func_by_id(unsigned t, unsigned id)
{
	struct session_view v;

	if (!core() || id == 0 || id > UINT16_MAX || t > UINT16_MAX)
		return 0;
	if (t == 0)
		return by_id_anywhere((uint16_t)id);
	if (!core_session_find(core(), (uint16_t)t, (uint16_t)id, now(), &v) || !is_usable(&v))
		return 0;
	return plugins_handle(v.key);
}

static bool two_numbers(const char *text, uint64_t *t, uint64_t *id)
{
	const char *slash = strchr(text, '/');
	char first[8];

	*t = 0;
	if (!slash)
		return lex_number(text, id);
	if (slash == text || (size_t)(slash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	return lex_number(first, t) && *t != 0 && lex_number(slash + 1, id);
}

static plugin_session func_find(const char *text)
{
	uint64_t t, id;

	if (two_numbers(text, &t, &id))
		return t <= UINT16_MAX && id <= UINT16_MAX ? func_by_id((unsigned)t, (unsigned)id)
							   : 0;
	return func_by_username(text);
}

static plugin_session func_next(uint64_t *cursor)
{
	struct session_view v;

	if (!core() || !core_session_next(core(), cursor, now(), &v))
		return 0;
	return plugins_handle(v.key);
}

static void number_out(char out[static PLUGIN_NUMBER_SIZE], const struct msg_text *t)
{
	size_t n = t->n < LNS_NUMBER_MAX ? t->n : (size_t)LNS_NUMBER_MAX;

	memcpy(out, t->s, n);
	out[n] = '\0';
}

static void facts_out(const struct session_view *v, struct plugin_session_info *out)
{
	*out = (struct plugin_session_info){
		.s = plugins_handle(v->key),
		.t = v->key.tid,
		.id = v->key.sid,
		.authenticated = v->authenticated,
		.up = v->up,
		.dying = v->dying,
		.walled_garden = v->policy.garden,
		.ip_from_pool = v->ip_from_pool,
		.ip = addr_out(&v->ip),
		.throttle_in = v->policy.rate_up / 1000,
		.throttle_out = v->policy.rate_down / 1000,
		.snoop_ip = addr_out(&v->policy.intercept.ip),
		.snoop_port = v->policy.intercept.port,
		.tx_connect_speed = v->tx_speed,
		.rx_connect_speed = v->rx_speed,
		.opened_s = v->opened_s,
		.idle_s = v->idle_s,
		.pin = v->counters.up_packets,
		.cin = v->counters.up_bytes,
		.pout = v->counters.down_packets,
		.cout = v->counters.down_bytes,
	};
	memcpy(out->user, v->user, sizeof(out->user));
	memcpy(out->filter_in, v->policy.filter_in, sizeof(out->filter_in));
	memcpy(out->filter_out, v->policy.filter_out, sizeof(out->filter_out));
	number_out(out->calling, &v->calling);
	number_out(out->called, &v->called);
}

static int func_get_session(plugin_session s, struct plugin_session_info *out)
{
	struct session_view v;

	if (!view_of(s, &v))
		return 0;
	facts_out(&v, out);
	return 1;
}

static unsigned func_get_routes(plugin_session s, struct plugin_prefix *out, unsigned n)
{
	struct session_view v;

	if (!view_of(s, &v))
		return 0;
	for (unsigned i = 0; i < v.n_routes && i < n; i++)
		out[i] = (struct plugin_prefix){.addr = addr_out(&v.routes[i].addr),
						.len = v.routes[i].len};
	return v.n_routes;
}

/* ---- configuration --------------------------------------------------------------------------- */

static int func_getconfig(const char *name, char *out, size_t size)
{
	const struct conf_var *var = conf_var_find(name);
	const struct conf *conf = plugins_host->env.conf(plugins_host->env.ctx);
	char value[CONF_VALUE_TEXT];

	if (!var || var->type == CONF_SECRET)
		return 0;
	conf_get(conf, var, value);
	return (size_t)snprintf(out, size, "%s", value) < size;
}

static uint64_t func_getconfig_number(const char *name, uint64_t otherwise)
{
	char text[CONF_VALUE_TEXT];
	uint64_t number;

	if (!func_getconfig(name, text, sizeof(text)) || !lex_number(text, &number))
		return otherwise;
	return number;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static int func_shutdown(plugin_session s, const char *reason, int result, int error, int cause)
{
	struct end_reason why = {.cdn_result = (uint16_t)result,
				 .cdn_error = (uint16_t)error,
				 .cause = (uint8_t)cause};

	snprintf(why.text, sizeof(why.text), "%s", reason);
	for (char *c = why.text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = '?';
	return core() && core_drop_session(core(), plugins_key(s), &why, now());
}

static int func_kill(plugin_session s, const char *reason)
{
	return func_shutdown(s, reason, 3, 0, TERM_ADMIN_RESET);
}

static uint64_t rate_of(int64_t kbits, uint64_t before)
{
	if (kbits < 0)
		return before;
	return (uint64_t)kbits < UINT64_MAX / 1000 ? (uint64_t)kbits * 1000 : UINT64_MAX;
}

static int func_throttle(plugin_session s, int64_t in, int64_t out)
{
	struct session_view v;

	if (!view_of(s, &v))
		return 0;
	v.policy.rate_up = rate_of(in, v.policy.rate_up);
	v.policy.rate_down = rate_of(out, v.policy.rate_down);
	return core_set_policy(core(), v.key, &v.policy);
}

static int func_snoop(plugin_session s, const struct plugin_addr *to, uint16_t port)
{
	struct session_view v;

	if (!view_of(s, &v))
		return 0;
	v.policy.intercept = (struct sock_addr){0};
	if (to)
		v.policy.intercept = (struct sock_addr){.ip = addr_in(to), .port = port};
	return core_set_policy(core(), v.key, &v.policy);
}

static int func_filter(plugin_session s, const char *in, const char *out)
{
	struct session_view v;

	if (!view_of(s, &v))
		return 0;
	if ((in && strlen(in) >= LNS_FILTER_NAME_MAX) ||
	    (out && strlen(out) >= LNS_FILTER_NAME_MAX))
		return 0;
	if (in)
		snprintf(v.policy.filter_in, sizeof(v.policy.filter_in), "%s", in);
	if (out)
		snprintf(v.policy.filter_out, sizeof(v.policy.filter_out), "%s", out);
	return core_set_policy(core(), v.key, &v.policy);
}

static int func_garden(plugin_session s, int on)
{
	return core() && core_set_garden(core(), plugins_key(s), on != 0, now());
}

static int func_username(plugin_session s, const char *name)
{
	return core() && core_set_user(core(), plugins_key(s), span_str(name), now());
}

static int func_speed(plugin_session s, uint64_t tx, uint64_t rx)
{
	return core() && core_set_speeds(core(), plugins_key(s), tx, rx);
}

static int func_put_avpair(struct param_radius_account *p, const char *text)
{
	struct wbuf w = wbuf_of(p->packet, p->size);
	size_t n = strlen(text);

	w.n = p->used;
	if (p->used > p->size || n > RAD_VALUE_MAX - 6)
		return 0;
	rad_put_vsa(&w, RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, span_of(text, n));
	if (w.bad)
		return 0;
	p->used = w.n;
	return 1;
}

void plugins_func_init(struct plugin_functions *f)
{
	*f = (struct plugin_functions){
		.size = sizeof(*f),
		.log = func_log,
		.log_hex = func_log_hex,
		.fmtaddr = func_fmtaddr,
		.parse_addr = func_parse_addr,
		.get_session_by_username = func_by_username,
		.get_session_by_id = func_by_id,
		.find_session = func_find,
		.next_session = func_next,
		.get_session = func_get_session,
		.get_routes = func_get_routes,
		.getconfig = func_getconfig,
		.getconfig_number = func_getconfig_number,
		.sessionshutdown = func_shutdown,
		.sessionkill = func_kill,
		.throttle = func_throttle,
		.snoop = func_snoop,
		.filter = func_filter,
		.walled_garden = func_garden,
		.set_username = func_username,
		.set_connect_speed = func_speed,
		.put_avpair = func_put_avpair,
	};
}

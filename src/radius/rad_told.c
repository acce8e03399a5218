#include "radius/rad_told.h"

#include "radius/rad_avpair.h"
#include "radius/rad_text.h"

enum {
	ASSIGN_BY_USER = 0xFFFFFFFF, /* RFC 2865 5.8 */
	ASSIGN_BY_NAS = 0xFFFFFFFE,
	MTU_MIN = 64, /* RFC 2865 5.12 */
	KBIT = 1000,
};

static bool beyond_32_bits(uint64_t n)
{
	return n > UINT32_MAX;
}

/* ---- effects with a text of their own -------------------------------------------------------- */

static void say_rate(struct rad_told *t, bool up, bool down, uint64_t bps)
{
	if (up) {
		t->policy.rate_up = bps;
		t->said |= RAD_SAID_RATE_UP;
	}
	if (down) {
		t->policy.rate_down = bps;
		t->said |= RAD_SAID_RATE_DOWN;
	}
}

static bool say_burst(struct rad_told *t, bool up, uint64_t bytes)
{
	if (beyond_32_bits(bytes))
		return false;
	*(up ? &t->policy.burst_up : &t->policy.burst_down) = (uint32_t)bytes;
	t->said |= up ? RAD_SAID_BURST_UP : RAD_SAID_BURST_DOWN;
	return true;
}

/* "UP/DOWN", whatever stands behind a blank: Mikrotik has bursts and priorities there. */
static bool take_rates(struct rad_told *t, struct span text)
{
	struct span down = rad_text_word(&text);
	uint64_t up_bps, down_bps;
	size_t n = 0;

	while (n < down.n && down.p[n] != '/')
		n++;
	struct span up = span_sub(&down, n);
	if (!rad_text_number(up, &up_bps))
		return false;
	down_bps = up_bps;
	if (down.n > 0) {
		(void)span_u8(&down);
		if (!rad_text_number(down, &down_bps))
			return false;
	}
	say_rate(t, true, false, up_bps);
	say_rate(t, false, true, down_bps);
	return true;
}

static bool take_throttle(struct rad_told *t, const struct rad_terms *terms, struct span text)
{
	uint64_t kbit;
	bool on;

	if (rad_text_number(text, &kbit))
		say_rate(t, true, true, kbit * KBIT);
	else if (rad_text_switch(text, &on))
		say_rate(t, true, true, on ? terms->throttle : 0);
	else
		return false;
	return true;
}

static bool take_intercept(struct rad_told *t, const struct rad_terms *terms, struct span text)
{
	struct sock_addr to = {0};
	bool on;

	if (rad_text_switch(text, &on))
		to = on ? terms->intercept : to;
	else if (!rad_text_sock_addr(text, &to))
		return false;
	else
		on = true;
	if (on && !ip_addr_is_set(&to.ip))
		return false;
	t->policy.intercept = to;
	t->said |= RAD_SAID_INTERCEPT;
	return true;
}

/* "rate-limit input|output [access-group N] BIT [BURST ...]" */
static bool take_rate_limit(struct rad_told *t, bool up, struct span text)
{
	struct span word = rad_text_word(&text);
	uint64_t bps, burst;

	if (rad_text_is(word, "access-group", strlen("access-group"))) {
		(void)rad_text_word(&text);
		word = rad_text_word(&text);
	}
	if (!rad_text_number(word, &bps))
		return false;
	say_rate(t, up, !up, bps);
	if (text.n > 0 && rad_text_number(rad_text_word(&text), &burst))
		return say_burst(t, up, burst);
	return true;
}

/* Commands that Cisco applies to the interface of a session; input is what comes from it. */
static bool take_interface_config(struct rad_told *t, struct span text)
{
	enum { VERB_MIN = 4, WAY_MIN = 1 }; /* letters, as the original took them */
	struct span verb = rad_text_word(&text), way = rad_text_word(&text);
	bool up = rad_text_is(way, "input", WAY_MIN);
	uint64_t kbit;

	if (!up && !rad_text_is(way, "output", WAY_MIN))
		return false;
	if (rad_text_is(verb, "rate-limit", VERB_MIN))
		return take_rate_limit(t, up, text);
	if (!rad_text_is(verb, "service-policy", VERB_MIN) ||
	    !rad_text_number(rad_text_word(&text), &kbit) || text.n > 0)
		return false;
	say_rate(t, up, !up, kbit * KBIT);
	return true;
}

static bool take_filter(struct rad_told *t, bool in, struct span name)
{
	if (!rad_text_name(name, in ? t->policy.filter_in : t->policy.filter_out,
			   LNS_FILTER_NAME_MAX))
		return false;
	t->said |= in ? RAD_SAID_FILTER_IN : RAD_SAID_FILTER_OUT;
	return true;
}

/* The text without its end; false when it ends otherwise. */
static bool without_end(struct span text, const char *end, struct span *head)
{
	size_t n = strlen(end);

	if (text.n < n)
		return false;
	*head = span_sub(&text, text.n - n);
	return span_equal(text, span_of(end, n));
}

static bool take_filter_id(struct rad_told *t, struct span text)
{
	struct span name;

	if (without_end(text, ".in", &name))
		return take_filter(t, true, name);
	return without_end(text, ".out", &name) && take_filter(t, false, name);
}

static bool take_garden(struct rad_told *t, struct span text)
{
	if (!rad_text_switch(text, &t->policy.garden))
		return false;
	t->said |= RAD_SAID_GARDEN;
	return true;
}

static bool take_route(struct rad_told *t, struct span text)
{
	struct ip_prefix route;

	if (t->n_routes == LNS_ROUTES_MAX || !rad_route_parse(text, &route))
		return false;
	t->routes[t->n_routes++] = route;
	return true;
}

static bool take_name_servers(struct rad_told *t, struct span text)
{
	struct ip_addr dns[2] = {0};

	for (unsigned i = 0; i < 2 && text.n > 0; i++) {
		if (!ip_addr_parse(rad_text_word(&text), &dns[i]) || dns[i].family != 4)
			return false;
	}
	if (!ip_addr_is_set(&dns[0]) || text.n > 0)
		return false;
	memcpy(t->dns, dns, sizeof(dns));
	return true;
}

/* ---- effects with a number or an address ----------------------------------------------------- */

static bool take_seconds(struct rad_told *t, uint64_t n, uint32_t *field, uint32_t said)
{
	if (beyond_32_bits(n))
		return false;
	*field = (uint32_t)n;
	t->said |= said;
	return true;
}

static bool take_mtu(struct rad_told *t, uint64_t n)
{
	if (n < MTU_MIN || n > UINT16_MAX)
		return false;
	t->mtu = (uint16_t)n;
	return true;
}

static bool take_port_limit(struct rad_told *t, uint64_t n)
{
	if (n == 0 || beyond_32_bits(n))
		return false;
	t->port_limit = (uint32_t)n;
	return true;
}

static bool take_address(struct rad_told *t, uint32_t ip)
{
	bool assign = ip == 0 || ip == ASSIGN_BY_USER || ip == ASSIGN_BY_NAS;

	t->ip = assign ? (struct ip_addr){0} : ip_addr_v4(ip);
	return true;
}

static bool take_netmask(struct rad_told *t, uint32_t mask)
{
	return rad_mask_length(mask, &t->netmask);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* False: the value makes no sense. */
static bool apply_number(struct rad_told *t, enum rad_effect effect, uint64_t n)
{
	switch (effect) {
	case RAD_DO_rate_up:
	case RAD_DO_rate_down:
	case RAD_DO_rate:
		say_rate(t, effect != RAD_DO_rate_down, effect != RAD_DO_rate_up, n);
		return true;
	case RAD_DO_rate_up_kbit:
	case RAD_DO_rate_down_kbit:
	case RAD_DO_rate_kbit:
		say_rate(t, effect != RAD_DO_rate_down_kbit, effect != RAD_DO_rate_up_kbit,
			 n * KBIT);
		return true;
	case RAD_DO_burst_up:
	case RAD_DO_burst_down:
		return say_burst(t, effect == RAD_DO_burst_up, n);
	case RAD_DO_session_timeout:
		return take_seconds(t, n, &t->session_timeout_s, RAD_SAID_SESSION_TIMEOUT);
	case RAD_DO_idle_timeout:
		return take_seconds(t, n, &t->idle_timeout_s, RAD_SAID_IDLE_TIMEOUT);
	case RAD_DO_interim:
		return take_seconds(t, n, &t->interim_s, RAD_SAID_INTERIM);
	case RAD_DO_mtu:
		return take_mtu(t, n);
	case RAD_DO_port_limit:
		return take_port_limit(t, n);
	default:
		return false;
	}
}

static bool apply_address(struct rad_told *t, enum rad_effect effect, uint32_t ip)
{
	switch (effect) {
	case RAD_DO_ip:
		return take_address(t, ip);
	case RAD_DO_netmask:
		return take_netmask(t, ip);
	case RAD_DO_dns1:
		t->dns[0] = ip_addr_v4(ip);
		return true;
	case RAD_DO_dns2:
		t->dns[1] = ip_addr_v4(ip);
		return true;
	default:
		return false;
	}
}

static bool apply_text(struct rad_told *t, const struct rad_terms *terms, enum rad_effect effect,
		       struct span text)
{
	switch (effect) {
	case RAD_DO_rates:
		return take_rates(t, text);
	case RAD_DO_throttle:
		return take_throttle(t, terms, text);
	case RAD_DO_intercept:
		return take_intercept(t, terms, text);
	case RAD_DO_interface_config:
		return take_interface_config(t, text);
	case RAD_DO_filter:
		return take_filter_id(t, text);
	case RAD_DO_filter_in:
	case RAD_DO_filter_out:
		return take_filter(t, effect == RAD_DO_filter_in, text);
	case RAD_DO_garden:
		return take_garden(t, text);
	case RAD_DO_route:
		return take_route(t, text);
	case RAD_DO_pool:
		return rad_text_name(text, t->pool, sizeof(t->pool));
	case RAD_DO_dns:
		return take_name_servers(t, text);
	default:
		return effect == RAD_DO_none;
	}
}

static enum rad_take done_or_ignored(bool done)
{
	return done ? RAD_TAKE_DONE : RAD_TAKE_IGNORED;
}

static enum rad_take take_number(struct rad_told *t, const struct rad_map_row *row,
				 struct span value)
{
	uint64_t n;

	if (!row->text && value.n != 4)
		return RAD_TAKE_MALFORMED;
	if (!row->text)
		n = span_u32(&value);
	else if (!rad_text_number(value, &n))
		return RAD_TAKE_IGNORED;
	return done_or_ignored(apply_number(t, (enum rad_effect)row->effect, n));
}

static enum rad_take take_address_row(struct rad_told *t, const struct rad_map_row *row,
				      struct span value)
{
	struct ip_addr ip;

	if (!row->text && value.n != 4)
		return RAD_TAKE_MALFORMED;
	if (!row->text)
		ip = ip_addr_v4(span_u32(&value));
	else if (!ip_addr_parse(value, &ip) || ip.family != 4)
		return RAD_TAKE_IGNORED;
	return done_or_ignored(apply_address(t, (enum rad_effect)row->effect, ip_addr_u32(&ip)));
}

static enum rad_take take_row(struct rad_told *t, const struct rad_terms *terms,
			      const struct rad_map_row *row, struct span value)
{
	if (row->text)
		value = rad_text_trim(value);
	switch ((enum rad_value)rad_effects[row->effect].value) {
	case RAD_VALUE_NUMBER:
		return take_number(t, row, value);
	case RAD_VALUE_ADDRESS:
		return take_address_row(t, row, value);
	case RAD_VALUE_TEXT:
		break;
	}
	return done_or_ignored(apply_text(t, terms, (enum rad_effect)row->effect, value));
}

static void note_ignored(struct rad_told *t, const struct rad_attr *a, struct span key)
{
	char *name = t->ignored_name;

	if (t->ignored < UINT8_MAX)
		t->ignored++;
	if (name[0] != '\0')
		return;
	rad_dict_name(a->vendor, a->number, name);
	size_t n = strlen(name) + 1;
	if (key.n > 0 && n < RAD_NAME_TEXT && rad_text_name(key, name + n, RAD_NAME_TEXT - n))
		name[n - 1] = ' ';
}

static bool is_avpair(const struct rad_attr *a)
{
	return a->vendor == RAD_VENDOR_CISCO && a->number == RAD_CISCO_AVPAIR;
}

static enum rad_take take_pairs(struct rad_told *t, const struct rad_terms *terms,
				const struct rad_attr *a)
{
	struct span text = a->value;
	struct rad_avpair pair;
	enum rad_take worst = RAD_TAKE_UNKNOWN;

	while (rad_avpair_split(&text, &pair)) {
		const struct rad_map_row *row = rad_map_pair(&terms->map, pair.key);
		if (!row) {
			if (t->unknown_pairs < UINT8_MAX)
				t->unknown_pairs++;
			continue;
		}
		enum rad_take did = take_row(t, terms, row, pair.value);
		if (did == RAD_TAKE_IGNORED)
			note_ignored(t, a, pair.key);
		worst = did > worst ? did : worst;
	}
	return worst;
}

enum rad_take rad_told_take(struct rad_told *t, const struct rad_terms *terms,
			    const struct rad_attr *a)
{
	const struct rad_map_row *row = rad_map_attr(&terms->map, a->vendor, a->number);

	if (!row)
		return is_avpair(a) ? take_pairs(t, terms, a) : RAD_TAKE_UNKNOWN;
	enum rad_take did = take_row(t, terms, row, a->value);
	if (did == RAD_TAKE_IGNORED)
		note_ignored(t, a, span_of(NULL, 0));
	return did;
}

bool rad_told_by_coa(const struct rad_terms *terms, const struct rad_attr *a)
{
	const struct rad_map_row *row = rad_map_attr(&terms->map, a->vendor, a->number);
	struct span text = a->value;
	struct rad_avpair pair;

	if (row || !is_avpair(a))
		return row && rad_effects[row->effect].coa;
	while (rad_avpair_split(&text, &pair)) {
		row = rad_map_pair(&terms->map, pair.key);
		if (row && !rad_effects[row->effect].coa)
			return false;
	}
	return true;
}

void rad_told_policy(const struct rad_told *t, struct sess_policy *policy)
{
	const struct sess_policy *new = &t->policy;

	if (t->said & RAD_SAID_RATE_UP)
		policy->rate_up = new->rate_up;
	if (t->said & RAD_SAID_RATE_DOWN)
		policy->rate_down = new->rate_down;
	if (t->said & RAD_SAID_BURST_UP)
		policy->burst_up = new->burst_up;
	if (t->said & RAD_SAID_BURST_DOWN)
		policy->burst_down = new->burst_down;
	if (t->said & RAD_SAID_INTERCEPT)
		policy->intercept = new->intercept;
	if (t->said & RAD_SAID_FILTER_IN)
		memcpy(policy->filter_in, new->filter_in, sizeof(policy->filter_in));
	if (t->said & RAD_SAID_FILTER_OUT)
		memcpy(policy->filter_out, new->filter_out, sizeof(policy->filter_out));
	if (t->said & RAD_SAID_GARDEN)
		policy->garden = new->garden;
}

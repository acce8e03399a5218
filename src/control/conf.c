#include "control/conf.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/conf_cpus.h"
#include "control/lexer.h"
#include "radius/rad_map.h"
#include "control/conf_radius.h"

const struct conf_var conf_vars[CONF_VARS] = {
#define YES true
#define NOT false
#define CONF(name_, type_, min_, max_, def_, unit_, when_, done_, help_)                           \
	[CONF_ID_##name_] = {.name = #name_,                                                       \
			     .type = CONF_##type_,                                                 \
			     .when = CONF_##when_,                                                 \
			     .done = done_,                                                        \
			     .min = min_,                                                          \
			     .max = max_,                                                          \
			     .def = def_,                                                          \
			     .unit = unit_,                                                        \
			     .help = help_,                                                        \
			     .offset = offsetof(struct conf, name_)},
#define OLD_NAME(name, replacement, why)
#include "control/conf.def"
#undef CONF
#undef OLD_NAME
#undef YES
#undef NOT
};

static const struct conf_old_name old_names[] = {
#define CONF(name, type, min, max, def, unit, when, done, help)
#define OLD_NAME(name, replacement, why) {#name, replacement, why},
#include "control/conf.def"
#undef CONF
#undef OLD_NAME
};

static void *field_of(struct conf *c, const struct conf_var *v)
{
	return (char *)c + v->offset;
}

static const void *field_of_const(const struct conf *c, const struct conf_var *v)
{
	return (const char *)c + v->offset;
}

const struct conf_var *conf_var_find(const char *name)
{
	for (unsigned i = 0; i < CONF_VARS; i++)
		if (strcmp(conf_vars[i].name, name) == 0)
			return &conf_vars[i];
	return NULL;
}

const struct conf_old_name *conf_old_name_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(old_names) / sizeof(old_names[0]); i++)
		if (strcmp(old_names[i].name, name) == 0)
			return &old_names[i];
	return NULL;
}

/* ---- lists within a value -------------------------------------------------------------------- */

/* The next item of a list separated by commas and blanks; false at the end. */
static bool list_next(const char **at, struct span *item)
{
	*at += strspn(*at, ", \t");
	size_t n = strcspn(*at, ", \t");
	*item = span_of(*at, n);
	*at += n;
	return n > 0;
}

static bool auth_of(struct span name, enum auth_proto *out)
{
	static const struct {
		const char *name;
		enum auth_proto proto;
	} known[] = {{"pap", AUTH_PAP}, {"chap", AUTH_CHAP}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (name.n <= strlen(known[i].name) && memcmp(known[i].name, name.p, name.n) == 0) {
			*out = known[i].proto;
			return true;
		}
	return false;
}

/* Parses radius_authtypes; the number of protocols, 0 when the list is empty or not one. */
static uint8_t auth_list(const char *value, enum auth_proto out[2])
{
	uint8_t n = 0;
	struct span item;

	while (list_next(&value, &item)) {
		enum auth_proto proto;
		if (!auth_of(item, &proto))
			return 0;
		if (n > 0 && out[0] == proto)
			continue;
		if (n < 2)
			out[n++] = proto;
	}
	return n;
}

/* Parses bind_multi_address; -1 when it is not a list of at most four addresses. */
static int bind_list(const char *value, struct ip_addr out[CONF_BIND_MAX])
{
	int n = 0;
	struct span item;

	while (list_next(&value, &item)) {
		if (n == CONF_BIND_MAX || !ip_addr_parse(item, &out[n]) || out[n].family != 4)
			return -1;
		n++;
	}
	return n;
}

/* Copies the items of a list into rows of `width` bytes; -1 when one is too long or too many. */
static int name_list(const char *value, char *out, int rows, size_t width)
{
	int n = 0;
	struct span item;

	while (list_next(&value, &item)) {
		if (n == rows || item.n >= width)
			return -1;
		memset(out + (size_t)n * width, 0, width);
		memcpy(out + (size_t)n * width, item.p, item.n);
		n++;
	}
	return n;
}

/* ---- what a single value must satisfy beyond its type ---------------------------------------- */

static const char *check_log_file(const char *v)
{
	if (v[0] == '\0' || v[0] == '/' || strncmp(v, "syslog:", 7) == 0)
		return NULL;
	return "not an absolute path or syslog:FACILITY";
}

static const char *check_path(const char *v)
{
	return v[0] == '\0' || v[0] == '/' ? NULL : "not an absolute path";
}

static const char *check_authtypes(const char *v)
{
	enum auth_proto list[2];
	return auth_list(v, list) ? NULL : "not a list of pap and chap";
}

static const char *check_bind_multi(const char *v)
{
	struct ip_addr list[CONF_BIND_MAX];
	return bind_list(v, list) >= 0 ? NULL : "not a list of up to 4 IPv4 addresses";
}

static const char *check_hostnames(const char *v)
{
	char list[CONF_HOSTNAMES_MAX][LNS_HOSTNAME_MAX];
	return name_list(v, list[0], CONF_HOSTNAMES_MAX, LNS_HOSTNAME_MAX) >= 0
		       ? NULL
		       : "not a list of up to 5 names of up to 63 characters";
}

static const char *check_radius_servers(const char *v)
{
	return conf_radius_fault(v, false);
}

static const char *check_radius_probe(const char *v)
{
	char user[CONF_RADIUS_USER_TEXT];
	uint8_t probe;
	return conf_radius_probe(span_str(v), &probe, user) ? NULL
							    : "not request, status or user:NAME";
}

static const char *check_radius_map(const char *v)
{
	struct rad_map map;
	return rad_map_parse(v, &map);
}

static const char *check_dae_clients(const char *v)
{
	return conf_radius_fault(v, true);
}

static const char *check_guests(const char *v)
{
	char list[CONF_GUESTS_MAX][CONF_GUEST_NAME];
	return name_list(v, list[0], CONF_GUESTS_MAX, CONF_GUEST_NAME) >= 0
		       ? NULL
		       : "not a list of up to 10 user names";
}

static const char *one_of(const char *v, const char *const *names, const char *reason)
{
	for (; *names; names++)
		if (strcmp(*names, v) == 0)
			return NULL;
	return reason;
}

static const char *check_steering(const char *v)
{
	static const char *const names[] = {"auto", "session", "address", NULL};
	return one_of(v, names, "not auto, session or address");
}

static const char *check_tun_steering(const char *v)
{
	static const char *const names[] = {"auto", "map", "flow", NULL};
	return one_of(v, names, "not auto, map or flow");
}

static const char *check_tun_napi(const char *v)
{
	static const char *const names[] = {"auto", "yes", "no", NULL};
	return one_of(v, names, "not auto, yes or no");
}

static const char *check_cpus(const char *v)
{
	uint16_t cpus[CONF_CPUS_MAX];
	unsigned n;

	return conf_cpus_parse(v, cpus, &n) ? NULL : "not a list of up to 64 CPUs like 0-3,8";
}

static const char *check_io_backend(const char *v)
{
	static const char *const names[] = {"auto", "full", "nouso", "novnet", "plain", NULL};
	return one_of(v, names, "not auto, full, nouso, novnet or plain");
}

/* Names that the kernel takes for an interface; empty = unset. */
static const char *check_interface(const char *v)
{
	if (strcmp(v, ".") == 0 || strcmp(v, "..") == 0 || strpbrk(v, "/: \t%"))
		return "not the name of an interface";
	return NULL;
}

static const char *check_express(const char *v)
{
	char list[CONF_EXPRESS_MAX][CONF_INTERFACE_NAME];
	int n = name_list(v, list[0], CONF_EXPRESS_MAX, CONF_INTERFACE_NAME);
	bool ok = n >= 0;

	for (int i = 0; ok && i < n; i++)
		ok = !check_interface(list[i]);
	return ok ? NULL : "not a list of up to 4 names of interfaces";
}

static const char *check_hostname(const char *v)
{
	return strpbrk(v, " \t") ? "a host name has no blanks" : NULL;
}

static const struct {
	enum conf_id id;
	const char *(*check)(const char *value); /* NULL or the reason */
} checks[] = {
	{CONF_ID_log_file, check_log_file},
	{CONF_ID_pid_file, check_path},
	{CONF_ID_local_users, check_path},
	{CONF_ID_users_file, check_path},
	{CONF_ID_cli_socket, check_path},
	{CONF_ID_ip_pool_file, check_path},
	{CONF_ID_accounting_dir, check_path},
	{CONF_ID_radius_authtypes, check_authtypes},
	{CONF_ID_bind_multi_address, check_bind_multi},
	{CONF_ID_multi_hostname, check_hostnames},
	{CONF_ID_radius_servers, check_radius_servers},
	{CONF_ID_radius_dae_clients, check_dae_clients},
	{CONF_ID_radius_map, check_radius_map},
	{CONF_ID_radius_probe, check_radius_probe},
	{CONF_ID_guest_account, check_guests},
	{CONF_ID_steering, check_steering},
	{CONF_ID_io_backend, check_io_backend},
	{CONF_ID_worker_cpus, check_cpus},
	{CONF_ID_tun_steering, check_tun_steering},
	{CONF_ID_tun_napi, check_tun_napi},
	{CONF_ID_express_interfaces, check_express},
	{CONF_ID_tundevicename, check_interface},
	{CONF_ID_pppoe_if_to_bind, check_interface},
	{CONF_ID_cluster_interface, check_interface},
	{CONF_ID_hostname, check_hostname},
};

static const char *check_value(const struct conf_var *v, const char *value)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (&conf_vars[checks[i].id] == v)
			return checks[i].check(value);
	return NULL;
}

/* ---- one value ------------------------------------------------------------------------------- */

static bool set_string(struct conf *c, const struct conf_var *v, const char *value,
		       char reason[static CONF_REASON_TEXT])
{
	size_t n = strlen(value);
	if (n > v->max) {
		snprintf(reason, CONF_REASON_TEXT, "%s: longer than %u characters", v->name,
			 (unsigned)v->max);
		return false;
	}
	const char *why = check_value(v, value);
	if (why) {
		snprintf(reason, CONF_REASON_TEXT, "%s: %s", v->name, why);
		return false;
	}
	char *field = field_of(c, v);
	memset(field, 0, (size_t)v->max + 1);
	memcpy(field, value, n);
	return true;
}

static bool set_bool(struct conf *c, const struct conf_var *v, const char *value,
		     char reason[static CONF_REASON_TEXT])
{
	static const struct {
		const char *text;
		bool is;
	} words[] = {{"yes", true}, {"true", true},   {"1", true},  {"on", true},
		     {"no", false}, {"false", false}, {"0", false}, {"off", false}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (lex_equal_nocase(words[i].text, value)) {
			memcpy(field_of(c, v), &words[i].is, sizeof(bool));
			return true;
		}
	snprintf(reason, CONF_REASON_TEXT, "%s: not yes or no: \"%.40s\"", v->name, value);
	return false;
}

static bool set_int(struct conf *c, const struct conf_var *v, const char *value,
		    char reason[static CONF_REASON_TEXT])
{
	uint64_t n;
	if (!lex_number(value, &n)) {
		snprintf(reason, CONF_REASON_TEXT, "%s: not a number: \"%.40s\"", v->name, value);
		return false;
	}
	if (n < v->min || n > v->max) {
		snprintf(reason, CONF_REASON_TEXT, "%s: %llu is not within %llu..%llu", v->name,
			 (unsigned long long)n, (unsigned long long)v->min,
			 (unsigned long long)v->max);
		return false;
	}
	uint32_t field = (uint32_t)n;
	memcpy(field_of(c, v), &field, sizeof(field));
	return true;
}

static bool is_zero(const struct ip_addr *a)
{
	static const uint8_t zero[sizeof(a->b)];
	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

static bool set_address(struct conf *c, const struct conf_var *v, uint8_t family, const char *value,
			char reason[static CONF_REASON_TEXT])
{
	struct ip_addr a;
	if (!ip_addr_parse(span_str(value), &a) || a.family != family) {
		snprintf(reason, CONF_REASON_TEXT, "%s: not an IPv%u address: \"%.46s\"", v->name,
			 family, value);
		return false;
	}
	if (is_zero(&a))
		a.family = 0; /* 0.0.0.0 and :: unset the variable */
	memcpy(field_of(c, v), &a, sizeof(a));
	return true;
}

bool conf_set(struct conf *c, const struct conf_var *v, const char *value,
	      char reason[static CONF_REASON_TEXT])
{
	switch (v->type) {
	case CONF_STRING:
	case CONF_SECRET:
		return set_string(c, v, value, reason);
	case CONF_BOOL:
		return set_bool(c, v, value, reason);
	case CONF_INT:
		return set_int(c, v, value, reason);
	case CONF_IPV4:
		return set_address(c, v, 4, value, reason);
	case CONF_IPV6:
		return set_address(c, v, 6, value, reason);
	}
	LNS_UNREACHABLE();
}

void conf_get(const struct conf *c, const struct conf_var *v, char out[static CONF_VALUE_TEXT])
{
	const void *field = field_of_const(c, v);
	struct ip_addr address;
	uint32_t number;

	switch (v->type) {
	case CONF_STRING:
	case CONF_SECRET:
		snprintf(out, CONF_VALUE_TEXT, "%s", (const char *)field);
		break;
	case CONF_BOOL:
		snprintf(out, CONF_VALUE_TEXT, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case CONF_INT:
		memcpy(&number, field, sizeof(number));
		snprintf(out, CONF_VALUE_TEXT, "%u", number);
		break;
	case CONF_IPV4:
	case CONF_IPV6:
		memcpy(&address, field, sizeof(address));
		if (v->type == CONF_IPV6 && !ip_addr_is_set(&address))
			snprintf(out, CONF_VALUE_TEXT, "::");
		else
			ip_addr_text(&address, out);
		break;
	}
}

bool conf_is_default(const struct conf *c, const struct conf_var *v)
{
	char value[CONF_VALUE_TEXT];
	conf_get(c, v, value);
	return strcmp(value, v->def) == 0;
}

/* ---- derived fields -------------------------------------------------------------------------- */

static void derive_auth(struct conf *c)
{
	static const char *const canonical[] = {"pap", "pap, chap", "chap", "chap, pap"};

	c->n_auth = auth_list(c->radius_authtypes, c->auth);
	LNS_ASSERT(c->n_auth > 0); /* conf_set() refuses all else */
	unsigned which = (c->auth[0] == AUTH_CHAP ? 2u : 0u) + (c->n_auth - 1u);
	snprintf(c->radius_authtypes, sizeof(c->radius_authtypes), "%s", canonical[which]);
}

static void derive_addresses(struct conf *c)
{
	memset(c->bind, 0, sizeof(c->bind));
	int n = bind_list(c->bind_multi_address, c->bind);
	LNS_ASSERT(n >= 0);
	if (n == 0) {
		c->bind[0] = c->bind_address;
		n = 1;
	}
	c->n_bind = (uint8_t)n;
	/* The list overrides both variables (manual: bind_multi_address). */
	bool own = ip_addr_is_set(&c->iftun_address) && c->bind_multi_address[0] == '\0';
	c->tun_address = own ? c->iftun_address : c->bind[0];
}

static void derive_radius(struct conf *c)
{
	enum { RADIUS_AUTH_PORT = 1812 };
	uint32_t first = c->primary_radius_port ? c->primary_radius_port : RADIUS_AUTH_PORT;
	uint32_t second = c->secondary_radius_port ? c->secondary_radius_port : first;

	memset(c->radius, 0, sizeof(c->radius));
	c->n_radius = 0;
	if (ip_addr_is_set(&c->primary_radius))
		c->radius[c->n_radius++] = (struct sock_addr){c->primary_radius, (uint16_t)first};
	if (ip_addr_is_set(&c->secondary_radius))
		c->radius[c->n_radius++] =
			(struct sock_addr){c->secondary_radius, (uint16_t)second};
}

void conf_derive(struct conf *c)
{
	derive_auth(c);
	derive_addresses(c);
	derive_radius(c);
	int n = name_list(c->guest_account, c->guests[0], CONF_GUESTS_MAX, CONF_GUEST_NAME);
	LNS_ASSERT(n >= 0);
	c->n_guests = (uint8_t)n;
	n = name_list(c->multi_hostname, c->hostnames[0], CONF_HOSTNAMES_MAX, LNS_HOSTNAME_MAX);
	LNS_ASSERT(n >= 0);
	c->n_hostnames = (uint8_t)n;
	n = name_list(c->express_interfaces, c->express[0], CONF_EXPRESS_MAX, CONF_INTERFACE_NAME);
	LNS_ASSERT(n >= 0);
	c->n_express = (uint8_t)n;
}

/* ---- the whole ------------------------------------------------------------------------------- */

void conf_defaults(struct conf *c)
{
	char reason[CONF_REASON_TEXT];

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < CONF_VARS; i++) {
		bool ok = conf_set(c, &conf_vars[i], conf_vars[i].def, reason);
		LNS_ASSERT(ok);
	}
	conf_derive(c);
}

struct conf *conf_new(const struct alloc *a)
{
	struct conf *c = alloc_get(a, sizeof(*c));
	if (!c)
		return NULL;
	conf_defaults(c);
	c->alloc = a;
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	while (c->kept)
		conf_forget(c, c->kept);
	const struct alloc *a = c->alloc;
	mem_wipe(c, sizeof(*c)); /* secrets */
	alloc_put(a, c, sizeof(*c));
}

struct conf_kept *conf_keep(struct conf *c, struct conf_kept *after, enum conf_kept_kind kind,
			    bool head, const char *text)
{
	struct conf_kept *k = alloc_get(c->alloc, sizeof(*k));
	if (!k)
		return NULL;
	k->text = bstr_new(c->alloc, span_str(text));
	if (!k->text) {
		alloc_put(c->alloc, k, sizeof(*k));
		return NULL;
	}
	k->kind = (uint8_t)kind;
	k->head = head;
	struct conf_kept **link = after ? &after->next : &c->kept;
	while (!after && *link)
		link = &(*link)->next;
	k->next = *link;
	*link = k;
	c->n_kept++;
	return k;
}

void conf_forget(struct conf *c, struct conf_kept *line)
{
	struct conf_kept **link = &c->kept;
	while (*link && *link != line)
		link = &(*link)->next;
	LNS_ASSERT(*link == line);
	*link = line->next;
	c->n_kept--;
	mem_wipe(line->text->s, line->text->n); /* setforward holds a secret */
	bstr_free(c->alloc, line->text);
	alloc_put(c->alloc, line, sizeof(*line));
}

struct conf *conf_copy(const struct conf *c)
{
	struct conf *copy = alloc_get(c->alloc, sizeof(*copy));
	if (!copy)
		return NULL;
	*copy = *c;
	copy->kept = NULL;
	copy->n_kept = 0;
	struct conf_kept *last = NULL;
	for (const struct conf_kept *k = c->kept; k; k = k->next) {
		last = conf_keep(copy, last, (enum conf_kept_kind)k->kind, k->head, k->text->s);
		if (!last) {
			conf_free(copy);
			return NULL;
		}
	}
	return copy;
}

#include "control/conf_radius.h"
#include "control/conf_parse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "control/lexer.h"
#include "test_alloc.h"
#include "test_random.h"

/* What the parser said, as "E7 reason\n" lines. */
struct said {
	unsigned errors, warnings;
	size_t n;
	char text[65536];
};

static struct test_alloc memory;
static struct said said;

static void say(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	struct said *s = ctx;
	if (severity == CONF_ERROR)
		s->errors++;
	else
		s->warnings++;
	int n = snprintf(s->text + s->n, sizeof(s->text) - s->n, "%c%u %s\n",
			 severity == CONF_ERROR ? 'E' : 'W', line, reason);
	assert_true(n > 0 && (size_t)n < sizeof(s->text) - s->n);
	s->n += (size_t)n;
}

static const struct conf_report report = {.ctx = &said, .say = say};

static struct conf *load(const char *text)
{
	memset(&said, 0, sizeof(said));
	struct conf *c = conf_load(&memory.alloc, span_str(text), &report);
	assert_non_null(c);
	return c;
}

static void assert_said(const char *what)
{
	if (!strstr(said.text, what))
		fail_msg("not said: %s\nsaid:\n%s", what, said.text);
}

/* The configuration as text. */
struct printed {
	size_t n;
	char text[65536];
};

static void print_line(void *ctx, const char *text)
{
	struct printed *p = ctx;
	int n = snprintf(p->text + p->n, sizeof(p->text) - p->n, "%s\n", text);
	assert_true(n > 0 && (size_t)n < sizeof(p->text) - p->n);
	p->n += (size_t)n;
}

static const char *print(const struct conf *c, bool secrets, struct printed *p)
{
	p->n = 0;
	p->text[0] = '\0';
	conf_print(c, secrets, &(struct conf_printer){.ctx = p, .line = print_line});
	return p->text;
}

static int setup(void **state)
{
	(void)state;
	test_alloc_init(&memory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return memory.blocks == 0 ? 0 : -1; /* nothing leaks */
}

/* ---- every variable -------------------------------------------------------------------------- */

static void an_empty_file_gives_every_default(void **state)
{
	(void)state;
	struct conf *c = load("");
	for (unsigned i = 0; i < CONF_VARS; i++) {
		char value[CONF_VALUE_TEXT];
		conf_get(c, &conf_vars[i], value);
		assert_string_equal(value, conf_vars[i].def);
		assert_true(conf_is_default(c, &conf_vars[i]));
	}
	assert_int_equal(said.errors, 0);
	assert_int_equal(c->n_auth, 1);
	assert_int_equal(c->auth[0], AUTH_PAP);
	assert_int_equal(c->n_bind, 1);
	assert_false(ip_addr_is_set(&c->bind[0]));
	assert_int_equal(c->n_radius, 0);
	conf_free(c);
}

/* Another valid value than the default, for any row. */
static void other_value(const struct conf_var *v, char out[CONF_VALUE_TEXT])
{
	static const struct {
		enum conf_id id;
		const char *value;
	} special[] = {
		{CONF_ID_log_file, "syslog:local5"},
		{CONF_ID_pid_file, "/run/x.pid"},
		{CONF_ID_local_users, "/etc/x"},
		{CONF_ID_users_file, "/etc/x"},
		{CONF_ID_cli_socket, "/run/x.sock"},
		{CONF_ID_ip_pool_file, "/etc/x"},
		{CONF_ID_accounting_dir, "/var/x"},
		{CONF_ID_radius_authtypes, "chap, pap"},
		{CONF_ID_radius_servers, "192.0.2.1:1645=x 2001:db8::1"},
		{CONF_ID_radius_probe, "status"},
		{CONF_ID_radius_map, "4919:1=rate_up avpair:speed=rates"},
		{CONF_ID_radius_dae_clients, "192.0.2.0/24=x 2001:db8::1"},
		{CONF_ID_bind_multi_address, "10.0.0.1, 10.0.0.2"},
		{CONF_ID_steering, "session"},
		{CONF_ID_tun_steering, "flow"},
		{CONF_ID_tun_napi, "no"},
		{CONF_ID_worker_cpus, "0-3,8"},
		{CONF_ID_io_backend, "plain"},
		{CONF_ID_express_interfaces, "eth0, eth1.5"},
	};
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (v == &conf_vars[special[i].id]) {
			snprintf(out, CONF_VALUE_TEXT, "%s", special[i].value);
			return;
		}
	switch (v->type) {
	case CONF_STRING:
	case CONF_SECRET:
		snprintf(out, CONF_VALUE_TEXT, "a-word");
		break;
	case CONF_BOOL:
		snprintf(out, CONF_VALUE_TEXT, "%s", v->def[0] == 'y' ? "no" : "yes");
		break;
	case CONF_INT:
		snprintf(out, CONF_VALUE_TEXT, "%llu",
			 (unsigned long long)(v->max - (strtoull(v->def, NULL, 10) == v->max)));
		break;
	case CONF_IPV4:
		snprintf(out, CONF_VALUE_TEXT, "192.0.2.7");
		break;
	case CONF_IPV6:
		snprintf(out, CONF_VALUE_TEXT, "2001:db8::7");
		break;
	}
}

static void every_variable_takes_another_value(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_VARS; i++) {
		const struct conf_var *v = &conf_vars[i];
		char value[CONF_VALUE_TEXT], got[CONF_VALUE_TEXT], text[2 * CONF_VALUE_TEXT];

		other_value(v, value);
		snprintf(text, sizeof(text), "\nset %s \"%s\"\n", v->name, value);
		struct conf *c = load(text);
		conf_get(c, v, got);
		assert_string_equal(got, value);
		assert_false(conf_is_default(c, v));
		/* What has no effect yet is named in a warning, and only that. */
		snprintf(text, sizeof(text), "W2 %s has no effect yet", v->name);
		assert_int_equal(strstr(said.text, text) != NULL, !v->done);
		conf_free(c);
	}
}

/* A value that the row's type does not take; NULL when it takes every text. */
static const char *bad_value(const struct conf_var *v)
{
	switch (v->type) {
	case CONF_STRING:
	case CONF_SECRET:
		return NULL;
	case CONF_BOOL:
		return "perhaps";
	case CONF_INT:
		return "12x";
	case CONF_IPV4:
		return "10.0.0.256";
	case CONF_IPV6:
		return "2001:db8:::1";
	}
	return NULL;
}

static void every_variable_refuses_a_bad_value(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_VARS; i++) {
		const struct conf_var *v = &conf_vars[i];
		char text[2 * CONF_VALUE_TEXT], expected[CONF_VALUE_TEXT],
			long_value[CONF_VALUE_TEXT];
		const char *bad = bad_value(v);

		if (!bad) {
			memset(long_value, '/', sizeof(long_value));
			long_value[v->max + 1] = '\0';
			bad = long_value;
		}
		snprintf(text, sizeof(text), "# comment\n\nset %s \"%s\"\n", v->name, bad);
		struct conf *c = load(text);
		assert_true(conf_is_default(c, v));
		assert_int_equal(said.errors, 1);
		snprintf(expected, sizeof(expected), "E3 %s: ", v->name);
		assert_said(expected);
		conf_free(c);
	}
}

static void every_number_keeps_within_its_range(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_VARS; i++) {
		const struct conf_var *v = &conf_vars[i];
		if (v->type != CONF_INT)
			continue;
		for (int out = 0; out < 2; out++) {
			uint64_t low = v->min - (uint64_t)out, high = v->max + (uint64_t)out;
			char text[256];
			snprintf(text, sizeof(text), "set %s %llu\nset %s %llu\n", v->name,
				 (unsigned long long)(out && v->min == 0 ? high : low), v->name,
				 (unsigned long long)high);
			struct conf *c = load(text);
			unsigned about = 0;
			for (const char *at = said.text; (at = strstr(at, "not within")); at++)
				about++;
			assert_int_equal(about, out ? 2 : 0);
			conf_free(c);
		}
	}
}

static void the_classic_variables_are_all_known(void **state)
{
	(void)state;
	/* Those of Debian's 2.4.1, in the order of its table. */
	static const char *const classic[] = {"debug",
					      "log_file",
					      "pid_file",
					      "random_device",
					      "l2tp_secret",
					      "l2tp_mtu",
					      "ppp_restart_time",
					      "ppp_max_configure",
					      "ppp_max_failure",
					      "ppp_keepalive",
					      "primary_dns",
					      "secondary_dns",
					      "primary_radius",
					      "secondary_radius",
					      "primary_radius_port",
					      "secondary_radius_port",
					      "radius_accounting",
					      "radius_interim",
					      "radius_secret",
					      "radius_authtypes",
					      "radius_dae_port",
					      "radius_bind_min",
					      "radius_bind_max",
					      "allow_duplicate_users",
					      "kill_timedout_sessions",
					      "guest_account",
					      "bind_address",
					      "peer_address",
					      "send_garp",
					      "throttle_speed",
					      "throttle_buckets",
					      "accounting_dir",
					      "account_all_origin",
					      "dump_speed",
					      "multi_read_count",
					      "scheduler_fifo",
					      "lock_pages",
					      "icmp_rate",
					      "packet_limit",
					      "cluster_address",
					      "cluster_port",
					      "cluster_interface",
					      "cluster_mcast_ttl",
					      "cluster_hb_interval",
					      "cluster_hb_timeout",
					      "cluster_master_min_adv",
					      "ipv6_prefix",
					      "cli_bind_address",
					      "hostname",
					      "nexthop_address",
					      "nexthop6_address",
					      "echo_timeout",
					      "idle_echo_timeout",
					      "iftun_address",
					      "tundevicename",
					      "disable_lac_func",
					      "auth_tunnel_change_addr_src",
					      "bind_address_remotelns",
					      "bind_portremotelns",
					      "pppoe_if_to_bind",
					      "pppoe_service_name",
					      "pppoe_ac_name",
					      "disable_sending_hello",
					      "disable_no_spoof",
					      "bind_multi_address",
					      "pppoe_only_equal_svc_name",
					      "multi_hostname",
					      "no_throttle_local_IP",
					      "dhcp6_preferred_lifetime",
					      "dhcp6_valid_lifetime",
					      "dhcp6_server_duid",
					      "dns6_lifetime",
					      "primary_ipv6_dns",
					      "secondary_ipv6_dns",
					      "default_ipv6_domain_list"};
	assert_int_equal(sizeof(classic) / sizeof(classic[0]), 75);
	for (size_t i = 0; i < sizeof(classic) / sizeof(classic[0]); i++)
		if (!conf_var_find(classic[i]))
			fail_msg("%s is not known", classic[i]);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void a_bad_line_is_named_and_the_rest_loads(void **state)
{
	(void)state;
	struct conf *c = load("set debug 3\n"
			      "set no_such_thing 1\n"
			      "set primary_dns 1.2.3\n"
			      "set hostname two words\n"
			      "set l2tp_mtu\n"
			      "frobnicate\n"
			      "l plugin\n"
			      "load\n"
			      "set l2tp_secret \"unclosed\n"
			      "set secondary_dns 192.0.2.2\n");
	assert_said("E2 unknown variable \"no_such_thing\"");
	assert_said("E3 primary_dns: not an IPv4 address: \"1.2.3\"");
	assert_said("E4 usage: set VARIABLE VALUE");
	assert_said("E5 usage: set VARIABLE VALUE");
	assert_said("E6 unknown command \"frobnicate\"");
	assert_said("E7 ambiguous command \"l\"");
	assert_said("E8 incomplete command");
	assert_said("E9 quotation mark");
	assert_int_equal(said.errors, 8);
	assert_int_equal(c->debug, 3);
	assert_false(ip_addr_is_set(&c->primary_dns));
	assert_int_equal(ip_addr_u32(&c->secondary_dns), 0xC0000202);
	conf_free(c);
}

static void words_of_commands_may_be_short_names_may_not(void **state)
{
	(void)state;
	struct conf *c = load("SET debug 4\nse debug 2\nset debu 5\nset DEBUG 1\nloa pl garden\n");
	assert_int_equal(c->debug, 4);
	assert_int_equal(said.errors, 3);
	assert_said("E2 ambiguous command \"se\""); /* set, setforward */
	assert_said("E3 unknown variable \"debu\"");
	assert_said("E4 unknown variable \"DEBUG\"");
	assert_int_equal(c->n_plugins, 1);
	conf_free(c);
}

static void secrets_never_reach_a_diagnostic(void **state)
{
	(void)state;
	char text[256];
	snprintf(text, sizeof(text),
		 "set l2tp_secret %s\nset radius_secret hunter2 hunter2\n"
		 "setforward m 1.2.3.4 99999 hunter2\nset l2tp_secret \"hunter2\n",
		 "hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2");
	struct conf *c = load(text);
	assert_int_equal(said.errors, 4);
	assert_null(strstr(said.text, "hunter2"));
	conf_free(c);
}

static void old_names_are_deprecated_not_refused(void **state)
{
	(void)state;
	struct conf *c = load("set nexthop 192.0.2.9\nset save_state yes\nset as_number 65000\n");
	assert_int_equal(said.errors, 0);
	assert_said("W1 nexthop is now called nexthop_address");
	assert_said("W2 save_state is a name of older releases");
	assert_said("W3 as_number");
	assert_int_equal(ip_addr_u32(&c->nexthop_address), 0xC0000209);
	conf_free(c);
}

static void the_last_of_several_settings_counts(void **state)
{
	(void)state;
	struct conf *c = load("set debug 1\nset debug 2\nset debug 9\n");
	assert_int_equal(c->debug, 2); /* the bad one leaves no trace */
	conf_free(c);
}

static void the_sample_file_of_debian_loads(void **state)
{
	(void)state;
	/* Its lines that are not comments. */
	struct conf *c = load("set debug 3\n"
			      "set log_file \"/var/log/l2tpns\"\n"
			      "set pid_file \"/var/run/l2tpns.pid\"\n"
			      "set l2tp_secret \"secret\"\n"
			      "set primary_dns 10.0.0.1\n"
			      "set secondary_dns 10.0.0.2\n"
			      "set primary_radius 10.0.0.3\n"
			      "set radius_secret \"secret\"\n"
			      "set cli_bind_address 127.0.0.1\n"
			      "set ppp_keepalive yes\n");
	assert_int_equal(said.errors, 0);
	assert_int_equal(c->n_radius, 1);
	assert_int_equal(c->radius[0].port, 1812);
	conf_free(c);
}

/* ---- derived fields -------------------------------------------------------------------------- */

static void lists_are_derived(void **state)
{
	(void)state;
	struct conf *c = load("set radius_authtypes \"ch,p\"\n"
			      "set bind_address 192.0.2.1\n"
			      "set iftun_address 192.0.2.9\n"
			      "set guest_account \"a b,c\"\n"
			      "set primary_radius 10.0.0.1\n"
			      "set secondary_radius 10.0.0.2\n"
			      "set primary_radius_port 1645\n"
			      "set radius_secret x\n");
	assert_int_equal(said.errors, 0);
	assert_int_equal(c->n_auth, 2);
	assert_int_equal(c->auth[0], AUTH_CHAP);
	assert_int_equal(c->auth[1], AUTH_PAP);
	assert_string_equal(c->radius_authtypes, "chap, pap");
	assert_int_equal(ip_addr_u32(&c->bind[0]), 0xC0000201);
	assert_int_equal(ip_addr_u32(&c->tun_address), 0xC0000209);
	assert_int_equal(c->n_guests, 3);
	assert_string_equal(c->guests[2], "c");
	assert_int_equal(c->n_radius, 2);
	assert_int_equal(c->radius[1].port, 1645);
	conf_free(c);

	c = load("set bind_multi_address \"192.0.2.5 192.0.2.6\"\nset bind_address 192.0.2.1\n"
		 "set iftun_address 192.0.2.9\nset secondary_radius 10.0.0.2\n");
	assert_int_equal(c->n_bind, 2);
	assert_int_equal(ip_addr_u32(&c->bind[1]), 0xC0000206);
	assert_int_equal(ip_addr_u32(&c->tun_address), 0xC0000205);
	assert_int_equal(c->n_radius, 1); /* the second alone works */
	assert_int_equal(ip_addr_u32(&c->radius[0].ip), 0x0A000002);
	conf_free(c);
}

static void bad_lists_are_refused(void **state)
{
	(void)state;
	struct conf *c = load("set radius_authtypes \"pap,mschap\"\n"
			      "set radius_authtypes \"\"\n"
			      "set bind_multi_address \"1.2.3.4,x\"\n"
			      "set bind_multi_address \"1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5\"\n"
			      "set guest_account \"1,2,3,4,5,6,7,8,9,10,11\"\n"
			      "set log_file relative\n"
			      "set steering sideways\n"
			      "set tundevicename a/b\n");
	assert_int_equal(said.errors, 8);
	assert_string_equal(c->radius_authtypes, "pap");
	assert_int_equal(c->n_guests, 0);
	conf_free(c);
}

static void what_contradicts_itself_is_reported(void **state)
{
	(void)state;
	struct conf *c = load("\nset l2tp_require_auth yes\nset radius_bind_min 2000\n"
			      "set radius_bind_max 1000\nset primary_radius 10.0.0.1\n");
	assert_said("E2 l2tp_require_auth");
	assert_said("E4 radius_bind_max");
	assert_said("W0 RADIUS servers without radius_secret");
	assert_int_equal(c->radius_bind_min, 0);
	conf_free(c);
	c = load("");
	assert_said("W0 neither primary_radius nor local_users");
	conf_free(c);
	c = load("\nset radius_servers \"10.0.0.1=x 10.0.0.2\"\n");
	assert_said("E2 radius_servers: a server has no secret");
	conf_free(c);
	c = load("set radius_secret x\nset primary_radius 10.0.0.1\n"
		 "set radius_servers \"10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4 10.0.1.5 10.0.1.6 "
		 "10.0.1.7 10.0.1.8 10.0.1.9 10.0.1.10 10.0.1.11 10.0.1.12 10.0.1.13 10.0.1.14 "
		 "10.0.1.15 10.0.1.16\"\n");
	assert_said("E3 radius_servers: more than 16 servers");
	conf_free(c);
	c = load("set radius_secret x\nset radius_accounting yes\n"
		 "set radius_servers 10.0.1.1,auth-only\n");
	assert_said("W2 radius_accounting: every server is auth-only");
	conf_free(c);
	c = load("set primary_radius_port 65535\nset secondary_radius_port 65534\n");
	assert_said("E1 ");
	assert_int_equal(said.errors, 1);
	assert_int_equal(c->primary_radius_port, 0);
	conf_free(c);
}

static void workers_get_mru_mss_and_their_share(void **state)
{
	(void)state;
	static const struct {
		unsigned mtu, mru;
	} cases[] = {{1500, 1462}, {1530, 1492}, {2600, 1492}, {600, 576}, {576, 576}};
	struct shard_conf s;
	char text[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "set l2tp_mtu %u\n", cases[i].mtu);
		struct conf *c = load(text);
		conf_to_shard(c, 3, &s);
		assert_int_equal(s.ppp.mru, cases[i].mru);
		assert_int_equal(s.dp.mru, cases[i].mru);
		assert_int_equal(s.dp.mss, cases[i].mru - 40);
		conf_free(c);
	}
	struct conf *c =
		load("set max_tunnels 10\nset mss_clamp no\nset disable_sending_hello yes\n"
		     "set hostname lns1\nset icmp_rate 1\nset idle_echo_timeout 86400\n"
		     "set bind_address 192.0.2.1\nset radius_authtypes chap\n");
	conf_to_shard(c, 3, &s);
	assert_int_equal(s.l2tp.max_tunnels, 4);
	assert_int_equal(s.l2tp.window, 128);
	assert_int_equal(s.l2tp.hello_interval_s, 0);
	assert_string_equal(s.l2tp.host_name, "lns1");
	assert_string_equal(s.ppp.chap_name, "lns1");
	assert_int_equal(s.dp.mss, 0);
	assert_int_equal(s.dp.icmp_rate, 1);
	assert_int_equal(s.ppp.echo_fail_s, 65535);
	assert_int_equal(s.ppp.n_auth, 1);
	assert_int_equal(s.ppp.auth[0], AUTH_CHAP);
	assert_int_equal(ip_addr_u32(&s.ppp.peer_ip), 0xC0000201);
	conf_free(c);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static const char blocks[] = "load plugin \"garden\"\n"
			     "load plugin stripdomain\n"
			     "remove plugin garden\n"
			     "router bgp 65000\n"
			     " neighbour 10.0.0.1 remote-as 64999\n"
			     " neighbor 10.0.0.1 timers 5 15\n"
			     " neighbout 10.0.0.1 update 10.0.0.9\n"
			     " neighb peer.example.org rem 1\n"
			     " neighbour 10.0.0.1 timers 6 18\n"
			     " no neighbour peer.example.org\n"
			     "ip access-list extended in-1\n"
			     " permit tcp any host 10.0.0.5 eq 80 established\n"
			     " deny ip 10.0.0.0 0.255.255.255 any fragments\n"
			     " deny udp any range 1 9 any neq 53\n"
			     " deny udp any range 1 9 any neq 53\n"
			     " permit tcp any any match-all +syn -ack\n"
			     "ip access-list standard s\n"
			     " permit 10.0.0.1\n"
			     " perm 10.1.0.0 0.0.255.255 h 10.9.9.9\n"
			     " permit any 10.9.9.8\n"
			     " deny host 10.0.0.2 any\n"
			     " permit any any\n"
			     " no permit any any\n"
			     " deny any\n"
			     "ip access-list standard gone\n"
			     " deny any\n"
			     "no ip access-list standard gone\n"
			     "setforward @old 10.9.9.9 1701 \"x\"\n"
			     "setforward @old 10.9.9.8 1702 \"a # b\"\n";

static void blocks_are_kept_in_order(void **state)
{
	(void)state;
	static struct printed p;
	struct conf *c = load(blocks);
	assert_int_equal(said.errors, 0);
	const char *end = strstr(print(c, true, &p), "\n# Plugins");
	assert_non_null(end);
	assert_string_equal(end, "\n# Plugins\n"
				 "load plugin \"stripdomain\"\n"
				 "\n# Remote LNSs\n"
				 "setforward @old 10.9.9.8 1702 \"a # b\"\n"
				 "\n# BGP\n"
				 "router bgp 65000\n"
				 " neighbour 10.0.0.1 remote-as 64999\n"
				 " neighbour 10.0.0.1 update-source 10.0.0.9\n"
				 " neighbour 10.0.0.1 timers 6 18\n"
				 "\n# Filters\n"
				 "ip access-list extended in-1\n"
				 " permit tcp any host 10.0.0.5 eq 80 established\n"
				 " deny ip 10.0.0.0 0.255.255.255 any fragments\n"
				 " deny udp any range 1 9 any neq 53\n"
				 " permit tcp any any match-all +syn -ack\n"
				 "ip access-list standard s\n"
				 " permit host 10.0.0.1\n"
				 " permit 10.1.0.0 0.0.255.255 host 10.9.9.9\n"
				 " permit any host 10.9.9.8\n"
				 " deny host 10.0.0.2 any\n"
				 " deny any\n"
				 "# end\n");
	assert_null(strstr(print(c, false, &p), "a # b"));
	assert_non_null(strstr(p.text, "setforward @old 10.9.9.8 1702 \"********\""));
	conf_free(c);
}

static void bad_blocks_are_reported(void **state)
{
	(void)state;
	struct conf *c = load("router bgp 0\n"
			      "neighbour 10.0.0.1 remote-as 5\n" /* no block is open */
			      "router bgp 1\n"
			      " neighbour 10.0.0.1 remote-as 4294967296\n"
			      " neighbour 10.0.0.1 timers 5\n"
			      " neighbour \"bad name\" remote-as 5\n"
			      " no neighbour 10.9.9.9\n"
			      " bogus\n"
			      "router bgp 2\n"
			      "ip access-list extended x\n"
			      " permit tcp any\n"
			      " permit udp any any established\n"
			      " permit tcp any any eq 0\n"
			      " permit tcp any any match-any\n"
			      " permit ip any any eq 5\n"
			      " permit tcp any range 9 1 any\n"
			      " allow any\n"
			      "ip access-list standard x\n"
			      "ip access-list odd y\n"
			      "ip access-list standard \"no good\"\n"
			      "load plugin ../evil\n"
			      "load plugin \"ev\\\\il\"\n"
			      "load plugin a\nload plugin a\n"
			      "remove plugin b\n"
			      "setforward m x 1 s\n");
	assert_int_equal(said.errors, 23);
	conf_free(c);
}

static void a_command_of_the_file_leaves_a_block(void **state)
{
	(void)state;
	struct conf *c = load("router bgp 1\nset debug 2\n neighbour 10.0.0.1 remote-as 5\n"
			      "router bgp 1\nexit\n neighbour 10.0.0.1 remote-as 5\nset debug 3\n"
			      "quit\nset debug 4\n");
	assert_int_equal(c->debug, 3);
	assert_said("E3 unknown command \"neighbour\"");
	assert_said("E6 unknown command \"neighbour\"");
	assert_int_equal(said.errors, 2);
	conf_free(c);
}

/* ---- properties ------------------------------------------------------------------------------ */

static void secrets_are_masked_for_others(void **state)
{
	(void)state;
	static struct printed p;
	struct conf *c = load("set l2tp_secret \"hunter2\"\n");
	assert_null(strstr(print(c, false, &p), "hunter2"));
	assert_non_null(strstr(p.text, "set l2tp_secret \"********\"\n"));
	assert_non_null(strstr(p.text, "set radius_secret \"\"\n"));
	assert_non_null(strstr(print(c, true, &p), "set l2tp_secret \"hunter2\"\n"));
	conf_free(c);
}

static void random_value(struct test_random *r, const struct conf_var *v, char out[64])
{
	static const char alphabet[] = "abc 019\"'\\#!:/,$%";
	char other[CONF_VALUE_TEXT];

	if (v->type == CONF_INT) {
		snprintf(out, 64, "%llu",
			 (unsigned long long)(v->min + test_random_below(r, v->max - v->min + 1)));
	} else if ((v->type == CONF_SECRET && v->max < 255) || /* the longer ones are lists */
		   v == &conf_vars[CONF_ID_pppoe_service_name] ||
		   v == &conf_vars[CONF_ID_default_ipv6_domain_list]) {
		size_t n = test_random_below(r, v->max < 63 ? v->max : 63);
		for (size_t i = 0; i < n; i++)
			out[i] = alphabet[test_random_below(r, sizeof(alphabet) - 1)];
		out[n] = '\0';
	} else {
		other_value(v, other);
		snprintf(out, 64, "%.63s", other);
	}
}

/* What is printed loads to what is printed. */
static void printed_configurations_load_to_the_same(void **state)
{
	(void)state;
	static struct printed first, second;
	struct test_random r = {.state = 42};

	for (unsigned run = 0; run < 200; run++) {
		struct conf *c = load(run % 2 ? blocks : "");
		for (unsigned i = 0; i < CONF_VARS; i++) {
			char value[64], why[CONF_REASON_TEXT];
			if (test_random_below(&r, 3) == 0)
				continue;
			random_value(&r, &conf_vars[i], value);
			assert_true(conf_set(c, &conf_vars[i], value, why));
		}
		if (c->radius_bind_min > c->radius_bind_max)
			c->radius_bind_max = 0;
		print(c, true, &first);
		struct conf *again = load(first.text);
		assert_null(strstr(said.text, "unknown"));
		bool bad_radius =
			conf_radius_servers_fault(again->radius_servers, again->n_radius,
						  again->radius_secret[0] != '\0') != NULL;
		assert_int_equal(said.errors,
				 (again->l2tp_require_auth && !again->l2tp_secret[0]) + bad_radius);
		print(again, true, &second);
		assert_string_equal(first.text, second.text);
		for (unsigned i = 0; i < CONF_VARS; i++) {
			char a[CONF_VALUE_TEXT], b[CONF_VALUE_TEXT];
			conf_get(c, &conf_vars[i], a);
			conf_get(again, &conf_vars[i], b);
			assert_string_equal(a, b);
		}
		conf_free(c);
		conf_free(again);
	}
}

static void running_out_of_memory_is_survived(void **state)
{
	(void)state;
	for (size_t n = 0;; n++) {
		memory.gets = 0;
		memory.fail_after = n;
		memset(&said, 0, sizeof(said));
		struct conf *c = conf_load(&memory.alloc, span_str(blocks), &report);
		if (c) {
			conf_free(c);
			break;
		}
		assert_int_equal(memory.blocks, 0);
		assert_true(n < 1000);
	}
	memory.fail_after = SIZE_MAX;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_file_gives_every_default),
		TEST(every_variable_takes_another_value),
		TEST(every_variable_refuses_a_bad_value),
		TEST(every_number_keeps_within_its_range),
		TEST(the_classic_variables_are_all_known),
		TEST(a_bad_line_is_named_and_the_rest_loads),
		TEST(words_of_commands_may_be_short_names_may_not),
		TEST(secrets_never_reach_a_diagnostic),
		TEST(old_names_are_deprecated_not_refused),
		TEST(the_last_of_several_settings_counts),
		TEST(the_sample_file_of_debian_loads),
		TEST(lists_are_derived),
		TEST(bad_lists_are_refused),
		TEST(what_contradicts_itself_is_reported),
		TEST(workers_get_mru_mss_and_their_share),
		TEST(blocks_are_kept_in_order),
		TEST(bad_blocks_are_reported),
		TEST(a_command_of_the_file_leaves_a_block),
		TEST(secrets_are_masked_for_others),
		TEST(printed_configurations_load_to_the_same),
		TEST(running_out_of_memory_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

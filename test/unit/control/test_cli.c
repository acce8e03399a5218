/* The command line over a loopback connection, with a control thread whose core is made up here. */
#include "cli_rig.h"

#include <jansson.h>

static void a_local_connection_needs_no_login(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show version"), "L2TPNS 9.9.9\r\n");
	assert_shows(run("sh ver"), "Workers: 4\r\n");
	assert_shows(run("nonsense"), "Invalid command \"nonsense\"");
	write(terminal.fd, "quit\r\n", 6);
	assert_false(read_until(&terminal, "never"));
	close(terminal.fd);
	stop();
}

static void listings_are_whole(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	const char *text = run("show session");
	assert_shows(text, "SID LkToSID   TID Username");
	assert_shows(text, "user0 ");
	assert_shows(text, "user199 ");
	assert_int_equal(count_of(text, "(L)192.0.2.1"), SESSIONS);
	assert_int_equal(count_of(run("show users"), "\r\nuser"), SESSIONS);
	assert_shows(run("show session | count"), "201\r\n");
	assert_shows(run("show tunnels"), "   7               (null)            192.0.2.1   Open");
	assert_shows(run("show pool"), "Used: 0");
	assert_shows(run("show counters"), "radius_retries");
	assert_shows(run("uptime"), "200 users, load average");
	close(terminal.fd);
	stop();
}

static void an_id_finds_all_sessions_that_have_it(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	const char *text = run("show session 5");
	assert_shows(text, "IPv6 prefix        2001::/64\r\n");
	assert_shows(text, "IPv6 interface     0000:0000:0000:0000\r\n");
	assert_shows(text,
		     "Tunnel granted     tag 1 type 3 medium 0 preference 0 to 192.0.2.7 as -");
	assert_shows(text, "user8\r\n");
	assert_shows(text, "user9\r\n");
	text = run("show session 9/5");
	assert_null(strstr(text, "user8\r\n"));
	assert_shows(text, "user9\r\n");
	assert_shows(text, "IPCP state:     Opened");
	assert_shows(run("show session 70000"), "Invalid session id \"70000\"");
	assert_shows(run("show session 5000"), "Session 5000 is not active");
	assert_shows(run("show users user3"), "Session 2:");
	assert_shows(run("show users nobody"), "User nobody is not connected");
	assert_shows(run("show tunnels 9"), "Next Recv:      12");
	assert_shows(run("show tunnels 8"), "Tunnel 8 is not active");
	close(terminal.fd);
	stop();
}

static void only_the_privileged_change_things(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("drop tunnel 9"), "Invalid command");
	assert_shows(run("show running-config"), "Invalid command");
	assert_shows(run("write terminal"), "set l2tp_secret \"********\"");
	run_privileged("enable");
	assert_shows(run_privileged("show running-config"), "set l2tp_secret \"hunter2\"");
	assert_shows(run_privileged("drop tunnel 9"), "Tunnel 9 shut down");
	assert_shows(run_privileged("drop tunnel 8 x"), "Tunnel 8 is not active");
	assert_int_equal(dropped_tunnels, 2);
	assert_shows(run_privileged("drop session 5"), "several tunnels, say TID/5");
	assert_int_equal(dropped_sessions, 0);
	assert_shows(run_privileged("drop session 9/5"), "Dropping session 9/5");
	assert_int_equal(dropped_sessions, 1);
	assert_int_equal(last_dropped.tid, 9);
	assert_shows(run_privileged("drop user user3"), "Dropping user user3 (1 session)");
	assert_shows(run_privileged("drop user nobody"), "User nobody is not connected");
	run_privileged("shutdown");
	assert_int_equal(shutdowns, 1);
	close(terminal.fd);
	stop();
}

static void users_are_throttled(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("throttle user3"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("throttle user3"), "Throttling user user3");
	assert_int_equal(policy3.rate_up, 28000);
	assert_int_equal(policy3.rate_down, 28000);
	assert_shows(run_privileged("throttle user3 in 5"), "already throttled in");
	assert_shows(run_privileged("no throttle user3"), "Unthrottling user user3");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("throttle user3 out 18446744073709551"), "Throttling");
	assert_int_equal(policy3.rate_up, 0);
	assert_true(policy3.rate_down == UINT64_C(18446744073709551000));
	assert_shows(run_privileged("throttle user3 in 64"), "Throttling");
	const char *text = run_privileged("show throttle");
	assert_shows(text,
		     "user3                                    64 18446744073709551       17");
	assert_shows(text, "4711\r\n1 throttled");
	assert_shows(run_privileged("show throttle json"), "\"rate\":64000");
	assert_shows(run_privileged("show session 9/2"), "YES (64kbps/18446744073709551kbps)");
	run_privileged("no throttle user3");
	assert_shows(run_privileged("throttle user3 in 1 out 2"), "Throttling");
	assert_int_equal(policy3.rate_up, 1000);
	assert_int_equal(policy3.rate_down, 2000);
	assert_shows(run_privileged("throttle nobody"), "User nobody is not connected");
	static const char *const wrong[] = {"0",    "-1",	"x",   "18446744073709552",
					    "in",   "in 1 out", "1 2", "in 1 in 2",
					    "up 3", "in 0"};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[80];
		run_privileged("no throttle user3");
		snprintf(line, sizeof(line), "throttle user3 %s", wrong[i]);
		run_privileged(line);
		assert_true(sess_policy_is_empty(&policy3));
	}
	close(terminal.fd);
	stop();
}

static void users_are_filtered(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	struct conf_report quiet = {.say = ignore_report};
	struct conf *edited = conf_edit(
		conf, span_str("ip access-list extended web\n permit tcp any any eq 80\n"), &quiet);
	conf_free(conf);
	conf = edited;
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("filter user3 in web"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("filter user3 in nolist"), "nolist is not defined");
	assert_shows(run_privileged("filter user3"), "Usage");
	assert_shows(run_privileged("filter user3 up web"), "Usage");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("filter user3 in web"), "Filtering user user3");
	assert_string_equal(policy3.filter_in, "web");
	assert_string_equal(policy3.filter_out, "");
	assert_shows(run_privileged("filter user3 in web"), "has a filter in already");
	assert_shows(run_privileged("filter user3 out web"), "Filtering");
	assert_string_equal(policy3.filter_out, "web");
	assert_shows(run_privileged("show session 9/2"), "Filter in:");
	assert_shows(run_privileged("no filter user3"), "Removed all filters");
	assert_true(sess_policy_is_empty(&policy3));
	close(terminal.fd);
	stop();
}

static void only_the_privileged_see_interception(void **state)
{
	(void)state;
	policy3 = (struct sess_policy){0};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	run_privileged("enable");
	assert_shows(run_privileged("snoop user3"), "snoop_host and snoop_port are not set");
	assert_shows(run_privileged("snoop user3 1.2.3.4"), "Usage");
	assert_shows(run_privileged("snoop user3 1.2.3 99"), "Usage");
	assert_shows(run_privileged("snoop user3 1.2.3.4 65536"), "Usage");
	assert_true(sess_policy_is_empty(&policy3));
	assert_shows(run_privileged("snoop user3 192.0.2.9 5555"), "Snooping user user3");
	assert_int_equal(policy3.intercept.port, 5555);
	assert_shows(run_privileged("show session 9/2"), "192.0.2.9:5555");
	assert_shows(run_privileged("show session json"), "192.0.2.9:5555");
	run("disable");
	assert_null(strstr(run("show session 9/2"), "5555"));
	assert_null(strstr(run("show session json"), "5555"));
	assert_null(strstr(run("show users user3"), "5555"));
	assert_shows(run("no snoop user3"), "Invalid command");
	run_privileged("enable");
	assert_shows(run_privileged("no snoop user3"), "Not snooping user user3");
	assert_true(sess_policy_is_empty(&policy3));
	close(terminal.fd);
	stop();
}

static void cleared_counters_start_at_zero(void **state)
{
	(void)state;
	start(NULL, 600);
	counter_add(&block, C_IP_ALLOCATED, 41);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show counters"), "ip_allocated                  41\r\n");
	run_privileged("enable");
	run_privileged("clear counters");
	counter_add(&block, C_IP_ALLOCATED, 1);
	assert_shows(run_privileged("show counters"), "ip_allocated                  1\r\n");
	close(terminal.fd);
	stop();
}

static void a_ping_tells_round_trip_times(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	const char *text = run_privileged("ping user user0 2");
	assert_int_equal(count_of(text, "Answer from 7/1: 1.500 ms"), 2);
	assert_shows(text, "2 sent, 2 answered, 0% lost");
	assert_shows(text, "= 1.500/1.500/1.500 ms");
	assert_shows(run_privileged("ping session 9/1 1"), "1 sent, 0 answered, 100% lost");
	assert_shows(run_privileged("ping user user0 1 json"), "\"answered\":1");
	assert_shows(run_privileged("ping user nobody"), "Not connected");
	assert_shows(run_privileged("ping user user0 0"), "Not a number within 1..1000");
	assert_shows(run_privileged("ping session zero"), "Usage: ping session");
	close(terminal.fd);
	stop();
}

static void an_idle_connection_is_closed(void **state)
{
	(void)state;
	start(NULL, 1);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_false(read_until(&terminal, "never"));
	close(terminal.fd);
	stop();
}

static void connections_are_limited_and_stopped(void **state)
{
	(void)state;
	static struct terminal more[4];
	start(NULL, 600);
	for (unsigned i = 0; i < 3; i++) {
		dial(&more[i]);
		assert_true(read_until(&more[i], "lns> "));
	}
	dial(&more[3]);
	assert_false(read_until(&more[3], "lns> "));
	stop(); /* does not wait for terminals */
	for (unsigned i = 0; i < 4; i++) {
		while (read_until(&more[i], "never"))
			;
		close(more[i].fd);
	}
}

static void an_address_in_use_is_reported(void **state)
{
	(void)state;
	char reason[160] = "";
	start(NULL, 600);
	struct cli_env env = {.requests = queue, .hostname = "lns"};
	assert_null(cli_server_start(&env, conf, NULL, reason));
	assert_non_null(strstr(reason, "cannot listen on "));
	stop();
}

/* The JSON that a command printed; the echo and the prompt cut off. */
static json_t *json_in(const char *command, const char *answer)
{
	char *text = strdup(answer);
	char *from = strchr(text, '\n'), *to = strstr(text, "\r\nlns");
	json_error_t error;

	assert_non_null(from);
	assert_non_null(to);
	*to = '\0';
	json_t *json = json_loads(from, 0, &error);
	if (!json)
		fail_msg("%s: %s at %d in:\n%s", command, error.text, error.position, text);
	free(text);
	return json;
}

static json_t *json_of(const char *command)
{
	return json_in(command, run(command));
}

static size_t size_of(const char *command, const char *list)
{
	json_t *json = json_of(command);
	size_t n = json_array_size(json_object_get(json, list));
	json_decref(json);
	return n;
}

static void the_load_of_each_worker_is_shown(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show workers"), "     0  any    12.3%");
	assert_shows(run("show workers"), "     1    3     0.0%");
	assert_shows(run("show workers json"), "\"taken_over\":99");
	close(terminal.fd);
	stop();
}

static void every_display_can_be_json(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"show version json",	    "uptime json",
		"show workers json",	    "show counters json",
		"show pool json",	    "show pool all json",
		"write terminal json",	    "show access-list json",
		"show histogram idle json", "show histogram open json",
		"show plugins json",	    "show radius json",
		"show radius servers json", "show radius all json",
		"show users user3 json",    "show session 9/5 json",
		"show tunnels 9 json",	    "show session user nobody json",
		"show tunnels all json",
	};
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		json_decref(json_of(commands[i]));
	assert_int_equal(size_of("show session json", "sessions"), SESSIONS);
	assert_int_equal(size_of("show users json", "users"), SESSIONS);
	assert_int_equal(size_of("show tunnels json", "tunnels"), 2);
	assert_int_equal(size_of("show ipcache json", "addresses"), SESSIONS);
	assert_int_equal(size_of("show session 5 json", "sessions"), 2);
	assert_shows(run("show session 9/5 json"), "\"delegated\":[\"2001::/64\"]");
	assert_int_equal(size_of("show top 7 json", "top"), 7);
	assert_shows(run("write terminal json"), "\"l2tp_secret\":\"********\"");
	close(terminal.fd);
	stop();
}

/* The displays that the console itself offers, so that a new one cannot be forgotten. */
static void whatever_show_offers_can_be_json(void **state)
{
	(void)state;
	unsigned n = 0;
	char word[64], command[96];

	make_file("set l2tp_secret hunter3\n");
	start(NULL, 600);
	privileged_terminal();
	char *offered = strdup(run_privileged("show ?"));
	for (char *line = strchr(offered, '\n'); line; line = strchr(line + 1, '\n')) {
		if (sscanf(line + 1, "  %63s", word) != 1 || strncmp(line + 1, "  ", 2) != 0)
			continue;
		const char *more = strcmp(word, "configuration") == 0 ? " diff"
				   : strcmp(word, "histogram") == 0   ? " idle"
								      : "";
		snprintf(command, sizeof(command), "show %s%s json", word, more);
		json_decref(json_in(command, run_privileged(command)));
		n++;
	}
	if (n < 15)
		fail_msg("only %u displays in:\n%s", n, offered);
	free(offered);
	close(terminal.fd);
	stop();
	forget_file();
}

static void sessions_can_be_filtered(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_int_equal(count_of(run("show session tunnel 9"), "(L)192.0.2.1"), SESSIONS / 2);
	assert_int_equal(count_of(run("show session state up"), "(L)192.0.2.1"), SESSIONS);
	assert_int_equal(count_of(run("show session state dying"), "(L)192.0.2.1"), 0);
	const char *text = run("show session user user3");
	assert_int_equal(count_of(text, "(L)192.0.2.1"), 1);
	assert_shows(text, "user3 ");
	assert_shows(run("show session ip 10.10.10.4"), "user3 ");
	assert_shows(run("show session user user3 detail"), "Session 2:");
	assert_shows(run("show session ip nonsense"), "not an IP address");
	assert_shows(run("show session tunnel"), "a value is missing");
	close(terminal.fd);
	stop();
}

/* "show top" looks twice, a second apart. */
static void what_is_typed_while_a_command_looks_is_the_next_one(void **state)
{
	(void)state;
	const struct timespec a_little = {.tv_nsec = 300000000};
	const char top[] = "show top 3\r\n";
	char end[25];

	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	const char *text = run("show version");
	assert_true(strlen(text) > sizeof(end));
	memcpy(end, text + strlen(text) + 1 - sizeof(end), sizeof(end));
	assert_int_equal(write(terminal.fd, top, strlen(top)), strlen(top));
	nanosleep(&a_little, NULL);
	assert_non_null(type(&terminal, "show version", end));
	close(terminal.fd);
	stop();
}

static void other_displays_answer(void **state)
{
	(void)state;
	const char *text;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("show histogram idle"), "200 total");
	assert_shows(run("show histogram open"), "100.00%    200");
	assert_shows(run("show ipcache"), "200 IP addresses used");
	text = run("show radius");
	assert_shows(text, "    ID  Radius Sock State     Session   Retry Try\r\n");
	assert_shows(text, "     1       0    0  CHAP         7/5     0.0   1\r\n");
	assert_shows(text, "     2       0    0  WAIT         7/5     0.0   0\r\n");
	assert_shows(text, "Free: 1022\r\nUsed: 2\r\n");
	assert_shows(text, "Waiting for room at a server: 1\r\n");
	assert_shows(text, "Accounting records that wait: 3, in the journal: 4\r\n");
	assert_shows(run("show radius all"), "     2  ");
	text = run("show radius servers");
	assert_shows(text, "192.0.2.5:1812           login alive           1            1");
	assert_null(strstr(text, "acct "));
	assert_null(strstr(text, "hush"));
	assert_null(strstr(run("show radius servers json"), "hush"));
	assert_shows(run("show access-list nope"), "Access list nope is not defined");
	assert_shows(run("show top 3"), "down kbit/s");
	assert_shows(run("show banana"), "V  \\");
	assert_shows(run("debug"), "Currently debugging: critical");
	run("debug ca error");
	assert_shows(run("debug"), "Currently debugging: critical error calls");
	run("no debug critical");
	assert_shows(run("debug"), "Currently debugging: error calls");
	assert_shows(run("debug c"), "Invalid debugging flag \"c\"");
	run("no debug");
	assert_shows(run("debug"), "Currently debugging: none");
	assert_shows(run("monitor session 70000"), "Say a session id");
	assert_shows(run("monitor session user nobody"), "Not connected");
	type(&terminal, "monitor session 9/5", "Any key ends this\r\n");
	assert_true(read_until(&terminal, "idle 0s\r\n"));
	assert_shows(run(""), "lns> ");
	close(terminal.fd);
	stop();
}

static void variables_are_set_at_once(void **state)
{
	(void)state;
	start(NULL, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	assert_shows(run("configure terminal"), "Invalid command");
	run_privileged("enable");
	run_config("conf t");
	applied = 0;
	assert_shows(run_config("set debug 4"), "Setting \"debug\" to \"4\"");
	assert_int_equal(asked().debug, 4);
	assert_shows(run_config("set l2tp_secret 'two words'"), "to \"********\"");
	assert_string_equal(asked().secret, "two words");
	assert_shows(run_config("set bind_address 192.0.2.1"), "at the next start");
	assert_int_equal(applied, 3);
	assert_shows(run_config("set debug 4"), "Setting");
	assert_int_equal(applied, 3);
	assert_shows(run_config("set debug many"), "debug: ");
	assert_shows(run_config("set bind_address 1.2.3.400"), "bind_address: ");
	assert_shows(run_config("set nothing 1"), "unknown variable \"nothing\"");
	assert_shows(run_config("set debug"), "Usage: set");
	assert_int_equal(applied, 3);
	assert_int_equal(asked().debug, 4);
	run_config("no set debug");
	assert_int_equal(asked().debug, 0);
	run_privileged("exit");
	close(terminal.fd);
	stop();
}

static void help_tells_about_variables(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	run_config("configure terminal");
	assert_int_equal(write(terminal.fd, "set radius_t?", 13), 13);
	assert_true(read_until(&terminal, "lns(config)# set radius_t"));
	assert_shows(terminal.text, "radius_timeout");
	assert_shows(terminal.text, "radius_tries");
	assert_null(strstr(terminal.text, "l2tp_mtu"));
	/* What is left of the line is no command. */
	run_config("x");
	assert_int_equal(write(terminal.fd, "set l2tp_mtu ?", 14), 14);
	assert_true(read_until(&terminal, "lns(config)# set l2tp_mtu "));
	assert_shows(terminal.text, "<576-2600> bytes");
	close(terminal.fd);
	stop();
}

static void blocks_have_their_prompts(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	run_config("configure terminal");
	type(&terminal, "ip access-list extended web", "lns(config-ext-nacl)# ");
	type(&terminal, "permit tcp any any eq 80", "lns(config-ext-nacl)# ");
	assert_shows(type(&terminal, "permit tcp any any eq http", "lns(config-ext-nacl)# "),
		     "where a port should be");
	type(&terminal, "deny ip any any", "lns(config-ext-nacl)# ");
	type(&terminal, "no deny ip any any", "lns(config-ext-nacl)# ");
	type(&terminal, "ip access-list standard s", "lns(config-std-nacl)# ");
	type(&terminal, "permit 10.0.0.1", "lns(config-std-nacl)# ");
	type(&terminal, "router bgp 65000", "lns(config-router)# ");
	type(&terminal, "neighbour 192.0.2.9 remote-as 7", "lns(config-router)# ");
	run_config("exit");
	assert_shows(run_config("no ip access-list standard nope"), "there is no nope");
	run_privileged("exit");
	const char *text = run_privileged("show running-config");
	assert_shows(text, "ip access-list extended web\r\n permit tcp any any eq 80\r\n");
	assert_shows(text, "ip access-list standard s\r\n permit host 10.0.0.1\r\n");
	assert_shows(text, "router bgp 65000\r\n neighbour 192.0.2.9 remote-as 7\r\n");
	assert_null(strstr(text, "deny"));
	close(terminal.fd);
	stop();
}

static void the_file_is_written_as_a_whole(void **state)
{
	(void)state;
	struct stat st;
	make_file("# ours\nset debug 1 # quiet\n");
	start(NULL, 600);
	privileged_terminal();
	write_file("# ours\nset debug 0\nset hello_interval 60\n");
	run_config("configure terminal");
	run_config("set debug 3");
	run_privileged("exit");
	assert_shows(run_privileged("write memory"), "Written to /tmp/test_cli.");
	assert_int_equal(strncmp(file_text(), "# ours\nset debug 3\nset hello_interval 60\n", 40),
			 0);
	assert_non_null(strstr(file_text(), "\nset l2tp_secret \"hunter2\"\n"));
	assert_int_equal(stat(conf_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_shows(run_privileged("show configuration diff"), "No difference");
	close(terminal.fd);
	stop();
	forget_file();
}

static void a_reload_is_all_or_nothing(void **state)
{
	(void)state;
	char text[512];
	make_file("");
	start(NULL, 600);
	privileged_terminal();
	applied = 0;
	snprintf(text, sizeof(text), "set debug 2\nset nothing 3\nset cli_port %u\n",
		 conf->cli_port);
	write_file(text);
	const char *said = run_privileged("reload");
	assert_shows(said, ":2: error: unknown variable \"nothing\"");
	assert_shows(said, "Reload refused, nothing changed");
	assert_int_equal(applied, 0);
	assert_int_equal(asked().debug, 0);
	write_file("set debug 2\n");
	said = run_privileged("show configuration diff");
	assert_shows(said, "-set debug 0\r\n+set debug 2\r\n");
	assert_shows(said, "+set l2tp_secret \"\"\r\n");
	assert_shows(run_privileged("reload"), "Reloaded /tmp/test_cli.");
	assert_int_equal(applied, 1);
	assert_int_equal(asked().debug, 2);
	assert_string_equal(asked().secret, "");
	close(terminal.fd);
	stop();
	forget_file();
}

static void what_is_not_confirmed_is_rolled_back(void **state)
{
	(void)state;
	start(NULL, 600);
	privileged_terminal();
	assert_shows(run_privileged("configure commit-confirmed x"), "Say in how many minutes");
	assert_shows(run_privileged("configure confirm"), "Nothing waits");
	assert_shows(run_config("configure commit-confirmed 1s"), "rolled back in 1 seconds");
	run_config("set debug 4");
	run_privileged("exit");
	assert_shows(run_privileged("write memory"), "Not confirmed yet");
	assert_int_equal(asked().debug, 4);
	for (unsigned i = 0; i < 100 && asked().debug == 4; i++)
		usleep(100000);
	assert_int_equal(asked().debug, 0);

	run_config("configure commit-confirmed 1s");
	run_config("set debug 5");
	run_privileged("exit");
	assert_shows(run_privileged("configure confirm"), "Confirmed");
	usleep(1300000);
	assert_int_equal(asked().debug, 5);

	run_config("configure commit-confirmed 60");
	run_config("set debug 1");
	run_privileged("exit");
	assert_shows(run_privileged("configure rollback"), "Rolled back");
	assert_int_equal(asked().debug, 5);
	run_config("configure commit-confirmed 60"); /* ends with the server */
	close(terminal.fd);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_connection_needs_no_login),
		cmocka_unit_test(listings_are_whole),
		cmocka_unit_test(an_id_finds_all_sessions_that_have_it),
		cmocka_unit_test(only_the_privileged_change_things),
		cmocka_unit_test(users_are_throttled),
		cmocka_unit_test(users_are_filtered),
		cmocka_unit_test(only_the_privileged_see_interception),
		cmocka_unit_test(the_load_of_each_worker_is_shown),
		cmocka_unit_test(every_display_can_be_json),
		cmocka_unit_test(whatever_show_offers_can_be_json),
		cmocka_unit_test(sessions_can_be_filtered),
		cmocka_unit_test(other_displays_answer),
		cmocka_unit_test(what_is_typed_while_a_command_looks_is_the_next_one),
		cmocka_unit_test(variables_are_set_at_once),
		cmocka_unit_test(help_tells_about_variables),
		cmocka_unit_test(blocks_have_their_prompts),
		cmocka_unit_test(the_file_is_written_as_a_whole),
		cmocka_unit_test(a_reload_is_all_or_nothing),
		cmocka_unit_test(what_is_not_confirmed_is_rolled_back),
		cmocka_unit_test(cleared_counters_start_at_zero),
		cmocka_unit_test(a_ping_tells_round_trip_times),
		cmocka_unit_test(an_idle_connection_is_closed),
		cmocka_unit_test(connections_are_limited_and_stopped),
		cmocka_unit_test(an_address_in_use_is_reported),
	};
	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}

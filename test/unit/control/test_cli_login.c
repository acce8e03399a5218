/* Who is let in to the command line, and who is not. */
#include "cli_rig.h"

/* Three times, with which the connection is closed. */
static void say_wrong_passwords(void)
{
	dial(&terminal);
	assert_true(read_until(&terminal, "Username: "));
	for (unsigned i = 0; i < 2; i++) {
		type(&terminal, "joe", "Password: ");
		type(&terminal, "wrong", "Username: ");
	}
	type(&terminal, "joe", "Password: ");
	write(terminal.fd, "wrong\r\n", 7);
	while (read_until(&terminal, "never"))
		;
	close(terminal.fd);
}

static void the_enable_password_is_asked_for(void **state)
{
	(void)state;
	static const char *const users[] = {"enable:{crypt}$6$ab$7A4bb9DeB/4mb6IBJVVgjQRv0BjKrGFDr"
					    "z6o0DWXJOnZfzWRhoPN4PlxWZ1Yt5B8BuDvaHpTPLyz2o8/E3XYu1",
					    "enable:sesame", NULL};
	start(users, 600);
	dial(&terminal);
	assert_true(read_until(&terminal, "lns> "));
	type(&terminal, "enable", "Password: ");
	assert_shows(run("wrong"), "Access denied");
	type(&terminal, "enable", "Password: ");
	run_privileged("sesame");
	close(terminal.fd);
	stop();
}

/* From another address than 127.0.0.1, within our own network namespace. */
static void a_remote_connection_needs_a_login(void **state)
{
	(void)state;
	static const char *const users[] = {"fred:{crypt}$1$aa$xJg7NtMUmGu7nPzLq1Vm41",
					    "joe:secret", "enable:sesame", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	remote = true;
	dial(&terminal);
	assert_true(read_until(&terminal, "Username: "));
	type(&terminal, "joe", "Password: ");
	assert_shows(type(&terminal, "wrong", "Username: "), "Access denied");
	type(&terminal, "enable", "Password: ");
	assert_shows(type(&terminal, "sesame", "Username: "), "Access denied");
	type(&terminal, "joe", "Password: ");
	run("secret");
	type(&terminal, "enable", "Password: ");
	run_privileged("sesame");
	close(terminal.fd);

	/* After the third wrong password the connection is closed. */
	say_wrong_passwords();
	remote = false;
	stop();
}

static void a_remote_connection_is_closed_without_users(void **state)
{
	(void)state;
	static const char *const only_enable[] = {"enable:sesame", NULL};
	if (!have_namespace)
		skip();
	remote = true;
	start(NULL, 600);
	dial(&terminal);
	assert_false(read_until(&terminal, ": "));
	close(terminal.fd);
	cli_users_free(cli_server_update(server, conf, users_of(only_enable)));
	dial(&terminal);
	assert_false(read_until(&terminal, ": "));
	close(terminal.fd);
	remote = false;
	stop();
}

static void wrong_passwords_lock_an_address_out(void **state)
{
	(void)state;
	static const char *const users[] = {"joe:secret", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	remote = true;
	say_wrong_passwords();
	say_wrong_passwords();
	dial(&terminal);
	assert_false(read_until(&terminal, "Username: "));
	close(terminal.fd);
	remote = false;
	dial(&terminal); /* the machine itself is not locked out */
	assert_true(read_until(&terminal, "lns> "));
	close(terminal.fd);
	stop();
}

static void an_access_list_keeps_others_out(void **state)
{
	(void)state;
	static const char *const users[] = {"joe:secret", NULL};
	if (!have_namespace)
		skip();
	start(users, 600);
	privileged_terminal();
	run_config("configure terminal");
	run_config("set cli_access_list admins");
	remote = true;
	static struct terminal other;
	dial(&other);
	assert_false(read_until(&other, "Username: "));
	close(other.fd);
	type(&terminal, "ip access-list standard admins", "lns(config-std-nacl)# ");
	type(&terminal, "deny 10.1.1.2", "lns(config-std-nacl)# ");
	type(&terminal, "permit any host 10.1.1.77", "lns(config-std-nacl)# ");
	dial(&other); /* not the address that it connects to */
	assert_false(read_until(&other, "Username: "));
	close(other.fd);
	type(&terminal, "permit 10.1.0.0 0.0.255.255 host 10.1.1.1", "lns(config-std-nacl)# ");
	dial(&other);
	assert_true(read_until(&other, "Username: "));
	close(other.fd);
	remote = false;
	close(terminal.fd);
	stop();
}

static void the_local_root_has_a_socket(void **state)
{
	(void)state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/test_cli_socket.%d", (int)getpid());
	snprintf(socket_path, sizeof(socket_path), "%s", at.sun_path);
	static const char *const users[] = {"enable:sesame", NULL};
	start(users, 600);
	assert_int_equal(stat(at.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	terminal.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(terminal.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(read_until(&terminal, "lns> "));
	assert_int_not_equal((unsigned char)terminal.text[0], 255); /* no telnet */
	assert_shows(run("show version"), "L2TPNS 9.9.9");
	assert_shows(run("show running-config"), "hunter2"); /* privileged at once */
	assert_shows(run("drop user user3"), "Dropping user user3");
	/* The protocol of l2tpnsctl. */
	write(terminal.fd, "batch\r", 6);
	assert_true(read_until(&terminal, "\2\n"));
	write(terminal.fd, "show version\n", 13);
	assert_true(read_until(&terminal, "\3"
					  "0\n"));
	assert_shows(terminal.text, "L2TPNS 9.9.9");
	write(terminal.fd, "nonsense\nshow session 60000\n\n", 29);
	assert_true(read_until(&terminal, "\3"
					  "0\n"));
	assert_int_equal(count_of(terminal.text, "\3"
						 "1\n"),
			 2);
	close(terminal.fd);
	/* Telnet that takes all connections does not keep root out. */
	static struct terminal telnet[3];
	for (unsigned i = 0; i < 3; i++) {
		dial(&telnet[i]);
		read_until(&telnet[i], "lns> ");
	}
	terminal.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(terminal.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(read_until(&terminal, "lns> "));
	close(terminal.fd);
	stop();
	for (unsigned i = 0; i < 3; i++)
		close(telnet[i].fd);
	socket_path[0] = '\0';
	assert_int_equal(stat(at.sun_path, &st), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_enable_password_is_asked_for),
		cmocka_unit_test(a_remote_connection_needs_a_login),
		cmocka_unit_test(a_remote_connection_is_closed_without_users),
		cmocka_unit_test(wrong_passwords_lock_an_address_out),
		cmocka_unit_test(an_access_list_keeps_others_out),
		cmocka_unit_test(the_local_root_has_a_socket),
	};
	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}

#include "control/conf_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "test_alloc.h"

static struct test_alloc memory;
static char dir[] = "/tmp/lns-files-XXXXXX";

/* What was said, as "E3 name reason\n" lines. */
static struct {
	unsigned errors, warnings;
	size_t n;
	char text[16384];
} said;

static void say(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
		const char *reason)
{
	(void)ctx;
	if (severity == CONF_ERROR)
		said.errors++;
	else
		said.warnings++;
	int n = snprintf(said.text + said.n, sizeof(said.text) - said.n, "%c%u %s %s\n",
			 severity == CONF_ERROR ? 'E' : 'W', line, strrchr(file, '/') + 1, reason);
	said.n += (size_t)n;
}

static const struct file_report report = {.say = say};

static void assert_said(const char *what)
{
	if (!strstr(said.text, what))
		fail_msg("not said: %s\nsaid:\n%s", what, said.text);
}

static const char *write_file(const char *name, const char *text)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int setup(void **state)
{
	(void)state;
	test_alloc_init(&memory);
	memset(&said, 0, sizeof(said));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return memory.blocks == 0 ? 0 : -1;
}

static void companions_are_beside_the_main_file(void **state)
{
	(void)state;
	char path[CONF_PATH_MAX];

	conf_file_path(path, "/etc/l2tpns/startup-config", "", "users");
	assert_string_equal(path, "/etc/l2tpns/users");
	conf_file_path(path, "/tmp/x/y", "", "ip_pool");
	assert_string_equal(path, "/tmp/x/ip_pool");
	conf_file_path(path, "here", "", "ip_pool");
	assert_string_equal(path, "ip_pool");
	conf_file_path(path, "/tmp/x/y", "/elsewhere/pool", "ip_pool");
	assert_string_equal(path, "/elsewhere/pool");
}

static void faults_of_startup_config_carry_its_name(void **state)
{
	(void)state;
	struct conf *c = conf_file_load(
		&memory.alloc, write_file("startup-config", "set debug 4\r\nset x y\r\n"), &report);
	assert_int_equal(c->debug, 4);
	assert_said("E2 startup-config unknown variable \"x\"");
	conf_free(c);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	char path[64];

	snprintf(path, sizeof(path), "%s/missing", dir);
	struct conf *c = conf_file_load(&memory.alloc, path, &report);
	assert_non_null(c); /* every default */
	assert_int_equal(c->cli_port, 23);
	conf_free(c);
	assert_said("E0 missing cannot be read: No such file");
	assert_null(cli_users_file_load(&memory.alloc, path, &report));
	assert_null(local_users_file_load(&memory.alloc, path, &report));
	assert_null(cli_users_file_load(&memory.alloc, dir, &report));
	assert_said("is a directory");
	assert_int_equal(said.errors, 4);
}

static uint32_t pool_size(const char *text, uint32_t bind_address)
{
	uint32_t used, total;
	struct ip_addr bind = ip_addr_v4(bind_address);
	struct ippool *p = ippool_new(&memory.alloc);

	assert_true(ippool_file_load(p, write_file("ip_pool", text), &bind, &report));
	ippool_totals(p, &used, &total);
	assert_int_equal(used, 0);
	ippool_free(p);
	return total;
}

static void ip_pool_takes_addresses_and_networks(void **state)
{
	(void)state;
	assert_int_equal(pool_size("# comment\n\n10.0.0.5\r\n10.1.0.0/24\n 10.2.0.9 \n", 0),
			 1 + 254 + 1);
	assert_int_equal(said.errors, 0);
	assert_int_equal(pool_size("10.0.0.5", 0), 1); /* no line end */
}

static void ip_pool_entries_may_name_their_server(void **state)
{
	(void)state;
	static const char text[] = "192.0.2.1:10.0.0.1\n192.0.2.2:10.0.1.0/24\n10.9.9.9\n";
	assert_int_equal(pool_size(text, 0xC0000201), 2);
	assert_int_equal(pool_size(text, 0xC0000202), 255);
	assert_int_equal(pool_size(text, 0xC0000203), 1);
	assert_int_equal(said.errors, 0);
}

static void pools_may_have_names(void **state)
{
	(void)state;
	assert_int_equal(pool_size("10.0.0.5\npool gold next silver\n10.1.0.0/24\n"
				   "  pool\tsilver \n10.2.0.9\n",
				   0),
			 256);
	assert_int_equal(said.errors, 0);
	assert_int_equal(pool_size("10.0.0.5\n\npool gold next copper\n10.1.0.9\n", 0), 2);
	assert_int_equal(said.errors, 1);
	assert_said("E3 ip_pool the next pool is none of this file");
	assert_int_equal(pool_size("pool\npool a b\npool a next\npool a next b c\npool a\npool a\n"
				   "pool a-name-that-has-far-too-many-characters\npools\n",
				   0),
			 0);
	assert_int_equal(said.errors, 1 + 7);
}

static void bad_pool_lines_are_named(void **state)
{
	(void)state;
	assert_int_equal(pool_size("10.0.0.256\n10.0.0.1-9\n0.0.0.0/0\nx:10.0.0.1\n10.0.0.1/33\n"
				   "2001:db8::/64\n10.0.0.1 # no\n10.0.0.7\n10.0.0.7\n",
				   0),
			 1);
	assert_int_equal(said.errors, 8);
	assert_said("E1 ip_pool neither");
	assert_said("E4 ip_pool not an IPv4 address before the colon");
	assert_said("E9 ip_pool ");
}

static void users_and_the_enable_password(void **state)
{
	(void)state;
	struct cli_users *u = cli_users_file_load(
		&memory.alloc,
		write_file("users", "# comment\n\nfred:a:b#c\r\nenable:sesame\nnocolon\n:x\ny:\n"
				    "fred:second\n"),
		&report);
	assert_int_equal(cli_users_count(u), 2);
	assert_string_equal(cli_users_password(u, "fred"), "second");
	assert_string_equal(cli_users_enable(u), "sesame");
	assert_null(cli_users_password(u, "enable")); /* not a login */
	assert_null(cli_users_password(u, "nobody"));
	assert_int_equal(said.errors, 3);
	assert_said("E5 users not NAME:PASSWORD");
	assert_null(strstr(said.text, "nocolon"));
	cli_users_free(u);
}

static void users_survive_a_lack_of_memory(void **state)
{
	(void)state;
	char reason[96];

	for (size_t n = 0; n < 4; n++) {
		memory.gets = 0;
		memory.fail_after = n;
		struct cli_users *u = cli_users_new(&memory.alloc);
		if (u && !cli_users_add_line(u, span_str("a:b"), reason))
			assert_string_equal(reason, "out of memory");
		cli_users_free(u);
		assert_int_equal(memory.blocks, 0);
	}
	memory.fail_after = SIZE_MAX;
}

static void passwords_are_plain_or_hashed(void **state)
{
	(void)state;
	/* Of crypt(3): MD5 with the salt "saltsalt", SHA-512 with "saltstring" (its specification).
	 */
	static const char md5[] = "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/";
	static const char sha512[] =
		"{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI"
		"FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";

	assert_true(password_matches("secret", "secret"));
	assert_false(password_matches("secret", "secret "));
	assert_false(password_matches("", "secret"));
	assert_true(password_matches("password", md5));
	assert_false(password_matches("Password", md5));
	assert_true(password_matches("Hello world!", sha512));
	assert_false(password_matches("Hello world", sha512));
	/* What is no hash matches nothing, not even itself. */
	assert_false(password_matches("x", "{crypt}x"));
	assert_false(password_matches("", "{crypt}"));
	assert_false(password_matches("*0", "{crypt}*"));
	assert_false(password_matches("$1$", "$1$"));
}

/* ---- what the project installs --------------------------------------------------------------- */

static const char *sample(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/conf/%s", LNS_SOURCE_DIR, name);
	return path;
}

static void the_shipped_files_are_free_of_faults(void **state)
{
	(void)state;
	struct ip_addr any = {0};
	struct ippool *pool = ippool_new(&memory.alloc);
	uint32_t used, total;

	struct conf *c = conf_file_load(&memory.alloc, sample("startup-config"), &report);
	struct cli_users *u = cli_users_file_load(&memory.alloc, sample("users"), &report);
	struct local_users *l =
		local_users_file_load(&memory.alloc, sample("local_users"), &report);
	assert_true(ippool_file_load(pool, sample("ip_pool"), &any, &report));
	assert_string_equal(said.text, "");
	assert_string_equal(c->local_users, "/etc/l2tpns/local_users");
	assert_int_equal(cli_users_count(u), 0);
	assert_int_equal(local_users_count(l), 0); /* no password that everybody knows */
	ippool_totals(pool, &used, &total);
	assert_int_equal(total, 254);
	conf_free(c);
	cli_users_free(u);
	local_users_free(l);
	ippool_free(pool);
}

/* Every line that the samples offer as a comment works when the comment sign is removed. */
static void offered_settings_are_valid(void **state)
{
	(void)state;
	static char text[65536];
	char line[1024];
	size_t n = 0;

	FILE *f = fopen(sample("startup-config"), "r");
	while (fgets(line, sizeof(line), f)) {
		bool offered = strncmp(line, "#set ", 5) == 0;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", line + offered);
	}
	fclose(f);
	struct conf *c = conf_file_load(&memory.alloc, write_file("all", text), &report);
	assert_int_equal(said.errors, 0);
	assert_true(c->l2tp_require_auth);
	conf_free(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"startup-config", "ip_pool", "users", "all"};
	char path[64];
	(void)state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(companions_are_beside_the_main_file),
		TEST(faults_of_startup_config_carry_its_name),
		TEST(what_cannot_be_read_is_an_error),
		TEST(ip_pool_takes_addresses_and_networks),
		TEST(ip_pool_entries_may_name_their_server),
		TEST(pools_may_have_names),
		TEST(bad_pool_lines_are_named),
		TEST(users_and_the_enable_password),
		TEST(users_survive_a_lack_of_memory),
		TEST(passwords_are_plain_or_hashed),
		TEST(the_shipped_files_are_free_of_faults),
		TEST(offered_settings_are_valid),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

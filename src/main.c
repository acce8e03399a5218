/*
 * main.c - the daemon's command line: options as the original's, plus -t (check the configuration),
 * --help and --version. Loads and checks the configuration, then hands over to the control loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/conf_files.h"
#include "control/heap.h"
#include "control/journal_io.h"
#include "control/log_sink.h"
#include "control/loop.h"
#include "control/usage_io.h"

enum { DESCRIPTORS = 8192 };

/*
 * Read by jemalloc before main() runs. A session's state is touched seldom and lies anywhere in
 * gigabytes: with pages of 4 KB each touch also misses the TLB, and with 100,000 sessions up a dial
 * costs a fifth more. $MALLOC_CONF still overrides this.
 */
extern const char *const malloc_conf;
const char *const malloc_conf = "thp:always";

struct options {
	struct loop_options loop;
	bool detach, check;
};

static const char usage[] =
	"usage: l2tpns [-d] [-v] [-t] [-c FILE] [-h NAME]\n"
	"  -c FILE    configuration (default " CONF_CLASSIC_PATH ")\n"
	"  -t         check the configuration and exit: 0 = good, 1 = bad (file:line: reason)\n"
	"  -d         detach from the terminal and run in the background\n"
	"  -v         log one level more; repeat for even more; `debug` counts when it is higher\n"
	"  -h NAME    host name, unless the configuration sets `hostname`\n"
	"  --version  print the version and exit\n"
	"  --help     print this and exit\n";

/* ---- diagnostics on standard error --------------------------------------------------------- */

struct tally {
	unsigned errors;
};

static void say_line(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
		     const char *reason)
{
	struct tally *t = ctx;
	const char *what = severity == CONF_ERROR ? "error" : "warning";
	t->errors += severity == CONF_ERROR;
	if (line)
		fprintf(stderr, "%s:%u: %s: %s\n", file, line, what, reason);
	else
		fprintf(stderr, "%s: %s: %s\n", file, what, reason);
}

/* ---- -t: check only ----------------------------------------------------------------------- */

/* Reads the companions of the main file only to have them checked. */
static void check_companions(const char *conf_path, const struct conf *conf,
			     const struct file_report *report)
{
	char path[CONF_PATH_MAX], reason[JOURNAL_REASON];
	struct ippool *pool = ippool_new(&heap);

	conf_file_path(path, conf_path, conf->ip_pool_file, "ip_pool");
	if (pool)
		ippool_file_load(pool, path, &conf->bind_address, report);
	ippool_free(pool);
	conf_file_path(path, conf_path, conf->users_file, "users");
	cli_users_free(cli_users_file_load(&heap, path, report));
	if (conf->acct_journal[0] && !journal_io_check(conf->acct_journal, reason))
		report->say(report->ctx, conf_path, 0, CONF_ERROR, reason);
	if (conf->accounting_dir[0] && !usage_io_check(conf->accounting_dir, reason))
		report->say(report->ctx, conf_path, 0, CONF_ERROR, reason);
	if (conf->local_users[0])
		local_users_free(local_users_file_load(&heap, conf->local_users, report));
}

static int check(const char *conf_path, const struct conf *conf, struct tally *tally)
{
	const struct file_report report = {.ctx = tally, .say = say_line};

	check_companions(conf_path, conf, &report);
	if (tally->errors)
		fprintf(stderr, "%s: %u error%s\n", conf_path, tally->errors,
			tally->errors == 1 ? "" : "s");
	else
		printf("%s: good\n", conf_path);
	return tally->errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- start --------------------------------------------------------------------------------- */

static void detach(void)
{
	if (daemon(1, 0) != 0) {
		fprintf(stderr, "l2tpns: cannot detach: %s\n", strerror(errno));
		exit(EXIT_FAILURE);
	}
}

/* Our name: the file's, else -h, else the system's without its domain. */
static void settle_hostname(struct conf *conf, const char *option)
{
	if (conf->hostname[0])
		return;
	if (option) {
		snprintf(conf->hostname, sizeof(conf->hostname), "%s", option);
		return;
	}
	char name[256] = "";
	if (gethostname(name, sizeof(name) - 1) != 0 || !name[0])
		snprintf(name, sizeof(name), "l2tpns");
	name[strcspn(name, ".")] = '\0';
	snprintf(conf->hostname, sizeof(conf->hostname), "%s", name);
}

/* One descriptor per 256 outstanding RADIUS requests, and one per command line connection. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = DESCRIPTORS;
	if (limit.rlim_max < DESCRIPTORS)
		limit.rlim_max = DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_sink_printf(LOG_WARN, "cannot raise the limit of descriptors to %d: %s",
				DESCRIPTORS, strerror(errno));
}

static int serve(const struct options *o, struct conf *conf)
{
	heap_start();
	log_sink_start();
	log_sink_level(conf->debug > o->loop.debug ? conf->debug : o->loop.debug);
	log_sink_open(conf->log_file);
	allow_descriptors();
	if (conf->lock_pages && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		log_sink_printf(LOG_WARN, "lock_pages: %s", strerror(errno));
	int status = loop_run(&o->loop, conf);
	log_sink_stop();
	if (status != EXIT_SUCCESS)
		fprintf(stderr, "l2tpns: failed, the log says why\n");
	return status;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option long_options[] = {
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'H'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "dvtc:h:", long_options, NULL)) != -1) {
		switch (c) {
		case 'd':
			o->detach = true;
			break;
		case 'v':
			o->loop.debug++;
			break;
		case 't':
			o->check = true;
			break;
		case 'c':
			o->loop.conf_path = optarg;
			break;
		case 'h':
			o->loop.hostname = optarg;
			break;
		case 'V':
			printf("l2tpns %s\n", LNS_VERSION);
			exit(EXIT_SUCCESS);
		case 'H':
			printf("%s", usage);
			exit(EXIT_SUCCESS);
		default:
			fprintf(stderr, "%s", usage);
			exit(EXIT_FAILURE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "l2tpns: %s is not an option\n%s", argv[optind], usage);
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	struct options o = {.loop = {.conf_path = CONF_CLASSIC_PATH}};
	struct tally tally = {0};
	const struct file_report report = {.ctx = &tally, .say = say_line};

	/* A reload asked for while the program starts waits for the loop instead of ending it. */
	sigset_t hup;
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);

	parse_options(argc, argv, &o);
	struct conf *conf = conf_file_load(&heap, o.loop.conf_path, &report);
	if (!conf) {
		fprintf(stderr, "l2tpns: out of memory\n");
		return EXIT_FAILURE;
	}
	if (o.check) {
		int status = check(o.loop.conf_path, conf, &tally);
		conf_free(conf);
		return status;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "l2tpns: must be run as root: it opens UDP port 1701, "
				"/dev/net/tun and changes routes\n");
		return EXIT_FAILURE;
	}
	settle_hostname(conf, o.loop.hostname);
	if (o.detach)
		detach();
	return serve(&o, conf);
}

/*
 * garden - the walled garden: who is rejected is let in, and all that comes from that address goes
 * through the nat chain `garden`, which the script build-garden fills. See docs/garden.md.
 */
#include "control.h"
#include "garden_jobs.h"

int plugin_api_version = PLUGIN_API_VERSION;

const char *plugin_control_help[] = {
	"  garden USER|SID                             Put user into the walled garden",
	"  ungarden SID [USER]                         Release session from garden",
	0,
};

enum { ROUTES = 16, AGAIN_S = 10 };

static const struct plugin_functions *f;
static int started;
static int64_t again; /* when all orders are given again, because some failed; 0 = not */

int plugin_init(const struct plugin_functions *functions)
{
	f = functions;
	return 1;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void order(enum garden_order what, const struct plugin_session_info *info)
{
	struct plugin_prefix address = {.addr = info->ip, .len = 32}, routes[ROUTES];

	if (!started)
		return;
	if (info->ip.family == 4)
		garden_jobs_put(what, &address);
	unsigned n = f->get_routes(info->s, routes, ROUTES);
	for (unsigned i = 0; i < n && i < ROUTES; i++)
		if (routes[i].addr.family == 4)
			garden_jobs_put(what, &routes[i]);
}

static void order_all(void)
{
	struct plugin_session_info info;
	uint64_t cursor = 0;
	plugin_session s;

	garden_jobs_put(GARDEN_CLEAR, NULL);
	while ((s = f->next_session(&cursor)))
		if (f->get_session(s, &info) && info.walled_garden && !info.dying)
			order(GARDEN_ADD, &info);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void settle(struct garden_conf *conf)
{
	char mode[16] = "";

	*conf = (struct garden_conf){0};
	if (!f->getconfig("garden_script", conf->script, sizeof(conf->script)) ||
	    conf->script[0] == '\0')
		snprintf(conf->script, sizeof(conf->script), "/etc/l2tpns/build-garden");
	f->getconfig("garden_mode", mode, sizeof(mode));
	conf->nft = strcmp(mode, "nft") == 0;
	conf->mark = (uint32_t)f->getconfig_number("garden_mark", 0x67617264);
	if (!conf->nft && strcmp(mode, "iptables") != 0)
		f->log(PLUGIN_LOG_ERROR, 0, 0,
		       "garden: garden_mode \"%s\" is neither iptables nor nft: iptables", mode);
}

int plugin_become_master(struct param_become_master *p)
{
	struct garden_conf conf;
	(void)p;

	if (started)
		return PLUGIN_RET_OK;
	settle(&conf);
	started = garden_jobs_start(f, &conf);
	if (started)
		order_all();
	else
		f->log(PLUGIN_LOG_ERROR, 0, 0, "garden: no thread: nobody is confined");
	return PLUGIN_RET_OK;
}

void plugin_done(void)
{
	if (started)
		garden_jobs_stop();
	started = 0;
}

int plugin_timer(struct param_timer *p)
{
	if (!started)
		return PLUGIN_RET_OK;
	if (again == 0 && garden_jobs_failed())
		again = p->time_now + AGAIN_S;
	if (again == 0 || p->time_now < again)
		return PLUGIN_RET_OK;
	again = 0;
	order_all();
	return PLUGIN_RET_OK;
}

/* ---- sessions -------------------------------------------------------------------------------- */

int plugin_post_auth(struct param_post_auth *p)
{
	struct plugin_session_info info;

	if (p->auth_allowed || !started)
		return PLUGIN_RET_OK;
	if (!garden_jobs_ready()) {
		f->log(PLUGIN_LOG_WARNING, p->s, p->t,
		       "Walled Garden not there yet: the login stays rejected");
		return PLUGIN_RET_OK;
	}
	f->log(PLUGIN_LOG_INFO, p->s, p->t, "Walled Garden allowing login");
	/* A session that is up was asked for its password again. */
	if (f->get_session(p->s, &info) && info.up && !info.walled_garden)
		order(GARDEN_ADD, &info);
	if (f->walled_garden(p->s, 1))
		p->auth_allowed = 1;
	return PLUGIN_RET_OK;
}

static int is_one_of(const char *text, const char *const words[4])
{
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(text, words[i]) == 0)
			return 1;
	return 0;
}

/* A CoA-Request may move a session that is up; of a login plugin_new_session() is told. */
int plugin_radius_response(struct param_radius_response *p)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	struct plugin_session_info info;
	int in = is_one_of(p->value, yes);

	if (strcmp(p->key, "garden") != 0 || (!in && !is_one_of(p->value, no)) ||
	    !f->get_session(p->s, &info) || !info.up || in == !!info.walled_garden)
		return PLUGIN_RET_OK;
	if (f->walled_garden(p->s, in))
		order(in ? GARDEN_ADD : GARDEN_DELETE, &info);
	return PLUGIN_RET_OK;
}

int plugin_new_session(struct param_new_session *p)
{
	struct plugin_session_info info;

	if (f->get_session(p->s, &info) && info.walled_garden)
		order(GARDEN_ADD, &info);
	return PLUGIN_RET_OK;
}

int plugin_kill_session(struct param_kill_session *p)
{
	struct plugin_session_info info;

	if (f->get_session(p->s, &info) && info.walled_garden)
		order(GARDEN_DELETE, &info);
	return PLUGIN_RET_OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

static int garden(struct param_control *p, const struct plugin_session_info *info)
{
	if (info->walled_garden)
		return control_error(p, "already in walled garden");
	if (!f->walled_garden(info->s, 1))
		return control_error(p, "session not found");
	order(GARDEN_ADD, info);
	return control_ok(p);
}

static int ungarden(struct param_control *p, const struct plugin_session_info *info)
{
	char ip[PLUGIN_ADDR_SIZE];

	if (!info->walled_garden)
		return control_error(p, "not in walled garden");
	f->log(PLUGIN_LOG_INFO, info->s, info->t, "Un-Garden user %s (%s)", info->user,
	       f->fmtaddr(&info->ip, ip, sizeof(ip)));
	if (p->argc > 2 && p->argv[2][0]) {
		f->log(PLUGIN_LOG_INFO, info->s, info->t, "  Setting username to %s", p->argv[2]);
		if (!f->set_username(info->s, p->argv[2]))
			return control_error(p, "not a user name");
	}
	order(GARDEN_DELETE, info);
	return f->walled_garden(info->s, 0) ? control_ok(p) : control_error(p, "session not found");
}

int plugin_control(struct param_control *p)
{
	struct plugin_session_info info;
	int in = control_is(p, "garden");

	if (!in && !control_is(p, "ungarden"))
		return PLUGIN_RET_OK;
	if (!p->iam_master)
		return PLUGIN_RET_NOTMASTER;
	if (in && p->argc != 2)
		return control_error(p, "requires username or session id");
	if (!in && (p->argc < 2 || p->argc > 3))
		return control_error(p, "requires session id and optional username");
	if (!control_session(f, p, &info))
		return control_error(p, "session not found");
	return in ? garden(p, &info) : ungarden(p, &info);
}

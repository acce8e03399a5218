#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/panic.h"
#include "control/plugins_priv.h"

struct plugins *plugins_host;

void plugins_log(enum log_level level, plugin_session s, const char *format, ...)
{
	struct sess_key key = plugins_key(s);
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	plugins_host->env.log(level, key.tid, key.sid, text);
}

/* ---- who failed ------------------------------------------------------------------------------ */

static void forget_failure(struct plugins *p, const char *name)
{
	for (unsigned i = 0; i < p->n_failures; i++)
		if (strcmp(p->failures[i].name, name) == 0) {
			p->failures[i] = p->failures[--p->n_failures];
			return;
		}
}

static void keep_failure(struct plugins *p, const char *name, const char *reason)
{
	forget_failure(p, name);
	if (p->n_failures == PLUGINS_MAX)
		memmove(p->failures, p->failures + 1, --p->n_failures * sizeof(*p->failures));
	struct plugin_failure *f = &p->failures[p->n_failures++];
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

__attribute__((format(printf, 3, 4))) static bool fail(struct plugins *p, const char *name,
						       const char *format, ...)
{
	char reason[PLUGINS_REASON];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	keep_failure(p, name, reason);
	plugins_log(LOG_ERROR, 0, "plugin %s is not loaded: %s", name, reason);
	return false;
}

/* ---- loading --------------------------------------------------------------------------------- */

static struct plugin *find(const struct plugins *p, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->loaded[i]->name, name) == 0)
			return p->loaded[i];
	return NULL;
}

/* A name, not a path: whoever may send a command must not choose the directory. */
static bool is_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < CONF_PLUGIN_NAME && !strpbrk(name, "/. \t");
}

/* The process is root's: a library that others may write would make them root. */
static bool is_safe(struct plugins *p, const char *name, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail(p, name, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(p, name, "%s is not a file", path);
	if (st.st_mode & S_IWOTH)
		return fail(p, name, "%s may be written by everybody", path);
	return true;
}

/* POSIX wants a function's address to fit where an object's does. */
static plugin_hook *hook_of(void *handle, const char *event)
{
	char symbol[64];
	plugin_hook *hook = NULL;

	snprintf(symbol, sizeof(symbol), "plugin_%s", event);
	*(void **)(void *)&hook = dlsym(handle, symbol);
	return hook;
}

static void find_hooks(struct plugin *plugin)
{
	static const char *const events[] = {
#define PLUGIN_EVENT(name) #name,
#include "control/plugins.def"
#undef PLUGIN_EVENT
	};

	for (unsigned i = 0; i < PLUGIN_EVENTS; i++)
		plugin->hooks[i] = hook_of(plugin->handle, events[i]);
	plugin->help = dlsym(plugin->handle, "plugin_control_help");
	*(void **)(void *)&plugin->done = dlsym(plugin->handle, "plugin_done");
}

static bool is_usable(struct plugins *p, struct plugin *plugin)
{
	const int *version = dlsym(plugin->handle, "plugin_api_version");
	const int *threadsafe = dlsym(plugin->handle, "plugin_packet_threadsafe");

	if (!version)
		return fail(p, plugin->name, "it does not tell its plugin_api_version");
	if (*version != PLUGIN_API_VERSION)
		return fail(p, plugin->name, "made for version %d of the interface, not %d",
			    *version, PLUGIN_API_VERSION);
	find_hooks(plugin);
	plugin->packets = plugin->hooks[PLUGIN_ON_packet_rx] || plugin->hooks[PLUGIN_ON_packet_tx];
	if (plugin->packets && (!threadsafe || !*threadsafe))
		return fail(p, plugin->name,
			    "its packet hooks are not declared plugin_packet_threadsafe");
	return true;
}

static bool starts(struct plugins *p, struct plugin *plugin)
{
	int (*init)(const struct plugin_functions *functions) = NULL;

	*(void **)(void *)&init = dlsym(plugin->handle, "plugin_init");
	p->depth++; /* its orders may lead to hooks of others: nobody is unloaded meanwhile */
	bool good = !init || init(&p->functions);
	p->depth--;
	return good || fail(p, plugin->name, "its plugin_init() refused");
}

/* The same file under another name would share its variables. */
static bool is_single(struct plugins *p, struct plugin *plugin)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->loaded[i]->handle == plugin->handle)
			return fail(p, plugin->name, "it is loaded as %s already",
				    p->loaded[i]->name);
	return true;
}

static bool open_library(struct plugins *p, struct plugin *plugin)
{
	char path[PLUGINS_DIR + CONF_PLUGIN_NAME + 8];

	snprintf(path, sizeof(path), "%s/%s.so", p->dir, plugin->name);
	if (!is_safe(p, plugin->name, path))
		return false;
	plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!plugin->handle) {
		const char *why = dlerror();
		return fail(p, plugin->name, "%s", why ? why : path);
	}
	if (is_single(p, plugin) && is_usable(p, plugin) && starts(p, plugin))
		return true;
	dlclose(plugin->handle);
	return false;
}

static bool load(struct plugins *p, const char *name, bool configured)
{
	if (!is_name(name))
		return fail(p, "?", "not the name of a plugin");
	if (p->n == PLUGINS_MAX)
		return fail(p, name, "more than %d plugins", PLUGINS_MAX);
	struct plugin *plugin = calloc(1, sizeof(*plugin));
	if (!plugin)
		return fail(p, name, "out of memory");
	snprintf(plugin->name, sizeof(plugin->name), "%s", name);
	plugin->configured = configured;
	if (!open_library(p, plugin)) {
		free(plugin);
		return false;
	}
	forget_failure(p, name);
	p->loaded[p->n++] = plugin;
	plugins_log(LOG_WARN, 0, "plugin %s is loaded", name);
	if (plugin->packets)
		plugins_packet_update(p);
	plugins_event_master(p, plugin);
	plugins_sweep(p);
	return true;
}

enum plugins_result plugins_load(struct plugins *p, const char *name)
{
	if (find(p, name))
		return PLUGINS_LOADED_ALREADY;
	return load(p, name, false) ? PLUGINS_DONE : PLUGINS_FAILED;
}

/* ---- unloading ------------------------------------------------------------------------------- */

static void unload(struct plugins *p, unsigned i)
{
	struct plugin *plugin = p->loaded[i];

	memmove(&p->loaded[i], &p->loaded[i + 1], (--p->n - i) * sizeof(p->loaded[0]));
	if (plugin->packets)
		plugins_packet_update(p);
	p->depth++;
	if (plugin->done)
		plugin->done();
	p->depth--;
	dlclose(plugin->handle);
	plugins_log(LOG_WARN, 0, "plugin %s is unloaded", plugin->name);
	free(plugin);
}

enum plugins_result plugins_unload(struct plugins *p, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->loaded[i]->name, name) == 0) {
			unload(p, i);
			return PLUGINS_DONE;
		}
	return PLUGINS_NOT_LOADED;
}

void plugins_sweep(struct plugins *p)
{
	for (unsigned i = 0; p->depth == 0 && i < p->n;) {
		struct plugin *plugin = p->loaded[i];
		if (!plugin->rubbish[0]) {
			i++;
			continue;
		}
		plugins_log(LOG_ERROR, 0, "plugin %s is left out: %s", plugin->name,
			    plugin->rubbish);
		keep_failure(p, plugin->name, plugin->rubbish);
		unload(p, i);
	}
}

void plugins_leave(struct plugins *p)
{
	while (p && p->n > 0)
		unload(p, 0); /* as they were loaded */
}

/* ---- configuration --------------------------------------------------------------------------- */

static bool is_configured(const struct conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n_plugins; i++)
		if (strcmp(conf->plugins[i], name) == 0)
			return true;
	return false;
}

void plugins_conf(struct plugins *p, const struct conf *conf)
{
	for (unsigned i = 0; i < p->n;) {
		if (p->loaded[i]->configured && !is_configured(conf, p->loaded[i]->name))
			unload(p, i);
		else
			i++;
	}
	for (unsigned i = 0; i < conf->n_plugins; i++) {
		struct plugin *plugin = find(p, conf->plugins[i]);
		if (plugin)
			plugin->configured = true;
		else
			load(p, conf->plugins[i], true);
	}
}

/* ---- what management may see ----------------------------------------------------------------- */

static void view_configured(const struct plugins *p, const char *name, struct plugins_view *out)
{
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->configured = true;
	out->loaded = find(p, name) != NULL;
	for (unsigned i = 0; !out->loaded && i < p->n_failures; i++)
		if (strcmp(p->failures[i].name, name) == 0)
			snprintf(out->reason, sizeof(out->reason), "%s", p->failures[i].reason);
}

bool plugins_next(const struct plugins *p, unsigned *cursor, struct plugins_view *out)
{
	const struct conf *conf = p->env.conf(p->env.ctx);

	*out = (struct plugins_view){0};
	if (*cursor < conf->n_plugins) {
		view_configured(p, conf->plugins[(*cursor)++], out);
		return true;
	}
	for (; *cursor - conf->n_plugins < p->n; (*cursor)++) {
		const struct plugin *plugin = p->loaded[*cursor - conf->n_plugins];
		if (is_configured(conf, plugin->name))
			continue;
		snprintf(out->name, sizeof(out->name), "%s", plugin->name);
		out->loaded = true;
		(*cursor)++;
		return true;
	}
	return false;
}

unsigned plugins_help(const struct plugins *p, const char **lines, unsigned n)
{
	unsigned used = 0;

	for (unsigned i = 0; i < p->n; i++) {
		const char *const *help = p->loaded[i]->help;
		for (; help && *help && used < n; help++)
			lines[used++] = *help;
	}
	return used;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Installed below a prefix: PREFIX/sbin/l2tpns, PREFIX/lib/l2tpns. */
static void default_dir(char dir[static PLUGINS_DIR])
{
	char exe[PLUGINS_DIR / 2];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(exe, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(dir, PLUGINS_DIR, "%s/lib/l2tpns", n > 0 ? exe : "/usr");
}

struct plugins *plugins_new(const struct plugins_env *env)
{
	struct plugins *p = calloc(1, sizeof(*p));

	LNS_ASSERT(!plugins_host);
	if (!p)
		return NULL;
	p->env = *env;
	if (env->dir[0])
		snprintf(p->dir, sizeof(p->dir), "%s", env->dir);
	else
		default_dir(p->dir);
	plugins_event_init(&p->hooks);
	p->hooks.ctx = p;
	plugins_func_init(&p->functions);
	plugins_host = p;
	return p;
}

void plugins_free(struct plugins *p)
{
	if (!p)
		return;
	LNS_ASSERT(p->n == 0);
	plugins_host = NULL;
	free(p);
}

const struct core_hooks *plugins_hooks(const struct plugins *p)
{
	return &p->hooks;
}

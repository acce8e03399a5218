#include "control/nsctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEEN_SETS = 16384, /* of signed requests that are remembered, by their HMAC */
	SEEN_WAYS = 16,	   /* the oldest of a set makes room */
	NAME_TEXT = 64,
	COMMAND_TEXT = 200,
};

struct nsctl {
	struct nsctl_env env;
	uint64_t tokens; /* requests that may be carried out now, times 1e9 */
	nsec filled;
	struct {
		uint64_t id; /* first bytes of the HMAC */
		int64_t at_s;
	} seen[SEEN_SETS][SEEN_WAYS];
	char text[NSCTL_ARGS_MAX][NSCTL_ARG_MAX + 1];
	const char *argv[NSCTL_ARGS_MAX + 1];
};

/* ---- who may ask ----------------------------------------------------------------------------- */

/* A bucket of one second's worth. */
static bool within_rate(struct nsctl *n, nsec now)
{
	uint64_t rate = n->env.conf(n->env.ctx)->nsctl_rate;
	int64_t age = nsec_sub(now, n->filled);
	const uint64_t one = 1000000000;

	if (age > NSEC_S(1))
		age = NSEC_S(1);
	n->filled = now;
	n->tokens += (uint64_t)age * rate;
	if (n->tokens > rate * one)
		n->tokens = rate * one;
	if (n->tokens < one)
		return false;
	n->tokens -= one;
	return true;
}

/* True the first time within the window of the clocks. */
static bool is_new(struct nsctl *n, const uint8_t mac[static SHA256_LEN], int64_t now_s)
{
	struct span s = span_of(mac, SHA256_LEN);
	uint64_t id = span_u64(&s);
	unsigned set = (unsigned)(id % SEEN_SETS), oldest = 0;

	for (unsigned i = 0; i < SEEN_WAYS; i++) {
		if (n->seen[set][i].id == id && now_s - n->seen[set][i].at_s <= 2 * NSCTL_WINDOW_S)
			return false;
		if (n->seen[set][i].at_s < n->seen[set][oldest].at_s)
			oldest = i;
	}
	n->seen[set][oldest].id = id;
	n->seen[set][oldest].at_s = now_s;
	return true;
}

static bool is_signed(struct nsctl *n, struct span *datagram, const struct nsctl_key *key,
		      uint8_t mac[static SHA256_LEN])
{
	return nsctl_verify(datagram, key, mac) && is_new(n, mac, key->now_s);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void say(struct nsctl_msg *m, enum nsctl_type type, const char *text)
{
	*m = (struct nsctl_msg){.type = (uint8_t)type};
	if (text[0] == '\0')
		return;
	m->argc = 1;
	m->argv[0] = span_str(text);
}

static void load(struct nsctl *n, struct nsctl_msg *m, const char *name)
{
	switch (plugins_load(n->env.plugins, name)) {
	case PLUGINS_DONE:
		say(m, NSCTL_RES_OK, "");
		return;
	case PLUGINS_LOADED_ALREADY:
		say(m, NSCTL_RES_ERR, "plugin already loaded");
		return;
	case PLUGINS_NOT_LOADED:
	case PLUGINS_FAILED:
		say(m, NSCTL_RES_ERR, "error loading plugin");
		return;
	}
}

static void unload(struct nsctl *n, struct nsctl_msg *m, const char *name)
{
	if (plugins_unload(n->env.plugins, name) == PLUGINS_DONE)
		say(m, NSCTL_RES_OK, "");
	else
		say(m, NSCTL_RES_ERR, "plugin not loaded");
}

/* Lines that are too long or too many for a datagram are left out. */
static void help(struct nsctl *n, struct nsctl_msg *m)
{
	const char *lines[NSCTL_ARGS_MAX];
	unsigned found = plugins_help(n->env.plugins, lines, NSCTL_ARGS_MAX);
	size_t bytes = 5;

	say(m, NSCTL_RES_OK, "");
	for (unsigned i = 0; i < found; i++) {
		struct span line = span_str(lines[i]);
		if (line.n > NSCTL_ARG_MAX || bytes + line.n + 1 > NSCTL_MAX)
			continue;
		bytes += line.n + 1;
		m->argv[m->argc++] = line;
	}
}

static void control(struct nsctl *n, struct nsctl_msg *m, int argc, struct plugins_answer *a)
{
	*a = (struct plugins_answer){.what = PLUGINS_ANSWER_NOBODY};
	if (argc > 0) /* no hook has to reckon with a command without a name */
		plugins_control(n->env.plugins, argc, n->argv, a);
	switch (a->what) {
	case PLUGINS_ANSWER_OK:
		say(m, NSCTL_RES_OK, a->text);
		return;
	case PLUGINS_ANSWER_ERROR:
		say(m, NSCTL_RES_ERR, a->text);
		return;
	case PLUGINS_ANSWER_FAILED:
		say(m, NSCTL_RES_ERR, a->text[0] ? a->text : "error returned by plugin");
		return;
	case PLUGINS_ANSWER_NOT_MASTER:
		say(m, NSCTL_RES_ERR, "must be run on master: none elected");
		return;
	case PLUGINS_ANSWER_NOBODY:
		say(m, NSCTL_RES_ERR, "unhandled action");
		return;
	case PLUGINS_ANSWER_BAD:
		say(m, NSCTL_RES_ERR, "unrecognised response value from plugin");
		return;
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Arguments as C strings; a NUL within one would hide the rest of it from a plugin. */
static bool take_arguments(struct nsctl *n, const struct nsctl_msg *m)
{
	for (unsigned i = 0; i < m->argc; i++) {
		struct span arg = m->argv[i];
		size_t length = arg.n;
		if (arg.n && memchr(arg.p, '\0', arg.n))
			return false;
		span_bytes(&arg, n->text[i], length);
		n->text[i][length] = '\0';
		n->argv[i] = n->text[i];
	}
	n->argv[m->argc] = NULL;
	return true;
}

/* Whom it is about stays out of the log, which the unprivileged may watch. */
static bool is_interception(const struct nsctl *n, const struct nsctl_msg *m)
{
	return m->type == NSCTL_REQ_CONTROL && m->argc > 0 &&
	       (strcmp(n->argv[0], "snoop") == 0 || strcmp(n->argv[0], "unsnoop") == 0);
}

static void log_command(struct nsctl *n, const struct sock_addr *from, const struct nsctl_msg *m)
{
	static const char *const names[] = {"load_plugin", "unload_plugin", "help", "control"};
	char text[COMMAND_TEXT], peer[SOCK_ADDR_TEXT];
	int used = snprintf(text, sizeof(text), "nsctl: %s: %s", sock_addr_text(from, peer),
			    names[m->type - NSCTL_REQ_LOAD]);
	unsigned shown = is_interception(n, m) ? 1 : m->argc;

	for (unsigned i = 0; i < shown && (size_t)used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, " %s", n->argv[i]);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = '?';
	n->env.log(m->type == NSCTL_REQ_HELP ? LOG_CALLS : LOG_WARN, 0, 0, text);
}

static void carry_out(struct nsctl *n, const struct nsctl_msg *request, struct wbuf *answer)
{
	bool named = request->argc == 1 && request->argv[0].n > 0;
	struct plugins_answer a;
	struct nsctl_msg m;

	switch ((enum nsctl_type)request->type) {
	case NSCTL_REQ_LOAD:
	case NSCTL_REQ_UNLOAD:
		if (!named)
			say(&m, NSCTL_RES_ERR, "name of plugin required");
		else if (request->type == NSCTL_REQ_LOAD)
			load(n, &m, n->argv[0]);
		else
			unload(n, &m, n->argv[0]);
		break;
	case NSCTL_REQ_HELP:
		help(n, &m);
		break;
	default:
		control(n, &m, request->argc, &a);
		break;
	}
	nsctl_encode(answer, &m);
}

static bool drop(struct nsctl *n, enum counter why)
{
	counter_add(n->env.counters, why, 1);
	return false;
}

bool nsctl_rx(struct nsctl *n, const struct sock_addr *from, struct span datagram,
	      struct wbuf *answer, nsec now)
{
	struct nsctl_key key = {.secret = span_str(n->env.conf(n->env.ctx)->nsctl_secret),
				.now_s = n->env.wall_clock_s(n->env.ctx)};
	uint8_t mac[SHA256_LEN], nonce[NSCTL_NONCE];
	struct nsctl_msg request;

	if (key.secret.n && !is_signed(n, &datagram, &key, mac))
		return drop(n, C_NSCTL_UNSIGNED);
	if (nsctl_decode(datagram, &request) != NSCTL_GOOD || !nsctl_is_request(request.type) ||
	    !take_arguments(n, &request))
		return drop(n, C_NSCTL_BAD);
	if (!within_rate(n, now))
		return drop(n, C_NSCTL_FLOOD);
	counter_add(n->env.counters, C_NSCTL_REQUESTS, 1);
	log_command(n, from, &request);
	carry_out(n, &request, answer);
	if (key.secret.n) {
		key.of_request = mac;
		n->env.random(n->env.ctx, nonce, sizeof(nonce));
		nsctl_sign(answer, &key, nonce);
	}
	return !answer->bad;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct nsctl *nsctl_new(const struct nsctl_env *env)
{
	struct nsctl *n = calloc(1, sizeof(*n));

	if (n)
		n->env = *env;
	return n;
}

void nsctl_free(struct nsctl *n)
{
	free(n);
}

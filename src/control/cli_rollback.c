/* commit-confirmed: what runs now comes back unless the changes are confirmed in time. */
#include <time.h>
#include <unistd.h>

#include "control/cli_server.h"

bool cli_rollback_arm(struct cli_server *s, struct conf *conf, unsigned seconds)
{
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	bool free_now = !s->rollback.conf && !s->stopping;
	if (free_now) {
		s->rollback = (struct conf_bundle){.conf = conf};
		clock_gettime(CLOCK_MONOTONIC, &s->rollback_at);
		s->rollback_at.tv_sec += seconds;
	}
	pthread_mutex_unlock(&s->lock);
	if (free_now) /* the listener is to wait no longer than that */
		(void)!write(s->wake_fd, &one, sizeof(one));
	return free_now;
}

bool cli_rollback_take(struct cli_server *s, struct conf_bundle *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->rollback;
	s->rollback = (struct conf_bundle){0};
	pthread_mutex_unlock(&s->lock);
	return out->conf != NULL;
}

/* Only what was there first counts; files that were not read again stay as they are. */
void cli_server_replaced(struct cli_server *s, struct conf_bundle *old)
{
	struct conf_bundle *r = &s->rollback;

	pthread_mutex_lock(&s->lock);
	if (r->conf && !r->subscribers) {
		r->subscribers = old->subscribers;
		old->subscribers = NULL;
	}
	if (r->conf && !r->users) {
		r->users = old->users;
		old->users = NULL;
	}
	if (r->conf && !r->pool) {
		r->pool = old->pool;
		old->pool = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	conf_bundle_free(old);
}

int cli_rollback_ms(struct cli_server *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&s->lock);
	int64_t ms = (int64_t)(s->rollback_at.tv_sec - now.tv_sec) * 1000 +
		     (s->rollback_at.tv_nsec - now.tv_nsec) / 1000000;
	bool pending = s->rollback.conf != NULL;
	pthread_mutex_unlock(&s->lock);
	if (!pending)
		return -1;
	return ms < 0 ? 0 : (int)ms + 1;
}

unsigned cli_rollback_left(struct cli_server *s)
{
	int ms = cli_rollback_ms(s);
	return ms < 0 ? 0 : (unsigned)ms / 1000 + 1;
}

struct rollback_ask {
	const struct cli_env *env;
	struct conf_bundle bundle;
};

static void roll_back(struct core *core, nsec now, void *arg)
{
	struct rollback_ask *a = arg;
	struct conf_bundle b = a->bundle;
	(void)core;

	a->bundle = (struct conf_bundle){0};
	a->env->apply(a->env->ctx, &b, now);
}

void cli_rollback_if_due(struct cli_server *s)
{
	struct rollback_ask a = {.env = &s->env};

	if (cli_rollback_ms(s) != 0 || !cli_rollback_take(s, &a.bundle))
		return;
	conn_log(&s->env, LOG_WARN, "cli: the configuration was not confirmed and is rolled back");
	request_run(s->env.requests, roll_back, &a);
	conf_bundle_free(&a.bundle);
}

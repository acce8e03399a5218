#include "dataplane/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/rcu.h"
#include "dataplane/precedence.h"

enum {
	/* What an epoll event is about: L2TP sockets have their index. */
	EVENT_TUN = DP_LOCALS_MAX,
	EVENT_MAIL,
	EVENT_EXPRESS, /* and so on, by index */
	EVENTS_MAX = EVENT_EXPRESS + WORKER_EXPRESS_MAX,

	CPU_READ_MS = 2,
	WAIT_MAX_MS = 1000,
	WAIT_GRACE_MS = 2, /* while something waits for a grace period */
	WAIT_RING_MS = 1,  /* while messages wait for room in a ring */
};

static nsec clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nsec){NSEC_S(ts.tv_sec) + ts.tv_nsec};
}

/* ---- one turn -------------------------------------------------------------------------------- */

static void take_conf(struct worker *w)
{
	const struct worker_conf *conf = rcu_get(&w->common->conf);

	if (conf == w->conf)
		return;
	w->conf = conf;
	w->world.conf = &conf->shard.dp;
	tunnel_shard_conf(w->tunnels, &conf->shard);
	session_shard_conf(w->sessions, &conf->shard);
	/* Pairs with the acquire in dp.c: the older one is not looked at any more. */
	atomic_store_explicit(&w->conf_number, conf->number, memory_order_release);
}

static void report(struct worker *w)
{
	atomic_store_explicit(&w->n_sessions, session_shard_count(w->sessions),
			      memory_order_relaxed);
	atomic_store_explicit(&w->n_tunnels, tunnel_shard_count(w->tunnels), memory_order_relaxed);
	atomic_store_explicit(&w->busy, tunnel_shard_busy(w->tunnels), memory_order_relaxed);
}

static void count_tun_drops(struct worker *w)
{
	uint64_t total;

	if (!tun_dropped(w->common->tun, &total) || total <= w->tun_dropped)
		return;
	counter_drop(&w->counters, DROP_TUN_FULL, total - w->tun_dropped);
	w->tun_dropped = total;
}

static void count_drops(struct worker *w)
{
	if (!nsec_reached(w->count_next, w->now))
		return;
	w->count_next = nsec_add(w->now, NSEC_S(1));
	if (w->self == 0)
		count_tun_drops(w);
	worker_check_express(w);
}

/* Down is no error, packets just stop coming. Only a device that was deleted says so, and would say
 * it for ever; control ends the program then. */
static void tun_gone(struct worker *w)
{
	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, io_tun_fd(w->tun), NULL);
}

static bool receive_tun(struct worker *w, uint32_t events)
{
	bool any = worker_receive_tun(w);

	if (!any && events & (EPOLLERR | EPOLLHUP))
		tun_gone(w);
	return any;
}

static bool receive(struct worker *w, const struct epoll_event *events, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		uint32_t what = events[i].data.u32;
		if (what < DP_LOCALS_MAX)
			any |= worker_receive(w, w->udp[what]);
		else if (what == EVENT_TUN)
			any |= receive_tun(w, events[i].events);
		else if (what >= EVENT_EXPRESS)
			any |= worker_receive_express(w, w->express[what - EVENT_EXPRESS].socket);
	}
	return any;
}

static void flush(struct worker *w)
{
	for (unsigned i = 0; i < w->common->n_locals; i++)
		io_udp_flush(w->udp[i]);
	worker_service_flush(w);
	mail_flush(w->common->mail, w->self);
}

/* It costs a system call. */
static void publish_cpu(struct worker *w, nsec now)
{
	struct timespec ts;

	if (nsec_sub(now, w->cpu_read) < NSEC_MS(CPU_READ_MS))
		return;
	w->cpu_read = now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	atomic_store_explicit(&w->cpu_ns, (uint64_t)(NSEC_S(ts.tv_sec) + ts.tv_nsec),
			      memory_order_relaxed);
}

/* A turn that did something lasted until the next one began: it is not followed by a sleep. */
static void turn_begin(struct worker *w)
{
	nsec now = clock_now();

	if (w->worked) {
		uint64_t ns = atomic_load_explicit(&w->busy_ns, memory_order_relaxed);
		ns += (uint64_t)nsec_sub(now, w->now);
		atomic_store_explicit(&w->busy_ns, ns, memory_order_relaxed);
		w->worked_last = now;
		publish_cpu(w, now);
	}
	w->now = now;
	w->world.now = now;
	w->world.hooks = rcu_get(&w->common->hooks);
}

/* Handles what came and what is due; *next: when to be called again at the latest. */
static bool turn(struct worker *w, const struct epoll_event *events, int n, nsec *next)
{
	bool any;

	turn_begin(w);
	take_conf(w);
	any = worker_receive_mail(w);
	any |= worker_receive_lanes(w);
	worker_release(w);
	if (mail_waiting(w->common->mail, w->self) < MAIL_PRESSURE)
		any |= receive(w, events, n);
	else
		sched_yield(); /* the others must empty their rings first */
	*next = nsec_min(tunnel_shard_turn(w->tunnels, w->now),
			 session_shard_turn(w->sessions, w->now));
	*next = nsec_min(*next, dp_services_next(w->world.services));
	dp_table_turn_own(w->common->tables, w->self);
	flush(w);
	report(w);
	count_drops(w);
	worker_balance(w);
	w->worked = any;
	return any;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int wait_ms(const struct worker *w, nsec next)
{
	int64_t ms = WAIT_MAX_MS;

	if (!nsec_is_never(next)) {
		int64_t left = nsec_sub(next, w->now);
		ms = left <= 0 ? 0 : (left + NSEC_MS(1) - 1) / NSEC_MS(1);
	}
	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	if (dp_table_waits_own(w->common->tables, w->self) && ms > WAIT_GRACE_MS)
		ms = WAIT_GRACE_MS;
	if (mail_waiting(w->common->mail, w->self) && ms > WAIT_RING_MS)
		ms = WAIT_RING_MS;
	return (int)ms;
}

/* For a while after the last packet a worker does not sleep, if it was told so. */
static bool is_polling(const struct worker *w)
{
	return w->world.conf->busy_poll_us &&
	       nsec_sub(w->now, w->worked_last) < NSEC_US(w->world.conf->busy_poll_us);
}

static int poll_now(struct worker *w, struct epoll_event *events)
{
	rcu_quiescent();
	return epoll_wait(w->epoll_fd, events, EVENTS_MAX, 0);
}

/* Sleeps until something comes or is due. Readers that sleep hold no pointers. */
static int wait_for_work(struct worker *w, struct epoll_event *events, int ms)
{
	if (!mail_sleep(w->common->mail, w->self))
		return poll_now(w, events);
	if (!lanes_are_empty(w->common->lanes, w->self)) {
		mail_awake(w->common->mail, w->self);
		return poll_now(w, events);
	}
	rcu_offline();
	int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, ms);
	rcu_online();
	mail_awake(w->common->mail, w->self);
	return n;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[EVENTS_MAX];
	nsec next;
	int n = 0;

	rcu_thread_start();
	precedence_take();
	while (!atomic_load_explicit(&w->common->stopping, memory_order_acquire)) {
		bool any = turn(w, events, n, &next);
		int ms = any || is_polling(w) ? 0 : wait_ms(w, next);
		n = ms == 0 ? poll_now(w, events) : wait_for_work(w, events, ms);
	}
	flush(w);
	rcu_thread_stop();
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool watch(struct worker *w, int fd, uint32_t what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = what};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool watch_all(struct worker *w)
{
	bool ok = watch(w, io_tun_fd(w->tun), EVENT_TUN) &&
		  watch(w, mail_fd(w->common->mail, w->self), EVENT_MAIL);

	for (unsigned i = 0; ok && i < w->common->n_locals; i++)
		ok = watch(w, io_udp_fd(w->udp[i]), i);
	for (unsigned i = 0; ok && i < w->n_express; i++)
		ok = watch(w, io_xsk_fd(w->express[i].socket), EVENT_EXPRESS + i);
	return ok;
}

bool worker_init(struct worker *w)
{
	struct worker_common *c = w->common;

	w->now = clock_now();
	w->conf = rcu_get(&c->conf);
	atomic_store_explicit(&w->conf_number, w->conf->number, memory_order_relaxed);
	w->world = (struct dp_world){
		.tables = c->tables,
		.routes = c->routes,
		.conf = &w->conf->shard.dp,
		.counters = &w->counters,
		.tap = &w->tap,
		.self = w->self,
		.n_workers = c->n_workers,
		.now = w->now,
	};
	if (!worker_service_init(w))
		return false;
	worker_env_init(w);
	w->tunnels = tunnel_shard_new(&w->env, &w->conf->shard, w->now);
	w->sessions = session_shard_new(&w->env, &w->conf->shard, w->now);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return w->tunnels && w->sessions && w->epoll_fd >= 0 && watch_all(w);
}

void worker_fini(struct worker *w)
{
	if (w->sessions)
		session_shard_free(w->sessions);
	if (w->tunnels)
		tunnel_shard_free(w->tunnels);
	worker_service_fini(w);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	for (unsigned i = 0; i < DP_LOCALS_MAX; i++)
		io_udp_close(w->udp[i]);
	io_tun_close(w->tun);
	while (w->n_express)
		io_xsk_close(w->express[--w->n_express].socket);
}

/* Signals are for the control thread. */
bool worker_start(struct worker *w)
{
	sigset_t all, before;
	char name[16];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		errno = error;
		return false;
	}
	snprintf(name, sizeof(name), "worker%u", w->self);
	pthread_setname_np(w->thread, name);
	return true;
}

bool worker_bind(const struct worker *w)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)w->cpu, &set);
	errno = pthread_setaffinity_np(w->thread, sizeof(set), &set);
	return errno == 0;
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
}

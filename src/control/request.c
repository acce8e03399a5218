#include "control/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/panic.h"

/* Lives on the stack of the asking thread, which waits until `state` leaves WAITING or RUNNING. */
struct request {
	struct request *next;
	void (*fn)(struct core *core, nsec now, void *arg);
	void *arg;
	enum { REQUEST_WAITING, REQUEST_RUNNING, REQUEST_DONE, REQUEST_FAILED } state;
	pthread_cond_t answered;
};

struct request_queue {
	pthread_mutex_t lock; /* of all below and of `state` of the requests */
	struct request *first, **end;
	bool closed;
	int fd; /* eventfd: its value is not 0 while requests wait */
};

enum { SERVE_AT_ONCE = 16 }; /* so that the loop's other work never waits long */

struct request_queue *request_queue_new(void)
{
	struct request_queue *q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0) {
		free(q);
		return NULL;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->end = &q->first;
	return q;
}

void request_queue_free(struct request_queue *q)
{
	if (!q)
		return;
	LNS_ASSERT(q->first == NULL);
	close(q->fd);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

int request_fd(const struct request_queue *q)
{
	return q->fd;
}

static void signal_fd(struct request_queue *q)
{
	uint64_t one = 1;
	/* Fails only when the counter is full: then it is readable anyway. */
	(void)!write(q->fd, &one, sizeof(one));
}

static void clear_fd(struct request_queue *q)
{
	uint64_t count;
	(void)!read(q->fd, &count, sizeof(count));
}

/* The lock is held. */
static struct request *dequeue(struct request_queue *q)
{
	struct request *r = q->first;
	if (!r)
		return NULL;
	q->first = r->next;
	if (!q->first)
		q->end = &q->first;
	return r;
}

static bool serve_one(struct request_queue *q, struct core *core, nsec now)
{
	pthread_mutex_lock(&q->lock);
	struct request *r = dequeue(q);
	if (r)
		r->state = REQUEST_RUNNING;
	pthread_mutex_unlock(&q->lock);
	if (!r)
		return false;

	r->fn(core, now, r->arg);

	pthread_mutex_lock(&q->lock);
	r->state = REQUEST_DONE;
	pthread_cond_signal(&r->answered); /* under the lock: *r is gone once it is let go */
	pthread_mutex_unlock(&q->lock);
	return true;
}

void request_serve(struct request_queue *q, struct core *core, nsec now)
{
	clear_fd(q);
	for (unsigned i = 0; i < SERVE_AT_ONCE; i++)
		if (!serve_one(q, core, now))
			return;
	pthread_mutex_lock(&q->lock);
	if (q->first)
		signal_fd(q);
	pthread_mutex_unlock(&q->lock);
}

void request_shutdown(struct request_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	for (struct request *r; (r = dequeue(q));) {
		r->state = REQUEST_FAILED;
		pthread_cond_signal(&r->answered);
	}
	pthread_mutex_unlock(&q->lock);
}

bool request_run(struct request_queue *q, void (*fn)(struct core *core, nsec now, void *arg),
		 void *arg)
{
	struct request r = {.fn = fn, .arg = arg, .state = REQUEST_WAITING};

	pthread_cond_init(&r.answered, NULL);
	pthread_mutex_lock(&q->lock);
	if (q->closed) {
		r.state = REQUEST_FAILED;
	} else {
		*q->end = &r;
		q->end = &r.next;
		signal_fd(q);
	}
	while (r.state == REQUEST_WAITING || r.state == REQUEST_RUNNING)
		pthread_cond_wait(&r.answered, &q->lock);
	pthread_mutex_unlock(&q->lock);
	pthread_cond_destroy(&r.answered);
	return r.state == REQUEST_DONE;
}

#include "dataplane/worker_mail.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "base/ring.h"

enum {
	MANY_WORKERS = 8,
	RING_FEW = 1 << 20,
	RING_MANY = 1 << 16,
	PARTIES_MAX = LNS_WORKERS_MAX + 1,
	RUN_MAX = 64 /* messages taken from one sender before the next one's turn */
};

struct waiting {
	struct waiting *next;
	size_t bytes;	/* of this allocation */
	struct msg msg; /* and its rest */
};

/* What a sender keeps for one receiver. */
struct outbox {
	struct waiting *first, *last;
	bool fresh; /* something was put into the ring since the last flush */
};

struct party {
	/* The receiving side. */
	_Alignas(64) _Atomic bool sleeping;
	int fd;
	unsigned next_from;	 /* whose ring comes next */
	unsigned run;		 /* messages taken from it in a row */
	struct ring *taken_from; /* record to be popped at the next call */
	/* The sending side. */
	_Alignas(64) uint32_t n_waiting;
	struct outbox out[PARTIES_MAX];
};

struct mail {
	struct alloc alloc;
	unsigned n; /* parties */
	size_t ring_bytes;
	struct party *parties;
	struct ring *rings; /* [from * n + to] */
	uint8_t *memory;    /* of all rings */
};

static struct ring *ring_of(const struct mail *m, unsigned from, unsigned to)
{
	return &m->rings[from * m->n + to];
}

static size_t parties_bytes(const struct mail *m)
{
	return m->n * sizeof(*m->parties);
}
static size_t rings_bytes(const struct mail *m)
{
	return (size_t)m->n * m->n * sizeof(*m->rings);
}

/* Pages are touched when a ring is first used, so that idle pairs cost nothing: small ones, for a
 * huge page would be that of neighbours too. */
static bool rings_new(struct mail *m)
{
	size_t n = (size_t)m->n * m->n;
	void *memory = mmap(NULL, n * m->ring_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	madvise(memory, n * m->ring_bytes, MADV_NOHUGEPAGE); /* a kernel without them refuses */
	m->memory = memory;
	for (size_t i = 0; i < n; i++)
		ring_init(&m->rings[i], m->memory + i * m->ring_bytes, (uint32_t)m->ring_bytes);
	return true;
}

static void *lines_new(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (p)
		memset(p, 0, bytes);
	return p;
}

static bool parties_new(struct mail *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		m->parties[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (m->parties[i].fd < 0)
			return false;
	}
	return true;
}

struct mail *mail_new(const struct alloc *a, unsigned n_workers)
{
	struct mail *m = alloc_get(a, sizeof(*m));

	LNS_ASSERT(n_workers >= 1 && n_workers <= LNS_WORKERS_MAX);
	if (!m)
		return NULL;
	m->alloc = *a;
	m->n = n_workers + 1;
	m->ring_bytes = n_workers <= MANY_WORKERS ? RING_FEW : RING_MANY;
	m->parties = lines_new(parties_bytes(m));
	m->rings = lines_new(rings_bytes(m));
	for (unsigned i = 0; m->parties && i < m->n; i++)
		m->parties[i].fd = -1;
	if (m->parties && m->rings && rings_new(m) && parties_new(m))
		return m;
	mail_free(m);
	return NULL;
}

/* It may be a login: no password stays behind in the heap. */
static void waiting_put(struct mail *m, struct waiting *w)
{
	size_t bytes = w->bytes;

	mem_wipe(w, bytes);
	alloc_put(&m->alloc, w, bytes);
}

static void waiting_free(struct mail *m, struct outbox *o)
{
	for (struct waiting *w = o->first, *next; w; w = next) {
		next = w->next;
		waiting_put(m, w);
	}
}

void mail_free(struct mail *m)
{
	if (!m)
		return;
	if (m->memory)
		munmap(m->memory, (size_t)m->n * m->n * m->ring_bytes);
	for (unsigned i = 0; m->parties && i < m->n; i++) {
		for (unsigned j = 0; j < m->n; j++)
			waiting_free(m, &m->parties[i].out[j]);
		if (m->parties[i].fd >= 0)
			close(m->parties[i].fd);
	}
	free(m->rings);
	free(m->parties);
	alloc_put(&m->alloc, m, sizeof(*m));
}

unsigned mail_control(const struct mail *m)
{
	return m->n - 1;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* A message between shards must not get lost: without memory for it the program cannot go on. */
static void wait_for_room(struct mail *m, struct party *p, struct outbox *o, const struct msg *msg,
			  struct span extra, struct counters *counters)
{
	size_t bytes = sizeof(struct waiting) + msg->len;
	struct waiting *w = alloc_get(&m->alloc, bytes);

	LNS_ASSERT(w != NULL);
	w->bytes = bytes;
	memcpy(&w->msg, msg, msg->len - extra.n);
	if (extra.n)
		memcpy((uint8_t *)&w->msg + msg->len - extra.n, extra.p, extra.n);
	if (o->last)
		o->last->next = w;
	else
		o->first = w;
	o->last = w;
	p->n_waiting++;
	counter_add(counters, C_RING_WAITS, 1);
}

void mail_send(struct mail *m, unsigned from, unsigned to, const struct msg *msg, struct span extra,
	       struct counters *counters)
{
	struct party *p = &m->parties[from];
	struct outbox *o = &p->out[to];

	LNS_ASSERT(to < m->n && from < m->n);
	LNS_ASSERT(msg->len <= MSG_MAX && msg->len >= sizeof(*msg) + extra.n);
	if (!o->first && ring_push(ring_of(m, from, to), msg, (uint32_t)(msg->len - extra.n),
				   extra.p, (uint32_t)extra.n))
		o->fresh = true;
	else if (msg_is_packet(msg->kind))
		counter_drop(counters, DROP_RING_FULL, 1);
	else
		wait_for_room(m, p, o, msg, extra, counters);
}

bool mail_takes_data(const struct mail *m, unsigned from, unsigned to)
{
	return !m->parties[from].out[to].first &&
	       ring_used(ring_of(m, from, to)) < m->ring_bytes / 4 * 3;
}

static void retry(struct mail *m, unsigned from, unsigned to)
{
	struct party *p = &m->parties[from];
	struct outbox *o = &p->out[to];

	while (o->first) {
		struct waiting *w = o->first;
		if (!ring_push(ring_of(m, from, to), &w->msg, w->msg.len, NULL, 0))
			return;
		o->fresh = true;
		o->first = w->next;
		if (!o->first)
			o->last = NULL;
		p->n_waiting--;
		waiting_put(m, w);
	}
}

void mail_wake(struct mail *m, unsigned party)
{
	if (atomic_exchange_explicit(&m->parties[party].sleeping, false, memory_order_acq_rel))
		mail_kick(m, party);
}

uint32_t mail_flush(struct mail *m, unsigned from)
{
	struct party *p = &m->parties[from];

	for (unsigned to = 0; to < m->n; to++) {
		if (p->out[to].first)
			retry(m, from, to);
		if (!p->out[to].fresh)
			continue;
		p->out[to].fresh = false;
		if (to != from)
			mail_wake(m, to);
	}
	return p->n_waiting;
}

uint32_t mail_waiting(const struct mail *m, unsigned from)
{
	return m->parties[from].n_waiting;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void next_sender(const struct mail *m, struct party *p)
{
	p->next_from = p->next_from + 1 == m->n ? 0 : p->next_from + 1;
	p->run = 0;
}

/* A sender that never stops, a LAC's flood behind it, must not silence the others. */
struct msg *mail_next(struct mail *m, unsigned to, unsigned *from)
{
	struct party *p = &m->parties[to];
	uint32_t n;

	if (p->taken_from)
		ring_pop(p->taken_from);
	p->taken_from = NULL;
	for (unsigned i = 0; i < m->n; i++) {
		unsigned f = p->next_from;
		const void *rec = ring_peek(ring_of(m, f, to), &n);
		if (rec) {
			struct msg *msg = (struct msg *)(uintptr_t)rec;
			LNS_ASSERT(n >= sizeof(*msg) && msg->len == n);
			p->taken_from = ring_of(m, f, to);
			*from = f;
			if (++p->run == RUN_MAX)
				next_sender(m, p);
			return msg;
		}
		next_sender(m, p);
	}
	return NULL;
}

bool mail_is_empty(const struct mail *m, unsigned to)
{
	for (unsigned f = 0; f < m->n; f++)
		if (!ring_is_empty(ring_of(m, f, to)))
			return false;
	return true;
}

/* ---- sleeping and waking --------------------------------------------------------------------- */

int mail_fd(const struct mail *m, unsigned party)
{
	return m->parties[party].fd;
}

/*
 * No message may wait beside a sleeper. Senders and sleeper meet in read-modify-write operations on
 * `sleeping`, all of them, so that each sees what the one before had done. Either the sender's
 * comes after mail_sleep's, then it reads true and calls; or it comes before, then what it put into
 * the ring is seen here.
 */
bool mail_sleep(struct mail *m, unsigned party)
{
	struct party *p = &m->parties[party];

	atomic_exchange_explicit(&p->sleeping, true, memory_order_acq_rel);
	if (mail_is_empty(m, party))
		return true;
	atomic_exchange_explicit(&p->sleeping, false, memory_order_acq_rel);
	return false;
}

void mail_awake(struct mail *m, unsigned party)
{
	struct party *p = &m->parties[party];
	uint64_t count;

	atomic_exchange_explicit(&p->sleeping, false, memory_order_acq_rel);
	if (read(p->fd, &count, sizeof(count)) < 0)
		return; /* nobody called: a timer or a packet ended the sleep */
}

void mail_kick(struct mail *m, unsigned party)
{
	uint64_t one = 1;

	/* Can fail only when the counter is full, and then the sleeper wakes anyway. */
	if (write(m->parties[party].fd, &one, sizeof(one)) < 0)
		return;
}

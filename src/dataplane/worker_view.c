#include "dataplane/worker_view.h"

static uint64_t since(const struct worker_meter *m, const struct counters *c, enum counter which)
{
	return counter_get(c, which) - m->events[which];
}

static uint32_t per_second(uint64_t n, uint64_t ns)
{
	return (uint32_t)(n * 1000000 / (ns / 1000 + 1));
}

static uint32_t tenths(uint64_t packets, uint64_t batches)
{
	return batches ? (uint32_t)(packets * 10 / batches) : 0;
}

static uint64_t all_drops(const struct counters *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROPS; i++)
		n += counter_drops(c, (enum drop)i);
	return n;
}

void worker_meter_sample(struct worker_meter *m, const struct counters *c, uint64_t busy_ns,
			 nsec now)
{
	uint64_t ns = (uint64_t)nsec_sub(now, m->at);
	struct worker_view *v = &m->view;

	v->load = (uint32_t)((busy_ns - m->busy_ns) * 1000 / (ns + 1));
	if (v->load > 1000)
		v->load = 1000;
	v->up_rate = per_second(since(m, c, C_UP_PACKETS), ns);
	v->down_rate = per_second(since(m, c, C_DOWN_PACKETS), ns);
	v->l2tp_batch = tenths(since(m, c, C_L2TP_RX_PACKETS), since(m, c, C_L2TP_RX_BATCHES));
	v->tun_batch = tenths(since(m, c, C_TUN_RX_PACKETS) + since(m, c, C_EXPRESS_PACKETS),
			      since(m, c, C_TUN_RX_BATCHES) + since(m, c, C_EXPRESS_BATCHES));
	v->up = counter_get(c, C_UP_PACKETS);
	v->down = counter_get(c, C_DOWN_PACKETS);
	v->handed_over = counter_get(c, C_HANDED_OVER);
	v->taken_over = counter_get(c, C_TAKEN_OVER);
	v->drops = all_drops(c);
	for (unsigned i = 0; i < COUNTERS; i++)
		m->events[i] = counter_get(c, (enum counter)i);
	m->busy_ns = busy_ns;
	m->at = now;
}

#include "control/rates.h"

static uint64_t sum(const struct counters *const *blocks, unsigned n, enum counter which)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < n; i++)
		total += counter_get(blocks[i], which);
	return total;
}

static uint64_t per_second(uint64_t now, uint64_t before, int64_t elapsed_ms)
{
	return now < before ? 0 : (now - before) * 1000 / (uint64_t)elapsed_ms;
}

void rates_sample(struct rates *r, const struct counters *const *blocks, unsigned n, nsec now)
{
	struct rates_view t = {
		.lac_rx_bytes = sum(blocks, n, C_L2TP_RX_BYTES),
		.tun_tx_bytes = sum(blocks, n, C_UP_BYTES),
		.tun_rx_bytes = sum(blocks, n, C_DOWN_BYTES),
		.lac_tx_bytes = sum(blocks, n, C_L2TP_TX_BYTES),
		.in_packets = sum(blocks, n, C_UP_PACKETS),
		.out_packets = sum(blocks, n, C_DOWN_PACKETS),
	};
	int64_t elapsed_ms = nsec_sub(now, r->taken) / NSEC_MS(1);

	if (r->primed && elapsed_ms > 0)
		r->view = (struct rates_view){
			per_second(t.lac_rx_bytes, r->totals.lac_rx_bytes, elapsed_ms),
			per_second(t.tun_tx_bytes, r->totals.tun_tx_bytes, elapsed_ms),
			per_second(t.tun_rx_bytes, r->totals.tun_rx_bytes, elapsed_ms),
			per_second(t.lac_tx_bytes, r->totals.lac_tx_bytes, elapsed_ms),
			per_second(t.in_packets, r->totals.in_packets, elapsed_ms),
			per_second(t.out_packets, r->totals.out_packets, elapsed_ms),
		};
	r->totals = t;
	r->taken = now;
	r->primed = true;
}

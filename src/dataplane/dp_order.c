/*
 * Sorting by length alone would let a short packet overtake a long one of its flow, or the other
 * way round. So each packet gets a round: as long as the packets of a flow do not become longer
 * they are of one round, a longer one starts the flow's next round. Sorted by (peer, round, length
 * downward, arrival), every flow keeps its order, and flows whose packets all have one length,
 * which are most, stay in round 0.
 */
#include "dataplane/dp_order.h"

#include "base/hash.h"
#include "base/panic.h"

/* Tables are as large as the batch needs, for they are cleared for each one. */
enum { PLACES_MIN = 16, PLACES_MAX = 1024, IX_BITS = 16 };

_Static_assert(PLACES_MAX >= (int)DP_TX_MAX, "room for a peer of each packet");

struct flow {
	uint16_t round;
	uint16_t len; /* of its last packet; 0 = not seen in this batch */
};

struct peers {
	const struct l2tp_path *last;
	uint16_t last_number;
	uint16_t n;
	unsigned mask;
	uint16_t number[PLACES_MAX];		  /* 1..n; 0 = free */
	const struct l2tp_path *path[PLACES_MAX]; /* only where number is not 0 */
};

/* Cheap: peers are few, and a collision costs a comparison only. */
static unsigned path_hash(const struct l2tp_path *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < sizeof(p->peer.ip.b); i++)
		v = v * 31 + p->peer.ip.b[i];
	return (unsigned)hash_u64(v ^ (uint64_t)p->peer.port << 40 ^ p->local);
}

static uint16_t peer_number(struct peers *peers, const struct l2tp_path *path)
{
	if (peers->last && l2tp_path_equal(peers->last, path))
		return peers->last_number;
	unsigned i = path_hash(path) & peers->mask;
	while (peers->number[i] && !l2tp_path_equal(peers->path[i], path))
		i = (i + 1) & peers->mask;
	if (!peers->number[i]) {
		peers->number[i] = ++peers->n;
		peers->path[i] = path;
	}
	peers->last = path;
	peers->last_number = peers->number[i];
	return peers->last_number;
}

static uint16_t round_of(struct flow *f, uint16_t len)
{
	if (f->len && len > f->len)
		f->round++;
	f->len = len;
	return f->round;
}

/* Gaps of Ciura; keys are all different, so that no sort needs to be stable. */
static void sort(uint64_t *k, unsigned n)
{
	static const unsigned gaps[] = {301, 132, 57, 23, 10, 4, 1};

	for (unsigned g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (unsigned i = gaps[g]; i < n; i++) {
			uint64_t key = k[i];
			unsigned j = i;
			for (; j >= gaps[g] && k[j - gaps[g]] > key; j -= gaps[g])
				k[j] = k[j - gaps[g]];
			k[j] = key;
		}
}

/* A power of two, twice as many as there are packets where that is possible. */
static unsigned places_for(unsigned n)
{
	unsigned places = PLACES_MIN;

	while (places < 2 * n && places < PLACES_MAX)
		places *= 2;
	return places;
}

void dp_order(const struct dp_tx *tx, unsigned n, uint16_t *order)
{
	struct peers peers;
	struct flow flows[PLACES_MAX];
	uint64_t keys[DP_TX_MAX];
	unsigned places = places_for(n);
	bool sorted = true;

	LNS_ASSERT(n <= DP_TX_MAX);
	peers.last = NULL;
	peers.n = 0;
	peers.mask = places - 1;
	memset(peers.number, 0, places * sizeof(peers.number[0]));
	memset(flows, 0, places * sizeof(flows[0]));
	for (unsigned i = 0; i < n; i++) {
		uint64_t peer = peer_number(&peers, &tx[i].session->spec.path);
		uint16_t len = (uint16_t)dp_tx_len(&tx[i]);
		uint64_t round = round_of(&flows[tx[i].flow & peers.mask], len);
		keys[i] = peer << 48 | round << 32 | (uint64_t)(0xFFFFu - len) << IX_BITS | i;
		sorted = sorted && (i == 0 || keys[i - 1] < keys[i]);
	}
	if (!sorted)
		sort(keys, n);
	for (unsigned i = 0; i < n; i++)
		order[i] = (uint16_t)keys[i];
}

#include "base/wheel.h"

#include "base/panic.h"

/*
 * A timer that is less than 2^(8(k+1)) ticks away lies in slot (tick >> 8k) % 256 of level k. When
 * the lower 8k bits of the present tick become 0, the slot of level k that begins there is emptied
 * and its timers are placed again, now on lower levels: every timer moves at most three times.
 * The bitmaps say which slots hold anything, so time jumps from one occupied slot to the next.
 */
enum { TICK_NS = 1000000 };
static const uint64_t RANGE_TICKS = 40ull * 24 * 3600 * 1000;
static const uint64_t NO_TICK = UINT64_MAX;

static uint64_t tick_floor(nsec t)
{
	return t.ns > 0 ? (uint64_t)t.ns / TICK_NS : 0;
}

/* A timer never fires early: the tick at which `t` is past. */
static uint64_t tick_ceil(nsec t)
{
	return tick_floor(t) + (t.ns > 0 && t.ns % TICK_NS != 0);
}

static void head_init(struct wheel_timer *h)
{
	h->next = h->prev = h;
}

static void insert_before(struct wheel_timer *at, struct wheel_timer *t)
{
	t->next = at;
	t->prev = at->prev;
	at->prev->next = t;
	at->prev = t;
}

static void unlink_timer(struct wheel_timer *t)
{
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->next = t->prev = NULL;
}

static unsigned slot_of(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * WHEEL_BITS)) % WHEEL_SLOTS;
}

static void place(struct wheel *w, struct wheel_timer *t)
{
	if (t->tick <= w->tick) {
		insert_before(&w->expired, t);
		return;
	}
	unsigned level = 0;
	for (uint64_t away = t->tick - w->tick; away >= WHEEL_SLOTS; away >>= WHEEL_BITS)
		level++;
	LNS_ASSERT(level < WHEEL_LEVELS);
	unsigned slot = slot_of(t->tick, level);
	insert_before(&w->slots[level][slot], t);
	w->occupied[level][slot / 64] |= 1ull << slot % 64;
}

/* Distance (1..256, circular) from slot `at` to the next occupied one; 0 = none. */
static unsigned occupied_after(const struct wheel *w, unsigned level, unsigned at)
{
	unsigned first = (at + 1) % WHEEL_SLOTS;
	for (unsigned i = 0; i <= WHEEL_SLOTS / 64; i++) {
		unsigned word = (first / 64 + i) % (WHEEL_SLOTS / 64);
		uint64_t bits = w->occupied[level][word];
		if (i == 0)
			bits &= ~0ull << first % 64;
		if (bits) {
			unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);
			return (slot - at - 1) % WHEEL_SLOTS + 1;
		}
	}
	return 0;
}

/* The next tick at which a slot of any level has to be emptied. */
static uint64_t next_tick(const struct wheel *w)
{
	uint64_t next = NO_TICK;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t base = w->tick >> (level * WHEEL_BITS);
		unsigned distance = occupied_after(w, level, (unsigned)(base % WHEEL_SLOTS));
		if (distance == 0)
			continue;
		uint64_t at = (base + distance) << (level * WHEEL_BITS);
		if (at < next)
			next = at;
	}
	return next;
}

static void empty_slot(struct wheel *w, unsigned level)
{
	unsigned slot = slot_of(w->tick, level);
	struct wheel_timer *head = &w->slots[level][slot];

	w->occupied[level][slot / 64] &= ~(1ull << slot % 64);
	if (head->next == head)
		return;
	/* The whole chain is taken out first: a timer may be placed into the slot it came from. */
	struct wheel_timer *t = head->next;
	head->prev->next = NULL;
	head_init(head);
	while (t) {
		struct wheel_timer *after = t->next;
		place(w, t);
		t = after;
	}
}

/* Handles the tick w->tick: from the coarsest slot that begins here down to its own. */
static void handle_tick(struct wheel *w)
{
	for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
		uint64_t below = (1ull << (level * WHEEL_BITS)) - 1;
		if ((w->tick & below) == 0)
			empty_slot(w, level);
	}
}

static void advance(struct wheel *w, uint64_t to)
{
	for (uint64_t at = next_tick(w); at <= to && at != NO_TICK; at = next_tick(w)) {
		w->tick = at;
		handle_tick(w);
	}
	if (w->tick < to)
		w->tick = to;
}

void wheel_init(struct wheel *w, nsec now)
{
	*w = (struct wheel){.tick = tick_floor(now)};
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			head_init(&w->slots[level][slot]);
	head_init(&w->expired);
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	if (!wheel_is_armed(t))
		return;
	/* The last of its slot: both neighbours are the slot's head, whose place gives its bit. */
	if (t->next == t->prev && t->next != &w->expired) {
		size_t index = (size_t)(t->next - &w->slots[0][0]);
		LNS_ASSERT(index < WHEEL_LEVELS * WHEEL_SLOTS);
		size_t slot = index % WHEEL_SLOTS;
		w->occupied[index / WHEEL_SLOTS][slot / 64] &= ~(1ull << slot % 64);
	}
	unlink_timer(t);
	w->armed--;
}

void wheel_start(struct wheel *w, struct wheel_timer *t, nsec when)
{
	wheel_stop(w, t);
	if (nsec_is_never(when))
		return;
	uint64_t tick = tick_ceil(when);
	/* Not in the tick that is being handled: an owner that re-arms for `now` while it takes
	 * what expired would never come to an end. */
	if (tick <= w->tick)
		tick = w->tick + 1;
	if (tick - w->tick > RANGE_TICKS)
		tick = w->tick + RANGE_TICKS;
	t->tick = tick;
	place(w, t);
	w->armed++;
}

struct wheel_timer *wheel_expired(struct wheel *w, nsec now)
{
	uint64_t to = tick_floor(now);
	if (w->expired.next == &w->expired && w->tick < to)
		advance(w, to);

	struct wheel_timer *t = w->expired.next;
	if (t == &w->expired)
		return NULL;
	unlink_timer(t);
	w->armed--;
	return t;
}

nsec wheel_next(const struct wheel *w)
{
	uint64_t tick = w->expired.next != &w->expired ? w->tick : next_tick(w);
	return tick == NO_TICK ? NSEC_NEVER : (nsec){(int64_t)(tick * TICK_NS)};
}

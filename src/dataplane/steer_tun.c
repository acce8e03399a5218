/*
 * Maps: single IPv4 addresses in one hash; IPv6 networks of the usual lengths (/64, /56, /48) in
 * another, whose key has the length in it; all other networks in two longest-prefix tries, which
 * are slow when they are big and seldom are. A shorter network that hides a longer one of the tries
 * would only choose another worker, and any worker may forward.
 */
#include "dataplane/steer_tun.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dataplane/bpf_asm.h"

enum map { HOSTS4, NETS6, TRIE4, TRIE6, MAPS };

enum {
	BATCH = 512,
	KEY_MAX = 20,
	NETS6_BYTES = 8, /* of an address, the others are 0 */
	IP4_DST_AT = 16,
	IP6_DST_AT = 24,
};

static const struct {
	uint32_t type, key;
} kinds[MAPS] = {
	[HOSTS4] = {BPF_MAP_TYPE_HASH, 4},
	[NETS6] = {BPF_MAP_TYPE_HASH, 12}, /* upper half of the address, length */
	[TRIE4] = {BPF_MAP_TYPE_LPM_TRIE, 8},
	[TRIE6] = {BPF_MAP_TYPE_LPM_TRIE, 20},
};

/* Changes of one map that wait: all of them set, or all of them clear. */
struct pending {
	unsigned n;
	bool clear;
	uint8_t keys[BATCH * KEY_MAX];
	uint32_t values[BATCH];
};

struct steer_tun {
	struct alloc alloc;
	int program;
	int maps[MAPS];
	uint64_t refused;
	struct pending pending[MAPS];
};

/* ---- the program ----------------------------------------------------------------------------- */

enum label { FOUND, IP6, HASH, NONE };

/* Copies n bytes of the packet to the stack; without them there is no destination. */
static void load_packet(struct bpf_asm *a, int32_t at, int16_t to, int32_t n)
{
	bpf_set_reg(a, R1, R6);
	bpf_set_imm(a, R2, at);
	bpf_set_reg(a, R3, FP);
	bpf_alu(a, BPF_ADD, R3, to);
	bpf_set_imm(a, R4, n);
	bpf_call(a, BPF_FUNC_skb_load_bytes);
	bpf_jump_if(a, BPF_JSLT, R0, 0, NONE);
}

static void look_up(struct bpf_asm *a, int fd, int16_t key)
{
	bpf_look_up(a, fd, key);
	bpf_jump_if(a, BPF_JNE, R0, 0, FOUND);
}

/* Stack: the trie's key, which is the length and behind it the address. */
static void assemble_ip4(struct bpf_asm *a, const int *maps)
{
	enum { KEY = -8, ADDRESS = -4 };

	load_packet(a, IP4_DST_AT, ADDRESS, 4);
	look_up(a, maps[HOSTS4], ADDRESS);
	bpf_store_imm(a, BPF_W, KEY, 32);
	look_up(a, maps[TRIE4], KEY);
	bpf_load(a, BPF_W, R7, FP, ADDRESS);
	bpf_jump(a, HASH);
}

static void assemble_ip6(struct bpf_asm *a, const int *maps)
{
	enum { KEY = -20, ADDRESS = -16, NET = -40, NET_LENGTH = -32 };

	load_packet(a, IP6_DST_AT, ADDRESS, 16);
	bpf_load(a, BPF_DW, R1, FP, ADDRESS);
	bpf_store(a, BPF_DW, NET, R1);
	bpf_store_imm(a, BPF_W, NET_LENGTH, 64);
	look_up(a, maps[NETS6], NET);
	bpf_store_imm(a, BPF_B, NET + 7, 0);
	bpf_store_imm(a, BPF_W, NET_LENGTH, 56);
	look_up(a, maps[NETS6], NET);
	bpf_store_imm(a, BPF_B, NET + 6, 0);
	bpf_store_imm(a, BPF_W, NET_LENGTH, 48);
	look_up(a, maps[NETS6], NET);
	bpf_store_imm(a, BPF_W, KEY, 128);
	look_up(a, maps[TRIE6], KEY);
	bpf_load(a, BPF_W, R7, FP, ADDRESS);
	bpf_load(a, BPF_W, R1, FP, ADDRESS + 4);
	bpf_put(a, BPF_ALU64 | BPF_XOR | BPF_X, R7, R1, 0, 0);
}

/* The kernel takes what comes back modulo the number of queues. */
static void assemble(struct bpf_asm *a, const int *maps)
{
	bpf_set_reg(a, R6, R1);
	load_packet(a, 0, -1, 1);
	bpf_load(a, BPF_B, R7, FP, -1);
	bpf_alu(a, BPF_RSH, R7, 4);
	bpf_jump_if(a, BPF_JEQ, R7, 6, IP6);
	bpf_jump_if(a, BPF_JNE, R7, 4, NONE);
	assemble_ip4(a, maps);
	bpf_label(a, IP6);
	assemble_ip6(a, maps);
	bpf_label(a, HASH);
	bpf_put(a, BPF_ALU | BPF_MUL | BPF_K, R7, 0, 0, (int32_t)0x9E3779B1);
	bpf_put(a, BPF_ALU | BPF_RSH | BPF_K, R7, 0, 0, 16);
	bpf_set_reg(a, R0, R7);
	bpf_exit(a);
	bpf_label(a, FOUND);
	bpf_load(a, BPF_W, R0, R0, 0);
	bpf_exit(a);
	bpf_label(a, NONE);
	bpf_set_imm(a, R0, 0);
	bpf_exit(a);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int map_new(enum map m)
{
	union bpf_attr attr = {
		.map_type = kinds[m].type,
		.key_size = kinds[m].key,
		.value_size = sizeof(uint32_t),
		.max_entries = STEER_TUN_ENTRIES,
		.map_flags = BPF_F_NO_PREALLOC, /* memory as it is used */
	};

	return bpf_call_kernel(BPF_MAP_CREATE, &attr);
}

static int program_load(const int *maps)
{
	struct bpf_asm a = {.n = 0};

	assemble(&a, maps);
	return bpf_asm_load(&a, BPF_PROG_TYPE_SOCKET_FILTER);
}

struct steer_tun *steer_tun_open(const struct alloc *a)
{
	struct steer_tun *s = alloc_get(a, sizeof(*s));
	bool ok = s != NULL;

	if (!s)
		return NULL;
	s->alloc = *a;
	s->program = -1;
	for (unsigned i = 0; i < MAPS; i++)
		s->maps[i] = -1;
	for (unsigned i = 0; ok && i < MAPS; i++)
		ok = (s->maps[i] = map_new((enum map)i)) >= 0;
	ok = ok && (s->program = program_load(s->maps)) >= 0;
	if (ok)
		return s;
	int why = errno;
	steer_tun_close(s);
	errno = why;
	return NULL;
}

void steer_tun_close(struct steer_tun *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < MAPS; i++)
		if (s->maps[i] >= 0)
			close(s->maps[i]);
	if (s->program >= 0)
		close(s->program);
	alloc_put(&s->alloc, s, sizeof(*s));
}

bool steer_tun_attach(const struct steer_tun *s, int tun_fd)
{
	int fd = s->program;

	return ioctl(tun_fd, TUNSETSTEERINGEBPF, &fd) == 0;
}

int steer_tun_program_fd(const struct steer_tun *s)
{
	return s->program;
}

uint64_t steer_tun_refused(const struct steer_tun *s)
{
	return s->refused;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* One by one from i on: kernels without batches for this map, or one that was refused. What is to
 * be cleared may never have got in. */
static bool change_one(struct steer_tun *s, enum map m, unsigned i)
{
	struct pending *p = &s->pending[m];
	union bpf_attr attr = {
		.map_fd = (uint32_t)s->maps[m],
		.key = (uint64_t)(uintptr_t)(p->keys + i * kinds[m].key),
		.value = p->clear ? 0 : (uint64_t)(uintptr_t)&p->values[i],
	};

	return bpf_call_kernel(p->clear ? BPF_MAP_DELETE_ELEM : BPF_MAP_UPDATE_ELEM, &attr) == 0 ||
	       (p->clear && errno == ENOENT);
}

/* Returns how many of those from i on the kernel took at once. */
static unsigned change_many(struct steer_tun *s, enum map m, unsigned i)
{
	struct pending *p = &s->pending[m];
	union bpf_attr attr = {
		.batch.map_fd = (uint32_t)s->maps[m],
		.batch.keys = (uint64_t)(uintptr_t)(p->keys + i * kinds[m].key),
		.batch.values = p->clear ? 0 : (uint64_t)(uintptr_t)&p->values[i],
		.batch.count = p->n - i,
	};
	bool ok =
		bpf_call_kernel(p->clear ? BPF_MAP_DELETE_BATCH : BPF_MAP_UPDATE_BATCH, &attr) == 0;

	/* A kernel that does not know the command leaves the count as it was. */
	return ok || attr.batch.count < p->n - i ? attr.batch.count : 0;
}

static void flush(struct steer_tun *s, enum map m)
{
	struct pending *p = &s->pending[m];

	for (unsigned i = p->n > 1 ? change_many(s, m, 0) : 0; i < p->n; i++)
		if (!change_one(s, m, i))
			s->refused++;
	p->n = 0;
}

static enum map map_of(const struct ip_prefix *p)
{
	if (p->addr.family == 4)
		return p->len == 32 ? HOSTS4 : TRIE4;
	return p->len == 64 || p->len == 56 || p->len == 48 ? NETS6 : TRIE6;
}

static void key_of(enum map m, const struct ip_prefix *p, uint8_t *key)
{
	uint32_t length = p->len;

	switch (m) {
	case HOSTS4:
		memcpy(key, p->addr.b, 4);
		break;
	case NETS6:
		memcpy(key, p->addr.b, NETS6_BYTES);
		memcpy(key + NETS6_BYTES, &length, sizeof(length));
		break;
	default:
		memcpy(key, &length, sizeof(length));
		memcpy(key + sizeof(length), p->addr.b, kinds[m].key - sizeof(length));
	}
}

static void change(struct steer_tun *s, const struct ip_prefix *prefix, bool clear, uint32_t queue)
{
	enum map m = map_of(prefix);
	struct pending *p = &s->pending[m];

	if (p->n == BATCH || (p->n && p->clear != clear))
		flush(s, m);
	p->clear = clear;
	key_of(m, prefix, p->keys + p->n * kinds[m].key);
	p->values[p->n++] = queue;
}

void steer_tun_set(struct steer_tun *s, const struct ip_prefix *p, uint32_t queue)
{
	change(s, p, false, queue);
}

void steer_tun_clear(struct steer_tun *s, const struct ip_prefix *p)
{
	change(s, p, true, 0);
}

void steer_tun_flush(struct steer_tun *s)
{
	for (unsigned i = 0; i < MAPS; i++)
		if (s->pending[i].n)
			flush(s, (enum map)i);
}

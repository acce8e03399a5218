#include "dataplane/express_hosts.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/panic.h"

enum {
	NETWORKS = 1 << 16,
	HOSTS = 1 << 16, /* of a network */
	BLOCK = HOSTS / 8,
};

/* What the kernel makes of an element of 4 bytes. */
struct network {
	_Atomic uint32_t block; /* + 1; 0 = no subscriber there */
	uint32_t unused;
};

struct express_hosts {
	struct alloc alloc;
	int networks_fd, blocks_fd;
	struct network *networks;	     /* NETWORKS */
	_Atomic uint8_t (*blocks)[BLOCK];    /* EXPRESS_NETWORKS_MAX; a bit of each address */
	uint32_t used[EXPRESS_NETWORKS_MAX]; /* bits set in the block */
	uint64_t left_out;
};

/* ---- life ------------------------------------------------------------------------------------ */

static size_t networks_bytes(void)
{
	return NETWORKS * sizeof(struct network);
}

static size_t blocks_bytes(void)
{
	return (size_t)EXPRESS_NETWORKS_MAX * BLOCK;
}

static int array_new(uint32_t value, uint32_t entries)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = value,
		.max_entries = entries,
		.map_flags = BPF_F_MMAPABLE,
	};

	return bpf_call_kernel(BPF_MAP_CREATE, &attr);
}

static void *array_memory(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct express_hosts *express_hosts_open(const struct alloc *a)
{
	struct express_hosts *h = alloc_get(a, sizeof(*h));

	if (!h)
		return NULL;
	h->alloc = *a;
	h->networks_fd = array_new(sizeof(uint32_t), NETWORKS);
	h->blocks_fd = array_new(BLOCK, EXPRESS_NETWORKS_MAX);
	if (h->networks_fd >= 0 && h->blocks_fd >= 0) {
		h->networks = array_memory(h->networks_fd, networks_bytes());
		h->blocks = array_memory(h->blocks_fd, blocks_bytes());
	}
	if (h->networks && h->blocks)
		return h;
	int why = errno;
	express_hosts_close(h);
	errno = why;
	return NULL;
}

void express_hosts_close(struct express_hosts *h)
{
	if (!h)
		return;
	if (h->networks)
		munmap(h->networks, networks_bytes());
	if (h->blocks)
		munmap(h->blocks, blocks_bytes());
	if (h->networks_fd >= 0)
		close(h->networks_fd);
	if (h->blocks_fd >= 0)
		close(h->blocks_fd);
	alloc_put(&h->alloc, h, sizeof(*h));
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Of the network, one without any bit if need be; EXPRESS_NETWORKS_MAX: there is no room. */
static uint32_t block_for(struct express_hosts *h, uint32_t network)
{
	uint32_t block = atomic_load_explicit(&h->networks[network].block, memory_order_relaxed);

	if (block)
		return block - 1;
	for (block = 0; block < EXPRESS_NETWORKS_MAX; block++)
		if (h->used[block] == 0)
			break;
	return block;
}

void express_hosts_set(struct express_hosts *h, uint32_t ip)
{
	uint32_t block = block_for(h, ip >> 16);

	if (block == EXPRESS_NETWORKS_MAX) {
		h->left_out++;
		return;
	}
	uint8_t bit = (uint8_t)(1u << (ip & 7));
	if (atomic_fetch_or(&h->blocks[block][(ip & 0xFFFF) / 8], bit) & bit)
		return;
	h->used[block]++;
	atomic_store_explicit(&h->networks[ip >> 16].block, block + 1, memory_order_release);
}

/* A block without a bit is another network's from here on. A packet that is being looked up in that
 * moment may meet the other network's bits, and come to a worker, who drops what has no route. */
void express_hosts_clear(struct express_hosts *h, uint32_t ip)
{
	uint32_t block = atomic_load_explicit(&h->networks[ip >> 16].block, memory_order_relaxed);
	uint8_t bit = (uint8_t)(1u << (ip & 7));

	if (!block-- ||
	    !(atomic_fetch_and(&h->blocks[block][(ip & 0xFFFF) / 8], (uint8_t)~bit) & bit))
		return;
	if (--h->used[block] == 0)
		atomic_store_explicit(&h->networks[ip >> 16].block, 0, memory_order_release);
}

uint64_t express_hosts_left_out(const struct express_hosts *h)
{
	return h->left_out;
}

/* ---- looking up, in the kernel ----------------------------------------------------------------
 */

/* r4: the key. r0: where the value stands. */
static void look_up(struct bpf_asm *a, int fd, unsigned no)
{
	enum { KEY = -4 };

	bpf_store(a, BPF_W, KEY, R4);
	bpf_look_up(a, fd, KEY);
	bpf_jump_if(a, BPF_JEQ, R0, 0, no);
}

void express_hosts_assemble(const struct express_hosts *h, struct bpf_asm *a, unsigned no)
{
	bpf_put(a, BPF_ALU | BPF_END | BPF_TO_BE, R4, 0, 0, 32);
	bpf_set_reg(a, R7, R4);
	bpf_alu(a, BPF_RSH, R4, 16);
	look_up(a, h->networks_fd, no);
	bpf_load(a, BPF_W, R4, R0, 0);
	bpf_jump_if(a, BPF_JEQ, R4, 0, no);
	bpf_alu(a, BPF_SUB, R4, 1);
	look_up(a, h->blocks_fd, no);
	bpf_alu(a, BPF_AND, R7, HOSTS - 1);
	bpf_set_reg(a, R4, R7);
	bpf_alu(a, BPF_RSH, R4, 3);
	bpf_put(a, BPF_ALU64 | BPF_ADD | BPF_X, R0, R4, 0, 0);
	bpf_load(a, BPF_B, R4, R0, 0);
	bpf_alu(a, BPF_AND, R7, 7);
	bpf_put(a, BPF_ALU64 | BPF_RSH | BPF_X, R4, R7, 0, 0);
	bpf_alu(a, BPF_AND, R4, 1);
	bpf_jump_if(a, BPF_JEQ, R4, 0, no);
}

#include "dataplane/bpf_asm.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/panic.h"

void bpf_put(struct bpf_asm *a, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	LNS_ASSERT(a->n < BPF_ASM_MAX);
	a->out[a->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 15u, .src_reg = src & 15u, .off = off, .imm = imm};
}

void bpf_set_reg(struct bpf_asm *a, uint8_t dst, uint8_t src)
{
	bpf_put(a, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

void bpf_set_imm(struct bpf_asm *a, uint8_t dst, int32_t imm)
{
	bpf_put(a, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

void bpf_alu(struct bpf_asm *a, uint8_t how, uint8_t dst, int32_t imm)
{
	bpf_put(a, BPF_ALU64 | how | BPF_K, dst, 0, 0, imm);
}

void bpf_set_map(struct bpf_asm *a, uint8_t dst, int fd)
{
	bpf_put(a, BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd);
	bpf_put(a, 0, 0, 0, 0, 0);
}

void bpf_load(struct bpf_asm *a, uint8_t size, uint8_t dst, uint8_t src, int16_t off)
{
	bpf_put(a, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

void bpf_store(struct bpf_asm *a, uint8_t size, int16_t off, uint8_t src)
{
	bpf_put(a, BPF_STX | BPF_MEM | size, FP, src, off, 0);
}

void bpf_store_imm(struct bpf_asm *a, uint8_t size, int16_t off, int32_t imm)
{
	bpf_put(a, BPF_ST | BPF_MEM | size, FP, 0, off, imm);
}

void bpf_call(struct bpf_asm *a, enum bpf_func_id f)
{
	bpf_put(a, BPF_JMP | BPF_CALL, 0, 0, 0, (int32_t)f);
}

static void jump(struct bpf_asm *a, uint8_t code, uint8_t reg, uint8_t other, int32_t imm,
		 unsigned label)
{
	LNS_ASSERT(a->n < BPF_ASM_MAX && label < BPF_ASM_LABELS);
	a->label_of[a->n] = (uint8_t)(label + 1);
	bpf_put(a, code, reg, other, 0, imm);
}

void bpf_jump_if(struct bpf_asm *a, uint8_t how, uint8_t reg, int32_t imm, unsigned label)
{
	jump(a, BPF_JMP | how | BPF_K, reg, 0, imm, label);
}

void bpf_jump_if_reg(struct bpf_asm *a, uint8_t how, uint8_t reg, uint8_t other, unsigned label)
{
	jump(a, BPF_JMP | how | BPF_X, reg, other, 0, label);
}

void bpf_jump(struct bpf_asm *a, unsigned label)
{
	jump(a, BPF_JMP | BPF_JA, 0, 0, 0, label);
}

void bpf_label(struct bpf_asm *a, unsigned label)
{
	a->at[label] = a->n;
}

void bpf_exit(struct bpf_asm *a)
{
	bpf_put(a, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void bpf_look_up(struct bpf_asm *a, int map_fd, int16_t key)
{
	bpf_set_map(a, R1, map_fd);
	bpf_set_reg(a, R2, FP);
	bpf_alu(a, BPF_ADD, R2, key);
	bpf_call(a, BPF_FUNC_map_lookup_elem);
}

static void resolve(struct bpf_asm *a)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->label_of[i])
			a->out[i].off = (int16_t)(a->at[a->label_of[i] - 1] - i - 1);
}

int bpf_call_kernel(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int bpf_asm_load(struct bpf_asm *a, enum bpf_prog_type type)
{
	static const char licence[] = "GPL";
	union bpf_attr attr = {
		.prog_type = type,
		.insn_cnt = a->n,
		.insns = (uint64_t)(uintptr_t)a->out,
		.license = (uint64_t)(uintptr_t)licence,
	};

	resolve(a);
	return bpf_call_kernel(BPF_PROG_LOAD, &attr);
}

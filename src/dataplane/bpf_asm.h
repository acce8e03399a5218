/*
 * bpf_asm.h - writes small eBPF programs instruction by instruction: no compiler and no object
 * file is needed where the daemon runs. Jumps name labels, which become places in the program when
 * it is loaded. Shell; any thread.
 */
#ifndef LNS_BPF_ASM_H
#define LNS_BPF_ASM_H

#include <linux/bpf.h>
#include <stdint.h>

enum { BPF_ASM_MAX = 128, BPF_ASM_LABELS = 8 };

/* r0 is a function's result, r1 to r5 are its arguments, r6 to r9 survive it; the stack lies below
 * fp. */
enum bpf_register { R0, R1, R2, R3, R4, R5, R6, R7, FP = 10 };

struct bpf_asm {
	struct bpf_insn out[BPF_ASM_MAX];
	unsigned n;
	uint8_t label_of[BPF_ASM_MAX]; /* of a jump: the label + 1 */
	unsigned at[BPF_ASM_LABELS];
};

/* One instruction as it is. */
void bpf_put(struct bpf_asm *a, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm);
void bpf_set_reg(struct bpf_asm *a, uint8_t dst, uint8_t src);
void bpf_set_imm(struct bpf_asm *a, uint8_t dst, int32_t imm);
/* how: BPF_ADD and the like, 64 bits. */
void bpf_alu(struct bpf_asm *a, uint8_t how, uint8_t dst, int32_t imm);
/* A map's descriptor, as its address. */
void bpf_set_map(struct bpf_asm *a, uint8_t dst, int fd);
void bpf_load(struct bpf_asm *a, uint8_t size, uint8_t dst, uint8_t src, int16_t off);
/* To the stack. */
void bpf_store(struct bpf_asm *a, uint8_t size, int16_t off, uint8_t src);
void bpf_store_imm(struct bpf_asm *a, uint8_t size, int16_t off, int32_t imm);
void bpf_call(struct bpf_asm *a, enum bpf_func_id f);
/* how: BPF_JEQ and the like; all 64 bits are compared, with imm's sign. */
void bpf_jump_if(struct bpf_asm *a, uint8_t how, uint8_t reg, int32_t imm, unsigned label);
void bpf_jump_if_reg(struct bpf_asm *a, uint8_t how, uint8_t reg, uint8_t other, unsigned label);
void bpf_jump(struct bpf_asm *a, unsigned label);
void bpf_label(struct bpf_asm *a, unsigned label);
void bpf_exit(struct bpf_asm *a);
/* Looks the key on the stack up: r0 is where the value stands, or 0. r1 to r5 are lost. */
void bpf_look_up(struct bpf_asm *a, int map_fd, int16_t key);

/* Resolves the jumps and hands the program to the kernel. Its descriptor; -1: errno. */
int bpf_asm_load(struct bpf_asm *a, enum bpf_prog_type type);
/* bpf(2). */
int bpf_call_kernel(enum bpf_cmd cmd, union bpf_attr *attr);

#endif

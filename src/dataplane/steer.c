#include "dataplane/steer.h"

#include <stddef.h>
#include <sys/socket.h>

enum { T_BIT = 0x8000, L_BIT = 0x4000, NO_SOCKET = -1 };

/* Offsets are from the UDP payload. A load beyond the packet ends the program with 0. */
unsigned steer_program(struct sock_filter out[static STEER_PROGRAM_MAX], unsigned n)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, T_BIT, 5, 0),
		/* data: the session id stands at 4, or at 6 behind a Length */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L_BIT, 2, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
		/* control: Length is always there, the tunnel id stands at 4 */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		/* tunnel 0: an index that does not exist leaves the choice to the kernel's hash */
		BPF_STMT(BPF_RET | BPF_K, (unsigned)NO_SOCKET),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	unsigned len = sizeof(program) / sizeof(program[0]);

	for (unsigned i = 0; i < len; i++)
		out[i] = program[i];
	return len;
}

bool steer_attach(int fd, unsigned n)
{
	struct sock_filter code[STEER_PROGRAM_MAX];
	struct sock_fprog program = {.filter = code};

	program.len = (unsigned short)steer_program(code, n);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}

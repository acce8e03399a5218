/*
 * precedence.h - workers go first where they share a CPU with the NAPI threads of the TUN device or
 * with control. Shell.
 *
 * Since Linux 6.12 a thread can ask for a shorter slice than others have: waking up it interrupts
 * them, and they do not interrupt it while it has not used up its share. Workers do that, so that
 * the NAPI threads can stay as they are and still interrupt what else runs on the machine. Batch
 * work, which earlier kernels have as well, interrupts nobody: neither a worker nor another
 * program. That is right for control, whose work can wait.
 */
#ifndef LNS_PRECEDENCE_H
#define LNS_PRECEDENCE_H

#include <stdbool.h>

/* The kernel knows slices: what precedence_take() does is enough. False also where the operator has
 * chosen another policy for the calling thread, with chrt(1), say. */
bool precedence_by_slices(void);
/* The calling thread, a worker, goes before those that keep the usual slice. */
void precedence_take(void);
/* The calling thread, control, goes behind them: it is batch work with a longer slice, and so are
 * threads that it makes from then on. */
void precedence_give(void);

#endif

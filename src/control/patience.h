/*
 * patience.h - the calling thread lets those go first that forward packets. Any thread.
 */
#ifndef LNS_PATIENCE_H
#define LNS_PATIENCE_H

/* Where both are on one CPU, a worker that wakes up interrupts this thread, which never interrupts
 * a worker; their shares of a CPU that is short stay even. Threads that it makes from then on are
 * the same. What the kernel does not know is left out. */
void patience_take(void);

#endif

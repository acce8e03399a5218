/*
 * steer.h - who receives what: a classic BPF program on a SO_REUSEPORT group, so that data reaches
 * the worker of its session id and control the worker of its tunnel id (RFC 2661 3.1). Shell.
 */
#ifndef LNS_STEER_H
#define LNS_STEER_H

#include <linux/filter.h>
#include <stdbool.h>

enum { STEER_PROGRAM_MAX = 16 };

/* Writes the program for n workers; returns its length. */
unsigned steer_program(struct sock_filter out[static STEER_PROGRAM_MAX], unsigned n);
/* Attaches it to the group that this socket belongs to: sockets are numbered in the order in which
 * they were bound. False: not allowed or not known here (errno). */
bool steer_attach(int fd, unsigned n);

#endif

/*
 * panic.h - assertions that stay on. A broken invariant is our mistake and stops the program; bad
 * input is an operating error and never comes here. LNS_HOT_ASSERT is for the per-packet path and
 * is compiled in debug and sanitizer builds only.
 */
#ifndef LNS_PANIC_H
#define LNS_PANIC_H

/* Prints "file:line: what" to standard error and aborts. The only output below the shells. */
_Noreturn void lns_panic(const char *file, int line, const char *what);

#define LNS_ASSERT(cond)  ((cond) ? (void)0 : lns_panic(__FILE__, __LINE__, #cond))
#define LNS_UNREACHABLE() lns_panic(__FILE__, __LINE__, "unreachable")

#ifdef LNS_DEBUG_ASSERTS
#define LNS_HOT_ASSERT(cond) LNS_ASSERT(cond)
#else
#define LNS_HOT_ASSERT(cond) ((void)sizeof(cond))
#endif

#endif

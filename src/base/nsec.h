/*
 * nsec.h - points on the monotonic clock. A struct, so that a time cannot be mixed with a number
 * or with a wall clock. Durations are int64_t nanoseconds made with the NSEC_* macros; names of
 * duration fields end in their unit. No function here reads a clock: `now` is always an argument.
 */
#ifndef LNS_NSEC_H
#define LNS_NSEC_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	int64_t ns;
} nsec;

#define NSEC_US(n) ((int64_t)(n)*1000)
#define NSEC_MS(n) ((int64_t)(n)*1000000)
#define NSEC_S(n)  ((int64_t)(n)*1000000000)

/* Later than every time; also "no timer". */
#define NSEC_NEVER ((nsec){INT64_MAX})
#define NSEC_ZERO  ((nsec){0})

static inline bool nsec_is_never(nsec t)
{
	return t.ns == INT64_MAX;
}

static inline nsec nsec_add(nsec t, int64_t duration_ns)
{
	return nsec_is_never(t) ? t : (nsec){t.ns + duration_ns};
}

/* Nanoseconds from b to a. */
static inline int64_t nsec_sub(nsec a, nsec b)
{
	return a.ns - b.ns;
}
static inline bool nsec_before(nsec a, nsec b)
{
	return a.ns < b.ns;
}
static inline bool nsec_reached(nsec deadline, nsec now)
{
	return deadline.ns <= now.ns;
}
static inline nsec nsec_min(nsec a, nsec b)
{
	return a.ns < b.ns ? a : b;
}
static inline nsec nsec_max(nsec a, nsec b)
{
	return a.ns > b.ns ? a : b;
}
/* Whole seconds from `then` to `now`, 0 when `then` lies ahead. */
static inline uint32_t nsec_age_s(nsec then, nsec now)
{
	return now.ns <= then.ns ? 0 : (uint32_t)((now.ns - then.ns) / 1000000000);
}

#endif

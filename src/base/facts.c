#include "base/facts.h"

#include <string.h>

bool sess_policy_equal(const struct sess_policy *a, const struct sess_policy *b)
{
	return a->rate_up == b->rate_up && a->rate_down == b->rate_down &&
	       a->burst_up == b->burst_up && a->burst_down == b->burst_down &&
	       a->garden == b->garden && sock_addr_equal(&a->intercept, &b->intercept) &&
	       strcmp(a->filter_in, b->filter_in) == 0 && strcmp(a->filter_out, b->filter_out) == 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool is_name(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool trace_names_has(const struct trace_names *t, const uint8_t *user, size_t n)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->name[i].n == n && is_name(t->name[i].s, user, n))
			return true;
	return false;
}

bool sess_policy_is_empty(const struct sess_policy *p)
{
	static const struct sess_policy none;

	return sess_policy_equal(p, &none);
}

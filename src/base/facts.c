#include "base/facts.h"

#include <string.h>

bool sess_policy_equal(const struct sess_policy *a, const struct sess_policy *b)
{
	return a->rate_up == b->rate_up && a->rate_down == b->rate_down &&
	       a->burst_up == b->burst_up && a->burst_down == b->burst_down &&
	       a->garden == b->garden && sock_addr_equal(&a->intercept, &b->intercept) &&
	       strcmp(a->filter_in, b->filter_in) == 0 && strcmp(a->filter_out, b->filter_out) == 0;
}

bool sess_policy_is_empty(const struct sess_policy *p)
{
	static const struct sess_policy none;

	return sess_policy_equal(p, &none);
}

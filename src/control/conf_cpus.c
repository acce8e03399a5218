#include "control/conf_cpus.h"

#include <stddef.h>

/* Returns what stands behind the number, or NULL. */
static const char *number(const char *p, unsigned *v)
{
	if (*p < '0' || *p > '9')
		return NULL;
	for (*v = 0; *p >= '0' && *p <= '9'; p++) {
		*v = *v * 10 + (unsigned)(*p - '0');
		if (*v > CONF_CPU_HIGHEST)
			return NULL;
	}
	return p;
}

static const char *range(const char *p, unsigned *first, unsigned *last)
{
	p = number(p, first);
	*last = *first;
	if (p && *p == '-')
		p = number(p + 1, last);
	return p && *last >= *first ? p : NULL;
}

bool conf_cpus_parse(const char *text, uint16_t cpus[static CONF_CPUS_MAX], unsigned *n)
{
	unsigned first = 0, last = 0;

	*n = 0;
	if (!*text)
		return true;
	for (const char *p = text;; p++) {
		p = range(p, &first, &last);
		if (!p || last - first >= CONF_CPUS_MAX - *n)
			return false;
		while (first <= last)
			cpus[(*n)++] = (uint16_t)first++;
		if (!*p)
			return true;
		if (*p != ',')
			return false;
	}
}

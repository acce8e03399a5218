/*
 * conf_cpus.h - a list of CPUs as text: numbers and ranges with commas between, like "0-3,8". Pure.
 */
#ifndef LNS_CONF_CPUS_H
#define LNS_CONF_CPUS_H

#include <stdbool.h>
#include <stdint.h>

enum { CONF_CPUS_MAX = 64, CONF_CPU_HIGHEST = 1023 };

/* False: not such a list. Empty text is a list of none; what is beyond CONF_CPUS_MAX is refused. */
bool conf_cpus_parse(const char *text, uint16_t cpus[static CONF_CPUS_MAX], unsigned *n);

#endif

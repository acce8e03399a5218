/*
 * Any text is a configuration, with or without faults; what was understood is printed, loads
 * without new faults and prints the same. Nothing leaks.
 */
#include <stdlib.h>

#include "control/conf_parse.h"
#include "test_alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { TEXT_MAX = 1 << 20 };

struct text {
	size_t n;
	char s[TEXT_MAX];
};

static unsigned errors;

static void count_errors(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	(void)line;
	if (reason[0] == '\0')
		abort();
	errors += severity == CONF_ERROR;
}

static void add_line(void *ctx, const char *line)
{
	struct text *t = ctx;
	size_t n = strlen(line);

	if (n + 1 > TEXT_MAX - t->n)
		return;
	memcpy(t->s + t->n, line, n);
	t->s[t->n + n] = '\n';
	t->n += n + 1;
}

static const struct conf_report report = {.say = count_errors};

static void print(const struct conf *c, bool secrets, struct text *t)
{
	t->n = 0;
	conf_print(c, secrets, &(struct conf_printer){.ctx = t, .line = add_line});
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct text first, second;
	struct test_alloc memory;
	struct shard_conf shard;

	test_alloc_init(&memory);
	struct conf *c = conf_load(&memory.alloc, span_of(bytes, n), &report);
	print(c, false, &first);
	print(c, true, &first);
	conf_to_shard(c, 3, &shard);

	errors = 0;
	struct conf *again = conf_load(&memory.alloc, span_of(first.s, first.n), &report);
	/* The one fault that lies in no line: a setting without what it needs. */
	if (errors != (c->l2tp_require_auth && c->l2tp_secret[0] == '\0'))
		abort();
	print(again, true, &second);
	if (first.n != second.n || memcmp(first.s, second.s, first.n) != 0)
		abort();
	conf_free(c);
	conf_free(again);
	if (memory.blocks != 0)
		abort();
	return 0;
}

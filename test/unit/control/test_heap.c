/* The heap of the daemon is jemalloc's: what is freed stays freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include "control/heap.h"

/* Not in builds with a sanitizer. */
int mallctl(const char *name, void *old, size_t *old_n, void *new, size_t new_n)
	__attribute__((weak));

enum { MANY = 20000, EACH = 1000 };

static bool makes_huge_pages(void)
{
	return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0;
}

static void take(void **things)
{
	for (unsigned i = 0; i < MANY; i++) {
		things[i] = alloc_get(&heap, EACH);
		assert_non_null(things[i]);
	}
}

static void give_back(void **things)
{
	for (unsigned i = 0; i < MANY; i++)
		alloc_put(&heap, things[i], EACH);
}

static void huge_pages_are_made_while_much_is_in_use(void **state)
{
	(void)state;
	static void *things[MANY];
	struct heap_watch w = {0};

	if (!mallctl)
		skip();
	heap_start();
	take(things);
	heap_look(&w);
	assert_true(makes_huge_pages());
	give_back(things);
	heap_look(&w);
	assert_false(makes_huge_pages());
	take(things);
	heap_look(&w);
	assert_true(makes_huge_pages());
	give_back(things);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(huge_pages_are_made_while_much_is_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

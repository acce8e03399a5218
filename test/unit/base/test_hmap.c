#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/hmap.h"
#include "base/list.h"
#include "test_alloc.h"
#include "test_random.h"

struct item {
	struct hmap_node node;
	uint32_t key;
	bool in;
};

static struct item *item_of(struct hmap_node *n)
{
	return container_of(n, struct item, node);
}

static struct item *find(const struct hmap *h, uint32_t key, uint64_t hash)
{
	for (struct hmap_node *n = hmap_first(h, hash); n; n = hmap_next(n))
		if (item_of(n)->key == key)
			return item_of(n);
	return NULL;
}

static void an_empty_map_has_nothing(void **state)
{
	(void)state;
	struct test_alloc a;
	struct hmap h;
	test_alloc_init(&a);
	hmap_init(&h, &a.alloc);
	assert_null(hmap_first(&h, 0));
	assert_null(hmap_each(&h, NULL));
	assert_null(hmap_pop(&h));
	assert_int_equal(hmap_count(&h), 0);
	assert_int_equal(a.gets, 0); /* costs nothing before it is used */
	hmap_fini(&h);
}

/* Random insertions and removals against an array, with few hashes, so that many collide. */
static void compare_with_model(uint64_t seed, uint64_t hashes)
{
	enum { ITEMS = 3000, STEPS = 60000 };
	static struct item items[ITEMS];
	struct test_random r = {seed};
	struct test_alloc a;
	struct hmap h;
	uint32_t count = 0;

	test_alloc_init(&a);
	hmap_init(&h, &a.alloc);
	for (uint32_t i = 0; i < ITEMS; i++)
		items[i] = (struct item){.key = i};
	for (int step = 0; step < STEPS; step++) {
		/* Waves: the map fills, empties and fills again. */
		bool filling = step / 10000 % 2 == 0;
		struct item *it = &items[test_random_below(&r, ITEMS)];
		uint64_t hash = hash_u64(it->key % hashes);
		assert_ptr_equal(find(&h, it->key, hash), it->in ? it : NULL);
		if (!it->in && (filling || test_random_below(&r, 4) == 0)) {
			assert_true(hmap_insert(&h, &it->node, hash));
			it->in = true;
			count++;
		} else if (it->in && (!filling || test_random_below(&r, 4) == 0)) {
			hmap_remove(&h, &it->node);
			it->in = false;
			count--;
		}
		assert_int_equal(hmap_count(&h), count);
	}

	uint32_t seen = 0;
	for (struct hmap_node *n = hmap_each(&h, NULL); n; n = hmap_each(&h, n)) {
		assert_true(item_of(n)->in);
		seen++;
	}
	assert_int_equal(seen, count);
	for (struct hmap_node *n; (n = hmap_pop(&h)) != NULL; count--) {
		assert_true(item_of(n)->in);
		item_of(n)->in = false;
	}
	assert_int_equal(count, 0);
	hmap_fini(&h);
	assert_int_equal(a.blocks, 0);
	assert_int_equal(a.held, 0);
}

static void behaves_like_an_array(void **state)
{
	(void)state;
	compare_with_model(1, UINT32_MAX);
	compare_with_model(2, 100);
	compare_with_model(3, 1);
}

static void equal_hashes_come_newest_first(void **state)
{
	(void)state;
	struct test_alloc a;
	struct hmap h;
	struct item items[3] = {{.key = 0}, {.key = 1}, {.key = 2}};
	test_alloc_init(&a);
	hmap_init(&h, &a.alloc);
	for (int i = 0; i < 3; i++)
		assert_true(hmap_insert(&h, &items[i].node, 42));
	struct hmap_node *n = hmap_first(&h, 42);
	for (uint32_t want = 3; want-- > 0; n = hmap_next(n))
		assert_int_equal(item_of(n)->key, want);
	assert_null(n);
	assert_null(hmap_first(&h, 42 + 16)); /* same bucket, another hash */
	hmap_fini(&h);
}

static void only_the_first_insertion_needs_memory(void **state)
{
	(void)state;
	struct test_alloc a;
	struct hmap h;
	static struct item items[5000];
	test_alloc_init(&a);
	for (size_t works = 0; works < 4; works++) {
		hmap_init(&h, &a.alloc);
		a.gets = 0;
		a.fail_after = works;
		bool first = hmap_insert(&h, &items[0].node, hash_u64(0));
		assert_int_equal(first, works >= 2); /* the directory and one segment */
		for (uint32_t i = first; first && i < 5000; i++) {
			items[i].key = i;
			assert_true(hmap_insert(&h, &items[i].node, hash_u64(i)));
		}
		for (uint32_t i = 1; first && i < 5000; i++)
			assert_ptr_equal(find(&h, i, hash_u64(i)), &items[i]);
		hmap_fini(&h);
		assert_int_equal(a.blocks, 0);
	}
}

static void a_million_entries_without_a_big_allocation(void **state)
{
	(void)state;
	enum { MANY = 1000000 };
	struct item *items = calloc(MANY, sizeof(*items));
	struct test_alloc a;
	struct hmap h;

	assert_non_null(items);
	test_alloc_init(&a);
	hmap_init(&h, &a.alloc);
	size_t biggest = 0;
	for (uint32_t i = 0; i < MANY; i++) {
		size_t held = a.held;
		items[i].key = i;
		assert_true(hmap_insert(&h, &items[i].node, hash_u64(i)));
		if (a.held > held && a.held - held > biggest)
			biggest = a.held - held;
	}
	assert_true(biggest <= 32 * 1024); /* no insertion pays for all the others */
	assert_true(a.held < MANY * 9);
	unsigned longest = 0;
	for (uint32_t i = 0; i < MANY; i++) {
		unsigned steps = 0;
		for (struct hmap_node *n = hmap_first(&h, hash_u64(i)); n; n = n->next)
			steps++;
		if (steps > longest)
			longest = steps;
		assert_ptr_equal(find(&h, i, hash_u64(i)), &items[i]);
	}
	assert_true(longest < 24);
	for (uint32_t i = 0; i < MANY; i++)
		hmap_remove(&h, &items[i].node);
	assert_true(a.held < 32 * 1024); /* the directory stays, the buckets do not */
	hmap_fini(&h);
	assert_int_equal(a.blocks, 0);
	free(items);
}

static void list_keeps_order(void **state)
{
	(void)state;
	struct list_head head, other, nodes[4], *it, *after;
	list_init(&head);
	list_init(&other);
	assert_null(list_first(&head));
	assert_null(list_pop(&head));
	list_add_tail(&head, &nodes[1]);
	list_add_tail(&head, &nodes[2]);
	list_add_head(&head, &nodes[0]);
	list_add_tail(&other, &nodes[3]);
	list_splice_tail(&head, &other);
	assert_true(list_empty(&other));
	list_splice_tail(&head, &other);
	int i = 0;
	list_each (it, &head)
		assert_ptr_equal(it, &nodes[i++]);
	assert_int_equal(i, 4);
	list_each_safe (it, after, &head)
		if (it != &nodes[2])
			list_del(it);
	assert_ptr_equal(list_first(&head), &nodes[2]);
	list_del(&nodes[0]); /* in no list: allowed */
	assert_ptr_equal(list_pop(&head), &nodes[2]);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(behaves_like_an_array),
		cmocka_unit_test(equal_hashes_come_newest_first),
		cmocka_unit_test(only_the_first_insertion_needs_memory),
		cmocka_unit_test(a_million_entries_without_a_big_allocation),
		cmocka_unit_test(list_keeps_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

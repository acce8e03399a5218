/*
 * list.h - intrusive doubly linked list with a head: insertion and removal in O(1) without memory
 * of its own. A node that is in no list points to itself (list_init) and may be deleted again.
 * Belongs to whoever owns the embedding object.
 */
#ifndef LNS_LIST_H
#define LNS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_head {
	struct list_head *next, *prev;
};

/* The struct of `type` whose `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Makes an empty list, or a node that is in no list. */
static inline void list_init(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void list_add_after(struct list_head *at, struct list_head *node)
{
	node->next = at->next;
	node->prev = at;
	at->next->prev = node;
	at->next = node;
}

static inline void list_add_head(struct list_head *h, struct list_head *node)
{
	list_add_after(h, node);
}

static inline void list_add_tail(struct list_head *h, struct list_head *node)
{
	list_add_after(h->prev, node);
}

/* Takes the node out and leaves it in no list. */
static inline void list_del(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* NULL when empty. */
static inline struct list_head *list_first(const struct list_head *h)
{
	return list_empty(h) ? NULL : h->next;
}

/* Takes the first node out; NULL when empty. */
static inline struct list_head *list_pop(struct list_head *h)
{
	struct list_head *node = list_first(h);
	if (node)
		list_del(node);
	return node;
}

/* Moves all of `from` behind what `to` has; `from` is empty then. */
static inline void list_splice_tail(struct list_head *to, struct list_head *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* `it` (struct list_head *) takes every node; the list may not change meanwhile. */
#define list_each(it, head) for ((it) = (head)->next; (it) != (head); (it) = (it)->next)
/* The same, and `it` may be deleted within the loop; `after` is a second variable. */
#define list_each_safe(it, after, head)                                                            \
	for ((it) = (head)->next, (after) = (it)->next; (it) != (head);                            \
	     (it) = (after), (after) = (it)->next)

#endif

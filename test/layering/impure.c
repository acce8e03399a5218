/* A library that breaks the rules of purity, for layering.sh selftest: a call into the system, a
 * global that is written, and one that is only zero. What is constant is allowed. */
#include <stdlib.h>
#include <string.h>

size_t impure_step(void);

static unsigned counter;
static const char *table[] = {"PATH", "HOME"};
static const char *const names[] = {"a", "b"};

size_t impure_step(void)
{
	const char *text = getenv(table[counter % 2]);
	table[counter % 2] = names[counter % 2];
	counter++;
	return text ? strlen(text) : 0;
}

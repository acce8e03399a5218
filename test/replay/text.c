#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts one word off *in into *out; true when there was one. */
static bool cut(const char **in, char **out, bool *unclosed)
{
	const char *p = *in;
	char *to = *out;
	bool quoted = false;

	while (isspace((unsigned char)*p))
		p++;
	if (*p == 0 || *p == '#')
		return false;
	for (; *p && (quoted || !isspace((unsigned char)*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else
			*to++ = *p;
	}
	*to++ = 0;
	*unclosed = quoted;
	*in = p;
	*out = to;
	return true;
}

bool words_read(struct words *w, const char *line)
{
	char *to = w->store;
	bool unclosed = false;

	w->n = 0;
	if (strlen(line) >= sizeof(w->store) / 2)
		return false;
	for (char *start = to; cut(&line, &to, &unclosed); start = to) {
		if (unclosed || w->n == TEXT_WORDS)
			return false;
		char *equals = strchr(start, '=');
		w->word[w->n] = start;
		w->value[w->n] = NULL;
		if (equals && equals != start) {
			*equals = 0;
			w->value[w->n] = equals + 1;
		}
		w->n++;
	}
	return true;
}

const char *words_get(const struct words *w, const char *key)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->value[i] && strcmp(w->word[i], key) == 0)
			return w->value[i];
	return NULL;
}

bool words_has(const struct words *w, const char *plain)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!w->value[i] && strcmp(w->word[i], plain) == 0)
			return true;
	return false;
}

uint64_t words_num(const struct words *w, const char *key, uint64_t missing)
{
	const char *text = words_get(w, key);
	char *end;

	if (!text)
		return missing;
	uint64_t v = strtoull(text, &end, 0);
	if (*text == 0 || *end != 0)
		replay_fail("%s=%s is not a number", key, text);
	return v;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, format, args);
	va_end(args);
	if (n > 0)
		t->n += (size_t)n;
	if (t->n >= sizeof(t->s))
		t->n = sizeof(t->s) - 1;
}

void text_add_hex(struct text *t, const char *key, const uint8_t *b, size_t n)
{
	text_add(t, " %s=0x", key);
	for (size_t i = 0; i < n; i++)
		text_add(t, "%02x", b[i]);
}

void text_add_bytes(struct text *t, const char *key, const uint8_t *b, size_t n)
{
	bool quote = n == 0;
	for (size_t i = 0; i < n; i++) {
		if (b[i] < ' ' || b[i] > '~' || b[i] == '"') {
			text_add_hex(t, key, b, n);
			return;
		}
		quote |= b[i] == ' ' || b[i] == '#';
	}
	text_add(t, quote ? " %s=\"%.*s\"" : " %s=%.*s", key, (int)n, (const char *)b);
}

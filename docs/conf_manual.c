/*
 * conf_manual - prints a manual page: copies its template and puts the variables of conf.def where
 * a line says @VARIABLES@, and the names of older releases where one says @OLD_NAMES@. Runs while
 * the tree is built.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *type, *min, *max, *def, *unit, *when, *help;
	bool done;
} variables[] = {
#define YES true
#define NOT false
#define CONF(name, type, min, max, def, unit, when, done, help)                                    \
	{#name, #type, #min, #max, def, unit, #when, help, done},
#define OLD_NAME(name, replacement, why)
#include "control/conf.def"
#undef CONF
#undef OLD_NAME
};

static const struct {
	const char *name, *replacement, *why;
} old_names[] = {
#define CONF(name, type, min, max, def, unit, when, done, help)
#define OLD_NAME(name, replacement, why) {#name, replacement, why},
#include "control/conf.def"
#undef CONF
#undef OLD_NAME
};

/* Text for roff: a backslash, or a dot or quote that begins a line, would be a command. */
static void print_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void print_type(size_t i)
{
	const char *type = variables[i].type;

	if (strcmp(type, "INT") == 0)
		printf("number, %s..%s%s%s", variables[i].min, variables[i].max,
		       variables[i].unit[0] ? " " : "", variables[i].unit);
	else if (strcmp(type, "BOOL") == 0)
		printf("yes or no");
	else if (strcmp(type, "IPV4") == 0)
		printf("IPv4 address");
	else if (strcmp(type, "IPV6") == 0)
		printf("IPv6 address");
	else
		printf("text, at most %s characters", variables[i].max);
}

static const char *when_text(const char *when)
{
	if (strcmp(when, "LIVE") == 0)
		return "at once";
	return strcmp(when, "NEW") == 0 ? "for new sessions and tunnels" : "at the start";
}

static void print_variables(void)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		printf(".TP\n.B %s\n", variables[i].name);
		print_text(variables[i].help);
		printf(".\n.br\n(");
		print_type(i);
		printf("; default ");
		print_text(variables[i].def[0] ? variables[i].def : "\"\"");
		printf("; takes effect %s", when_text(variables[i].when));
		printf("%s)\n", variables[i].done ? "" : "; \\fIno effect yet\\fR");
	}
}

static void print_old_names(void)
{
	for (size_t i = 0; i < sizeof(old_names) / sizeof(old_names[0]); i++) {
		printf(".TP\n.B %s\n", old_names[i].name);
		if (old_names[i].replacement[0])
			printf("now \\fB%s\\fR; ", old_names[i].replacement);
		print_text(old_names[i].why);
		printf(".\n");
	}
}

int main(int argc, char **argv)
{
	char line[1024];

	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	if (!f) {
		fprintf(stderr, "usage: conf_manual TEMPLATE\n");
		return 1;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strcmp(line, "@VARIABLES@\n") == 0)
			print_variables();
		else if (strcmp(line, "@OLD_NAMES@\n") == 0)
			print_old_names();
		else
			fputs(line, stdout);
	}
	fclose(f);
	return ferror(stdout) ? 1 : 0;
}

/*
 * Runs a fuzz harness without libFuzzer: fuzz_NAME DIRECTORY. Every file of the directory is given
 * to the harness whole, cut at every length, and with every byte damaged in a few fixed ways; so
 * is the empty input. Inputs lie at the end of their memory, where AddressSanitizer sees a read
 * behind them. A missing directory is an empty one.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { FILE_MAX = 64 * 1024, CUTS_MAX = 4096, DAMAGE_MAX = 4096 };

static unsigned long runs;

static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	runs++;
}

static void run_cut(const uint8_t *bytes, size_t n)
{
	for (size_t cut = 0; cut < n && cut < CUTS_MAX; cut++)
		run(bytes, cut);
}

/* Lengths are the favourite: each byte becomes 0, 1, all ones, one less, one more, one bit off. */
static void run_damaged(uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at < n && at < DAMAGE_MAX; at++) {
		uint8_t good = bytes[at];
		const uint8_t bad[] = {0,
				       1,
				       0xFF,
				       (uint8_t)(good - 1),
				       (uint8_t)(good + 1),
				       good ^ 0x80,
				       (uint8_t)(good ^ 1u << at % 8)};
		for (size_t i = 0; i < sizeof(bad); i++) {
			bytes[at] = bad[i];
			run(bytes, n);
		}
		bytes[at] = good;
	}
}

static void run_file(const char *path)
{
	static uint8_t bytes[FILE_MAX];
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	run(bytes, n);
	run_cut(bytes, n);
	run_damaged(bytes, n);
}

static unsigned run_directory(const char *directory)
{
	struct dirent **names;
	int n = scandir(directory, &names, NULL, alphasort);
	unsigned files = 0;

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			char path[4096];
			snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
			run_file(path);
			files++;
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return files;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	run((const uint8_t *)"", 0);
	unsigned files = run_directory(argv[1]);
	printf("%u files, %lu inputs\n", files, runs);
	return 0;
}

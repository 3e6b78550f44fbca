/* Runs a fuzzer's function without libFuzzer:
 *   fuzz_NAME [-m N] FILE...
 * every file as it is, then N mutations of it: enough to see that nothing
 * breaks at once, in every build and under every sanitizer. */
#include "config.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest file; inputs grow by an eighth at most. */
enum { LONGEST = 1 << 20 };

static uint64_t state = 1;

static size_t below(size_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return n ? (state >> 33) % n : 0;
}

/* Changes data[size] in a few places; the new size. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t edge[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '-', '9' };

	for (size_t i = below(4) + 1; i > 0 && size > 0; i--) {
		size_t at = below(size), n = below(size - at) % 16;

		switch (below(5)) {
		case 0:
			data[at] ^= 1 << below(8);
			break;
		case 1:
			data[at] = edge[below(sizeof edge)];
			break;
		case 2:
			memset(data + at, edge[below(5)], n);
			break;
		case 3: /* a piece is gone */
			memmove(data + at, data + at + n, size - at - n);
			size -= n;
			break;
		default: /* a piece is there twice */
			memmove(data + at + n, data + at, size - at);
			size += n;
		}
	}
	return below(8) ? size : below(size);
}

/* A copy of its own size, so that a sanitizer sees every byte beyond. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay(const char *path, long mutations)
{
	static uint8_t data[LONGEST], changed[LONGEST + 64];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		perror(path);
		exit(2);
	}
	size = fread(data, 1, sizeof data, f);
	fclose(f);
	run(data, size);
	for (long i = 0; i < mutations; i++) {
		memcpy(changed, data, size);
		run(changed, mutate(changed, size));
	}
}

int main(int argc, char **argv)
{
	long mutations = 0;
	int i = 1;

	if (argc > 2 && strcmp(argv[1], "-m") == 0) {
		mutations = atol(argv[2]);
		i = 3;
	}
	for (; i < argc; i++)
		replay(argv[i], mutations);
	return 0;
}

/* A GGUF file: metadata, vocabulary, tensors. An input may be two parts of a
 * model, concatenated: the second one starts at the second "GGUF". */
#include "config.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/import/gguf.h"
#include "src/import/vocab_read.h"

/* A folder of links to the memory files, called as the parts of a model. */
static char dir[] = "/tmp/fuzz_ggufXXXXXX";
static char link_path[2][64];

static void remove_links(void)
{
	unlink(link_path[0]);
	unlink(link_path[1]);
	rmdir(dir);
}

static void make_links(void)
{
	if (!mkdtemp(dir))
		abort();
	for (int i = 0; i < 2; i++) {
		snprintf(link_path[i], sizeof link_path[i],
		         "%s/m-0000%d-of-00002.gguf", dir, i + 1);
		if (symlink(fuzz_file(i, NULL, 0), link_path[i]))
			abort();
	}
	atexit(remove_links);
}

/* The path of an input's first part; the rest is in the other file. */
static const char *put_parts(const uint8_t *data, size_t size)
{
	size_t first = 1;

	if (!link_path[0][0])
		make_links();
	while (first < size && (size - first < 4 ||
	                        memcmp(data + first, "GGUF", 4) != 0))
		first++;
	first = first < size ? first : size;
	fuzz_file(0, data, first);
	fuzz_file(1, data + first, size - first);
	return link_path[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = put_parts(data, size);
	struct import_model m;
	struct wl_error err;
	struct gguf *g = gguf_open(path, &err);
	struct vocab v;

	if (!g)
		return 0;
	if (vocab_read_gguf(g, &v, &err) == 0) {
		fuzz_vocab(&v);
		vocab_fini(&v);
	}
	gguf_close(g);
	if (import_read_gguf(path, &m, &err) == 0)
		fuzz_import(&m);
	else
		import_model_fini(&m);
	return 0;
}

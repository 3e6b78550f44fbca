/* A GGUF file: metadata, vocabulary, tensors. */
#include "config.h"
#include "fuzz.h"
#include "gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file(0, data, size);
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

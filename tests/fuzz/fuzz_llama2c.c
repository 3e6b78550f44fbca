/* The length of a llama2.c checkpoint, the checkpoint, its tokenizer. */
#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_model m;
	struct wl_error err;
	size_t len;
	const uint8_t *model = fuzz_take(&data, &size, &len);
	const char *path = fuzz_file(0, model, len);

	if (import_read_llama2c(path, fuzz_file(1, data, size), &m,
	                        &err) == 0) {
		fuzz_vocab(&m.vocab);
		fuzz_import(&m);
	} else {
		import_model_fini(&m);
	}
	return 0;
}

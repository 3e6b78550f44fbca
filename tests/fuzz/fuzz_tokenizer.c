/* A tokenizer.json. */
#include "config.h"
#include "fuzz.h"
#include "src/import/vocab_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wl_error err;
	struct vocab_says says;
	struct vocab v;

	if (vocab_read_json(fuzz_file(0, data, size), &v, &says, &err) == 0) {
		fuzz_vocab(&v);
		vocab_fini(&v);
	}
	return 0;
}

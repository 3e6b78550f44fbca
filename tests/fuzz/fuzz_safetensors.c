/* A safetensors file. */
#include "config.h"
#include "fuzz.h"
#include "src/import/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sources s = { 0 };
	struct wl_error err;

	if (safetensors_read(fuzz_file(0, data, size), &s, &err) == 0)
		source_index(&s, &err);
	sources_fini(&s);
	return 0;
}

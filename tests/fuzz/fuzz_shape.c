/* A SHAPE.json. */
#include "config.h"
#include "fuzz.h"
#include "model/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wl_error err;
	struct model m;

	if (shape_read(fuzz_file(0, data, size), &m, &err) == 0 &&
	    model_check(&m, "fuzz", &err))
		__builtin_trap();
	return 0;
}

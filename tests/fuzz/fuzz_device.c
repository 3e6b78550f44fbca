/* A device file. Accepted values are in range; a device whose values contradict
 * each other is refused. */
#include "config.h"
#include "fuzz.h"

#include <string.h>

#include "device/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wl_error err;
	struct device d;

	if (device_read(fuzz_file(0, data, size), &d, &err))
		return 0;
	if (!*d.name || !*d.title || strlen(d.title) >= sizeof d.title)
		__builtin_trap();
	for (size_t i = 0; i < device_count(); i++) {
		const struct device_number *n = device_number(i);
		double v = device_value(&d, i);

		if (!(v >= n->min && v <= n->max))
			__builtin_trap();
	}
	if (device_check(&d, "fuzz", &err) == 0 && d.sram_reserved >= d.sram)
		__builtin_trap();
	return 0;
}

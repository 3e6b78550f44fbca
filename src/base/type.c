#include "config.h"
#include "base/type.h"

#include <string.h>

static const struct {
	const char *name;
	size_t size; /* bytes of one element */
} types[WL_NTYPES] = {
	[WL_F32] = { "f32", 4 },
	[WL_F16] = { "f16", 2 },
	[WL_BF16] = { "bf16", 2 },
};

size_t wl_type_size(enum wl_type t)
{
	return types[t].size;
}

const char *wl_type_name(enum wl_type t)
{
	return types[t].name;
}

int wl_type_parse(const char *name)
{
	for (int t = 0; t < WL_NTYPES; t++)
		if (strcmp(types[t].name, name) == 0)
			return t;
	return -1;
}

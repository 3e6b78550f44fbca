/* Element types of tensors, in files and in memory. Not collective. */
#ifndef WL_TYPE_H
#define WL_TYPE_H

#include <stddef.h>

enum wl_type { WL_F32, WL_F16, WL_BF16, WL_NTYPES };

/* Bytes of one element. */
size_t wl_type_size(enum wl_type t);
/* "f32", "f16" or "bf16"; static storage. */
const char *wl_type_name(enum wl_type t);
/* The type of that name; -1 if unknown. */
int wl_type_parse(const char *name);

#endif

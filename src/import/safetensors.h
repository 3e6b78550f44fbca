/* The safetensors format: an 8-byte little-endian header length, a JSON
 * header, tensor data. */
#ifndef WL_SAFETENSORS_H
#define WL_SAFETENSORS_H

#include "base/error.h"
#include "import/source.h"

/* Opens a file, checks its header in full (offsets that overlap, leave holes
 * or leave the file; types and shapes that do not fit them; names that stand
 * there twice) and adds its tensors to s, those of types and shapes that no
 * model has as odd. 0, or -1 and err naming file and tensor. */
int safetensors_read(const char *path, struct sources *s,
                     struct wl_error *err);

#endif

/* The safetensors format: an 8-byte little-endian header length, a JSON
 * header, tensor data. */
#ifndef WL_SAFETENSORS_H
#define WL_SAFETENSORS_H

#include "base/error.h"
#include "import/source.h"

/* Opens a file, checks its header and adds its tensors to s. Refuses offsets
 * that overlap, leave gaps, leave the file, or do not fit type and shape, and
 * duplicate names. Tensors with types or shapes that no model here has are
 * added as odd. 0, or -1 and err naming file and tensor. */
int safetensors_read(const char *path, struct sources *s,
                     struct wl_error *err);

#endif

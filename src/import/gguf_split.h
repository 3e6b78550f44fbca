/* A model split over several GGUF files in one folder, NAME-00001-of-00003.gguf
 * and so on, as llama.cpp's gguf-split writes them. The first file has all of
 * the metadata; each has some of the tensors, and its number in split.no and
 * split.count. */
#ifndef WL_GGUF_SPLIT_H
#define WL_GGUF_SPLIT_H

#include "gguf.h"

/* Opens the file with the model's metadata: path itself, or the first part if
 * path is another part of a split model. NULL and err on failure. The caller
 * frees with gguf_close. */
struct gguf *gguf_split_open(const char *path, struct wl_error *err);
/* Adds the tensors of all parts to s, which must have none; first is the result
 * of gguf_split_open. Refuses a missing part, a part whose number is not that
 * in its name, a part whose metadata contradict the first's, and a wrong total
 * number of tensors. 0, or -1 and err naming the part. */
int gguf_split_add_tensors(const struct gguf *first, struct sources *s,
                           struct wl_error *err);

#endif

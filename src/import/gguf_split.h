/* A model in several GGUF files beside one another: NAME-00001-of-00003.gguf
 * and so on, as llama.cpp's gguf-split writes them. The first has all of the
 * metadata; each has some of the tensors, and says by split.no and split.count
 * which part it is. */
#ifndef WL_GGUF_SPLIT_H
#define WL_GGUF_SPLIT_H

#include "gguf.h"

/* Opens the file that has the model's metadata: path itself, or the first part
 * of the model that path is another part of. NULL and err on failure. The
 * caller frees with gguf_close. */
struct gguf *gguf_split_open(const char *path, struct wl_error *err);
/* Adds the tensors of all parts to s, which has none; first is what
 * gguf_split_open returned. Refused: a part that is missing, is another part
 * than its name says, contradicts the first's metadata, or a wrong number of
 * tensors in all. 0, or -1 and err naming the part. */
int gguf_split_add_tensors(const struct gguf *first, struct sources *s,
                           struct wl_error *err);

#endif

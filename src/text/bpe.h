/* One word -> ids: its characters or bytes are joined, pair by pair. */
#ifndef WL_BPE_H
#define WL_BPE_H

#include <stddef.h>

#include "base/error.h"
#include "text/vocab.h"

struct bpe;

/* Builds the look-up tables of v, which vocab_check has let pass. name is for
 * messages; both must stay. The caller frees with bpe_free. Not
 * collective. */
struct bpe *bpe_new(const struct vocab *v, const char *name);
void bpe_free(struct bpe *m);

/* Appends the ids of word[len], at most one per byte, to ids[*n]. The word is
 * valid UTF-8. Time O(len log len). 0, or -1 and err when a byte has no
 * piece. */
int bpe_word(const struct bpe *m, const char *word, size_t len,
                int *ids, size_t *n, struct wl_error *err);

#endif

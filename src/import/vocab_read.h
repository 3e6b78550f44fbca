/* Readers of vocabularies in foreign files, one per format, and a made-up
 * vocabulary. For import only. The caller frees v with vocab_fini after
 * success; on failure v is empty. */
#ifndef WL_VOCAB_READ_H
#define WL_VOCAB_READ_H

#include "base/error.h"
#include "text/vocab.h"

struct gguf;

/* Reads all entries of a llama2.c tokenizer.bin for a model of n_vocab ids. It
 * may have fewer entries, down to n_vocab / 2, but not more. 0, or -1 and err
 * naming path. */
int vocab_read_llama2c(const char *path, int n_vocab, struct vocab *v,
                       struct wl_error *err);

/* Settings that a tokenizer.json fixes, so that tokenizer_config.json cannot
 * change them. */
struct vocab_says {
	bool bos;   /* it has a post_processor */
	bool space; /* its pre_tokenizer is a Sequence, whose steps keep their
	             * add_prefix_space */
};

/* Reads a Hugging Face tokenizer.json: BPE, byte-level or with byte fallback.
 * Refuses unsupported settings that would change ids. 0, or -1 and err naming
 * path and field. */
int vocab_read_json(const char *path, struct vocab *v, struct vocab_says *says,
                    struct wl_error *err);

/* Reads the vocabulary from a GGUF file's metadata (models "llama" and "gpt2").
 * In a "llama" model BOS and EOS default to 1 and 2. 0, or -1 and err naming
 * file and key. */
int vocab_read_gguf(const struct gguf *g, struct vocab *v,
                    struct wl_error *err);

/* Makes the vocabulary of a random model: the first n_vocab >= 1 of <unk>, <s>,
 * </s>, the 256 bytes, and then made-up words. */
void vocab_make_random(int n_vocab, struct vocab *v);

#endif

/* The vocabulary in other people's files, and a made-up one: one reader a
 * format, for import alone. */
#ifndef WL_VOCAB_READ_H
#define WL_VOCAB_READ_H

#include "base/error.h"
#include "text/vocab.h"

struct gguf;

/* Reads a llama2.c tokenizer.bin for a model of n_vocab ids, all of its
 * entries, of which there may be fewer, down to half, but not more. Every
 * count is checked against the file's size. 0, or -1 and err naming path.
 * The caller frees v with vocab_fini. */
int vocab_read_llama2c(const char *path, int n_vocab, struct vocab *v,
                       struct wl_error *err);

/* What a tokenizer.json decides by itself, whatever is said beside it. */
struct vocab_says {
	bool bos;   /* it has a post_processor */
	bool space; /* its pre_tokenizer is a Sequence, whose steps keep their
	             * add_prefix_space */
};

/* Reads a Hugging Face tokenizer.json: BPE, byte-level or with byte fallback.
 * What it holds that would change ids and is not known here is refused by
 * name. 0, or -1 and err naming path and field. The caller frees v with
 * vocab_fini. */
int vocab_read_json(const char *path, struct vocab *v, struct vocab_says *says,
                    struct wl_error *err);

/* The vocabulary in a GGUF file's metadata ("llama" and "gpt2" models). BOS and
 * EOS of a "llama" model that does not name them are 1 and 2. 0, or -1 and err
 * naming file and key. The caller frees v with vocab_fini. */
int vocab_read_gguf(const struct gguf *g, struct vocab *v,
                    struct wl_error *err);

/* The vocabulary of a random model: <unk>, <s>, </s>, the 256 bytes, then
 * one made-up piece per further id; its first n_vocab >= 1 entries. The
 * caller frees v with vocab_fini. */
void vocab_make_random(int n_vocab, struct vocab *v);

#endif

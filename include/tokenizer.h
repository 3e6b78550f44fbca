/* Text <-> token ids. Byte-pair encoding with scores and byte fallback, as
 * SentencePiece defines it. Used by the leader and by import only. */
#ifndef WL_TOKENIZER_H
#define WL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"

/* Numbered as SentencePiece and GGUF number them. */
enum piece_type {
	PIECE_NORMAL = 1,
	PIECE_UNKNOWN = 2,
	PIECE_CONTROL = 3,
	PIECE_BYTE = 6
};

/* A vocabulary as a checkpoint stores it. Piece i is the bytes
 * text[offset[i]] .. text[offset[i+1]-1]; spaces are plain spaces. A byte
 * piece's text is its one byte. */
struct vocab {
	int n;
	char *text;        /* [offset[n]] */
	uint32_t *offset;  /* [n+1] */
	float *score;      /* [n]; a higher score merges first */
	uint8_t *type;     /* [n], enum piece_type */
	int bos_id;        /* -1: none */
	int eos_id;        /* -1: none */
	bool add_space;    /* a space is put before the text */
};

/* Frees what the fields point to and zeroes v. */
void vocab_fini(struct vocab *v);

/* Refuses an inconsistent vocabulary: offsets that go back, an unknown type,
 * a byte piece that is not one byte, NaN scores, ids out of range. name is
 * for the message. 0, or -1 and err. */
int vocab_check(const struct vocab *v, const char *name, struct wl_error *err);

struct tokenizer;

/* Builds the look-up tables; keeps its own copy of the vocabulary. name is
 * for messages. Returns NULL and fills err for a vocabulary that vocab_check
 * refuses. The caller frees with tokenizer_free. Not collective. */
struct tokenizer *tokenizer_new(const struct vocab *v, const char *name,
                                struct wl_error *err);
void tokenizer_free(struct tokenizer *t);

/* The vocabulary that t was made from; owned by t. */
const struct vocab *tokenizer_vocab(const struct tokenizer *t);

/* Encodes len bytes of UTF-8, with BOS in front where the vocabulary has
 * one. *ids (the caller frees it) receives *n ids. An empty text is BOS
 * alone. Time O(len log len). 0, or -1 and err when the text is not valid
 * UTF-8, holds a NUL, or a byte has no piece. Special-token strings in the
 * text are plain text. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     int **ids, size_t *n, struct wl_error *err);

/* The bytes that id adds to a text whose last token is prev (after BOS the
 * space that add_space put there is dropped; control pieces are empty).
 * Points into t; *len receives the length. prev = -1 at the start of a text. */
const char *tokenizer_decode(const struct tokenizer *t, int prev, int id,
                             size_t *len);

/* Offset of the first byte that is not part of valid UTF-8 (overlong forms
 * and surrogates are invalid) or is NUL; len when there is none. */
size_t utf8_invalid(const char *text, size_t len);

/* Reads a llama2.c tokenizer.bin whose vocabulary has n_vocab entries. Every
 * count is checked against the file's size. 0, or -1 and err naming path.
 * The caller frees v with vocab_fini. */
int vocab_read_llama2c(const char *path, int n_vocab, struct vocab *v,
                       struct wl_error *err);

/* The vocabulary of a random model: <unk>, <s>, </s>, the 256 bytes, then
 * one made-up piece per further id; its first n_vocab >= 1 entries. The
 * caller frees v with vocab_fini. */
void vocab_make_random(int n_vocab, struct vocab *v);

#endif

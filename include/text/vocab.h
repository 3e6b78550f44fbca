/* A vocabulary: the pieces of text that token ids represent, and the settings
 * by which a text is cut into them. Readers fill it from a checkpoint, a
 * llama2.c file, a tokenizer.json or a GGUF file; random models get a made-up
 * one. Not collective. */
#ifndef WL_VOCAB_H
#define WL_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The numbers are those of SentencePiece and GGUF. */
enum piece_type {
	PIECE_NORMAL = 1,
	PIECE_UNKNOWN = 2,
	PIECE_CONTROL = 3, /* special: never encoded from text, decodes to "" */
	PIECE_USER = 4,    /* found in a text before symbols are joined */
	PIECE_UNUSED = 5,  /* never encoded from text, decodes to its text */
	PIECE_BYTE = 6     /* a byte that no other piece covers */
};

/* How a special piece matches a text. */
enum piece_match {
	MATCH_LSTRIP = 1, /* the match includes the white space before it, */
	MATCH_RSTRIP = 2, /* and after it */
	MATCH_WORD = 4,   /* matches whole words only; treated as no match */
	MATCH_ALL = 7
};

/* Longest PIECE_USER, bytes: bounds the time to search for one. */
#define WL_MAX_USER_PIECE 1024

/* Which adjacent symbols may be joined. */
enum vocab_kind {
	VOCAB_SPM, /* any two that form a piece, the highest score first */
	VOCAB_BPE, /* those with a merge rule, the earliest rule first */
	VOCAB_NKINDS
};

/* How a text is cut into words. Symbols are joined only within a word. */
enum word_split {
	WORDS_NONE,   /* not at all; the first symbols are characters */
	WORDS_GPT2,   /* by GPT-2's pattern; the first symbols are bytes */
	WORDS_LLAMA3, /* by Llama 3's pattern; bytes */
	WORDS_QWEN2,  /* by Qwen2's pattern; bytes */
	WORDS_SMOLLM, /* by GPT-2's, but each digit is a word; bytes */
	WORDS_DIGITS, /* by GPT-2's, but each run of digits is a word; bytes */
	WORDS_NKINDS
};

/* Where add_space puts a space. A section is the text between two of the
 * user's pieces, or between special pieces that tokenizer_encode_special
 * found. */
enum space_rule {
	SPACE_EVERY,   /* before every section */
	SPACE_FIRST,   /* before the whole text, unless it starts with one */
	SPACE_MISSING, /* before every section that does not start with one */
	SPACE_NRULES
};

/* Piece i is the bytes text[offset[i]] .. text[offset[i+1]-1] as they occur
 * in a text: with plain spaces, and decoded from byte-level alphabets. The text
 * of a byte piece is its one byte. */
struct vocab {
	int n;
	char *text;        /* [offset[n]] */
	uint32_t *offset;  /* [n+1] */
	float *score;      /* [n]; 0 for VOCAB_BPE */
	uint8_t *type;     /* [n], enum piece_type */
	uint8_t *match;    /* [n], sets of enum piece_match; NULL: all 0 */
	enum vocab_kind kind;
	enum word_split split;
	uint32_t n_merges; /* VOCAB_BPE only */
	uint32_t *merge;   /* [n_merges][2]: ids of left and right; the result
	                    * is the piece with their joined text */
	bool whole_words;  /* a word that is a piece becomes that piece */
	bool nfc;          /* text is normalized to Unicode's NFC first */
	bool add_space;    /* a space is added to the text */
	enum space_rule space_rule; /* where, if add_space */
	int bos_id;        /* prepended to every text; -1: none */
	int eos_id;        /* -1: none */
	int room;          /* allocated: pieces, */
	size_t text_room;  /* and bytes of text */
};

/* "spm", "bpe"; "none", "gpt2", "llama3", "qwen2", "smollm", "digits".
 * Static. */
const char *vocab_kind_name(enum vocab_kind k);
const char *word_split_name(enum word_split s);
/* The inverse; -1 when unknown. */
int vocab_kind_parse(const char *name);
int word_split_parse(const char *name);

/* Makes v an empty vocabulary without BOS and EOS, to be filled with vocab_add.
 * Allocates nothing. */
void vocab_init(struct vocab *v);
/* Appends a piece with id v->n, copying text[len]. 0, or -1 when the texts of
 * all pieces would reach 2^32 bytes or there are too many pieces. */
int vocab_add(struct vocab *v, enum piece_type type, float score,
              const void *text, size_t len);
/* Sets how piece id matches a text: a set of enum piece_match. */
void vocab_set_match(struct vocab *v, int id, unsigned match);
/* Appends empty PIECE_UNUSED until there are n pieces: models round up. */
void vocab_pad(struct vocab *v, int n);
/* Removes the pieces from id n >= 1 on. No merge may refer to them. */
void vocab_cut(struct vocab *v, int n);
/* Bytes of the text of piece id. */
size_t vocab_length(const struct vocab *v, int id);
/* The id of a piece of any type with that text: the first PIECE_CONTROL, else
 * the first; -1 when there is none. Time O(n). */
int vocab_find(const struct vocab *v, const char *text);
/* Frees what the fields point to and zeroes v. */
void vocab_fini(struct vocab *v);

/* Spellings of pieces in foreign files. */
/* The byte that a text such as "<0x0A>" represents; -1 for other texts. */
int vocab_byte(const char *text, size_t len);
/* Replaces SentencePiece's U+2581 by plain spaces, in place. Returns the new
 * length. */
size_t vocab_plain_spaces(char *text, size_t len);
/* Decodes GPT-2's byte-level alphabet to bytes, in place. 0 and the new length,
 * or -1, with the text unchanged, when a character is not in that alphabet. */
int vocab_undo_bytes(char *text, size_t len, size_t *to_len);

/* An index of the normal and user pieces by text. It points into v's texts,
 * which must outlive it; the caller frees it with free(). */
struct vocab_index;
struct vocab_index *vocab_index_new(const struct vocab *v);
/* The lowest id of a piece with that text; -1 when there is none. */
int vocab_index_find(const struct vocab_index *x, const char *text,
                     size_t len);

/* The two ids of merge i in one number, left in the high half. */
uint64_t vocab_merge_pair(const struct vocab *v, uint32_t i);
/* The id of the piece that merge i forms; -1 when x has no such piece. Both
 * ids of the merge must be in range. */
int vocab_merge_id(const struct vocab *v, const struct vocab_index *x,
                   uint32_t i);

/* The first merge with the same pair as an earlier one; n_merges when there is
 * none. Time O(n log n). */
uint32_t vocab_merge_twice(const struct vocab *v);

/* Checks that a vocabulary is consistent. Refuses decreasing offsets, unknown
 * types, byte pieces that are not one byte, NaN scores, ids out of range,
 * merges that form no piece, duplicate merges, and word splits without merges.
 * name identifies the vocabulary in messages. 0, or -1 and err. Time
 * O(n log n). */
int vocab_check(const struct vocab *v, const char *name, struct wl_error *err);

#endif

/* A vocabulary: the pieces of text that token ids stand for, and how a text
 * is cut into them. Where it comes from is the readers' business: a
 * checkpoint, a llama2.c file, a tokenizer.json, a GGUF file, or nowhere. */
#ifndef WL_VOCAB_H
#define WL_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Numbered as SentencePiece and GGUF number them. */
enum piece_type {
	PIECE_NORMAL = 1,
	PIECE_UNKNOWN = 2,
	PIECE_CONTROL = 3, /* special: no text makes it, prints nothing */
	PIECE_USER = 4,    /* found in a text before anything is joined */
	PIECE_UNUSED = 5,  /* no text makes it, prints its text */
	PIECE_BYTE = 6     /* a byte that no other piece covers */
};

/* How a special piece that is looked for stands in a text. */
enum piece_match {
	MATCH_LSTRIP = 1, /* it takes up the white space before it */
	MATCH_RSTRIP = 2, /* and behind it */
	MATCH_WORD = 4,   /* only where it is a word by itself: never found */
	MATCH_ALL = 7
};

/* Bytes of the longest PIECE_USER: what bounds the time to look for them. */
#define WL_MAX_USER_PIECE 1024

/* Which adjacent symbols may be joined. */
enum vocab_kind {
	VOCAB_SPM, /* any two that make a piece, the highest score first */
	VOCAB_BPE, /* those of a merge rule, the earliest rule first */
	VOCAB_NKINDS
};

/* What a text is cut into before symbols are joined, never across a cut. */
enum word_split {
	WORDS_NONE,   /* nothing: one word; its first symbols are characters */
	WORDS_GPT2,   /* words by GPT-2's pattern; symbols are bytes */
	WORDS_LLAMA3, /* by Llama 3's; bytes */
	WORDS_QWEN2,  /* by Qwen2's; bytes */
	WORDS_SMOLLM, /* by GPT-2's, each digit a word by itself; bytes */
	WORDS_DIGITS, /* by GPT-2's, each run of digits a word; bytes */
	WORDS_NKINDS
};

/* Where add_space puts a space. A section is the text between two pieces of
 * the user's, or between pieces that tokenizer_encode_special reads. */
enum space_rule {
	SPACE_EVERY,   /* before every section */
	SPACE_FIRST,   /* before the whole text, unless it starts with one */
	SPACE_MISSING, /* before every section that does not start with one */
	SPACE_NRULES
};

/* Piece i is the bytes text[offset[i]] .. text[offset[i+1]-1] as they stand
 * in a text: spaces are plain spaces, byte-level alphabets are undone, a byte
 * piece's text is its one byte. */
struct vocab {
	int n;
	char *text;        /* [offset[n]] */
	uint32_t *offset;  /* [n+1] */
	float *score;      /* [n]; 0 for VOCAB_BPE */
	uint8_t *type;     /* [n], enum piece_type */
	uint8_t *match;    /* [n], sets of enum piece_match; NULL: all empty */
	enum vocab_kind kind;
	enum word_split split;
	uint32_t n_merges; /* VOCAB_BPE only */
	uint32_t *merge;   /* [n_merges][2]: ids of left and right; the id of
	                    * what they make is that of its text */
	bool whole_words;  /* a word that is a piece is not taken apart */
	bool nfc;          /* text is brought to Unicode's NFC first */
	bool add_space;    /* spaces are put into the text */
	enum space_rule space_rule; /* where, if add_space */
	int bos_id;        /* put in front of every text; -1: none is */
	int eos_id;        /* -1: none */
	int room;          /* pieces and bytes of text that fit by now */
	size_t text_room;
};

/* "spm", "bpe"; "none", "gpt2", "llama3", "qwen2", "smollm", "digits".
 * Static. */
const char *vocab_kind_name(enum vocab_kind k);
const char *word_split_name(enum word_split s);
/* The inverse; -1 when unknown. */
int vocab_kind_parse(const char *name);
int word_split_parse(const char *name);

/* An empty vocabulary, without BOS and EOS, to be filled with vocab_add.
 * Needs no memory of its own yet. */
void vocab_init(struct vocab *v);
/* Appends a piece; its id is the old n. The text of all pieces together must
 * stay below 2^32 bytes. 0, or -1 when it would not. */
int vocab_add(struct vocab *v, enum piece_type type, float score,
              const void *text, size_t len);
/* Gives piece id a set of enum piece_match. Not collective. */
void vocab_set_match(struct vocab *v, int id, unsigned match);
/* Appends unused, empty pieces until there are n (models round up). */
void vocab_pad(struct vocab *v, int n);
/* Drops the pieces from id n on, n >= 1, which no merge may name. Not
 * collective. */
void vocab_cut(struct vocab *v, int n);
/* Bytes of piece id's text. */
size_t vocab_length(const struct vocab *v, int id);
/* The id of the piece with that text, whatever its type: of several the first
 * PIECE_CONTROL, else the first; -1: there is none. Time O(n). Not
 * collective. */
int vocab_find(const struct vocab *v, const char *text);
/* Frees what the fields point to and zeroes v. */
void vocab_fini(struct vocab *v);

/* How other people's files write pieces. The byte that one written "<0x0A>"
 * stands for; -1 for other texts. */
int vocab_byte(const char *text, size_t len);
/* Makes plain spaces of SentencePiece's U+2581, in place; the new length. */
size_t vocab_plain_spaces(char *text, size_t len);
/* Takes text in GPT-2's byte-level alphabet back to the bytes it stands for,
 * in place. 0 and the new length, or -1 and text as it was when it holds
 * a character that is not of that alphabet. */
int vocab_undo_bytes(char *text, size_t len, size_t *to_len);

/* Look-up of normal and user pieces by their text: the lowest id, -1 when
 * there is none. Points into v's text, which must stay. Freed with free(). */
struct vocab_index;
struct vocab_index *vocab_index_new(const struct vocab *v);
int vocab_index_find(const struct vocab_index *x, const char *text,
                     size_t len);

/* Merge i's ids of left and right in one number, left in the high half. */
uint64_t vocab_merge_pair(const struct vocab *v, uint32_t i);
/* The id of what merge i makes; -1 when that is no piece of x. Both ids must
 * be in range. */
int vocab_merge_id(const struct vocab *v, const struct vocab_index *x,
                   uint32_t i);

/* The first merge whose pair an earlier one has; n_merges when none has.
 * Time O(n log n). */
uint32_t vocab_merge_twice(const struct vocab *v);

/* Refuses an inconsistent vocabulary: offsets that go back, an unknown type,
 * a byte piece that is not one byte, NaN scores, ids out of range, a merge
 * that makes no piece or stands there twice, word splits without merges.
 * name is for the message. 0, or -1 and err. Time O(n log n). */
int vocab_check(const struct vocab *v, const char *name, struct wl_error *err);

#endif

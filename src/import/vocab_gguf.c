/* Reads the vocabulary in a GGUF file's metadata. There are two families:
 * "llama", SentencePiece's pieces with scores, and "gpt2", byte-level pieces
 * with merges. */
#include "config.h"
#include "gguf.h"
#include "text/vocab.h"
#include "vocab_read.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

/* The limit of model_check. */
#define MAX_PIECES (1 << 22)

/* SentencePiece's default ids. */
enum { SPM_BOS = 1, SPM_EOS = 2 };

/* Byte-level vocabularies by tokenizer.ggml.pre: the names whose patterns equal
 * one of vocab.h exactly. */
static const struct family {
	const char *name;
	enum word_split split;
	bool whole_words, nfc, add_bos;
} families[] = {
	{ "gpt-2", WORDS_GPT2, false, false, false },
	{ "phi-2", WORDS_GPT2, false, false, false },
	{ "llama-bpe", WORDS_LLAMA3, true, false, true },
	{ "llama3", WORDS_LLAMA3, true, false, true },
	{ "llama-v3", WORDS_LLAMA3, true, false, true },
	{ "falcon3", WORDS_LLAMA3, true, false, true },
	{ "smaug-bpe", WORDS_LLAMA3, false, false, false },
	{ "qwen2", WORDS_QWEN2, false, true, false },
	{ "deepseek-r1-qwen", WORDS_QWEN2, false, true, false },
	{ "smollm", WORDS_SMOLLM, false, false, false },
	{ "starcoder", WORDS_SMOLLM, false, false, false },
	{ "refact", WORDS_SMOLLM, false, false, false },
	{ "minerva-7b", WORDS_SMOLLM, false, false, false },
};

struct reader {
	const struct gguf *g;
	struct vocab *v;
	bool bytes;      /* the "gpt2" family: byte-level pieces */
	bool add_bos;    /* default of add_bos_token */
	char *scratch;   /* room for the longest string of an array */
	struct wl_error *err;
};

/* --- Settings --- */

static int get_bool(const struct reader *r, const char *key, bool otherwise,
                    bool *v)
{
	*v = otherwise;
	return gguf_has(r->g, key) ? gguf_get_bool(r->g, key, v, r->err) : 0;
}

/* Refuses unsupported settings that would change ids. */
static int refuse_settings(const struct reader *r)
{
	static const char *const flag[] = {
		KEY("add_eos_token"), KEY("add_sep_token"),
		KEY("remove_extra_whitespaces"),
	};

	for (size_t i = 0; i < sizeof flag / sizeof *flag; i++) {
		bool on;

		if (get_bool(r, flag[i], false, &on))
			return -1;
		if (on)
			return wl_error_set(r->err, "%s: %s true is not"
			                    " supported", gguf_path(r->g),
			                    flag[i]);
	}
	if (gguf_has(r->g, KEY("precompiled_charsmap")))
		return wl_error_set(r->err, "%s: %s is not supported",
		                    gguf_path(r->g),
		                    KEY("precompiled_charsmap"));
	return 0;
}

static int read_byte_family(struct reader *r)
{
	static const char key[] = KEY("pre");
	const char *name;
	size_t len;

	if (gguf_get_string(r->g, key, &name, &len, r->err))
		return -1;
	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		const struct family *f = &families[i];

		if (!gguf_text_is(name, len, f->name))
			continue;
		r->bytes = true;
		r->add_bos = f->add_bos;
		r->v->kind = VOCAB_BPE;
		r->v->split = f->split;
		r->v->whole_words = f->whole_words;
		r->v->nfc = f->nfc;
		return 0;
	}
	return gguf_refuse(r->g, key, name, len, r->err);
}

static int read_family(struct reader *r)
{
	static const char key[] = KEY("model");
	const char *name;
	size_t len;

	if (gguf_get_string(r->g, key, &name, &len, r->err))
		return -1;
	if (gguf_text_is(name, len, "gpt2"))
		return read_byte_family(r);
	if (!gguf_text_is(name, len, "llama"))
		return gguf_refuse(r->g, key, name, len, r->err);
	r->add_bos = true;
	r->v->kind = VOCAB_SPM;
	r->v->split = WORDS_NONE;
	return 0;
}

static int read_add_space(struct reader *r)
{
	static const char key[] = KEY("add_space_prefix");
	struct vocab *v = r->v;

	if (get_bool(r, key, !r->bytes, &v->add_space))
		return -1;
	if (r->bytes && v->add_space)
		return wl_error_set(r->err, "%s: %s true is not supported with"
		                    " %s", gguf_path(r->g), key, KEY("pre"));
	return 0;
}

/* The default id of a special piece: as in llama.cpp, SentencePiece's. -1:
 * none. */
static int default_id(const struct reader *r, int id)
{
	return !r->bytes && id < r->v->n ? id : -1;
}

/* Reads the id of a special piece, which defaults to `otherwise`. */
static int read_id(const struct reader *r, const char *key, int otherwise,
                   int *id)
{
	int64_t value = default_id(r, otherwise);

	if (gguf_has(r->g, key) &&
	    gguf_get_int(r->g, key, 0, r->v->n - 1, &value, r->err))
		return -1;
	*id = value;
	return 0;
}

/* EOS if the file has one valid id; import_gguf.c reads lists of stop ids. */
static int eos_id(const struct reader *r)
{
	struct wl_error none;
	int64_t id;

	if (!gguf_has(r->g, KEY("eos_token_id")))
		return default_id(r, SPM_EOS);
	return gguf_get_int(r->g, KEY("eos_token_id"), 0, r->v->n - 1, &id,
	                    &none) ? -1 : (int)id;
}

static int read_special(struct reader *r)
{
	struct vocab *v = r->v;
	bool add_bos;
	int bos;

	if (read_id(r, KEY("bos_token_id"), SPM_BOS, &bos) ||
	    get_bool(r, KEY("add_bos_token"), r->add_bos, &add_bos))
		return -1;
	if (add_bos && bos < 0)
		return wl_error_set(r->err, "%s: %s is missing, but BOS is to"
		                    " be prepended to every text",
		                    gguf_path(r->g), KEY("bos_token_id"));
	v->bos_id = add_bos ? bos : -1;
	v->eos_id = eos_id(r);
	return 0;
}

/* --- Pieces --- */

/* Gives r->scratch room for the longest of the strings. */
static void make_scratch(struct reader *r, struct gguf_walk w)
{
	size_t longest = 1, len;

	for (uint64_t i = 0; i < w.n; i++) {
		gguf_next_string(&w, &len);
		if (len > longest)
			longest = len;
	}
	r->scratch = wl_realloc(r->scratch, longest, 1);
}

/* Adds a byte piece, which is spelled like "<0x0A>" in both families. */
static int add_byte(struct reader *r, float score, const char *text, size_t len)
{
	int byte = vocab_byte(text, len);

	if (byte < 0)
		return wl_error_set(r->err, "%s: %s[%d]: a byte piece must be"
		                    " written like <0x0A>", gguf_path(r->g),
		                    KEY("tokens"), r->v->n);
	return vocab_add(r->v, PIECE_BYTE, score, &(unsigned char){ byte }, 1);
}

/* Adds the next piece; text is in the file's spelling. Special pieces of
 * byte-level vocabularies are spelled in plain text. A normal piece with
 * characters outside the byte-level alphabet can never be encoded. */
static int add_piece(struct reader *r, int type, float score, const char *text,
                     size_t len)
{
	struct vocab *v = r->v;

	if (type < PIECE_NORMAL || type > PIECE_BYTE)
		return wl_error_set(r->err, "%s: %s[%d] is %d, must be 1..6",
		                    gguf_path(r->g), KEY("token_type"), v->n,
		                    type);
	if (isnan(score))
		return wl_error_set(r->err, "%s: %s[%d] is not a number",
		                    gguf_path(r->g), KEY("scores"), v->n);
	if (type == PIECE_BYTE)
		return add_byte(r, score, text, len);
	memcpy(r->scratch, text, len);
	if (!r->bytes)
		len = vocab_plain_spaces(r->scratch, len);
	else if (type == PIECE_NORMAL &&
	         vocab_undo_bytes(r->scratch, len, &len) < 0)
		type = PIECE_UNUSED;
	if (vocab_add(v, type, score, r->scratch, len))
		return wl_error_set(r->err, "%s: %s: too much text",
		                    gguf_path(r->g), KEY("tokens"));
	return 0;
}

static int check_length(const struct reader *r, const char *key,
                        const struct gguf_walk *w, uint64_t n)
{
	if (w->n == n)
		return 0;
	return wl_error_set(r->err, "%s: %s has %llu values, %s has %llu",
	                    gguf_path(r->g), key, (unsigned long long)w->n,
	                    KEY("tokens"), (unsigned long long)n);
}

static int read_pieces(struct reader *r)
{
	struct gguf_walk text, type, score = { 0 };

	if (gguf_get_array(r->g, KEY("tokens"), GGUF_STRINGS, &text, r->err) ||
	    gguf_get_array(r->g, KEY("token_type"), GGUF_INTS, &type, r->err) ||
	    check_length(r, KEY("token_type"), &type, text.n))
		return -1;
	if (!r->bytes &&
	    (gguf_get_array(r->g, KEY("scores"), GGUF_FLOATS, &score, r->err) ||
	     check_length(r, KEY("scores"), &score, text.n)))
		return -1;
	if (text.n < 1 || text.n > MAX_PIECES)
		return wl_error_set(r->err, "%s: %s has %llu values, must be"
		                    " 1..%d", gguf_path(r->g), KEY("tokens"),
		                    (unsigned long long)text.n, MAX_PIECES);
	make_scratch(r, text);
	for (uint64_t i = 0; i < text.n; i++) {
		size_t len;
		const char *s = gguf_next_string(&text, &len);
		float x = r->bytes ? 0 : gguf_next_float(&score);

		if (add_piece(r, gguf_next_int(&type), x, s, len))
			return -1;
	}
	return 0;
}

/* --- Merges --- */

static int bad_merge(const struct reader *r, uint32_t i, const char *what)
{
	return wl_error_set(r->err, "%s: %s[%u]: %s", gguf_path(r->g),
	                    KEY("merges"), i, what);
}

/* Reads merge i, "left right" in the file's spelling. */
static int read_merge(struct reader *r, const struct vocab_index *index,
                      uint32_t i, const char *s, size_t len)
{
	const char *blank = len > 1 ? memchr(s + 1, ' ', len - 1) : NULL;
	char *left = r->scratch, *right;
	size_t left_len, right_len;
	int l, m;

	if (!blank || blank + 1 == s + len)
		return bad_merge(r, i, "must be two pieces separated by a"
		                 " blank");
	left_len = blank - s;
	right_len = len - left_len - 1;
	memcpy(left, s, left_len);
	if (vocab_undo_bytes(left, left_len, &left_len))
		return bad_merge(r, i, "its left part is not byte-level text");
	right = left + left_len;
	memcpy(right, blank + 1, right_len);
	if (vocab_undo_bytes(right, right_len, &right_len))
		return bad_merge(r, i, "its right part is not byte-level"
		                 " text");
	l = vocab_index_find(index, left, left_len);
	m = vocab_index_find(index, right, right_len);
	if (l < 0)
		return bad_merge(r, i, "its left part is not a piece");
	if (m < 0)
		return bad_merge(r, i, "its right part is not a piece");
	if (vocab_index_find(index, left, left_len + right_len) < 0)
		return bad_merge(r, i, "its result is not a piece");
	r->v->merge[2 * i] = l;
	r->v->merge[2 * i + 1] = m;
	return 0;
}

/* Reads the merges of a byte-level vocabulary. SentencePiece's files may have
 * merges too, but their scores carry the same information. */
static int read_merges(struct reader *r)
{
	struct vocab *v = r->v;
	struct vocab_index *index;
	struct gguf_walk w;
	uint32_t twice;
	int rc = 0;

	if (!r->bytes)
		return 0;
	if (gguf_get_array(r->g, KEY("merges"), GGUF_STRINGS, &w, r->err))
		return -1;
	if (w.n > UINT32_MAX / 2)
		return wl_error_set(r->err, "%s: %s: too many",
		                    gguf_path(r->g), KEY("merges"));
	v->n_merges = w.n;
	v->merge = wl_malloc(w.n, 2 * sizeof *v->merge);
	make_scratch(r, w);
	index = vocab_index_new(v);
	for (uint32_t i = 0; i < v->n_merges && rc == 0; i++) {
		size_t len;
		const char *s = gguf_next_string(&w, &len);

		rc = read_merge(r, index, i, s, len);
	}
	free(index);
	if (rc)
		return rc;
	twice = vocab_merge_twice(v);
	return twice < v->n_merges ? bad_merge(r, twice, "occurs twice") : 0;
}

int vocab_read_gguf(const struct gguf *g, struct vocab *v,
                    struct wl_error *err)
{
	struct reader r = { .g = g, .v = v, .err = err };
	int rc = 0;

	vocab_init(v);
	if (read_family(&r) || refuse_settings(&r) || read_add_space(&r) ||
	    read_pieces(&r) || read_special(&r) || read_merges(&r) ||
	    vocab_check(v, gguf_path(g), err))
		rc = -1;
	free(r.scratch);
	if (rc)
		vocab_fini(v);
	return rc;
}

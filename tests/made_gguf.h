/* Writes GGUF files for tests, sound ones and unsound ones: whatever is
 * handed over is written. Pairs and tensors called `skip` are left out, so
 * that a test can put another one in their place. At the end, a vocabulary
 * of either family. */
#ifndef WL_MADE_GGUF_H
#define WL_MADE_GGUF_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "src/import/gguf.h"
#include "text_lab.h"

/* The format's numbers of value types and of tensor types. */
enum { MADE_U8, MADE_I8, MADE_U16, MADE_I16, MADE_U32, MADE_I32, MADE_F32,
       MADE_BOOL, MADE_STRING, MADE_ARRAY, MADE_U64, MADE_I64, MADE_F64 };
enum { MADE_T_F32 = 0, MADE_T_F16 = 1, MADE_T_Q4_0 = 2, MADE_T_Q8_0 = 8,
       MADE_T_BF16 = 30 };

struct made_bytes {
	unsigned char *p;
	size_t n, room;
};

struct made_gguf {
	uint32_t version;
	uint64_t n_tensors, n_pairs; /* as the header will say */
	size_t alignment;            /* of the data; no key says so */
	struct made_bytes pairs, tensors, data;
	const char *skip;
	int part, parts; /* parts > 0: of these, only this one's tensors */
	int seen;        /* tensors of all parts */
};

static inline void made_put(struct made_bytes *b, const void *p, size_t n)
{
	if (b->room < b->n + n) {
		b->room = 2 * b->room + n + 256;
		b->p = wl_realloc(b->p, b->room, 1);
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* v in size bytes, little-endian. */
static inline void made_put_int(struct made_bytes *b, uint64_t v, int size)
{
	for (; size > 0; size--, v >>= 8)
		made_put(b, &(unsigned char){ v & 0xff }, 1);
}

static inline void made_put_f32(struct made_bytes *b, float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	made_put_int(b, bits, 4);
}

static inline void made_put_string(struct made_bytes *b, const char *s,
                                   size_t len)
{
	made_put_int(b, len, 8);
	made_put(b, s, len);
}

static inline void made_gguf_init(struct made_gguf *g)
{
	*g = (struct made_gguf){ .version = 3, .alignment = 32 };
}

static inline void made_gguf_fini(struct made_gguf *g)
{
	free(g->pairs.p);
	free(g->tensors.p);
	free(g->data.p);
}

/* Starts a pair, whose value is to follow in g->pairs; false: left out. */
static inline bool made_gguf_key(struct made_gguf *g, const char *key,
                                 uint32_t type)
{
	if (g->skip && strcmp(key, g->skip) == 0)
		return false;
	g->n_pairs++;
	made_put_string(&g->pairs, key, strlen(key));
	made_put_int(&g->pairs, type, 4);
	return true;
}

static inline void made_gguf_int(struct made_gguf *g, const char *key,
                                 int64_t v)
{
	if (made_gguf_key(g, key, v < 0 ? MADE_I32 : MADE_U32))
		made_put_int(&g->pairs, (uint64_t)v, 4);
}

static inline void made_gguf_real(struct made_gguf *g, const char *key,
                                  float v)
{
	if (made_gguf_key(g, key, MADE_F32))
		made_put_f32(&g->pairs, v);
}

static inline void made_gguf_bool(struct made_gguf *g, const char *key, bool v)
{
	if (made_gguf_key(g, key, MADE_BOOL))
		made_put_int(&g->pairs, v, 1);
}

static inline void made_gguf_text(struct made_gguf *g, const char *key,
                                  const char *text)
{
	if (made_gguf_key(g, key, MADE_STRING))
		made_put_string(&g->pairs, text, strlen(text));
}

/* Starts an array of n values, which are to follow; false: left out. */
static inline bool made_gguf_array(struct made_gguf *g, const char *key,
                                   uint32_t type, uint64_t n)
{
	if (!made_gguf_key(g, key, MADE_ARRAY))
		return false;
	made_put_int(&g->pairs, type, 4);
	made_put_int(&g->pairs, n, 8);
	return true;
}

/* A tensor whose data are to follow in g->data; false: left out, or in another
 * part. rows 0: a vector. */
static inline bool made_gguf_tensor(struct made_gguf *g, const char *name,
                                    uint32_t type, uint64_t rows,
                                    uint64_t cols)
{
	if (g->skip && strcmp(name, g->skip) == 0)
		return false;
	if (g->parts && g->seen++ % g->parts != g->part)
		return false;
	while (g->data.n % g->alignment)
		made_put(&g->data, "", 1);
	g->n_tensors++;
	made_put_string(&g->tensors, name, strlen(name));
	made_put_int(&g->tensors, rows ? 2 : 1, 4);
	made_put_int(&g->tensors, cols, 8);
	if (rows)
		made_put_int(&g->tensors, rows, 8);
	made_put_int(&g->tensors, type, 4);
	made_put_int(&g->tensors, g->data.n, 8);
	return true;
}

/* The file's bytes, which the caller frees; *head receives how many lie
 * before the padding in front of the data. */
static inline struct made_bytes made_gguf_file(const struct made_gguf *g,
                                               size_t *head)
{
	struct made_bytes b = { 0 };

	made_put(&b, "GGUF", 4);
	made_put_int(&b, g->version, 4);
	made_put_int(&b, g->n_tensors, 8);
	made_put_int(&b, g->n_pairs, 8);
	made_put(&b, g->pairs.p, g->pairs.n);
	made_put(&b, g->tensors.p, g->tensors.n);
	*head = b.n;
	while (b.n % g->alignment)
		made_put(&b, "", 1);
	made_put(&b, g->data.p, g->data.n);
	return b;
}

static inline void made_gguf_save(const struct made_gguf *g,
                                  const char *path)
{
	size_t head;
	struct made_bytes b = made_gguf_file(g, &head);
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(b.p, 1, b.n, f), b.n);
	fclose(f);
	free(b.p);
}

/* --- Reading --- */

/* err must be one line that starts with file and has says in it. */
static inline void one_line(const struct wl_error *err, const char *file,
                            const char *says)
{
	ck_assert_msg(strstr(err->text, file) == err->text, "\"%s\" lacks %s",
	              err->text, file);
	ck_assert_msg(strstr(err->text, says), "\"%s\" lacks \"%s\"",
	              err->text, says);
	ck_assert(!strchr(err->text, '\n'));
}

/* Opens the bytes of g, which is freed; *bytes must stay as long. */
static inline struct gguf *open_made(struct made_gguf *g,
                                     struct made_bytes *bytes,
                                     struct wl_error *err)
{
	size_t head;
	bool more;

	*bytes = made_gguf_file(g, &head);
	made_gguf_fini(g);
	*err = (struct wl_error){ .text = "" };
	return gguf_read("made", bytes->p, bytes->n, bytes->n, &more, err);
}

/* --- A vocabulary --- */

enum { N_TOKENS = 270 };

/* The family of what is put: byte-level, as in Qwen2, else Llama's. */
static bool qwen;

/* A piece of the Llama family's vocabulary; 259 and up are words. */
static inline void spm_token(int i, char text[8], int *type, float *score)
{
	static const char *const word[] = {
		"\xe2\x96\x81", "a", "b", "ab", "\xe2\x96\x81" "ab", "aa",
		"<tool>", "c", "d", "e", "f",
	};
	static const char *const special[] = { "<unk>", "<s>", "</s>" };

	*type = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : i == 265 ? 4 : 1;
	*score = i < 259 ? 0 : -i;
	if (i >= 3 && i < 259)
		snprintf(text, 8, "<0x%02X>", i - 3);
	else
		snprintf(text, 8, "%s", i < 3 ? special[i] : word[i - 259]);
}

/* A piece of the other's: bytes in GPT-2's alphabet, then words. */
static inline void byte_token(int i, char text[8], int *type, float *score)
{
	static const char *const word[] = {
		"ab", "\xc4\xa0" "a", "\xc4\xa0" "ab", "<\xc3\xa9nd>", "<tool>",
		"[PAD]", "\xe4\xb8\xad", "aa", "bb", "aaa", "ba", "bab", "cc",
		"dd",
	};
	static const int word_type[] = { 1, 1, 1, 3, 4, 5, 1 };
	int shifted = 256;

	*type = i < 256 || i - 256 >= 7 ? 1 : word_type[i - 256];
	*score = 0;
	if (i >= 256) {
		snprintf(text, 8, "%s", word[i - 256]);
		return;
	}
	for (int b = 0; b < i; b++)
		shifted += b <= ' ' || (b >= 0x7f && b <= 0xa0) || b == 0xad;
	if (!(i <= ' ' || (i >= 0x7f && i <= 0xa0) || i == 0xad))
		shifted = i;
	memset(text, 0, 8);
	put_utf8(text, shifted);
}

static inline void put_tokens(struct made_gguf *g, int n)
{
	void (*token)(int, char *, int *, float *) = qwen ? byte_token
	                                                  : spm_token;
	char text[8];
	float score;
	int type;

	if (made_gguf_array(g, "tokenizer.ggml.tokens", MADE_STRING, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_string(&g->pairs, text, strlen(text));
		}
	if (made_gguf_array(g, "tokenizer.ggml.token_type", MADE_I32, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_int(&g->pairs, type, 4);
		}
	if (!qwen && made_gguf_array(g, "tokenizer.ggml.scores", MADE_F32, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_f32(&g->pairs, score);
		}
}

static inline void put_merges(struct made_gguf *g, const char *const *merge,
                              int n)
{
	if (made_gguf_array(g, "tokenizer.ggml.merges", MADE_STRING, n))
		for (int i = 0; i < n; i++)
			made_put_string(&g->pairs, merge[i], strlen(merge[i]));
}

static const char *const merges[] = {
	"a b", "\xc4\xa0 a", "\xc4\xa0" "a b", "a a", "b b",
};
#define N_MERGES 5

static inline void put_vocab(struct made_gguf *g)
{
	made_gguf_text(g, "tokenizer.ggml.model", qwen ? "gpt2" : "llama");
	if (qwen)
		made_gguf_text(g, "tokenizer.ggml.pre", "qwen2");
	put_tokens(g, N_TOKENS);
	if (qwen)
		put_merges(g, merges, N_MERGES);
	made_gguf_int(g, "tokenizer.ggml.bos_token_id", qwen ? 259 : 1);
	made_gguf_int(g, "tokenizer.ggml.eos_token_id", qwen ? 259 : 2);
}

/* --- One change --- */

#define TOK "tokenizer.ggml."

/* One pair left out or in another one's place. kind: - none, i integer, b
 * bool, f float, s string, I an array of integers, F of floats, S of strings
 * (one value each). */
struct change {
	bool qwen;
	const char *key;
	char kind;
	double number;
	const char *text;
	const char *says; /* NULL: it is accepted */
};

static inline void put_change(struct made_gguf *g, const struct change *c)
{
	switch (c->kind) {
	case 'i':
		made_gguf_int(g, c->key, c->number);
		break;
	case 'b':
		made_gguf_bool(g, c->key, c->number);
		break;
	case 'f':
		made_gguf_real(g, c->key, c->number);
		break;
	case 's':
		made_gguf_text(g, c->key, c->text);
		break;
	case 'I':
		made_gguf_array(g, c->key, MADE_I32, 1);
		made_put_int(&g->pairs, c->number, 4);
		break;
	case 'F':
		made_gguf_array(g, c->key, MADE_F32, 1);
		made_put_f32(&g->pairs, c->number);
		break;
	case 'S':
		put_merges(g, &c->text, 1);
		break;
	}
}

#endif

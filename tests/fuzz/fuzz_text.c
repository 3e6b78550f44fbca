/* A text: what is encoded must decode to itself, by scores and by merges. */
#include "config.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

/* All bytes, and a merge of every piece so far with a few letters. */
static void make_byte_level(struct vocab *v, enum word_split split)
{
	static const char letter[] = " etao3\n'";
	enum { ROUNDS = 60 };

	vocab_init(v);
	v->kind = VOCAB_BPE;
	v->split = split;
	v->merge = wl_malloc(2 * ROUNDS, sizeof *v->merge);
	for (int b = 0; b < 256; b++)
		vocab_add(v, PIECE_NORMAL, 0, &(char){ b }, 1);
	for (int i = 0; i < ROUNDS; i++) {
		int left = i < 8 ? letter[i] : 256 + i - 8;
		int right = letter[i * 5 % 8], len;
		char text[ROUNDS];

		len = v->offset[left + 1] - v->offset[left];
		memcpy(text, v->text + v->offset[left], len);
		text[len++] = letter[i * 5 % 8];
		vocab_add(v, PIECE_NORMAL, 0, text, len);
		v->merge[2 * v->n_merges] = left;
		v->merge[2 * v->n_merges++ + 1] = right;
	}
}

static struct tokenizer *make(int which)
{
	struct tokenizer *t;
	struct wl_error err;
	struct vocab v;

	if (which == 0)
		vocab_make_random(2000, &v);
	else
		make_byte_level(&v, WORDS_GPT2 + which - 1);
	t = tokenizer_new(&v, "fuzz", &err);
	vocab_fini(&v);
	if (!t)
		abort();
	return t;
}

static void round_trip(const struct tokenizer *t, const char *text, size_t len)
{
	struct wl_error err;
	size_t n, at = 0, got;
	int *ids;

	if (tokenizer_encode(t, text, len, &ids, &n, &err))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *piece = tokenizer_decode(t, i ? ids[i - 1] : -1,
		                                     ids[i], &got);

		if (got > len - at || memcmp(text + at, piece, got))
			__builtin_trap();
		at += got;
	}
	if (at != len)
		__builtin_trap();
	free(ids);
}

/* Words need PCRE2. */
#ifdef HAVE_PCRE2
enum { TOKENIZERS = 4 };
#else
enum { TOKENIZERS = 1 };
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokenizer *t[TOKENIZERS];

	for (int i = 0; i < TOKENIZERS; i++) {
		if (!t[i])
			t[i] = make(i);
		round_trip(t[i], (const char *)data, size);
	}
	return 0;
}

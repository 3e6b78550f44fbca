/* A text, which must encode and decode to itself, by scores and by merges. */
#include "config.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "src/import/vocab_read.h"
#include "text/tokenizer.h"

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

/* Texts of special pieces, and what the tokenizer searches a text for before it
 * merges anything. */
static const char *const special[] = { "<s>", "</s>", "<s", "\n<ss>\n" };
static const char *const looked_for[] = { "<s>", "</s>", "<s", "<ss>" };
enum { SPECIAL = sizeof special / sizeof *special };

/* One tokenizer for random vocabularies, one for each kind of pretokenizer, and
 * of those one more for each rule for spaces. */
static struct tokenizer *make(int which)
{
	struct tokenizer *t;
	struct wl_error err;
	struct vocab v;

	if (which == 0) {
		vocab_make_random(2000, &v);
	} else if (which < WORDS_NKINDS) {
		make_byte_level(&v, which);
	} else {
		make_byte_level(&v, WORDS_SMOLLM);
		v.add_space = true;
		v.space_rule = which - WORDS_NKINDS;
	}
	for (int i = 0; which && i < SPECIAL; i++)
		vocab_add(&v, PIECE_CONTROL, 0, special[i], strlen(special[i]));
	t = tokenizer_new(&v, "fuzz", &err);
	vocab_fini(&v);
	if (!t)
		abort();
	return t;
}

/* Decodes n ids, which must be the text. */
static void expect_text(const struct tokenizer *t, const int *ids, size_t n,
                        const char *text, size_t len)
{
	size_t at = 0, got;

	for (size_t i = 0; i < n; i++) {
		const char *piece = tokenizer_decode(t, i ? ids[i - 1] : -1,
		                                     ids[i], &got);

		if (got > len - at || memcmp(text + at, piece, got))
			__builtin_trap();
		at += got;
	}
	if (at != len)
		__builtin_trap();
}

static void round_trip(const struct tokenizer *t, const char *text, size_t len)
{
	const struct vocab *v = tokenizer_vocab(t);
	struct wl_error err;
	size_t n;
	int *ids;

	if (tokenizer_encode(t, text, len, &ids, &n, &err))
		return;
	/* A space of the text looks like the added one. */
	if (v->add_space && v->space_rule != SPACE_EVERY && len > 0 &&
	    text[0] == ' ') {
		text++;
		len--;
	}
	expect_text(t, ids, n, text, len);
	free(ids);
}

/* Bytes of the special piece at the start of the text; 0: none. */
static size_t special_here(const char *text, size_t len)
{
	size_t longest = 0;

	for (int i = 0; i < SPECIAL; i++) {
		size_t n = strlen(looked_for[i]);

		if (n > longest && n <= len && !memcmp(text, looked_for[i], n))
			longest = n;
	}
	return longest;
}

/* The text without special pieces, which decode to nothing. */
static void read_special(const struct tokenizer *t, const char *text,
                         size_t len)
{
	char *rest = malloc(len + 1);
	size_t n, kept = 0, found = 0, special_ids = 0;
	struct wl_error err;
	int *ids;

	for (size_t at = 0; at < len;) {
		size_t here = special_here(text + at, len - at);

		found += here > 0;
		if (here == 0)
			rest[kept++] = text[at];
		at += here ? here : 1;
	}
	if (tokenizer_encode_special(t, text, len, &ids, &n, &err) == 0) {
		const struct vocab *v = tokenizer_vocab(t);

		for (size_t i = 0; i < n; i++)
			special_ids += v->type[ids[i]] == PIECE_CONTROL;
		if (special_ids != found)
			__builtin_trap();
		if (!v->add_space)
			expect_text(t, ids, n, rest, kept);
		free(ids);
	}
	free(rest);
}

/* The pretokenizer needs PCRE2. */
#ifdef HAVE_PCRE2
enum { TOKENIZERS = WORDS_NKINDS + SPACE_NRULES };
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
		if (i > 0)
			read_special(t[i], (const char *)data, size);
	}
	return 0;
}

/* Shared by the tests of the tokenizer: random texts, a slow and obvious
 * encoder, and checks of ids and of decoding. */
#ifndef WL_TEXT_LAB_H
#define WL_TEXT_LAB_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

/* A pseudo-random number below n; the same sequence in every run. */
static inline unsigned draw(unsigned n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

static inline size_t put_utf8(char *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = 0xc0 | c >> 6;
		p[1] = 0x80 | (c & 0x3f);
		return 2;
	}
	if (c < 0x10000) {
		p[0] = 0xe0 | c >> 12;
		p[1] = 0x80 | (c >> 6 & 0x3f);
		p[2] = 0x80 | (c & 0x3f);
		return 3;
	}
	p[0] = 0xf0 | c >> 18;
	p[1] = 0x80 | (c >> 12 & 0x3f);
	p[2] = 0x80 | (c >> 6 & 0x3f);
	p[3] = 0x80 | (c & 0x3f);
	return 4;
}

/* Letters, spaces, control characters, accents, emoji, anything. */
static inline uint32_t draw_character(void)
{
	switch (draw(8)) {
	case 0:
		return ' ';
	case 1:
		return 1 + draw(0x1f);
	case 2:
		return 0xa0 + draw(0x700);
	case 3:
		return 0x1f300 + draw(0x400);
	case 4:
		return draw(2) ? 0x800 + draw(0xd000) : 0xe000 + draw(0x102000);
	default:
		return 'a' + draw(26);
	}
}

/* At most 4 bytes per character. */
static inline size_t draw_text(char *text, int characters)
{
	size_t len = 0;

	for (int i = 0; i < characters; i++)
		len += put_utf8(text + len, draw_character());
	return len;
}

/* The tokenizer of v, which is freed. */
static inline struct tokenizer *from_vocab(struct vocab *v)
{
	struct wl_error err;
	struct tokenizer *t = tokenizer_new(v, "made up", &err);

	ck_assert_msg(t != NULL, "%s", err.text);
	vocab_fini(v);
	return t;
}

/* ---- the slow, obvious encoder ---- */

#define MAX_REF 400

/* A word that is being encoded, in symbols. */
struct ref {
	const struct vocab *v;
	const char *text;
	size_t end[MAX_REF]; /* where symbol i ends */
	int id[MAX_REF];     /* -1: no piece */
	int n;
};

static inline int ref_find(const struct vocab *v, const char *text, size_t len)
{
	for (int i = 0; i < v->n && len > 0; i++)
		if ((v->type[i] == PIECE_NORMAL || v->type[i] == PIECE_USER) &&
		    v->offset[i + 1] - v->offset[i] == len &&
		    memcmp(v->text + v->offset[i], text, len) == 0)
			return i;
	return -1;
}

static inline int ref_byte(const struct vocab *v, char byte)
{
	for (int i = 0; i < v->n; i++)
		if (v->type[i] == PIECE_BYTE && v->text[v->offset[i]] == byte)
			return i;
	return -1;
}

static inline size_t ref_start(const struct ref *r, int i)
{
	return i ? r->end[i - 1] : 0;
}

/* Whether symbols i and i + 1 can be merged. *order: the pair with the highest
 * order is merged first. */
static inline bool ref_order(const struct ref *r, int i, double *order)
{
	const struct vocab *v = r->v;
	size_t start = ref_start(r, i);
	int id;

	if (v->kind == VOCAB_SPM) {
		id = ref_find(v, r->text + start, r->end[i + 1] - start);
		*order = id < 0 ? 0 : v->score[id];
		return id >= 0;
	}
	for (uint32_t m = 0; m < v->n_merges; m++) {
		*order = -(double)m;
		if ((int)v->merge[2 * m] == r->id[i] &&
		    (int)v->merge[2 * m + 1] == r->id[i + 1])
			return true;
	}
	return false;
}

/* Merges the next pair; false when there is none. */
static inline bool ref_join(struct ref *r)
{
	double best_order = 0, order;
	int best = -1;
	size_t start;

	for (int i = 0; i + 1 < r->n; i++)
		if (ref_order(r, i, &order) && (best < 0 ||
		                                order > best_order)) {
			best = i;
			best_order = order;
		}
	if (best < 0)
		return false;
	r->n--;
	for (int i = best; i < r->n; i++) {
		r->end[i] = r->end[i + 1];
		r->id[i] = r->id[i + 1];
	}
	start = ref_start(r, best);
	r->id[best] = ref_find(r->v, r->text + start, r->end[best] - start);
	return true;
}

static inline int ref_word(const struct vocab *v, const char *text, size_t len,
                           int *ids)
{
	struct ref r = { .v = v, .text = text };
	int n = 0;

	ids[0] = ref_find(v, text, len);
	if (v->whole_words && ids[0] >= 0)
		return 1;
	for (size_t at = 1; at <= len; at++) { /* characters, or bytes */
		size_t start = ref_start(&r, r.n);

		if (at < len && (text[at] & 0xc0) == 0x80 &&
		    v->split == WORDS_NONE)
			continue;
		r.id[r.n] = ref_find(v, text + start, at - start);
		r.end[r.n++] = at;
	}
	while (ref_join(&r))
		;
	for (int i = 0; i < r.n; i++) {
		if (r.id[i] >= 0)
			ids[n++] = r.id[i];
		for (size_t at = ref_start(&r, i);
		     r.id[i] < 0 && at < r.end[i]; at++)
			ids[n++] = ref_byte(v, text[at]);
	}
	return n;
}

/* Uses the tokenizer's own pretokenizer, which has its own tests. */
static inline int ref_section(const struct vocab *v, const char *text,
                              size_t len, int *ids)
{
	struct pretokenizer *s = NULL;
	struct wl_error err;
	int n = 0;

	if (v->split != WORDS_NONE)
		s = pretokenizer_new(v->split, &err);
	for (size_t at = 0, word = len; at < len; at += word) {
		if (s)
			word = pretokenizer_word(s, text, len, at, &err);
		n += ref_word(v, text + at, word, ids + n);
	}
	pretokenizer_free(s);
	return n;
}

/* The longest of the user's pieces here; -1 when none is. */
static inline int ref_user(const struct vocab *v, const char *text, size_t len)
{
	size_t longest = 0;
	int best = -1;

	for (int i = 0; i < v->n; i++) {
		size_t n = v->offset[i + 1] - v->offset[i];

		if (v->type[i] == PIECE_USER && n > longest && n <= len &&
		    memcmp(v->text + v->offset[i], text, n) == 0) {
			longest = n;
			best = i;
		}
	}
	return best;
}

/* The ids of a section from where it is in a text, with its space. */
static inline int ref_spaced(const struct vocab *v, const char *text,
                             size_t from, size_t to, int *ids)
{
	char spaced[MAX_REF] = " ";
	size_t space = to > from && v->add_space;

	if ((v->space_rule == SPACE_FIRST && from > 0) ||
	    (v->space_rule != SPACE_EVERY && to > from && text[from] == ' '))
		space = 0;
	memcpy(spaced + space, text + from, to - from);
	return ref_section(v, spaced, space + to - from, ids);
}

/* The ids of a text that is short and in NFC. */
static inline int encode_ref(const struct vocab *v, const char *text,
                             size_t len, int *ids)
{
	size_t section = 0, at = 0;
	int n = 0;

	if (v->bos_id >= 0)
		ids[n++] = v->bos_id;
	while (at < len) {
		int id = ref_user(v, text + at, len - at);

		if (id < 0) {
			at++;
			continue;
		}
		n += ref_spaced(v, text, section, at, ids + n);
		ids[n++] = id;
		section = at += v->offset[id + 1] - v->offset[id];
	}
	return n + ref_spaced(v, text, section, at, ids + n);
}

/* ---- checks ---- */

/* Encodes and decodes again: the text must come back. Returns the number of
 * ids. */
static inline size_t round_trip(const struct tokenizer *t, const char *text,
                                size_t len)
{
	const struct vocab *v = tokenizer_vocab(t);
	char *back = malloc(len + 1);
	size_t n, at = 0;
	struct wl_error err;
	int *ids;

	ck_assert_msg(!tokenizer_encode(t, text, len, &ids, &n, &err), "%s",
	              err.text);
	for (size_t i = 0; i < n; i++) {
		size_t piece_len;
		const char *piece = tokenizer_decode(t, i ? ids[i - 1] : -1,
		                                     ids[i], &piece_len);

		if (piece_len > len - at)
			ck_abort_msg("decoded more than was encoded");
		memcpy(back + at, piece, piece_len);
		at += piece_len;
	}
	/* A space of the text looks like the added one. */
	if (v->add_space && v->space_rule != SPACE_EVERY && len > 0 &&
	    text[0] == ' ') {
		text++;
		len--;
	}
	ck_assert_uint_eq(at, len);
	ck_assert(memcmp(back, text, len) == 0);
	free(back);
	free(ids);
	return n;
}

static inline void expect_ids(const struct tokenizer *t, const char *text,
                              size_t len, const int *expected,
                              size_t n_expected)
{
	struct wl_error err;
	size_t n;
	int *ids;

	ck_assert_msg(!tokenizer_encode(t, text, len, &ids, &n, &err), "%s",
	              err.text);
	ck_assert_msg(n == n_expected &&
	              memcmp(ids, expected, n * sizeof *ids) == 0,
	              "'%.*s': other ids than expected (%zu, not %zu)",
	              (int)len, text, n, n_expected);
	free(ids);
}

static inline void check_against_ref(const struct tokenizer *t,
                                     const char *text, size_t len)
{
	int ids[MAX_REF + 1];
	int n = encode_ref(tokenizer_vocab(t), text, len, ids);

	expect_ids(t, text, len, ids, n);
}

/* ---- published vectors ---- */

/* Reads the integers of one line; *line moves to the next one. */
static inline size_t read_ids(char **line, int *ids)
{
	size_t n = 0;
	char *p = *line, *end;

	while (*p != '\n' && *p != '\0') {
		ids[n++] = strtol(p, &end, 10);
		ck_assert(end > p);
		for (p = end; *p == ' '; p++)
			;
	}
	*line = p + (*p == '\n');
	return n;
}

/* All 47 texts of a vocabulary called name, whose ids have no BOS. */
static inline void check_vectors(const struct tokenizer *t, const char *name)
{
	static const char separator[] = "\n__ggml_vocab_test__\n";
	int bos = tokenizer_vocab(t)->bos_id;
	char *texts, *text, *next, *lines, *line, file[128];
	int ids[1024] = { bos }, count = 0;
	size_t first = bos >= 0;

	snprintf(file, sizeof file, "tokenizer-vectors/ggml-vocab-%s.gguf.inp",
	         name);
	texts = text = read_all(model_path("vectors", file));
	memcpy(strrchr(file, '.'), ".out", 4);
	lines = line = read_all(model_path("vectors", file));
	for (; text; text = next, count++) {
		size_t n = first + read_ids(&line, ids + first);
		size_t len = strlen(text);

		next = strstr(text, separator);
		if (next) {
			len = next - text;
			next += strlen(separator);
		}
		expect_ids(t, text, len, ids, n);
	}
	ck_assert_int_eq(count, 47);
	free(texts);
	free(lines);
}

#endif

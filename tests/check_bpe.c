/* Text <-> ids by merge rules, the user's pieces, and what vocabularies are
 * made of: small ones by hand, random ones against the slow encoder, long
 * texts, the alphabets of other people's files, and what must be refused. */
#include "config.h"
#include "text_lab.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "suite.h"

#define COUNT(array) (sizeof array / sizeof *array)

/* ---- vocabularies ---- */

static void add(struct vocab *v, enum piece_type type, const char *text)
{
	ck_assert_int_eq(vocab_add(v, type, 0, text, strlen(text)), 0);
}

static void add_ids(struct vocab *v, uint32_t left, uint32_t right)
{
	v->merge = wl_realloc(v->merge, v->n_merges + 1, 2 * sizeof *v->merge);
	v->merge[2 * v->n_merges] = left;
	v->merge[2 * v->n_merges + 1] = right;
	v->n_merges++;
}

static void add_merge(struct vocab *v, const char *left, const char *right)
{
	int a = ref_find(v, left, strlen(left));
	int b = ref_find(v, right, strlen(right));

	ck_assert_msg(a >= 0 && b >= 0, "no piece '%s' or '%s'", left, right);
	add_ids(v, a, b);
}

/* Pieces and then merges, "left right" each, both ended by NULL. */
static void make(struct vocab *v, const char *const *piece,
                 const char *const *merge)
{
	vocab_init(v);
	v->kind = VOCAB_BPE;
	for (; *piece; piece++)
		add(v, PIECE_NORMAL, *piece);
	for (; *merge; merge++) {
		char left[32];
		const char *gap = strchr(*merge + 1, ' ');

		snprintf(left, sizeof left, "%.*s", (int)(gap - *merge),
		         *merge);
		add_merge(v, left, gap + 1);
	}
}

#define PIECES(...) (const char *const[]){ __VA_ARGS__, NULL }
#define MERGES PIECES

/* The 256 byte pieces, as pieces of a given type. */
static void add_bytes(struct vocab *v, enum piece_type type)
{
	for (int b = 0; b < 256; b++)
		vocab_add(v, type, 0, &(unsigned char){ b }, 1);
}

/* Whether this build can cut words. */
static bool can_split(void)
{
#ifdef HAVE_PCRE2
	return true;
#else
	return false;
#endif
}

/* Encodes to ids whose texts are the given ones. */
static void expect_pieces(const struct tokenizer *t, const char *text,
                          const char *const *piece)
{
	const struct vocab *v = tokenizer_vocab(t);
	struct wl_error err;
	size_t n, i;
	int *ids;

	ck_assert_msg(!tokenizer_encode(t, text, strlen(text), &ids, &n, &err),
	              "%s", err.text);
	for (i = 0; i < n && piece[i]; i++) {
		const char *got = v->text + v->offset[ids[i]];
		size_t len = vocab_length(v, ids[i]);

		ck_assert_msg(len == strlen(piece[i]) &&
		              memcmp(got, piece[i], len) == 0,
		              "'%s': piece %zu is '%.*s', not '%s'", text, i,
		              (int)len, got, piece[i]);
	}
	ck_assert_msg(i == n && !piece[i], "'%s': %zu pieces", text, n);
	free(ids);
}

/* ---- merges by hand ---- */

START_TEST(earliest_rule_first)
{
	const char *const *piece = PIECES("a", "b", "c", "ab", "bc", "abc");
	struct tokenizer *t;
	struct vocab v;

	make(&v, piece, MERGES("b c", "a b", "a bc"));
	t = from_vocab(&v);
	expect_pieces(t, "abc", PIECES("abc"));
	expect_pieces(t, "abab", PIECES("ab", "ab"));
	tokenizer_free(t);
	make(&v, piece, MERGES("a b", "b c"));
	t = from_vocab(&v);
	/* "abc" is a piece, but no rule makes it of "ab" and "c". */
	expect_pieces(t, "abc", PIECES("ab", "c"));
	expect_pieces(t, "bcab", PIECES("bc", "ab"));
	tokenizer_free(t);
}
END_TEST

START_TEST(ties_to_the_left)
{
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES("a", "aa", "aaa", "aaaa"), MERGES("a a", "aa aa"));
	t = from_vocab(&v);
	expect_pieces(t, "a", PIECES("a"));
	expect_pieces(t, "aaa", PIECES("aa", "a"));
	expect_pieces(t, "aaaaaaa", PIECES("aaaa", "aa", "a"));
	tokenizer_free(t);
}
END_TEST

/* The same text made by another pair has another rule, or none. */
START_TEST(pair_and_not_text)
{
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES("a", "b", "c", "d", "ab", "bc", "abc", "cd", "abcd"),
	     MERGES("b c", "a b", "ab c", "c d", "ab cd"));
	t = from_vocab(&v);
	expect_pieces(t, "abc", PIECES("a", "bc"));
	expect_pieces(t, "abcd", PIECES("a", "bc", "d"));
	tokenizer_free(t);
}
END_TEST

START_TEST(whole_words)
{
	struct tokenizer *t;
	struct vocab v;

	for (int whole = 0; whole < 2; whole++) {
		make(&v, PIECES("a", "b", "c", "abc", "bc"), MERGES("b c"));
		v.whole_words = whole;
		t = from_vocab(&v);
		expect_pieces(t, "abc", whole ? PIECES("abc")
		                              : PIECES("a", "bc"));
		expect_pieces(t, "abca", PIECES("a", "bc", "a"));
		tokenizer_free(t);
	}
}
END_TEST

/* Pieces for ASCII and the bytes; "é" is two of those unless merged. */
START_TEST(bytes_of_words)
{
	struct tokenizer *t;
	struct vocab v;

	if (!can_split()) {
		printf("skipped: bytes_of_words: no PCRE2\n");
		return;
	}
	vocab_init(&v);
	v.kind = VOCAB_BPE;
	v.split = _i;
	add_bytes(&v, PIECE_NORMAL);
	add(&v, PIECE_NORMAL, "\u00e9");
	add(&v, PIECE_NORMAL, " a");
	add(&v, PIECE_NORMAL, "b ");
	add_merge(&v, "\xc3", "\xa9");
	add_merge(&v, "b", " ");
	add_merge(&v, " ", "a");
	t = from_vocab(&v);
	/* "b " would be first, but no word has it. */
	expect_pieces(t, "b a", PIECES("b", " a"));
	expect_pieces(t, "\u00e9\u00e8", PIECES("\u00e9", "\xc3", "\xa8"));
	expect_pieces(t, "\x01", PIECES("\x01"));
	tokenizer_free(t);
}
END_TEST

/* Without words symbols are characters; one without a piece is its bytes. */
START_TEST(byte_fallback)
{
	struct tokenizer *t;
	struct wl_error err;
	struct vocab v;
	size_t n;
	int *ids;

	make(&v, PIECES("a", "b", "\u00e9", "a\u00e9", "\xc3"),
	     MERGES("a \u00e9"));
	add_bytes(&v, PIECE_BYTE);
	t = from_vocab(&v);
	expect_pieces(t, "a\u00e9b", PIECES("a\u00e9", "b"));
	/* The byte pieces, not the piece of the same text, which is no
	 * character. */
	expect_ids(t, "a\u00e8", 3, (int[]){ 0, 5 + 0xc3, 5 + 0xa8 }, 3);
	expect_ids(t, "c", 1, (int[]){ 5 + 'c' }, 1);
	tokenizer_free(t);
	make(&v, PIECES("a", "b", "ab"), MERGES("a b"));
	t = from_vocab(&v);
	ck_assert_int_eq(tokenizer_encode(t, "abc", 3, &ids, &n, &err), -1);
	ck_assert_str_eq(err.text, "made up: the vocabulary has no piece for"
	                 " byte 0x63 of \"c\"");
	ck_assert(ids == NULL && n == 0);
	tokenizer_free(t);
}
END_TEST

/* ---- the user's pieces ---- */

START_TEST(user_pieces)
{
	const char *const *letter = PIECES("a", "b", "<", ">", "ab", "b<");
	struct tokenizer *t;
	struct vocab v;

	make(&v, letter, MERGES("b <", "a b"));
	add(&v, PIECE_USER, "<a>");
	add(&v, PIECE_USER, "<a>b");
	add(&v, PIECE_USER, "<a>b<a");
	add(&v, PIECE_USER, "a>>");
	add(&v, PIECE_USER, ">b<a>b<a>b");
	add(&v, PIECE_USER, "");
	t = from_vocab(&v);
	expect_pieces(t, "<a>", PIECES("<a>"));
	expect_pieces(t, "ab<a>ab", PIECES("ab", "<a>", "ab"));
	/* The longest that is there; no rule joins across it. */
	expect_pieces(t, "b<a>bb", PIECES("b", "<a>b", "b"));
	expect_pieces(t, "<a>b<", PIECES("<a>b", "<"));
	expect_pieces(t, "<a>b<b", PIECES("<a>b", "<", "b"));
	expect_pieces(t, "<a>b<a>", PIECES("<a>b<a", ">"));
	/* The leftmost, though a longer one starts in it. */
	expect_pieces(t, "<a>>", PIECES("<a>", ">"));
	expect_pieces(t, "a>>", PIECES("a>>"));
	/* ">b<a>b<a>b" is only found where it is all there. */
	expect_pieces(t, "<a>b<a>b<a>b", PIECES("<a>b<a", ">", "b", "<a>b"));
	expect_pieces(t, "<a>b<a>b<a>b<a>b", PIECES("<a>b<a", ">b<a>b<a>b"));
	expect_pieces(t, "<a><a><a>b", PIECES("<a>", "<a>", "<a>b"));
	expect_pieces(t, "b<b", PIECES("b<", "b"));
	tokenizer_free(t);
}
END_TEST

static struct tokenizer *with_user_pieces(enum space_rule rule)
{
	struct vocab v;

	make(&v, PIECES(" ", "x", "y", " x"), MERGES("  x"));
	add(&v, PIECE_USER, "<u>");
	add(&v, PIECE_USER, " y");
	v.add_space = true;
	v.space_rule = rule;
	return from_vocab(&v);
}

/* A space is put before every section between pieces of the user's, which are
 * found before; or before the text alone. */
START_TEST(user_pieces_and_space)
{
	struct tokenizer *t = with_user_pieces(SPACE_EVERY);

	expect_pieces(t, "x", PIECES(" x"));
	expect_pieces(t, "<u>x", PIECES("<u>", " x"));
	expect_pieces(t, "x<u> x", PIECES(" x", "<u>", " ", " x"));
	expect_pieces(t, "x<u><u>", PIECES(" x", "<u>", "<u>"));
	expect_pieces(t, "yy", PIECES(" ", "y", "y"));
	expect_pieces(t, " yy", PIECES(" y", " ", "y"));
	expect_pieces(t, "", PIECES(NULL));
	tokenizer_free(t);
	t = with_user_pieces(SPACE_FIRST);
	expect_pieces(t, "<u>x", PIECES("<u>", "x"));
	expect_pieces(t, "x<u>x", PIECES(" x", "<u>", "x"));
	tokenizer_free(t);
	t = with_user_pieces(SPACE_MISSING);
	expect_pieces(t, "x<u> x<u>x", PIECES(" x", "<u>", " x", "<u>", " x"));
	expect_pieces(t, " x<u><u>  x", PIECES(" x", "<u>", "<u>", " ", " x"));
	expect_pieces(t, "<u>", PIECES("<u>"));
	expect_pieces(t, "", PIECES(NULL));
	tokenizer_free(t);
}
END_TEST

/* Metaspace's way: a space that is there already is not added again. */
START_TEST(spaces_in_front_once)
{
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES(" ", "x", " x"), MERGES("  x"));
	v.add_space = true;
	v.space_rule = SPACE_FIRST;
	t = from_vocab(&v);
	expect_pieces(t, "x", PIECES(" x"));
	expect_pieces(t, " x", PIECES(" x"));
	expect_pieces(t, "  x", PIECES(" ", " x"));
	expect_pieces(t, " ", PIECES(" "));
	expect_pieces(t, "", PIECES(NULL));
	tokenizer_free(t);
}
END_TEST

/* Also in vocabularies of scores. Of two with one text the lower id; one that
 * is not UTF-8 is nowhere. */
START_TEST(user_pieces_and_scores)
{
	struct tokenizer *t;
	struct vocab v;

	vocab_init(&v);
	add(&v, PIECE_NORMAL, "a");
	add(&v, PIECE_NORMAL, "aa");
	add(&v, PIECE_USER, "\xa9");
	add(&v, PIECE_USER, "aaa");
	add(&v, PIECE_USER, "aaa");
	add(&v, PIECE_NORMAL, "\u00e9");
	t = from_vocab(&v);
	expect_ids(t, "aa", 2, (int[]){ 1 }, 1);
	expect_ids(t, "aaaaaaaa", 8, (int[]){ 3, 3, 1 }, 3);
	expect_ids(t, "\u00e9", 2, (int[]){ 5 }, 1);
	tokenizer_free(t);
}
END_TEST

/* Texts of other kinds of pieces are plain text. */
START_TEST(never_found)
{
	static const enum piece_type type[] = { PIECE_CONTROL, PIECE_UNKNOWN,
		PIECE_UNUSED };
	static const size_t shown[] = { 0, 3, 3 };
	struct tokenizer *t;
	struct vocab v;
	size_t len;

	make(&v, PIECES("<", "s", ">"), PIECES(NULL));
	add(&v, type[_i], "<s>");
	v.whole_words = true;
	t = from_vocab(&v);
	expect_pieces(t, "<s>", PIECES("<", "s", ">"));
	tokenizer_decode(t, -1, 3, &len);
	ck_assert_uint_eq(len, shown[_i]);
	tokenizer_free(t);
}
END_TEST

/* ---- special pieces, where they are read ---- */

static void expect_special(const struct tokenizer *t, const char *text,
                           const char *const *piece)
{
	const struct vocab *v = tokenizer_vocab(t);
	struct wl_error err;
	size_t n, i = 0;
	int *ids;

	ck_assert_msg(!tokenizer_encode_special(t, text, strlen(text), &ids,
	                                        &n, &err), "%s", err.text);
	for (; i < n; i++) {
		size_t len = vocab_length(v, ids[i]);

		ck_assert_msg(piece[i] && strlen(piece[i]) == len &&
		              memcmp(v->text + v->offset[ids[i]], piece[i],
		                     len) == 0, "'%s': piece %zu is '%.*s'",
		              text, i, (int)len, v->text + v->offset[ids[i]]);
	}
	ck_assert_msg(!piece[i], "'%s': no piece '%s'", text, piece[i]);
	free(ids);
}

static struct tokenizer *with_special(enum space_rule rule, int bos)
{
	struct vocab v;

	make(&v, PIECES(" ", "x", "<", "s", ">", "|", " x"), MERGES("  x"));
	add(&v, PIECE_CONTROL, "<s>");  /* 7 */
	add(&v, PIECE_CONTROL, "<s>>");
	add(&v, PIECE_UNKNOWN, "<>");
	add(&v, PIECE_USER, "s<");      /* 10 */
	add(&v, PIECE_UNUSED, "<x>");
	add(&v, PIECE_CONTROL, "\n<ss>\n");
	v.add_space = rule != SPACE_NRULES;
	v.space_rule = v.add_space ? rule : SPACE_EVERY;
	v.bos_id = bos;
	return from_vocab(&v);
}

/* The longest, from the left, before the user's pieces. */
START_TEST(special_pieces)
{
	struct tokenizer *t = with_special(SPACE_NRULES, -1);

	expect_special(t, "", PIECES(NULL));
	expect_special(t, "x", PIECES("x"));
	expect_special(t, "<s>", PIECES("<s>"));
	expect_special(t, "<s><s>", PIECES("<s>", "<s>"));
	expect_special(t, "x<s> x<s", PIECES("x", "<s>", " x", "<", "s"));
	expect_special(t, "<s>>x>", PIECES("<s>>", "x", ">"));
	expect_special(t, "<<s>>>", PIECES("<", "<s>>", ">"));
	expect_special(t, "<><x>", PIECES("<>", "<", "x", ">"));
	/* "s<" starts before "<s>", yet is looked for after it. */
	expect_special(t, "s<s>s<", PIECES("s", "<s>", "s<"));
	/* as llama2.c spells it */
	expect_special(t, "<ss>x", PIECES("\n<ss>\n", "x"));
	tokenizer_free(t);
}
END_TEST

/* BOS is in front, once. */
START_TEST(special_pieces_and_bos)
{
	struct tokenizer *t = with_special(SPACE_NRULES, 7);

	expect_special(t, "", PIECES("<s>"));
	expect_special(t, "x", PIECES("<s>", "x"));
	expect_special(t, "<s>", PIECES("<s>"));
	expect_special(t, "<s>x<s>", PIECES("<s>", "x", "<s>"));
	expect_special(t, "<s><s>x", PIECES("<s>", "<s>", "x"));
	expect_special(t, "<s>>", PIECES("<s>", "<s>>"));
	expect_special(t, "<>", PIECES("<s>", "<>"));
	expect_pieces(t, "<s>", PIECES("<s>", "<", "s", ">"));
	tokenizer_free(t);
}
END_TEST

START_TEST(special_pieces_and_space)
{
	struct tokenizer *t = with_special(SPACE_EVERY, -1);

	expect_special(t, "<s>x<s> x", PIECES("<s>", " x", "<s>", " ", " x"));
	expect_special(t, "x<s>", PIECES(" x", "<s>"));
	tokenizer_free(t);
	t = with_special(SPACE_FIRST, 7);
	expect_special(t, "<s>x<s> x", PIECES("<s>", "x", "<s>", " x"));
	expect_special(t, "x<s>x", PIECES("<s>", " x", "<s>", "x"));
	expect_special(t, " x<s>x", PIECES("<s>", " x", "<s>", "x"));
	tokenizer_free(t);
	t = with_special(SPACE_MISSING, -1);
	expect_special(t, "<s>x<s> x", PIECES("<s>", " x", "<s>", " x"));
	expect_special(t, "xs<x", PIECES(" x", "s<", " x"));
	tokenizer_free(t);
}
END_TEST

/* Those that take up white space around them, and one that is never found. */
START_TEST(special_pieces_that_strip)
{
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES(" ", "x", "\n", "<", "w", ">", "\u3000", "\u200b"),
	     PIECES(NULL));
	add(&v, PIECE_CONTROL, "<l>");
	vocab_set_match(&v, v.n - 1, MATCH_LSTRIP);
	add(&v, PIECE_CONTROL, "<r>");
	vocab_set_match(&v, v.n - 1, MATCH_RSTRIP);
	add(&v, PIECE_CONTROL, "<b>");
	vocab_set_match(&v, v.n - 1, MATCH_LSTRIP | MATCH_RSTRIP);
	add(&v, PIECE_CONTROL, "<w>");
	vocab_set_match(&v, v.n - 1, MATCH_WORD);
	vocab_pad(&v, 2000);
	ck_assert_int_eq(v.match[1999], 0);
	v.bos_id = 10; /* <b> */
	t = from_vocab(&v);
	expect_special(t, "x \n<l> x", PIECES("<b>", "x", "<l>", " ", "x"));
	expect_special(t, "x <r> \n\u3000x", PIECES("<b>", "x", " ", "<r>",
	               "x"));
	expect_special(t, "x\u200b<b>\u200b", PIECES("<b>", "x", "\u200b",
	               "<b>", "\u200b"));
	expect_special(t, " <r> <l> <b> ", PIECES("<b>", " ", "<r>", "<l>",
	               "<b>"));
	expect_special(t, " \u3000<b> x", PIECES("<b>", "x"));
	expect_special(t, "x<b>", PIECES("<b>", "x", "<b>"));
	expect_special(t, "<b>", PIECES("<b>"));
	expect_special(t, "<w>", PIECES("<b>", "<", "w", ">"));
	tokenizer_free(t);
}
END_TEST

/* A mark behind a special piece is not composed with its last character. */
START_TEST(special_pieces_and_nfc)
{
#ifdef HAVE_UTF8PROC
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES("e", "\u00e9", "\u0338", "\u226f"), PIECES(NULL));
	add(&v, PIECE_CONTROL, "<s>");
	v.nfc = true;
	t = from_vocab(&v);
	expect_special(t, "<s>\u0338", PIECES("<s>", "\u0338"));
	expect_special(t, ">\u0338", PIECES("\u226f"));
	expect_special(t, "e\u0301<s>e\u0301", PIECES("\u00e9", "<s>",
	               "\u00e9"));
	tokenizer_free(t);
#endif
}
END_TEST

START_TEST(special_pieces_are_told)
{
	struct tokenizer *t = with_special(SPACE_EVERY, -1);
	const char *found;
	size_t len;

	ck_assert_ptr_null(tokenizer_find_special(t, "", 0, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(tokenizer_find_special(t, "<s<x>", 5, &len));
	ck_assert_ptr_null(tokenizer_find_special(t, "<s>", 2, &len));
	found = tokenizer_find_special(t, "xx<s>><>", 8, &len);
	ck_assert(len == 4 && memcmp(found, "<s>>", 4) == 0);
	found = tokenizer_find_special(t, "<ss><>", 6, &len);
	ck_assert(len == 4 && memcmp(found, "<ss>", 4) == 0);
	tokenizer_free(t);
}
END_TEST

/* Many of them in a long text, in no more than linear time and room. */
START_TEST(many_special_pieces)
{
	enum { PAIRS = 300000 };
	struct tokenizer *t = with_special(SPACE_EVERY, -1);
	char *text = malloc(4 * PAIRS);
	struct wl_error err;
	size_t n;
	int *ids;

	for (int i = 0; i < PAIRS; i++)
		memcpy(text + 4 * i, "x<s>", 4);
	alarm(60);
	ck_assert_int_eq(tokenizer_encode_special(t, text, 4 * PAIRS, &ids, &n,
	                                          &err), 0);
	alarm(0);
	ck_assert_uint_eq(n, 2 * PAIRS);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(ids[i], i % 2 ? 7 : 6);
	free(ids);
	free(text);
	tokenizer_free(t);
}
END_TEST

START_TEST(padding)
{
	struct tokenizer *t;
	struct vocab v;
	size_t len;

	make(&v, PIECES("a", "aa"), MERGES("a a"));
	vocab_pad(&v, 1); /* more are there already */
	ck_assert_int_eq(v.n, 2);
	vocab_pad(&v, 3000);
	ck_assert_int_eq(v.n, 3000);
	ck_assert_int_eq(v.type[2999], PIECE_UNUSED);
	t = from_vocab(&v);
	expect_pieces(t, "aaa", PIECES("aa", "a"));
	tokenizer_decode(t, 0, 2999, &len);
	ck_assert_uint_eq(len, 0);
	tokenizer_free(t);
}
END_TEST

START_TEST(empty_and_bad_text)
{
	static const int with_bos[] = { 0, 2, 2 };
	struct tokenizer *t;
	struct wl_error err;
	struct vocab v;
	size_t n;
	int *ids;

	for (int skip = 0; skip < 2; skip++) {
		make(&v, PIECES("<s>", "a"), PIECES(NULL));
		add(&v, PIECE_USER, "u");
		v.type[0] = PIECE_CONTROL;
		v.bos_id = skip ? -1 : 0;
		v.nfc = true;
		t = from_vocab(&v);
		expect_ids(t, "", 0, with_bos + skip, 1 - skip);
		expect_ids(t, "uu", 2, with_bos + skip, 3 - skip);
		ck_assert_int_eq(tokenizer_encode(t, "a\0u", 3, &ids, &n,
		                                  &err), -1);
		ck_assert_str_eq(err.text, "text: byte 1 is NUL");
		ck_assert_int_eq(tokenizer_encode(t, "u\xff", 2, &ids, &n,
		                                  &err), -1);
		ck_assert_str_eq(err.text, "text: byte 1 (0xFF) is not valid"
		                 " UTF-8");
		ck_assert(ids == NULL && n == 0);
		tokenizer_free(t);
	}
}
END_TEST

START_TEST(normal_form)
{
	struct tokenizer *t;
	struct vocab v;
	int *ids;
	size_t n;
	struct wl_error err;

	make(&v, PIECES("e", "\u0301", "\u00e9"), PIECES(NULL));
	add(&v, PIECE_USER, "\u00c5");
	v.nfc = true;
	t = from_vocab(&v);
	expect_pieces(t, "ee", PIECES("e", "e"));
#ifdef HAVE_UTF8PROC
	expect_pieces(t, "ee\u0301", PIECES("e", "\u00e9"));
	expect_pieces(t, "\u212be", PIECES("\u00c5", "e"));
	expect_pieces(t, "\u0301", PIECES("\u0301"));
	(void)ids, (void)n, (void)err;
#else
	ck_assert_int_eq(tokenizer_encode(t, "\u0301", 2, &ids, &n, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "no utf8proc"));
#endif
	tokenizer_free(t);
}
END_TEST

/* ---- random vocabularies ---- */

#define MAX_PIECE 12

/* A random piece of type NORMAL that is not empty. */
static int draw_piece(const struct vocab *v)
{
	int id;

	do
		id = draw(v->n);
	while (v->type[id] != PIECE_NORMAL || vocab_length(v, id) == 0);
	return id;
}

/* Pairs of pieces, where what they make may be there already. */
static void draw_merges(struct vocab *v, int n)
{
	for (int i = 0; i < n; i++) {
		int id[2] = { draw_piece(v), draw_piece(v) };
		size_t len = vocab_length(v, id[0]);
		size_t both = len + vocab_length(v, id[1]);
		char text[2 * MAX_PIECE];
		bool there = false;

		for (uint32_t m = 0; m < v->n_merges; m++)
			there |= (int)v->merge[2 * m] == id[0] &&
			         (int)v->merge[2 * m + 1] == id[1];
		if (there || both > MAX_PIECE)
			continue;
		memcpy(text, v->text + v->offset[id[0]], len);
		memcpy(text + len, v->text + v->offset[id[1]], both - len);
		if (ref_find(v, text, both) < 0)
			vocab_add(v, PIECE_NORMAL, 0, text, both);
		add_ids(v, id[0], id[1]);
	}
}

/* Any order of the rules: some then never come to anything. */
static void shuffle_merges(struct vocab *v)
{
	for (uint32_t i = 0; i < v->n_merges; i++)
		for (int side = 0; side < 2; side++) {
			uint32_t k = i + draw(v->n_merges - i);
			uint32_t a[2], *x = v->merge + 2 * i;
			uint32_t *y = v->merge + 2 * k;

			memcpy(a, x, sizeof a);
			memcpy(x, y, sizeof a);
			memcpy(y, a, sizeof a);
		}
}

static const char *const letter[] = { "a", "b", " ", "'", "s", "1", "\n", "!",
	"\u00e9", "\U0001f600", "\u4f60" };

static size_t draw_letters(char *text, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		/* a and b most of the time */
		const char *one = letter[draw(2) ? draw(2) : draw(11)];

		memcpy(text + len, one, strlen(one));
		len += strlen(one);
	}
	return len;
}

static void draw_vocab(struct vocab *v, enum vocab_kind kind,
                       enum word_split split)
{
	char text[4 * MAX_PIECE];

	vocab_init(v);
	v->kind = VOCAB_BPE;
	v->split = split;
	add_bytes(v, PIECE_BYTE);
	for (size_t i = 0; i < COUNT(letter); i++) {
		if (draw(8) == 0)
			continue;
		if (split == WORDS_NONE)
			add(v, PIECE_NORMAL, letter[i]);
		for (const char *p = letter[i]; split && *p; p++)
			if (ref_find(v, p, 1) < 0)
				vocab_add(v, PIECE_NORMAL, 0, p, 1);
	}
	add(v, PIECE_NORMAL, "x"); /* draw_piece needs one */
	draw_merges(v, 30);
	shuffle_merges(v);
	for (int i = draw(4); i > 0; i--)
		vocab_add(v, PIECE_USER, 0, text,
		          draw_letters(text, 1 + draw(4)));
	v->add_space = draw(2);
	v->space_rule = draw(SPACE_NRULES);
	v->whole_words = draw(2);
	v->bos_id = draw(2) ? (int)draw(v->n) : -1;
	if (v->bos_id >= 0)
		v->type[v->bos_id] = PIECE_CONTROL;
	v->kind = kind;
	if (kind == VOCAB_SPM)
		v->n_merges = 0;
	for (int i = 0; kind == VOCAB_SPM && i < v->n; i++)
		v->score[i] = draw(8);
}

/* BOS may have taken a piece that a rule or a byte needs: not of interest. */
static struct tokenizer *draw_tokenizer(enum vocab_kind kind,
                                        enum word_split split)
{
	struct tokenizer *t = NULL;
	struct wl_error err;
	struct vocab v;

	while (!t) {
		draw_vocab(&v, kind, split);
		if (v.bos_id < 0 || v.bos_id >= 256)
			t = tokenizer_new(&v, "random", &err);
		vocab_fini(&v);
	}
	return t;
}

/* Spaces behind the user's pieces are not told from the text's own. */
static bool adds_inside(const struct vocab *v)
{
	for (int i = 0; i < v->n; i++)
		if (v->type[i] == PIECE_USER)
			return v->add_space;
	return false;
}

START_TEST(random_vocabularies)
{
	enum vocab_kind kind = _i ? VOCAB_BPE : VOCAB_SPM;
	enum word_split split = _i ? _i - 1 : WORDS_NONE;

	if (split != WORDS_NONE && !can_split())
		return;
	for (int i = 0; i < 60; i++) {
		struct tokenizer *t = draw_tokenizer(kind, split);
		char text[MAX_REF];

		for (int k = 0; k < 30; k++) {
			size_t len = draw_letters(text, draw(50));

			check_against_ref(t, text, len);
			if (!adds_inside(tokenizer_vocab(t)))
				round_trip(t, text, len);
		}
		tokenizer_free(t);
	}
}
END_TEST

/* ---- long and odd texts ---- */

/* All bytes, as pieces or as what to fall back to, and doublings of some
 * letters up to 64. */
static struct tokenizer *doubling(enum word_split split)
{
	static const char *const one[] = { "a", " ", "7", "ab", "\u00e9" };
	struct vocab v;

	vocab_init(&v);
	v.kind = VOCAB_BPE;
	v.split = split;
	add_bytes(&v, split == WORDS_NONE ? PIECE_BYTE : PIECE_NORMAL);
	if (split == WORDS_NONE)
		for (const char *p = "a 7b"; *p; p++)
			vocab_add(&v, PIECE_NORMAL, 0, p, 1);
	for (size_t i = 0; i < COUNT(one); i++) {
		char text[256] = "", twice[256];

		strcpy(text, one[i]);
		if (ref_find(&v, text, strlen(text)) < 0) {
			add(&v, PIECE_NORMAL, text);
			if (split != WORDS_NONE || text[0] == 'a')
				add_ids(&v, ref_find(&v, text, 1),
				        ref_find(&v, text + 1, 1));
		}
		for (int k = 0; k < 6; k++) {
			snprintf(twice, sizeof twice, "%.100s%.100s", text,
			         text);
			add(&v, PIECE_NORMAL, twice);
			add_merge(&v, text, text);
			strcpy(text, twice);
		}
	}
	return from_vocab(&v);
}

START_TEST(odd_texts)
{
	struct tokenizer *t;
	char text[4000];

	if (_i != WORDS_NONE && !can_split())
		return;
	t = doubling(_i);
	for (int i = 0; i < 200; i++)
		round_trip(t, text, draw_text(text, draw(1000)));
	for (int c = 1; c < 0x80; c++)
		round_trip(t, &(char){ c }, 1);
	round_trip(t, "\x7f\x01\x1f \r\n\t \u200d\ufeff", 14);
	tokenizer_free(t);
}
END_TEST

/* The alarm ends what is quadratic. */
static void check_long(const struct tokenizer *t, const char *unit, size_t size)
{
	char *text = malloc(size);
	size_t one = strlen(unit), len = 0;

	for (; len + one <= size; len += one)
		memcpy(text + len, unit, one);
	alarm(60);
	round_trip(t, text, len);
	alarm(0);
	free(text);
}

START_TEST(long_texts)
{
	static const char *const unit[] = { "a", " ", "7", "ab", "\u00e9",
		"\U0001f600", "\n" };
	/* A megabyte for one of each kind: whole texts, and words. */
	bool longest = _i == WORDS_NONE || _i == WORDS_LLAMA3;
	struct tokenizer *t;

	if (_i != WORDS_NONE && !can_split())
		return;
	t = doubling(_i);
	for (size_t u = 0; u < COUNT(unit); u++)
		check_long(t, unit[u], longest && u < 3 ? 1 << 20 : 1 << 16);
	tokenizer_free(t);
}
END_TEST

/* Pieces of the user's that all but match everywhere. */
START_TEST(long_user_pieces)
{
	enum { SIZE = 1 << 16 };
	char *text = malloc(SIZE), piece[WL_MAX_USER_PIECE];
	struct tokenizer *t;
	struct vocab v;

	make(&v, PIECES("a", "b", "aa"), MERGES("a a"));
	for (int len = 2; len <= WL_MAX_USER_PIECE; len++) {
		memset(piece, 'a', len);
		piece[len - 1] = len % 2 ? ' ' : 'b';
		vocab_add(&v, PIECE_USER, 0, piece, len);
	}
	t = from_vocab(&v);
	memset(text, 'a', SIZE);
	alarm(60);
	ck_assert_uint_eq(round_trip(t, text, SIZE), SIZE / 2);
	alarm(0);
	text[SIZE - 1] = 'b';
	ck_assert_uint_eq(round_trip(t, text, SIZE),
	                  (SIZE - WL_MAX_USER_PIECE) / 2 + 1);
	tokenizer_free(t);
	free(text);
}
END_TEST

/* ---- the alphabets of other people's files ---- */

/* Character by character as GPT-2's encoder.py counts them. */
START_TEST(byte_alphabet)
{
	char text[1024], one[8];
	unsigned next = 0x100;
	size_t len = 0, to, n;

	for (unsigned b = 0; b < 256; b++) {
		bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) ||
		             b >= 174;

		len += put_utf8(text + len, plain ? b : next++);
	}
	ck_assert_uint_eq(next, 0x144);
	ck_assert_int_eq(vocab_undo_bytes(text, len, &to), 0);
	ck_assert_uint_eq(to, 256);
	for (int b = 0; b < 256; b++)
		ck_assert_int_eq((unsigned char)text[b], b);
	/* nothing else is of the alphabet */
	for (uint32_t c = 1; c < 0x30000; c++) {
		bool known = (c >= 33 && c <= 126) ||
		             (c >= 161 && c < 0x144 && c != 173);

		n = put_utf8(one, c);
		ck_assert_int_eq(vocab_undo_bytes(one, n, &to), known ? 0 : -1);
	}
	memcpy(text, "\u0120a\u0144", 5); /* untouched, though two are fine */
	ck_assert_int_eq(vocab_undo_bytes(text, 5, &to), -1);
	ck_assert_mem_eq(text, "\u0120a\u0144", 5);
	ck_assert_int_eq(vocab_undo_bytes(text, 1, &to), -1); /* cut */
	ck_assert_int_eq(vocab_undo_bytes(text, 0, &to), 0);
	ck_assert_uint_eq(to, 0);
}
END_TEST

START_TEST(spelt_bytes_and_spaces)
{
	char text[] = "\u2581\u2581a\u2582\xe2\x96";

	ck_assert_int_eq(vocab_byte("<0x0A>", 6), 10);
	ck_assert_int_eq(vocab_byte("<0xFF>", 6), 255);
	ck_assert_int_eq(vocab_byte("<0x0a>", 6), -1);
	ck_assert_int_eq(vocab_byte("<0x0A", 5), -1);
	ck_assert_int_eq(vocab_byte("<0x0A>>", 7), -1);
	ck_assert_int_eq(vocab_byte("<1x0A>", 6), -1);
	ck_assert_uint_eq(vocab_plain_spaces(text, sizeof text - 1), 8);
	ck_assert_mem_eq(text, "  a\u2582\xe2\x96", 8);
}
END_TEST

START_TEST(names)
{
	for (int k = 0; k < VOCAB_NKINDS; k++)
		ck_assert_int_eq(vocab_kind_parse(vocab_kind_name(k)), k);
	for (int k = 0; k < WORDS_NKINDS; k++)
		ck_assert_int_eq(word_split_parse(word_split_name(k)), k);
	ck_assert_int_eq(vocab_kind_parse("wordpiece"), -1);
	ck_assert_int_eq(word_split_parse(""), -1);
	ck_assert_str_eq(word_split_name(WORDS_QWEN2), "qwen2");
	ck_assert_str_eq(word_split_name(WORDS_SMOLLM), "smollm");
	ck_assert_str_eq(word_split_name(WORDS_DIGITS), "digits");
}
END_TEST

START_TEST(look_up)
{
	struct vocab_index *x;
	struct vocab v;

	make(&v, PIECES("b", "ab", "a", "ab"), PIECES(NULL));
	add(&v, PIECE_CONTROL, "c");
	add(&v, PIECE_USER, "d");
	add(&v, PIECE_UNUSED, "e");
	add(&v, PIECE_BYTE, "f");
	x = vocab_index_new(&v);
	ck_assert_int_eq(vocab_index_find(x, "ab", 2), 1);
	ck_assert_int_eq(vocab_index_find(x, "ab", 1), 2);
	ck_assert_int_eq(vocab_index_find(x, "d", 1), 5);
	ck_assert_int_eq(vocab_index_find(x, "c", 1), -1);
	ck_assert_int_eq(vocab_index_find(x, "e", 1), -1);
	ck_assert_int_eq(vocab_index_find(x, "f", 1), -1);
	ck_assert_int_eq(vocab_index_find(x, "", 0), -1);
	ck_assert_int_eq(vocab_index_find(x, "abababab", 8), -1);
	free(x);
	vocab_fini(&v);
}
END_TEST

/* ---- what must be refused ---- */

static const char *const refusal[] = {
	"merge 2: piece 9 is outside the vocabulary of 9",
	"merge 1: piece 4294967295 is outside",
	"merge 2: piece 6 cannot occur in a text",      /* control */
	"merge 2: piece 7 cannot occur in a text",      /* byte */
	"merge 2: piece 5 cannot occur in a text",      /* 0 again */
	"merge 2: piece 8 cannot occur in a text",      /* empty */
	"merge 2: pieces 4 and 4 form no piece",
	"merge 1: pieces 3 and 2 form no piece",         /* control */
	"the merge of vocabulary pieces 0 and 1 occurs twice",
	"kind spm has scores, not merges, but there are 2 merges",
	"the word split gpt2 needs a vocabulary with merges",
	"unknown kind of vocabulary 2",
	"unknown word split 6",
	"vocabulary piece 9 is user-defined and 1025 bytes long",
	"vocabulary piece 3: its score is not a number",
	"vocabulary piece 8: unknown type 7",
	"BOS id 9 is outside the vocabulary of 9",
	"EOS id -2 is outside the vocabulary of 9",
	"unknown rule 3 for spaces",
	"vocabulary piece 6: unknown match flags 8",
};

/* Makes what refusal[i] is about. */
static void spoil(struct vocab *v, int i)
{
	char *text = calloc(1, WL_MAX_USER_PIECE + 1);

	switch (i) {
	case 0: add_ids(v, 0, 9); break;
	case 1: v->merge[2] = UINT32_MAX; break;
	case 2: add_ids(v, 6, 0); break;
	case 3: add_ids(v, 0, 7); break;
	case 4: add_ids(v, 5, 1); break;
	case 5: add_ids(v, 8, 1); break;
	case 6: add_ids(v, 4, 4); break;
	case 7: v->type[4] = PIECE_CONTROL; break;
	case 8: add_ids(v, 0, 1); break;
	case 9: v->kind = VOCAB_SPM; break;
	case 10:
		v->kind = VOCAB_SPM;
		v->n_merges = 0;
		v->split = WORDS_GPT2;
		break;
	case 11: v->kind = VOCAB_NKINDS; break;
	case 12: v->split = WORDS_NKINDS; break;
	case 13:
		memset(text, 'u', WL_MAX_USER_PIECE + 1);
		vocab_add(v, PIECE_USER, 0, text, WL_MAX_USER_PIECE + 1);
		break;
	case 14: v->score[3] = NAN; break;
	case 15: v->type[8] = 7; break;
	case 16: v->bos_id = 9; break;
	case 17: v->eos_id = -2; break;
	case 18: v->space_rule = SPACE_NRULES; break;
	case 19: vocab_set_match(v, 6, MATCH_ALL + 1); break;
	}
	free(text);
}

START_TEST(bad_vocabularies)
{
	struct wl_error err = { .text = "" };
	struct vocab v;

	make(&v, PIECES("a", "b", "c", "ab", "abc", "a"),
	     MERGES("a b", "ab c"));
	add(&v, PIECE_CONTROL, "<s>");
	add(&v, PIECE_BYTE, "x");
	add(&v, PIECE_NORMAL, "");
	ck_assert_msg(vocab_check(&v, "x", &err) == 0, "%s", err.text);
	spoil(&v, _i);
	ck_assert_ptr_null(tokenizer_new(&v, "that file", &err));
	ck_assert(strstr(err.text, "that file: ") == err.text);
	ck_assert_msg(strstr(err.text, refusal[_i]) != NULL, "%s",
	              err.text);
	ck_assert_ptr_null(strchr(err.text, '\n'));
	vocab_fini(&v);
}
END_TEST

/* Without the library there is no tokenizer, and a line that says so. */
START_TEST(no_library)
{
	struct tokenizer *t;
	struct wl_error err;
	struct vocab v;

	make(&v, PIECES("a"), PIECES(NULL));
	v.split = WORDS_LLAMA3;
	t = tokenizer_new(&v, "x", &err);
	if (!can_split()) {
		ck_assert_ptr_null(t);
		ck_assert_ptr_nonnull(strstr(err.text, "no PCRE2"));
	} else {
		ck_assert_msg(t != NULL, "%s", err.text);
	}
	tokenizer_free(t);
	vocab_fini(&v);
}
END_TEST

/* Whatever the bytes of a merge list: refused, or encodes. */
START_TEST(garbled_merges)
{
	for (int i = 0; i < 2000; i++) {
		struct tokenizer *t;
		struct wl_error err;
		struct vocab v;

		vocab_init(&v);
		draw_vocab(&v, VOCAB_BPE, WORDS_NONE);
		v.bos_id = -1;
		for (int k = 1 + draw(3); k > 0 && v.n_merges > 0; k--)
			v.merge[draw(2 * v.n_merges)] = draw(v.n + 2);
		t = tokenizer_new(&v, "garbled", &err);
		if (t)
			check_against_ref(t, "abba a1", 7);
		tokenizer_free(t);
		vocab_fini(&v);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("bpe");
	TCase *merges = tcase_create("merges");
	TCase *user = tcase_create("the user's pieces");
	TCase *texts = tcase_create("texts");
	TCase *files = tcase_create("files");

	suite_add_tcase(s, merges);
	tcase_add_test(merges, earliest_rule_first);
	tcase_add_test(merges, ties_to_the_left);
	tcase_add_test(merges, pair_and_not_text);
	tcase_add_test(merges, whole_words);
	tcase_add_loop_test(merges, bytes_of_words, WORDS_GPT2, WORDS_NKINDS);
	tcase_add_test(merges, byte_fallback);
	suite_add_tcase(s, user);
	tcase_add_test(user, user_pieces);
	tcase_add_test(user, user_pieces_and_space);
	tcase_add_test(user, spaces_in_front_once);
	tcase_add_test(user, user_pieces_and_scores);
	tcase_add_loop_test(user, never_found, 0, 3);
	tcase_add_test(user, special_pieces);
	tcase_add_test(user, special_pieces_and_bos);
	tcase_add_test(user, special_pieces_and_space);
	tcase_add_test(user, special_pieces_that_strip);
	tcase_add_test(user, special_pieces_and_nfc);
	tcase_add_test(user, special_pieces_are_told);
	tcase_add_test(user, many_special_pieces);
	tcase_add_test(user, padding);
	suite_add_tcase(s, texts);
	tcase_add_test(texts, empty_and_bad_text);
	tcase_add_test(texts, normal_form);
	tcase_add_loop_test(texts, random_vocabularies, 0, 1 + WORDS_NKINDS);
	tcase_add_loop_test(texts, odd_texts, 0, WORDS_NKINDS);
	tcase_add_loop_test(texts, long_texts, 0, WORDS_NKINDS);
	tcase_add_test(texts, long_user_pieces);
	suite_add_tcase(s, files);
	tcase_add_test(files, byte_alphabet);
	tcase_add_test(files, spelt_bytes_and_spaces);
	tcase_add_test(files, names);
	tcase_add_test(files, look_up);
	tcase_add_loop_test(files, bad_vocabularies, 0, COUNT(refusal));
	tcase_add_test(files, no_library);
	tcase_add_test(files, garbled_merges);
	return s;
}

int main(void)
{
	return run_suite(make_suite());
}

/* Text <-> ids by scores: published vectors and texts on real vocabularies, a
 * slow encoder, round trips, and vocabularies and files that must be refused.
 * Merge rules and the user's pieces are check_bpe's. */
#include "config.h"
#include "text_lab.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/utf8.h"
#include "src/import/vocab_read.h"
#include "suite.h"

/* ---- vocabularies ---- */

/* Where a model file is, or NULL after saying that the case is skipped. */

/* The tokenizer of a real model, or NULL when it is not there. */
static struct tokenizer *real(const char *test, const char *name, int n)
{
	const char *path = model_path(test, name);
	struct wl_error err;
	struct tokenizer *t;
	struct vocab v;

	if (!path)
		return NULL;
	ck_assert_msg(vocab_read_llama2c(path, n, &v, &err) == 0, "%s",
	              err.text);
	ck_assert_int_eq(v.n, n);
	t = tokenizer_new(&v, path, &err);
	ck_assert_msg(t != NULL, "%s", err.text);
	vocab_fini(&v);
	return t;
}

static struct tokenizer *random_model(int n)
{
	struct vocab v;

	vocab_make_random(n, &v);
	return from_vocab(&v);
}

/* A tokenizer.bin in memory. */
struct image {
	char data[16384];
	size_t size;
};

static void put(struct image *m, const void *p, size_t size)
{
	ck_assert(size <= sizeof m->data - m->size);
	memcpy(m->data + m->size, p, size);
	m->size += size;
}

static void put_entry(struct image *m, float score, const char *text)
{
	int32_t len = strlen(text);

	put(m, &score, 4);
	put(m, &len, 4);
	put(m, text, len);
}

/* The 3 special entries, the 256 bytes, then the given pieces with the given
 * scores. The byte called missing is spelt so that it is none. */
static void put_image(struct image *m, int missing, const char *const *piece,
                      const float *score, int n)
{
	m->size = 0;
	put(m, "\x10\0\0\0", 4);
	put_entry(m, 0, "<unk>");
	put_entry(m, 0, "\n<s>\n");
	put_entry(m, 0, "\n</s>\n");
	for (int b = 0; b < 256; b++) {
		char text[8];

		snprintf(text, sizeof text, b == missing ? "<0x%02x>"
		                                         : "<0x%02X>", b);
		put_entry(m, 0, text);
	}
	for (int i = 0; i < n; i++)
		put_entry(m, score[i], piece[i]);
}

/* Writes the first size bytes of m to a file and reads that. */
static int read_image(const struct image *m, size_t size, int n,
                      struct vocab *v, struct wl_error *err)
{
	char path[] = "/tmp/check_tokenizer.XXXXXX";
	int fd = mkstemp(path), rc;

	ck_assert(fd >= 0);
	ck_assert(write(fd, m->data, size) == (ssize_t)size);
	close(fd);
	rc = vocab_read_llama2c(path, n, v, err);
	unlink(path);
	if (rc) {
		ck_assert(strstr(err->text, path) == err->text);
		ck_assert(v->text == NULL && v->n == 0);
	}
	return rc;
}

/* An alphabet of few letters in which everything merges; scores tie. */
static const char *const small_piece[] = {
	" ", "a", "b", "ab", "ba", "aa", "aab", "bab", " a", " aba", "abab",
	"", "ab", "aaaa", "<0x41>", "\xc3\xa9" "a", "bb", "ab", "ab", "ab",
};
static const float small_score[] = {
	-9, -9, -9, -2, -2, -1, -3, -1.5, -2, -4, 0,
	9, 5, -0.5, -9, 1, -INFINITY, 6, 7, 8,
};
#define N_SMALL 20

static struct tokenizer *small(int missing)
{
	struct image m;
	struct vocab v;
	struct wl_error err;

	put_image(&m, missing, small_piece, small_score, N_SMALL);
	ck_assert_msg(!read_image(&m, m.size, 259 + N_SMALL, &v, &err), "%s",
	              err.text);
	return from_vocab(&v);
}

/* ---- real vocabularies ---- */

START_TEST(vectors)
{
	struct tokenizer *t = real("vectors", "tokenizer.bin", 32000);

	if (t)
		check_vectors(t, "llama-spm");
	tokenizer_free(t);
}
END_TEST

/* Expected ids and text are those of the model's README. */
START_TEST(stories)
{
	struct tokenizer *t = real("stories", "tok512.bin", 512);
	static const char text[] = "Once upon a time, there was a little girl"
		" named Lily. She loved to play outside in the park. One day,"
		" she saw a big, red ball. She wanted to play with";
	static const int ids[] = {
		1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421,
		395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411,
		322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370,
		432, 352, 266, 268, 388, 426, 338, 391, 266, 267, 337, 335,
	};
	static const int newline[] = { 1, 410, 3 + '\n' };

	if (!t)
		return;
	expect_ids(t, text, strlen(text), ids, sizeof ids / sizeof *ids);
	expect_ids(t, "\n", 1, newline, 3);
	expect_ids(t, "Once upon a time", 16, ids, 5);
	round_trip(t, text, strlen(text));
	tokenizer_free(t);
}
END_TEST

START_TEST(real_round_trip)
{
	struct tokenizer *t = real("real_round_trip", "tokenizer.bin", 32000);
	char text[4000];

	if (!t)
		return;
	for (int i = 0; i < 200; i++)
		round_trip(t, text, draw_text(text, draw(1000)));
	round_trip(t, "<s> </s> <unk> <0x0A>", 21);
	tokenizer_free(t);
}
END_TEST

START_TEST(real_against_reference)
{
	struct tokenizer *t = real("real_against_reference", "tok512.bin", 512);
	char text[MAX_REF];

	for (int i = 0; t && i < 200; i++)
		check_against_ref(t, text, draw_text(text, draw(40)));
	tokenizer_free(t);
}
END_TEST

/* ---- made-up vocabularies ---- */

START_TEST(small_against_reference)
{
	static const char *const letter[] = { "a", "b", "a", "b", " ",
		"\xc3\xa9", "\xf0\x9f\x98\x80" };
	struct tokenizer *t = small(-1);

	for (int i = 0; i < 1000; i++) {
		char text[MAX_REF] = "";

		for (int k = draw(60); k > 0; k--)
			strcat(text, letter[draw(7)]);
		check_against_ref(t, text, strlen(text));
		round_trip(t, text, strlen(text));
	}
	tokenizer_free(t);
}
END_TEST

START_TEST(small_by_hand)
{
	struct tokenizer *t = small(-1);
	enum { SPACE = 259, B = 261, SPACE_A = 267, HEX_TEXT = 273 };
	/* "ab" has its lower id's score, that of " a", which is to the left */
	const int ab[] = { 1, SPACE_A, B };
	const int byte[] = { 1, SPACE, 3 + '<', 3 + '0' };
	const int nothing[] = { 1 };
	size_t len;

	expect_ids(t, "ab", 2, ab, 3);
	expect_ids(t, "<0", 2, byte, 4);
	expect_ids(t, "", 0, nothing, 1);
	/* "<0x41>" after the 256 bytes is a text like any other. */
	tokenizer_decode(t, 1, HEX_TEXT, &len);
	ck_assert_uint_eq(len, 6);
	ck_assert_int_eq(*tokenizer_decode(t, 1, 3 + 'A', &len), 'A');
	ck_assert_uint_eq(len, 1);
	tokenizer_decode(t, -1, 1, &len);
	ck_assert_uint_eq(len, 0);
	tokenizer_decode(t, 5, 2, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(*tokenizer_decode(t, 1, SPACE_A, &len), 'a');
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(*tokenizer_decode(t, 5, SPACE_A, &len), ' ');
	ck_assert_uint_eq(len, 2);
	tokenizer_free(t);
}
END_TEST

/* Without BOS, without the added space, and without either. */
START_TEST(other_flags)
{
	struct vocab v;
	struct tokenizer *t;
	char text[MAX_REF];

	vocab_make_random(1000, &v);
	v.bos_id = _i & 1 ? -1 : 1;
	v.add_space = _i & 2;
	t = from_vocab(&v);
	for (int i = 0; i < 200; i++) {
		size_t len = draw_text(text, draw(40));

		round_trip(t, text, len);
		check_against_ref(t, text, len);
	}
	round_trip(t, " b", 2);
	round_trip(t, "", 0);
	tokenizer_free(t);
}
END_TEST

/* 100,000 characters without a space; the alarm ends what is quadratic. */
START_TEST(long_words)
{
	enum { N = 100000 };
	struct tokenizer *t = _i ? random_model(32000) : small(-1);
	char *text = malloc(4 * N);

	alarm(300);
	for (int i = 0; i < N; i++)
		text[i] = 'a' + i % 2;
	ck_assert_uint_le(round_trip(t, text, N), N / 2 + 2);
	memset(text, 'a', N);
	ck_assert_uint_le(round_trip(t, text, N), N / 2 + 2);
	round_trip(t, text, draw_text(text, N));
	alarm(0);
	free(text);
	tokenizer_free(t);
}
END_TEST

START_TEST(random_vocabulary)
{
	static const int size[] = { 1, 2, 3, 100, 259, 260, 286, 512, 32000 };
	int n = size[_i];
	struct tokenizer *t = random_model(n);
	const struct vocab *v = tokenizer_vocab(t);
	char text[2000];

	ck_assert_int_eq(v->n, n);
	ck_assert_int_eq(v->bos_id, n > 1 ? 1 : -1);
	ck_assert_int_eq(v->eos_id, n > 2 ? 2 : -1);
	for (int i = 0; n >= 259 && i < 50; i++)
		round_trip(t, text, draw_text(text, draw(500)));
	/* Made-up pieces differ; the letters come first, scores fall. */
	for (int id = 259; id < n; id++) {
		const char *piece = v->text + v->offset[id];
		size_t len = v->offset[id + 1] - v->offset[id];

		ck_assert(len > 0 && len < 8);
		ck_assert(id >= 286 || len == 1);
		ck_assert(v->score[id] == 259 - id);
		if (n <= 512)
			ck_assert_int_eq(ref_find(v, piece, len), id);
	}
	tokenizer_free(t);
}
END_TEST

START_TEST(words_are_reached)
{
	struct vocab v;
	struct tokenizer *t;

	vocab_make_random(20000, &v);
	v.add_space = false;
	t = from_vocab(&v);
	for (int id = 259; id < 20000; id++) {
		const struct vocab *w = tokenizer_vocab(t);
		const int ids[] = { 1, id };

		expect_ids(t, w->text + w->offset[id],
		           w->offset[id + 1] - w->offset[id], ids, 2);
	}
	tokenizer_free(t);
}
END_TEST

/* Of two pieces for one byte the lower id is used. */
START_TEST(byte_twice)
{
	struct vocab v;
	struct tokenizer *t;
	const int ids[] = { 1, 3 + 'a' };

	vocab_make_random(300, &v);
	v.add_space = false;
	ck_assert_int_eq(v.text[v.offset[260]], 'a');
	v.type[260] = PIECE_BYTE;
	t = from_vocab(&v);
	expect_ids(t, "a", 1, ids, 2);
	tokenizer_free(t);
}
END_TEST

/* ---- what must be refused ---- */

START_TEST(bad_text)
{
	static const struct {
		const char *text;
		size_t len, valid;
	} row[] = {
		{ "", 0, 0 },
		{ "abc", 3, 3 },
		{ "a\0c", 3, 1 },
		{ "ab\x80", 3, 2 },
		{ "\xc3\xa9\xff", 3, 2 },
		{ "a\xc3", 2, 1 },
		{ "a\xc3z", 3, 1 },
		{ "\xc0\x80", 2, 0 },           /* overlong */
		{ "\xc1\xbf", 2, 0 },
		{ "\xc2\x80", 2, 2 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "\xe0\xa0\x80", 3, 3 },
		{ "\xed\x9f\xbf", 3, 3 },
		{ "\xed\xa0\x80", 3, 0 },       /* surrogates */
		{ "\xed\xbf\xbf", 3, 0 },
		{ "\xee\x80\x80", 3, 3 },
		{ "x\xe2\x82", 3, 1 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "\xf0\x90\x80\x80", 4, 4 },
		{ "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "\xf4\x90\x80\x80", 4, 0 },   /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0 },
		{ "\xf0\x9f\x98\x80", 3, 0 },  /* its end is not in the text */
	};
	struct tokenizer *t = small(-1);

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct wl_error err;
		size_t n = 99;
		int *ids, rc;

		ck_assert_msg(utf8_invalid(row[i].text, row[i].len) ==
		              row[i].valid, "row %zu", i);
		rc = tokenizer_encode(t, row[i].text, row[i].len, &ids, &n,
		                      &err);
		ck_assert_int_eq(rc, row[i].valid == row[i].len ? 0 : -1);
		ck_assert(rc == 0 || (ids == NULL && n == 0));
		free(ids);
	}
	tokenizer_free(t);
}
END_TEST

START_TEST(missing_byte)
{
	struct tokenizer *t = small('z');
	struct wl_error err;
	size_t n;
	int *ids;

	ck_assert_int_eq(tokenizer_encode(t, "abyz", 4, &ids, &n, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "made up"));
	ck_assert_ptr_nonnull(strstr(err.text, "0x7A"));
	ck_assert(ids == NULL && n == 0);
	round_trip(t, "aby", 3);
	tokenizer_free(t);
}
END_TEST

/* One field of a sound vocabulary made unsound. */
START_TEST(bad_vocabulary)
{
	struct vocab v;
	struct wl_error err;

	vocab_make_random(300, &v);
	ck_assert_int_eq(vocab_check(&v, "x", &err), 0);
	switch (_i) {
	case 0:
		v.offset[280] = v.offset[279] - 1;
		break;
	case 1:
		v.offset[280] = v.offset[300] + 1;
		break;
	case 2:
		v.type[299] = 7;
		break;
	case 3:
		v.type[299] = 0;
		break;
	case 4:
		v.score[299] = NAN;
		break;
	case 5:
		v.bos_id = 300;
		break;
	case 6:
		v.eos_id = -2;
		break;
	case 7:
		v.type[0] = PIECE_BYTE;
		break;
	case 8:
		v.n = 0;
		v.bos_id = v.eos_id = -1;
		break;
	case 9:
		v.bos_id = -2;
		break;
	case 10:
		v.eos_id = 300;
		break;
	}
	err.text[0] = '\0';
	ck_assert(tokenizer_new(&v, "that file", &err) == NULL);
	ck_assert(strstr(err.text, "that file") == err.text);
	vocab_fini(&v);
	ck_assert(v.text == NULL && v.n == 0);
}
END_TEST

/* Types and texts of a file's entries. */
START_TEST(file_entries)
{
	struct tokenizer *t = small('z');
	const struct vocab *v = tokenizer_vocab(t);

	ck_assert_int_eq(v->bos_id, 1);
	ck_assert_int_eq(v->eos_id, 2);
	ck_assert(v->add_space);
	ck_assert_int_eq(v->type[0], PIECE_UNKNOWN);
	ck_assert_int_eq(v->type[1], PIECE_CONTROL);
	ck_assert_int_eq(v->type[2], PIECE_CONTROL);
	for (int i = 3; i < 259; i++) {
		if (i == 3 + 'z') {
			ck_assert_int_eq(v->type[i], PIECE_NORMAL);
			continue;
		}
		ck_assert_int_eq(v->type[i], PIECE_BYTE);
		ck_assert_int_eq((unsigned char)v->text[v->offset[i]], i - 3);
	}
	for (int i = 259; i < v->n; i++) {
		const char *piece = small_piece[i - 259];

		ck_assert_int_eq(v->type[i], PIECE_NORMAL);
		ck_assert(v->score[i] == small_score[i - 259]);
		ck_assert_uint_eq(v->offset[i + 1] - v->offset[i],
		                  strlen(piece));
		ck_assert_mem_eq(v->text + v->offset[i], piece, strlen(piece));
	}
	tokenizer_free(t);
}
END_TEST

/* A file cut between two entries is one of fewer pieces. */
START_TEST(cut_files)
{
	const int n = 259 + N_SMALL;
	int whole = 0;
	struct image m;
	struct vocab v;
	struct wl_error err;

	put_image(&m, -1, small_piece, small_score, N_SMALL);
	for (size_t size = 0; size < m.size; size++) {
		if (read_image(&m, size, n, &v, &err))
			continue;
		ck_assert(v.n >= n / 2 && v.n < n);
		whole++;
		vocab_fini(&v);
	}
	ck_assert_int_eq(whole, n - n / 2);
	ck_assert_int_eq(read_image(&m, m.size, n + 1, &v, &err), 0);
	ck_assert_int_eq(v.n, n);
	vocab_fini(&v);
	ck_assert_int_eq(read_image(&m, m.size, 2 * n + 2, &v, &err), -1);
	ck_assert_int_eq(read_image(&m, m.size, n - 1, &v, &err), -1);
	ck_assert_msg(strstr(err.text, "pieces, the checkpoint"), "%s",
	              err.text);
	ck_assert_int_eq(read_image(&m, m.size, INT_MAX, &v, &err), -1);
	ck_assert_int_eq(read_image(&m, m.size, 2, &v, &err), -1);
	ck_assert_int_eq(read_image(&m, m.size, -5, &v, &err), -1);
	put(&m, "x", 1);
	ck_assert_int_eq(read_image(&m, m.size, n, &v, &err), -1);
}
END_TEST

/* Entry 0 stands at byte 4: its score, then its length. */
START_TEST(bad_files)
{
	static const struct {
		size_t at;
		const char *bytes;
		const char *says;
	} row[] = {
		{ 8, "\xff\xff\xff\xff", "length of -1" },
		{ 8, "\x00\x00\x00\x80", "length of -2147483648" },
		{ 8, "\xff\xff\xff\x7f", "length of 2147483647" },
		{ 8, "\x11\x00\x00\x00", "above max_token_length 16" },
		{ 0, "\x05\x00\x00\x00", "above max_token_length 5" },
		{ 4, "\x00\x00\xc0\x7f", "not a number" },
	};
	struct image m;
	struct vocab v;
	struct wl_error err;

	put_image(&m, -1, small_piece, small_score, N_SMALL);
	memcpy(m.data + row[_i].at, row[_i].bytes, 4);
	ck_assert_int_eq(read_image(&m, m.size, 259 + N_SMALL, &v, &err), -1);
	ck_assert_msg(strstr(err.text, row[_i].says) != NULL, "%s", err.text);
}
END_TEST

START_TEST(no_file)
{
	struct vocab v;
	struct wl_error err;

	ck_assert_int_eq(vocab_read_llama2c("/no/such", 512, &v, &err), -1);
	ck_assert(strstr(err.text, "/no/such: ") == err.text);
	ck_assert_int_eq(vocab_read_llama2c("/dev", 512, &v, &err), -1);
	ck_assert(strstr(err.text, "regular") != NULL);
	ck_assert_int_eq(vocab_read_llama2c("/dev/zero", 512, &v, &err), -1);
	ck_assert(strstr(err.text, "regular") != NULL);
}
END_TEST

/* Whatever is in the file: refused with a message, or a sound vocabulary. */
START_TEST(garbled_files)
{
	for (int i = 0; i < 1000; i++) {
		struct image m;
		struct vocab v;
		struct wl_error err = { .text = "" };

		put_image(&m, -1, small_piece, small_score, N_SMALL);
		for (int k = 1 + draw(4); k > 0; k--)
			m.data[draw(m.size)] = draw(4) ? draw(256) : 0xff;
		if (read_image(&m, m.size, 259 + N_SMALL, &v, &err) == 0) {
			struct tokenizer *t = from_vocab(&v);
			int *ids;
			size_t n;

			if (!tokenizer_encode(t, "a ab", 4, &ids, &n, &err))
				round_trip(t, "a ab", 4);
			free(ids);
			tokenizer_free(t);
		} else {
			ck_assert(err.text[0] != '\0');
			ck_assert(strchr(err.text, '\n') == NULL);
		}
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tokenizer");
	TCase *texts = tcase_create("texts");
	TCase *refusals = tcase_create("refusals");

	suite_add_tcase(s, texts);
	tcase_add_test(texts, vectors);
	tcase_add_test(texts, stories);
	tcase_add_test(texts, real_round_trip);
	tcase_add_test(texts, real_against_reference);
	tcase_add_test(texts, small_against_reference);
	tcase_add_test(texts, small_by_hand);
	tcase_add_loop_test(texts, other_flags, 0, 4);
	tcase_add_loop_test(texts, long_words, 0, 2);
	tcase_add_loop_test(texts, random_vocabulary, 0, 9);
	tcase_add_test(texts, words_are_reached);
	tcase_add_test(texts, byte_twice);
	suite_add_tcase(s, refusals);
	tcase_add_test(refusals, bad_text);
	tcase_add_test(refusals, missing_byte);
	tcase_add_loop_test(refusals, bad_vocabulary, 0, 11);
	tcase_add_test(refusals, file_entries);
	tcase_add_test(refusals, cut_files);
	tcase_add_loop_test(refusals, bad_files, 0, 6);
	tcase_add_test(refusals, no_file);
	tcase_add_test(refusals, garbled_files);
	return s;
}

int main(void)
{
	return run_suite(make_suite());
}

/* Vocabularies of GGUF files: of both families, made here, come back piece by
 * piece, or with one change each must be refused; real ones against published
 * vectors. */
#include "config.h"
#include "text/vocab.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "made_gguf.h"
#include "src/import/vocab_read.h"
#include "suite.h"
#include "text_lab.h"

/* The vocabulary of g, which is freed. */
static int read_made(struct made_gguf *g, struct vocab *v,
                     struct wl_error *err)
{
	struct made_bytes b;
	struct gguf *f = open_made(g, &b, err);
	int rc;

	ck_assert_msg(f, "%s", err->text);
	rc = vocab_read_gguf(f, v, err);
	gguf_close(f);
	free(b.p);
	return rc;
}

static void vocab_refused(struct made_gguf *g, const char *says)
{
	struct wl_error err;
	struct vocab v;

	ck_assert_msg(read_made(g, &v, &err) == -1, "taken, not \"%s\"", says);
	one_line(&err, "made: ", says);
	ck_assert(v.text == NULL && v.n == 0);
}

static bool is_piece(const struct vocab *v, int id, int type, const char *text)
{
	size_t len = v->offset[id + 1] - v->offset[id];

	return v->type[id] == type && len == strlen(text) &&
	       memcmp(v->text + v->offset[id], text, len) == 0;
}

START_TEST(spm_pieces)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = false;
	made_gguf_init(&g);
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert_int_eq(v.n, N_TOKENS);
	ck_assert_int_eq(v.kind, VOCAB_SPM);
	ck_assert_int_eq(v.split, WORDS_NONE);
	ck_assert(v.add_space && v.bos_id == 1 && v.eos_id == 2);
	ck_assert(is_piece(&v, 0, PIECE_UNKNOWN, "<unk>"));
	ck_assert(is_piece(&v, 1, PIECE_CONTROL, "<s>"));
	ck_assert(is_piece(&v, 3 + 'x', PIECE_BYTE, "x"));
	ck_assert(is_piece(&v, 259, PIECE_NORMAL, " "));
	ck_assert(is_piece(&v, 263, PIECE_NORMAL, " ab"));
	ck_assert(is_piece(&v, 265, PIECE_USER, "<tool>"));
	ck_assert(v.score[263] == -263);
	vocab_fini(&v);
}
END_TEST

START_TEST(byte_pieces)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = true;
	made_gguf_init(&g);
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert_int_eq(v.kind, VOCAB_BPE);
	ck_assert_int_eq(v.split, WORDS_QWEN2);
	ck_assert(v.nfc && !v.whole_words && !v.add_space);
	ck_assert(v.bos_id == -1 && v.eos_id == 259);
	for (int b = 0; b < 256; b++) {
		ck_assert_uint_eq(v.offset[b + 1] - v.offset[b], 1);
		ck_assert_int_eq((unsigned char)v.text[v.offset[b]], b);
	}
	ck_assert(is_piece(&v, 258, PIECE_NORMAL, " ab"));
	ck_assert(is_piece(&v, 259, PIECE_CONTROL, "<\xc3\xa9nd>"));
	ck_assert(is_piece(&v, 260, PIECE_USER, "<tool>"));
	ck_assert(is_piece(&v, 261, PIECE_UNUSED, "[PAD]"));
	/* Normal, but no text in the alphabet of bytes. */
	ck_assert(is_piece(&v, 262, PIECE_UNUSED, "\xe4\xb8\xad"));
	ck_assert_uint_eq(v.n_merges, N_MERGES);
	ck_assert(v.merge[4] == 257 && v.merge[5] == 'b');
	vocab_fini(&v);
}
END_TEST

START_TEST(families)
{
	static const struct {
		const char *pre;
		enum word_split split;
		bool whole_words, nfc;
		int bos;
	} row[] = {
		{ "gpt-2", WORDS_GPT2, false, false, -1 },
		{ "llama-bpe", WORDS_LLAMA3, true, false, 259 },
		{ "llama3", WORDS_LLAMA3, true, false, 259 },
		{ "llama-v3", WORDS_LLAMA3, true, false, 259 },
		{ "qwen2", WORDS_QWEN2, false, true, -1 },
		{ "phi-2", WORDS_GPT2, false, false, -1 },
		{ "falcon3", WORDS_LLAMA3, true, false, 259 },
		{ "smaug-bpe", WORDS_LLAMA3, false, false, -1 },
		{ "deepseek-r1-qwen", WORDS_QWEN2, false, true, -1 },
		{ "smollm", WORDS_SMOLLM, false, false, -1 },
		{ "starcoder", WORDS_SMOLLM, false, false, -1 },
		{ "refact", WORDS_SMOLLM, false, false, -1 },
		{ "minerva-7b", WORDS_SMOLLM, false, false, -1 },
	};
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = true;
	for (int said = 0; said < 3; said++) {
		made_gguf_init(&g);
		g.skip = "tokenizer.ggml.pre";
		put_vocab(&g);
		g.skip = NULL;
		made_gguf_text(&g, "tokenizer.ggml.pre", row[_i].pre);
		if (said)
			made_gguf_bool(&g, "tokenizer.ggml.add_bos_token",
			               said == 2);
		ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
		ck_assert_int_eq(v.split, row[_i].split);
		ck_assert(v.whole_words == row[_i].whole_words);
		ck_assert(v.nfc == row[_i].nfc);
		ck_assert_int_eq(v.bos_id, said == 0 ? row[_i].bos :
		                 said == 1 ? -1 : 259);
		vocab_fini(&v);
	}
}
END_TEST

/* Where a file says otherwise. */
START_TEST(spm_settings)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = false;
	made_gguf_init(&g);
	g.skip = "tokenizer.ggml.eos_token_id";
	put_vocab(&g);
	put_merges(&g, merges, 1); /* as some real files have: ignored */
	made_gguf_bool(&g, "tokenizer.ggml.add_bos_token", false);
	made_gguf_bool(&g, "tokenizer.ggml.add_eos_token", false);
	made_gguf_bool(&g, "tokenizer.ggml.add_space_prefix", false);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert(v.bos_id == -1 && v.eos_id == 2 && !v.add_space);
	ck_assert_uint_eq(v.n_merges, 0);
	vocab_fini(&v);
}
END_TEST

/* SentencePiece has ids for BOS and EOS where a file names none, others do
 * not. */
START_TEST(silent_ids)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = false;
	made_gguf_init(&g);
	g.skip = "tokenizer.ggml.bos_token_id";
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert(v.bos_id == 1 && v.eos_id == 2);
	vocab_fini(&v);
	qwen = true;
	made_gguf_init(&g);
	g.skip = "tokenizer.ggml.eos_token_id";
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert(v.bos_id == -1 && v.eos_id == -1);
	vocab_fini(&v);
	made_gguf_init(&g);
	g.skip = "tokenizer.ggml.bos_token_id";
	put_vocab(&g);
	made_gguf_bool(&g, "tokenizer.ggml.add_bos_token", true);
	ck_assert_int_eq(read_made(&g, &v, &err), -1);
	ck_assert_msg(strstr(err.text, "bos_token_id is missing, but"), "%s",
	              err.text);
}
END_TEST

static const struct change bad_vocab[] = {
	{ 0, TOK "model", '-', 0, 0, "tokenizer.ggml.model is missing" },
	{ 0, TOK "model", 'i', 1, 0, "tokenizer.ggml.model is of type" },
	{ 0, TOK "model", 's', 0, "bert", "model \"bert\" is not supported" },
	{ 0, TOK "model", 's', 0, "llamas", "\"llamas\" is not supported" },
	{ 1, TOK "pre", '-', 0, 0, "tokenizer.ggml.pre is missing" },
	{ 1, TOK "pre", 's', 0, "default", "pre \"default\" is not" },
	{ 1, TOK "pre", 's', 0, "llama-bpe ", "pre \"llama-bpe \" is not" },
	{ 0, TOK "tokens", '-', 0, 0, "tokenizer.ggml.tokens is missing" },
	{ 0, TOK "tokens", 'I', 1, 0, "tokens must be an array of strings" },
	{ 0, TOK "token_type", '-', 0, 0, "token_type is missing" },
	{ 0, TOK "token_type", 'F', 1, 0, "token_type must be an array of" },
	{ 0, TOK "token_type", 'I', 1, 0, "token_type has 1 values,"
	  " tokenizer.ggml.tokens has 270" },
	{ 0, TOK "scores", '-', 0, 0, "tokenizer.ggml.scores is missing" },
	{ 0, TOK "scores", 'F', 1, 0, "scores has 1 values" },
	{ 0, TOK "scores", 'I', 1, 0, "scores must be an array of float32" },
	{ 0, TOK "bos_token_id", 'i', 270, 0, "is 270, must be 0..269" },
	{ 0, TOK "bos_token_id", 'i', -1, 0, "is -1, must be 0..269" },
	{ 1, TOK "bos_token_id", 'i', 270, 0, "bos_token_id is 270, must" },
	{ 0, TOK "add_bos_token", 'i', 1, 0, "add_bos_token is of type" },
	{ 0, TOK "add_eos_token", 'b', 1, 0, "add_eos_token true is not" },
	{ 0, TOK "add_space_prefix", 'i', 1, 0, "space_prefix is of type" },
	{ 1, TOK "add_space_prefix", 'b', 1, 0, "add_space_prefix true" },
	{ 0, TOK "remove_extra_whitespaces", 'b', 1, 0, "whitespaces true" },
	{ 0, TOK "precompiled_charsmap", 'I', 1, 0, "precompiled_charsmap is" },
	{ 1, TOK "merges", '-', 0, 0, "tokenizer.ggml.merges is missing" },
	{ 1, TOK "merges", 'I', 1, 0, "merges must be an array of strings" },
	{ 1, TOK "merges", 'S', 0, "", "merges[0]: must be two" },
	{ 1, TOK "merges", 'S', 0, "ab", "merges[0]: must be two" },
	{ 1, TOK "merges", 'S', 0, "a ", "merges[0]: must be two" },
	{ 1, TOK "merges", 'S', 0, " a", "merges[0]: must be two" },
	{ 1, TOK "merges", 'S', 0, "zz b", "its left part is not a p" },
	{ 1, TOK "merges", 'S', 0, "a zz", "merges[0]: its right part is no" },
	{ 1, TOK "merges", 'S', 0, "a z", "merges[0]: its result is not" },
	{ 1, TOK "merges", 'S', 0, "a b c",
	  "its right part is not byte-level" },
	{ 1, TOK "merges", 'S', 0, "\xe4\xb8\xad a", "part is not byte-" },
};
#define N_BAD_VOCAB (int)(sizeof bad_vocab / sizeof *bad_vocab)

START_TEST(bad_vocabularies)
{
	const struct change *c = &bad_vocab[_i];
	struct made_gguf g;

	qwen = c->qwen;
	made_gguf_init(&g);
	g.skip = c->key;
	put_vocab(&g);
	g.skip = NULL;
	put_change(&g, c);
	vocab_refused(&g, c->says);
}
END_TEST

/* Entries of the arrays: types out of range, a byte spelt otherwise, a score
 * that is none, a merge rule that is there twice, no entry at all. */
START_TEST(bad_entries)
{
	static const char *const says[] = {
		"token_type[0] is 0, must be 1..6",
		"token_type[0] is 7, must be 1..6",
		"tokens[0]: a byte piece must be written like",
		"scores[0] is not a number",
		"merges[5]: occurs twice",
		"tokenizer.ggml.tokens has 0 values",
	};
	static const char *const twice[] = {
		"a b", "\xc4\xa0 a", "a a", "\xc4\xa0" "a b", "b b", "a b",
	};
	static const int type[] = { 0, 7, 6, 1 };
	struct made_gguf g;

	qwen = _i == 4;
	made_gguf_init(&g);
	made_gguf_text(&g, TOK "model", qwen ? "gpt2" : "llama");
	made_gguf_text(&g, TOK "pre", "gpt-2");
	if (_i < 4) {
		made_gguf_array(&g, TOK "tokens", MADE_STRING, 1);
		made_put_string(&g.pairs, "<0x0a>", 6);
		made_gguf_array(&g, TOK "token_type", MADE_I32, 1);
		made_put_int(&g.pairs, type[_i], 4);
		made_gguf_array(&g, TOK "scores", MADE_F32, 1);
		made_put_f32(&g.pairs, _i == 3 ? NAN : 0);
	} else {
		put_tokens(&g, _i == 4 ? N_TOKENS : 0);
		put_merges(&g, twice, 6);
	}
	vocab_refused(&g, says[_i]);
}
END_TEST

/* --- Real vocabularies --- */

#define VECTORS "tokenizer-vectors/ggml-vocab-"

/* The tokenizer of a GGUF file, without a BOS in front. */
static struct tokenizer *real(const char *test, const char *name)
{
	const char *path = model_path(test, name);
	struct wl_error err;
	struct gguf *g;
	struct vocab v;

	if (!path)
		return NULL;
	g = gguf_open(path, &err);
	ck_assert_msg(g, "%s", err.text);
	ck_assert_msg(!vocab_read_gguf(g, &v, &err), "%s", err.text);
	gguf_close(g);
	v.bos_id = -1;
#ifndef HAVE_PCRE2
	if (v.split != WORDS_NONE) {
		printf("skipped: %s: no PCRE2\n", test);
		vocab_fini(&v);
		return NULL;
	}
#endif
	return from_vocab(&v);
}

START_TEST(vectors)
{
	struct tokenizer *t = real("vectors", _i ? VECTORS "gpt-2.gguf" :
	                                           VECTORS "llama-spm.gguf");

	if (t)
		check_vectors(t, _i ? "gpt-2" : "llama-spm");
	tokenizer_free(t);
}
END_TEST

START_TEST(real_round_trips)
{
	struct tokenizer *t = real("real_round_trips", _i ?
	                           VECTORS "gpt-2.gguf" :
	                           VECTORS "llama-spm.gguf");
	char text[4000];

	for (int i = 0; t && i < 200; i++)
		round_trip(t, text, draw_text(text, draw(1000)));
	tokenizer_free(t);
}
END_TEST

/* The same vocabulary from another format. */
START_TEST(same_as_llama2c)
{
	const char *path = model_path("same_as_llama2c", "tokenizer.bin");
	struct tokenizer *a, *b;
	struct wl_error err;
	struct vocab v;
	char text[2000];

	if (!path)
		return;
	ck_assert_msg(!vocab_read_llama2c(path, 32000, &v, &err), "%s",
	              err.text);
	v.bos_id = -1;
	a = from_vocab(&v);
	b = real("same_as_llama2c", VECTORS "llama-spm.gguf");
	for (int i = 0; b && i < 200; i++) {
		size_t len = draw_text(text, draw(500)), n;
		int *ids;

		ck_assert(!tokenizer_encode(a, text, len, &ids, &n, &err));
		expect_ids(b, text, len, ids, n);
		free(ids);
	}
	tokenizer_free(a);
	tokenizer_free(b);
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("vocab_gguf");

	tcase_add_test(t, spm_pieces);
	tcase_add_test(t, byte_pieces);
	tcase_add_loop_test(t, families, 0, 13);
	tcase_add_test(t, spm_settings);
	tcase_add_test(t, silent_ids);
	tcase_add_loop_test(t, bad_vocabularies, 0, N_BAD_VOCAB);
	tcase_add_loop_test(t, bad_entries, 0, 6);
	tcase_add_loop_test(t, vectors, 0, 2);
	tcase_add_loop_test(t, real_round_trips, 0, 2);
	tcase_add_test(t, same_as_llama2c);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("vocab_gguf");

	add_tests(s);
	return run_suite(s);
}

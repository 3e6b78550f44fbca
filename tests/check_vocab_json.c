/* tokenizer.json, in a directory around it: both families give the ids that
 * their files mean, steps that are not known are refused with one line that
 * names file and field, and BOS is decided where it has no say. */
#include "config.h"
#include "text/vocab.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_hf.h"
#include "src/import/vocab_read.h"
#include "suite.h"
#include "text_lab.h"

/* Byte-level, as GPT-2's; e with an acute is its two bytes. */
static const char bytes[] =
	"{\"version\": \"1.0\", \"added_tokens\": ["
	ADDED("11", "<s>") "," ADDED("10", "<e>") "], \"normalizer\": null,"
	"\"pre_tokenizer\": {\"type\": \"ByteLevel\","
	"\"add_prefix_space\": false, \"trim_offsets\": true},"
	TEMPLATE("<s>", "11")
	"\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true},"
	"\"model\": {\"dropout\": null, \"unk_token\": \"\","
	"\"continuing_subword_prefix\": \"\", \"end_of_word_suffix\": \"\","
	"\"vocab\": {\"a\": 0, \"b\": 1, \"\u0120\": 2, \"\u0120a\": 3,"
	"\"ab\": 4, \"\u0120ab\": 5, \"\u00c3\": 6, \"\u00a9\": 7,"
	"\"\u00c3\u00a9\": 8, \"\u0436\": 9, \"<e>\": 10},"
	"\"merges\": [\"\u0120 a\", \"a b\", [\"\u0120\", \"ab\"],"
	"\"\u0120a b\", [\"\u00c3\", \"\u00a9\"]]}}";

/* --- What is read --- */

static void expect(const char *text, const char *ids)
{
	struct import_model m = accepted();
	struct tokenizer *t = from_vocab(&m.vocab);
	int want[32], n = 0, used;

	for (; sscanf(ids, "%d%n", &want[n], &used) == 1; ids += used)
		n++;
	expect_ids(t, text, strlen(text), want, n);
	tokenizer_free(t);
	import_model_fini(&m);
}

/* The ids of a text when base has one change. */
static void expect_with(const char *base, const char *where, const char *value,
                        const char *text, const char *ids)
{
	put_json("tokenizer.json", base, where, value);
	expect(text, ids);
}

#define METASPACE(more) "{\"normalizer\": null, \"pre_tokenizer\":" \
	"{\"type\": \"Metaspace\", \"replacement\": \"\u2581\"," more "}}"
#define FUSE "{\"type\": \"Fuse\"}"
#define SPACES "{\"type\": \"Replace\", \"content\": \" \", \"pattern\":" \
	"{\"String\": \"\u2581\"}}"

START_TEST(marked_tokenizers_are_read)
{
	struct import_model m;

	setup();
	expect_with(marked, NULL, NULL, "ab\nb ab", "1 9 3 6 9");
	expect_with(marked, NULL, NULL, "a b", "1 7 4 6");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[0], PIECE_UNKNOWN);
	ck_assert_int_eq(m.vocab.type[2], PIECE_CONTROL);
	ck_assert_int_eq(m.vocab.type[3], PIECE_BYTE);
	ck_assert_int_eq(m.vocab.type[10], PIECE_UNUSED); /* "a b" */
	ck_assert(!m.vocab.whole_words && !m.vocab.nfc);
	import_model_fini(&m);
	/* Without the space in front. */
	expect_with(marked, "normalizer/normalizers/0", NULL, "ab ab",
	            "1 8 9");
	expect_with(marked, "normalizer", "{\"type\": \"Replace\","
	            "\"pattern\": {\"String\": \" \"}, \"content\":"
	            "\"\u2581\"}", "ab ab", "1 8 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"first\""), "ab ab", "1 9 9");
	/* Before every stretch of text between tokens that are not special. */
	expect_with(marked, "added_tokens/1/special", "false", "ab<s>ab<s>",
	            "1 9 1 9 1");
	/* Prepend adds a second space, Metaspace does not. */
	expect_with(marked, NULL, NULL, " ab", "1 4 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"first\""), " ab", "1 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"always\", \"add_prefix_space\":"
	            "true"), "ab ab", "1 9 9");
	/* A space before every stretch, but not where one is. */
	expect_with(marked, "", "{\"added_tokens\": [{\"id\": 1, \"content\":"
	            "\"<s>\", \"special\": false}], \"normalizer\": null,"
	            "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"split\":"
	            "false, \"replacement\": \"\u2581\","
	            "\"prepend_scheme\": \"always\"}}", "ab<s>ab<s> ab",
	            "1 9 1 9 1 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"never\""), "ab ab", "1 8 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"add_prefix_space\": false"), "ab ab", "1 8 9");
	expect_with(marked, "post_processor/single/0", NULL, "ab", "9");
	expect_with(marked, "model/ignore_merges", "true", "b", "1 4 6");
	m = accepted();
	ck_assert(m.vocab.whole_words);
	import_model_fini(&m);
	/* No added token, it is read in no text. */
	put_json("tokenizer.json", marked, "added_tokens/0", NULL);
	m = accepted();
	ck_assert_int_eq(m.vocab.type[0], PIECE_UNUSED);
	import_model_fini(&m);
	expect_with(marked, "model/type", NULL, "ab", "1 9");
	expect_with(marked, "post_processor/special_tokens/<s>/ids", "[0]",
	            "ab", "0 9");
	expect_with(marked, "decoder", "{\"type\": \"Metaspace\","
	            "\"replacement\": \"\u2581\"}", "ab", "1 9");
	expect_with(marked, "decoder", NULL, "ab", "1 9");
	expect_with(marked, "decoder/decoders", "[" SPACES "," FUSE "," FUSE
	            "," FUSE "," FUSE "," FUSE "," FUSE "," FUSE "]", "ab",
	            "1 9");
	put_json("tokenizer.json", marked, "model/vocab/<0x00>", "11");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[11], PIECE_BYTE);
	import_model_fini(&m);
	expect_with(marked, "model/merges", "[\"a b\"]", "ab", "1 4 8");
	/* An added token of the user's that no vocabulary has. */
	put_json("tokenizer.json", marked, "", "{\"normalizer\": {\"type\":"
	         "\"Replace\", \"pattern\": {\"String\": \" \"}, \"content\":"
	         "\"\u2581\"}, \"added_tokens\": [{\"id\": 11, \"content\":"
	         "\"<u>\", \"special\": false, \"lstrip\": false}]}");
	expect("ab<u>ab", "1 8 11 8");
}
END_TEST

#define SPLIT(regex) "{\"type\": \"Sequence\", \"pretokenizers\": [" \
	"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" regex "\"}," \
	"\"behavior\": \"Isolated\", \"invert\": false}," \
	"{\"type\": \"ByteLevel\", \"add_prefix_space\": false," \
	"\"use_regex\": false}]}"
#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+|" \
	" ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+"
#define CASELESS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" \
	"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"
#define DIGITS(which, space, regex) "{\"type\": \"Sequence\"," \
	"\"pretokenizers\": [{\"type\": \"Digits\"" which "}," \
	"{\"type\": \"ByteLevel\", \"add_prefix_space\": " space "," \
	"\"use_regex\": " regex "}]}"
#define EACH ", \"individual_digits\": true"
#define RUNS ", \"individual_digits\": false"
#define REST "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|" \
	"\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define LLAMA3_WORDS CASELESS "\\\\p{N}{1,3}" REST
#define QWEN2_WORDS CASELESS "\\\\p{N}" REST

static enum word_split split_with(const char *value)
{
	struct import_model m;
	enum word_split split;

	put_json("tokenizer.json", bytes, "pre_tokenizer", value);
	m = accepted();
	split = m.vocab.split;
	import_model_fini(&m);
	return split;
}

START_TEST(byte_level_tokenizers_are_read)
{
	struct import_model m;

	setup();
	put_json("tokenizer.json", bytes, NULL, NULL);
	m = accepted();
	ck_assert_int_eq(m.vocab.split, WORDS_GPT2);
	ck_assert_int_eq(m.vocab.type[9], PIECE_UNUSED);
	ck_assert_int_eq(m.vocab.type[10], PIECE_CONTROL);
	ck_assert_int_eq(m.vocab.type[11], PIECE_CONTROL);
	ck_assert_ptr_null(m.vocab.match);
	ck_assert(!m.vocab.nfc && !m.vocab.add_space && !m.vocab.whole_words);
	ck_assert_int_eq(m.model.bos_id, 11);
	import_model_fini(&m);
	ck_assert_int_eq(split_with(SPLIT(GPT2_WORDS)), WORDS_GPT2);
	ck_assert_int_eq(split_with(SPLIT(LLAMA3_WORDS)), WORDS_LLAMA3);
	ck_assert_int_eq(split_with(SPLIT(QWEN2_WORDS)), WORDS_QWEN2);
	ck_assert_int_eq(split_with(DIGITS(EACH, "false", "true")),
	                 WORDS_SMOLLM);
	ck_assert_int_eq(split_with(DIGITS(RUNS, "false", "true")),
	                 WORDS_DIGITS);
	put_json("tokenizer.json", bytes, "normalizer", "{\"type\": \"NFC\"}");
	m = accepted();
	ck_assert(m.vocab.nfc);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "post_processor",
	         "{\"type\": \"ByteLevel\"}");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, -1);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "post_processor", "{\"type\":"
	         "\"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"},"
	         "{\"type\": \"TemplateProcessing\", \"single\":"
	         "[{\"SpecialToken\": {\"id\": \"x\"}}, {\"Sequence\":"
	         "{\"id\": \"A\"}}], \"special_tokens\": {\"x\": {\"ids\":"
	         "[10]}}}]}");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, 10);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "added_tokens/1/rstrip", "true");
	m = accepted();
	ck_assert_ptr_nonnull(m.vocab.match);
	ck_assert_int_eq(m.vocab.match[10], MATCH_RSTRIP);
	ck_assert_int_eq(m.vocab.match[11], 0);
	ck_assert_int_eq(m.vocab.match[m.vocab.n - 1], 0);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "added_tokens/0", "{\"id\": 11,"
	         "\"content\": \"<s>\", \"special\": true, \"lstrip\": true,"
	         "\"single_word\": true}");
	m = accepted();
	ck_assert_int_eq(m.vocab.match[11], MATCH_LSTRIP | MATCH_WORD);
	import_model_fini(&m);
	/* Bytes are never unknown. */
	put_json("tokenizer.json", bytes, "model/unk_token", "\"<e>\"");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[10], PIECE_CONTROL);
	import_model_fini(&m);
#ifdef HAVE_PCRE2
	expect_with(bytes, NULL, NULL, "ab a ab\u00e9", "11 4 3 5 8");
	expect_with(bytes, "model/merges/3", NULL, "ab a ab\u00e9",
	            "11 4 3 3 1 8");
	expect_with(bytes, "model/merges", "[]", "ab a", "11 0 1 2 0");
	expect_with(bytes, "pre_tokenizer/add_prefix_space", "true", "ab a",
	            "11 5 3");
	expect_with(bytes, "pre_tokenizer/add_prefix_space", "true", " ab a",
	            "11 5 3");
	put_json("tokenizer.json", bytes, "", "{\"pre_tokenizer\": {\"type\":"
	         "\"ByteLevel\", \"add_prefix_space\": true}, \"added_tokens\":"
	         "[{\"id\": 10, \"content\": \"<e>\"}], \"post_processor\":"
	         "{\"type\": \"ByteLevel\"}}");
	expect("ab<e>a<e> a", "5 10 3 10 3");
	expect("<e>", "10");
	put_json("tokenizer.json", bytes, "", "{\"model\": {\"vocab\":"
	         "{\"a\": 0, \"\u0120\": 1, \"\u0120a\": 2}, \"merges\": [],"
	         "\"ignore_merges\": true}, \"added_tokens\": [],"
	         "\"post_processor\": {\"type\": \"ByteLevel\"}}");
	expect("a aa a", "0 1 0 0 2");
#endif
}
END_TEST

/* --- What is refused --- */

START_TEST(bad_models_are_refused)
{
	static const struct change list[] = {
		{ "model", NULL, "\"model\" must be an object" },
		{ "model", "[]", "\"model\" must be an object" },
		{ "model/type", "\"Unigram\"", "model.type \"Unigram\"" },
		{ "model/type", "3", "model.type" },
		{ "model/dropout", "0.1", "model.dropout" },
		{ "model/continuing_subword_prefix", "\"##\"",
		  "model.continuing_subword_prefix" },
		{ "model/end_of_word_suffix", "\"</w>\"",
		  "model.end_of_word_suffix" },
		{ "model/vocab", NULL, "model.vocab must be an object" },
		{ "model/vocab", "[]", "model.vocab must be an object" },
		{ "", "{\"added_tokens\": [], \"model\": {\"vocab\": {},"
		  "\"merges\": [], \"byte_fallback\": true}}",
		  "model.vocab: 0 pieces" },
		{ "model/merges", NULL, "model.merges must be an array" },
		{ "model/byte_fallback", "1", "\"model.byte_fallback\"" },
		{ "model/ignore_merges", "1", "\"model.ignore_merges\"" },
		{ "model/unk_token", "\"<none>\"", "model.unk_token \"<none>" },
		{ "model/unk_token", "1", "model.unk_token" },
		{ "model/vocab/ab", "11", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "-1", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "\"8\"", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "4294967304", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "6", "id 6 belongs to both \"b\" and" },
		{ "model/vocab/a", NULL, "in 0..9, since the file has 10" },
		{ "added_tokens", "{}", "added_tokens must be an array" },
		{ "added_tokens/0", "3", "added_tokens[0] has no \"content\"" },
		{ "added_tokens/1/content", "\"\"", "added_tokens[1] has an" },
		{ "added_tokens/1/content", "\"</s>\"",
		  "added_tokens[2] occurs twice" },
		{ "added_tokens/1/id", "3",
		  "added_tokens[1]: \"<s>\" has another id" },
		{ "added_tokens/1/id", "1.0", "has another id" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true}",
		  "the id of \"x\" must be" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true,"
		  "\"id\": 12}", "the id of \"x\" must be" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true,"
		  "\"id\": 10}", "id 10 belongs to both \"a b\" and \"x\"" },
		{ "added_tokens/1/special", "1", "\"added_tokens: special\"" },
		{ "model/merges/1", "\"ab\"", "model.merges[1]: must be two" },
		{ "model/merges/1", "\"a b c\"", "model.merges[1]: must be" },
		{ "model/merges/1", "\" a\"", "model.merges[1]: must be two" },
		{ "model/merges/1", "\"a \"", "model.merges[1]: must be two" },
		{ "model/merges/1", "1", "model.merges[1]: must be two" },
		{ "model/merges/1", "[\"a\"]", "model.merges[1]: must be two" },
		{ "model/merges/1", "[\"a\", 1]", "model.merges[1]: must be" },
		{ "model/merges/1", "[\"\", \"a\"]", "model.merges[1]: must" },
		{ "model/merges/1", "[\"a\", \"b\", \"\"]", "merges[1]: must" },
		{ "model/merges/1", "\"x b\"", "model.merges[1]: its left" },
		{ "model/merges/1", "\"a x\"", "model.merges[1]: its right" },
		{ "model/merges/1", "\"<s> a\"", "model.merges[1]: its left" },
		{ "model/merges/1", "\"<0x0A> a\"", "merges[1]: its left" },
		{ "model/merges/1", "\"b a\"", "merges[1]: its result is not" },
		{ "model/merges/1", "[\"a\", \" b\"]", "model.merges[1]: its" },
		{ "model/merges/3", "[\"a\", \"b\"]",
		  "model.merges[3]: occurs twice" },
	};

	setup();
	REFUSE("tokenizer.json", marked, list);
	put_text("tokenizer.json", "{\"a\": \"\\ud800\"}");
	refused("tokenizer.json", "line 1");
}
END_TEST

START_TEST(unknown_marked_steps_are_refused)
{
	static const struct change list[] = {
		{ "normalizer", NULL, "normalizer: no step replaces spaces" },
		{ "normalizer", "{\"type\": \"NFKC\"}", "normalizer: \"NFKC" },
		{ "normalizer", "[1]", "normalizer: \"\"" },
		{ "normalizer/normalizers", "{}", "\"normalizers\" must be" },
		{ "normalizer/normalizers/0/prepend", "\"x\"", "\"Prepend\"" },
		{ "normalizer/normalizers/1", NULL, "no step replaces spaces" },
		{ "normalizer/normalizers/1/content", "\"_\"", "\"Replace\"" },
		{ "normalizer/normalizers/2", "{\"type\": \"Lowercase\"}",
		  "normalizer: \"Lowercase\"" },
		{ "normalizer/normalizers/2", "{\"type\": \"Prepend\","
		  "\"prepend\": \"\u2581\"}", "normalizer: \"Prepend\"" },
		{ "pre_tokenizer", "{\"type\": \"Whitespace\"}", "normalizer" },
		{ "", "{\"normalizer\": null, \"pre_tokenizer\": {\"type\":"
		  "\"Whitespace\"}}", "pre_tokenizer: \"Whitespace\"" },
		{ "", "{\"normalizer\": null, \"pre_tokenizer\": {\"type\":"
		  "\"Metaspace\", \"replacement\": \"_\"}}", "replacement" },
		{ "", METASPACE("\"split\": true"), "with split" },
		{ "", METASPACE("\"prepend_scheme\": \"first\""), "split" },
		{ "", METASPACE("\"split\": false, \"prepend_scheme\": \"x\""),
		  "prepend_scheme" },
		{ "", METASPACE("\"split\": false, \"add_prefix_space\": false,"
		  "\"prepend_scheme\": \"first\""), "prepend_scheme" },
		{ "decoder", FUSE, "decoder: no step replaces U+2581" },
		{ "decoder", "{\"type\": \"WordPiece\"}", "\"WordPiece\"" },
		{ "decoder", "{\"type\": \"Metaspace\", \"replacement\":"
		  "\"_\"}", "\"Metaspace\"" },
		{ "decoder/decoders/0/content", "\"_\"", "\"Replace\"" },
		{ "decoder/decoders/3/content", "\"_\"", "\"Strip\"" },
		{ "post_processor", "{\"type\": \"BertProcessing\"}",
		  "post_processor: \"BertProcessing\"" },
		{ "post_processor", "{\"type\": \"Sequence\"}",
		  "\"processors\" must be" },
		{ "post_processor/single", "[]", "lacks the Sequence A" },
		{ "post_processor/single", NULL, "lacks the Sequence A" },
		{ "post_processor/single/1", NULL, "lacks the Sequence A" },
		{ "post_processor/single/1/Sequence/id", "\"B\"", "Sequence" },
		{ "post_processor/single/2", "{\"SpecialToken\": {\"id\":"
		  "\"</s>\"}}", "\"</s>\" after the text" },
		{ "post_processor", "{\"type\": \"TemplateProcessing\","
		  "\"special_tokens\": {\"x\": {\"ids\": [0]}}, \"single\":"
		  "[{\"SpecialToken\": {\"id\": \"x\"}}, {\"SpecialToken\":"
		  "{\"id\": \"x\"}}, {\"Sequence\": {\"id\": \"A\"}}]}",
		  "\"x\" before the text beside another" },
		{ "post_processor/single/0", "{\"Sequence\": {\"id\": \"A\"}}",
		  "Sequence A" },
		{ "post_processor/special_tokens", NULL, "\"special_tokens\"" },
		{ "post_processor/special_tokens/<s>/ids", "[1, 1]",
		  "must give \"<s>\" one id" },
		{ "post_processor/special_tokens/<s>/ids", "[11]", "0..10" },
		{ "post_processor/special_tokens/<s>/ids", "[-1]", "0..10" },
		{ "post_processor/special_tokens/<s>/ids", "[\"1\"]", "0..10" },
	};

	setup();
	REFUSE("tokenizer.json", marked, list);
}
END_TEST

START_TEST(unknown_byte_level_steps_are_refused)
{
	static const struct change list[] = {
		{ "normalizer", "{\"type\": \"NFKC\"}", "normalizer: \"NFKC" },
		{ "pre_tokenizer", NULL, "pre_tokenizer: missing" },
		{ "pre_tokenizer", "{\"type\": \"Metaspace\"}", "Metaspace" },
		{ "pre_tokenizer/add_prefix_space", NULL, "add_prefix_space" },
		{ "pre_tokenizer/add_prefix_space", "0", "add_prefix_space" },
		{ "pre_tokenizer/use_regex", "false", "needs a Split" },
		{ "pre_tokenizer", SPLIT("\\\\s+"), "the pattern \"\\s+\"" },
		{ "pre_tokenizer/use_regex", "1", "use_regex" },
		{ "pre_tokenizer", "{\"type\": \"Digits\","
		  "\"individual_digits\": true}", "\"Digits\"" },
		{ "pre_tokenizer", DIGITS("", "false", "true"),
		  "individual_digits" },
		{ "pre_tokenizer", DIGITS(", \"individual_digits\": 1", "false",
		  "true"), "individual_digits" },
		{ "pre_tokenizer", DIGITS(EACH, "true", "true"),
		  "add_prefix_space" },
		{ "pre_tokenizer", DIGITS(EACH, "false", "false"),
		  "Digits needs a ByteLevel with use_regex" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Punctuation\"}, {\"type\": \"ByteLevel\","
		  "\"add_prefix_space\": false}]}", "\"Punctuation\"" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
		  "{\"type\": \"Digits\", \"individual_digits\": true}]}",
		  "\"Digits\"" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\", \"pattern\": {\"String\": \" \"}},"
		  "{\"type\": \"ByteLevel\", \"add_prefix_space\": false,"
		  "\"use_regex\": false}]}", "without a Regex" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x\"},"
		  "\"behavior\": \"Removed\"}, {\"type\": \"ByteLevel\","
		  "\"add_prefix_space\": false, \"use_regex\": false}]}",
		  "with the behavior Isolated" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\"}, {\"type\": \"ByteLevel\","
		  "\"add_prefix_space\": false}]}", "together" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[1, 2, 3]}", "only ByteLevel, and Split or Digits" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[1, 2, 3, 4, 5, 6, 7, 8, 9]}", "at most 8" },
		{ "decoder", "{\"type\": \"Fuse\"}", "decoder: \"Fuse\"" },
	};
	static const char *const user[] = { "lstrip", "rstrip", "single_word" };

	setup();
	REFUSE("tokenizer.json", bytes, list);
	/* Looked for as it is spelled, it is not what the merge makes. */
	put_json("tokenizer.json", bytes, "added_tokens/2", "{\"id\": 3,"
	         "\"content\": \"\u0120a\"}");
	refused("tokenizer.json", "model.merges[0]: its result is not");
	put_json("tokenizer.json", bytes, "added_tokens/2", "{\"id\": 12,"
	         "\"content\": \"x\", \"lstrip\": 1}");
	refused("tokenizer.json", "lstrip\" must be true or false");
	for (int i = 0; i < 3; i++) {
		char token[256], blame[64];

		snprintf(token, sizeof token, "{\"id\": 12, \"content\":"
		         "\"<u>\", \"special\": false, \"%s\": true}", user[i]);
		snprintf(blame, sizeof blame,
		         "added_tokens[2]: %s is not supported", user[i]);
		put_json("tokenizer.json", bytes, "added_tokens/2", token);
		refused("tokenizer.json", blame);
	}
}
END_TEST

START_TEST(tokenizers_are_read_alone)
{
	struct wl_error err = { .text = "" };
	struct vocab_says says = { false, false };
	struct vocab v;

	setup();
	ck_assert_int_eq(vocab_read_json(path_of("tokenizer.json"), &v,
	                                 &says, &err), 0);
	ck_assert(says.bos);
	ck_assert(v.n == 11 && v.bos_id == 1 && v.eos_id == -1);
	vocab_fini(&v);
	drop_file("tokenizer.json");
	ck_assert_int_eq(vocab_read_json(path_of("tokenizer.json"), &v,
	                                 &says, &err), -1);
	ck_assert_msg(strstr(err.text, "No such file") != NULL, "%s",
	              err.text);
	vocab_fini(&v);
}
END_TEST

/* --- BOS where tokenizer.json has no say --- */

static int bos_with(const char *tokenizer_config)
{
	struct import_model m;
	int bos;

	put_text("tokenizer_config.json", tokenizer_config);
	m = accepted();
	bos = m.model.bos_id;
	ck_assert_int_eq(m.vocab.bos_id, bos);
	import_model_fini(&m);
	return bos;
}

#define CLASS(name) "\"tokenizer_class\": \"" name "\""

START_TEST(classes_decide_on_bos)
{
	struct import_model m;

	setup();
	put_text("tokenizer_config.json", "not JSON");
	refused("tokenizer_config.json", "line 1");
	/* Llama's class overrides the template, others do not. */
	ck_assert_int_eq(bos_with("{\"add_bos_token\": false}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("PreTrainedTokenizerFast")
		", \"add_bos_token\": false}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizer")
		", \"add_bos_token\": false}"), -1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizerFast")
		", \"bos_token\": \"</s>\"}"), 2);
	put_text("tokenizer_config.json", "{" CLASS("LlamaTokenizer")
	         ", \"add_eos_token\": true}");
	refused("tokenizer_config.json", "\"add_eos_token\" is true");
	put_json("tokenizer.json", marked, "post_processor", NULL);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": true, \"bos_token\":"
		"\"</s>\", \"model_max_length\":"
		"1000000000000000019884624838656}"), 2);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": true, \"bos_token\":"
		"{\"content\": \"</s>\"}}"), 2);
	ck_assert_int_eq(bos_with("{\"bos_token\": \"<unk>\"}"), 0);
	ck_assert_int_eq(bos_with("{\"bos_token\": \"b\"}"), 6);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": false}"), -1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizer") "}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizerFast") "}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("PreTrainedTokenizerFast") "}"),
	                 -1);
	ck_assert_int_eq(bos_with("{}"), 1);
	drop_file("tokenizer_config.json");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, 1);
	import_model_fini(&m);
	/* Unnamed, and without Llama's BOS: none. */
	put_json("tokenizer.json", bytes, "post_processor", NULL);
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, -1);
	import_model_fini(&m);
	put_json("tokenizer.json", marked, "post_processor", NULL);
	put_json("config.json", config, "", "{" QWEN2 "}");
	ck_assert_int_eq(bos_with("{}"), -1);
	put_text("tokenizer_config.json", "{\"add_bos_token\": 1}");
	refused("tokenizer_config.json", "\"add_bos_token\" must be");
	put_text("tokenizer_config.json", "{\"add_eos_token\": true}");
	refused("tokenizer_config.json", "\"add_eos_token\" is true");
	put_text("tokenizer_config.json",
	         "{\"add_bos_token\": true, \"bos_token\": \"<none>\"}");
	refused("tokenizer_config.json", "\"bos_token\" \"<none>\" is no");
	put_text("tokenizer_config.json",
	         "{\"add_bos_token\": true, \"bos_token\": 1}");
	refused("tokenizer_config.json", "\"bos_token\"");
}
END_TEST

/* --- The space in front, which tokenizer_config.json may decide on --- */

#define LLAMA CLASS("LlamaTokenizer")
#define NO_PREPEND "{\"type\": \"Replace\", \"pattern\": {\"String\":" \
	"\" \"}, \"content\": \"\u2581\"}"
#define NEVER "\"pre_tokenizer\": {\"type\": \"Metaspace\"," \
	"\"replacement\": \"\u2581\", \"split\": false," \
	"\"prepend_scheme\": \"never\"}, \"normalizer\": null"

static const struct spaced {
	const char *base, *change, *settings;
	enum space_rule rule;
	bool space;
	const char *blame; /* NULL: read */
} spaced[] = {
	{ bytes, "{}", "{\"add_prefix_space\": true}", SPACE_MISSING, true, 0 },
	{ bytes, "{}", "{\"add_prefix_space\": false}", SPACE_EVERY, false, 0 },
	{ bytes, "{}", "{\"add_prefix_space\": null}", SPACE_EVERY, false, 0 },
	{ bytes, "{\"pre_tokenizer\": {\"type\": \"ByteLevel\","
	  "\"add_prefix_space\": true}}", "{\"add_prefix_space\": false}",
	  SPACE_EVERY, false, 0 },
	{ bytes, "{\"pre_tokenizer\": {\"type\": \"ByteLevel\","
	  "\"add_prefix_space\": true}}", "{}", SPACE_MISSING, true, 0 },
	{ bytes, "{\"pre_tokenizer\": " DIGITS(EACH, "false", "true") "}",
	  "{\"add_prefix_space\": true}", 0, 0, "\"add_prefix_space\" is"
	  " true, which contradicts tokenizer.json's ByteLevel" },
	{ bytes, "{\"pre_tokenizer\": " SPLIT(GPT2_WORDS) "}",
	  "{\"add_prefix_space\": true}", 0, 0, "contradicts" },
	{ bytes, "{\"pre_tokenizer\": " SPLIT(GPT2_WORDS) "}",
	  "{\"add_prefix_space\": false}", SPACE_EVERY, false, 0 },
	{ bytes, "{}", "{\"add_prefix_space\": 1}", 0, 0,
	  "\"add_prefix_space\" must be true or false" },
	{ marked, "{}", "{" LLAMA ", \"add_prefix_space\": false}",
	  SPACE_EVERY, false, 0 },
	{ marked, "{}", "{" LLAMA ", \"add_prefix_space\": true}",
	  SPACE_EVERY, true, 0 },
	{ marked, "{\"normalizer\": " NO_PREPEND "}", "{" LLAMA
	  ", \"add_prefix_space\": true}", SPACE_EVERY, true, 0 },
	{ marked, "{\"normalizer\": " NO_PREPEND "}", "{" LLAMA
	  ", \"legacy\": false, \"add_prefix_space\": true}", SPACE_FIRST,
	  true, 0 },
	{ marked, "{" NEVER "}", "{" LLAMA ", \"add_prefix_space\": true}",
	  SPACE_FIRST, true, 0 },
	{ marked, "{" NEVER "}", "{" LLAMA ", \"legacy\": true,"
	  "\"add_prefix_space\": true}", SPACE_EVERY, true, 0 },
	{ marked, "{}", "{" CLASS("PreTrainedTokenizerFast")
	  ", \"add_prefix_space\": false}", 0, 0, "\"add_prefix_space\" is"
	  " false, which contradicts tokenizer.json's normalizer" },
	{ marked, "{}", "{" CLASS("PreTrainedTokenizerFast")
	  ", \"add_prefix_space\": true}", SPACE_EVERY, true, 0 },
};

START_TEST(settings_decide_on_the_space)
{
	const struct spaced *s = &spaced[_i];
	struct import_model m;

	setup();
	put_json("tokenizer.json", s->base, "", s->change);
	put_text("tokenizer_config.json", s->settings);
	if (s->blame) {
		refused("tokenizer_config.json", s->blame);
		return;
	}
	m = accepted();
	ck_assert(m.vocab.add_space == s->space);
	if (s->space)
		ck_assert_int_eq(m.vocab.space_rule, s->rule);
	import_model_fini(&m);
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("vocab_json");

	tcase_add_test(t, marked_tokenizers_are_read);
	tcase_add_test(t, byte_level_tokenizers_are_read);
	tcase_add_test(t, bad_models_are_refused);
	tcase_add_test(t, unknown_marked_steps_are_refused);
	tcase_add_test(t, unknown_byte_level_steps_are_refused);
	tcase_add_test(t, tokenizers_are_read_alone);
	tcase_add_test(t, classes_decide_on_bos);
	tcase_add_loop_test(t, settings_decide_on_the_space, 0,
	                    sizeof spaced / sizeof *spaced);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("vocab_json");
	int status;

	if (!hf_dir_make("check_vocab_json"))
		return EXIT_FAILURE;
	add_tests(s);
	status = run_suite(s);
	hf_dir_remove();
	return status;
}

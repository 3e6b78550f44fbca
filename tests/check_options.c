/* Command lines and what becomes of them: fields, defaults, one error that
 * names the option; help and values, which come from the same table. */
#include "config.h"
#include "base/options.h"

#include <check.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "src/cli/choices.h"
#include "suite.h"

#define MAX_WORDS 30

static struct options opts;
static struct wl_error err;

/* Parses "waferllm" and the words up to the NULL. */
static int parse_words(const char *first, va_list more)
{
	static char program[] = "waferllm";
	char *argv[MAX_WORDS + 2] = { program };
	int argc = 1;

	for (const char *w = first; w; w = va_arg(more, const char *)) {
		ck_assert_int_le(argc, MAX_WORDS);
		argv[argc++] = (char *)w;
	}
	err.text[0] = '\0';
	return options_parse(argc, argv, &opts, &err);
}

static int parse_list(const char *first, ...)
{
	va_list more;
	int rc;

	va_start(more, first);
	rc = parse_words(first, more);
	va_end(more);
	return rc;
}

#define parse(...) parse_list(__VA_ARGS__, NULL)
#define accept(...) \
	ck_assert_msg(parse(__VA_ARGS__) == 0, "refused: %s", err.text)
/* The message holds `words`. */
#define refuse(words, ...) do { \
	ck_assert_msg(parse(__VA_ARGS__) == -1, "accepted"); \
	ck_assert_msg(strstr(err.text, words), "'%s' is not in '%s'", \
	              words, err.text); \
} while (0)

#define assert_grid(g, r, c) do { \
	ck_assert_int_eq((g).rows, r); \
	ck_assert_int_eq((g).cols, c); \
} while (0)

START_TEST(nothing_means_defaults)
{
	accept(NULL);
	ck_assert_int_eq(opts.verb, VERB_RUN);
	ck_assert(!opts.help && !opts.version && !opts.quiet);
	ck_assert_ptr_null(opts.model);
	ck_assert_ptr_null(opts.prompt);
	ck_assert_ptr_null(opts.prompt_file);
	ck_assert_ptr_null(opts.logits);
	ck_assert_int_eq(opts.new_tokens, -1);
	ck_assert(opts.temperature == 0 && opts.top_p == 1);
	ck_assert_int_eq(opts.top_k, 0);
	ck_assert(opts.seed == 0);
	assert_grid(opts.grid, 0, 0);
	assert_grid(opts.prefill_grid, 0, 0);
	assert_grid(opts.decode_grid, 0, 0);
	assert_grid(opts.rank_grid, 0, 0);
}
END_TEST

START_TEST(run_takes_all_of_its_options)
{
	accept("run", "m.h5", "--prompt", "a b", "-n", "7", "--temperature",
	       "0.5", "--top-k", "40", "--top-p", "0.9", "--seed", "3");
	ck_assert_int_eq(opts.verb, VERB_RUN);
	ck_assert_str_eq(opts.model, "m.h5");
	ck_assert_str_eq(opts.prompt, "a b");
	ck_assert_int_eq(opts.new_tokens, 7);
	ck_assert(opts.temperature == 0.5 && opts.top_p == 0.9);
	ck_assert_int_eq(opts.top_k, 40);
	ck_assert(opts.seed == 3);
	accept("--grid", "8x8", "--prefill-grid", "3x3", "--decode-grid",
	       "4096x4096", "--rank-grid", "2x5", "--logits", "l.h5",
	       "--quiet", "--prompt-file", "-");
	assert_grid(opts.grid, 8, 8);
	assert_grid(opts.prefill_grid, 3, 3);
	assert_grid(opts.decode_grid, 4096, 4096);
	assert_grid(opts.rank_grid, 2, 5);
	ck_assert_str_eq(opts.logits, "l.h5");
	ck_assert_str_eq(opts.prompt_file, "-");
	ck_assert(opts.quiet);
	ck_assert(!opts.special && !opts.prompt_ids);
	accept("--special", "--prompt", "<s>");
	ck_assert(opts.special);
	accept("--prompt-ids", "-1,2");
	ck_assert_str_eq(opts.prompt_ids, "-1,2");
}
END_TEST

START_TEST(import_and_info_take_theirs)
{
	accept("import", "a.bin", "b.h5", "--tokenizer", "t", "--dtype",
	       "bf16", "--quiet");
	ck_assert_int_eq(opts.verb, VERB_IMPORT);
	ck_assert_str_eq(opts.source, "a.bin");
	ck_assert_str_eq(opts.dest, "b.h5");
	ck_assert_str_eq(opts.tokenizer, "t");
	ck_assert_int_eq(opts.type, WL_BF16);
	ck_assert(opts.quiet);
	accept("import", "--random", "s.json", "b.h5", "--seed", "5");
	ck_assert_str_eq(opts.random_shape, "s.json");
	ck_assert_str_eq(opts.dest, "b.h5");
	ck_assert_ptr_null(opts.source);
	ck_assert_int_eq(opts.type, -1);
	ck_assert(opts.seed == 5);
	accept("info", "m.h5");
	ck_assert_int_eq(opts.verb, VERB_INFO);
	ck_assert_str_eq(opts.model, "m.h5");
}
END_TEST

START_TEST(device_and_shape_take_a_name)
{
	accept("device");
	ck_assert_int_eq(opts.verb, VERB_DEVICE);
	ck_assert_ptr_null(opts.named);
	accept("device", "wse2", "--set", "clock=5", "--set", "rows=7");
	ck_assert_str_eq(opts.named, "wse2");
	ck_assert_str_eq(opts.set[1], "rows=7");
	accept("shape", "llama3-8b");
	ck_assert_int_eq(opts.verb, VERB_SHAPE);
	ck_assert_str_eq(opts.named, "llama3-8b");
	refuse("option --set needs a device", "device", "--set", "clock=5");
	refuse("unexpected argument \"b\"", "device", "a", "b");
	refuse("unexpected argument \"b\"", "shape", "a", "b");
	refuse("unknown option --set", "shape", "a", "--set", "clock=5");
	refuse("unknown option --device", "device", "--device", "wse2");
	refuse("unknown option --verbose", "bench", "gemm", "--verbose");
	refuse("--quiet and --verbose exclude", "--quiet", "--verbose");
	refuse("--no-account and --verbose exclude", "--no-account",
	       "--verbose");
}
END_TEST

/* "=", "--", a lone "-", words that look like verbs or options, and an option
 * that comes twice. */
START_TEST(words_are_told_apart)
{
	accept("--prompt=x=y", "--grid=4x4");
	ck_assert_str_eq(opts.prompt, "x=y");
	assert_grid(opts.grid, 4, 4);
	accept("--prompt=");
	ck_assert_str_eq(opts.prompt, "");
	accept("--prompt", "--quiet");
	ck_assert_str_eq(opts.prompt, "--quiet");
	ck_assert(!opts.quiet);
	accept("--", "-m.h5");
	ck_assert_str_eq(opts.model, "-m.h5");
	accept("-");
	ck_assert_str_eq(opts.model, "-");
	accept("run", "info");
	ck_assert_int_eq(opts.verb, VERB_RUN);
	ck_assert_str_eq(opts.model, "info");
	accept("-n", "3", "-n", "4");
	ck_assert_int_eq(opts.new_tokens, 4);
	accept("-n5", "--quiet");
	ck_assert_int_eq(opts.new_tokens, 5);
	accept("bench", "gemm", "-m64", "-k3", "-n2");
	ck_assert(opts.m == 64 && opts.k == 3 && opts.n == 2);
	refuse("option -n: \"-3\" is not between", "-n-3");
	refuse("option -n: \"3x\" is not a number", "-n3x");
}
END_TEST

START_TEST(the_rest_is_not_checked_after_help)
{
	accept("--help", "--bogus");
	ck_assert(opts.help);
	accept("import", "--help");
	ck_assert(opts.help);
	ck_assert_int_eq(opts.verb, VERB_IMPORT);
	accept("--version", "-n");
	ck_assert(opts.version);
	refuse("--bogus", "--bogus", "--help");
	accept("-h", "--bogus");
	ck_assert(opts.help && !opts.verb_named);
	accept("info", "m.h5", "-h");
	ck_assert(opts.help && opts.verb_named);
	ck_assert_int_eq(opts.verb, VERB_INFO);
}
END_TEST

START_TEST(help_is_a_verb)
{
	accept("help");
	ck_assert(opts.help && !opts.verb_named);
	accept("help", "help");
	ck_assert(opts.help && !opts.verb_named);
	accept("help", "bench", "x");
	ck_assert(opts.help && opts.verb_named);
	ck_assert_int_eq(opts.verb, VERB_BENCH);
	refuse("unknown verb \"improt\": did you mean import?", "help",
	       "improt");
	refuse("unknown verb \"qqqqq\" (see", "help", "qqqqq");
	accept("run", "help");
	ck_assert(!opts.help);
	ck_assert_str_eq(opts.model, "help");
}
END_TEST

/* No file of these names is there. */
START_TEST(misspelt_words_name_the_nearest)
{
	static const char *const verb[][2] = {
		{ "improt", "import" }, { "inof", "info" },
		{ "imprt", "import" }, { "IMPORT", "import" },
		{ "bnech", "bench" }, { "benchmark", "bench" },
		{ "rnu", "run" }, { "hlep", "help" },
		{ "devices", "device" }, { "shpae", "shape" },
	}, *const option[][2] = {
		{ "--promt", "--prompt" }, { "-prompt", "--prompt" },
		{ "--Prompt", "--prompt" }, { "--temp", "--temperature" },
		{ "--promt=x", "--prompt" }, { "--n", "-n" },
		{ "--dryrun", "--dry-run" }, { "-quiet", "--quiet" },
		{ "--helpp", "--help" },
	};
	char text[80];

	for (size_t i = 0; i < sizeof verb / sizeof *verb; i++) {
		snprintf(text, sizeof text, "unknown verb or model \"%s\": "
		         "did you mean %s?", verb[i][0], verb[i][1]);
		refuse(text, verb[i][0], "a", "b");
		refuse(text, verb[i][0], "--random", "a");
		refuse(text, verb[i][0], "--help");
		accept(verb[i][0]);
		options_suggest_verb(&opts, &err);
		ck_assert_ptr_nonnull(strstr(err.text, text));
	}
	for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
		snprintf(text, sizeof text, ": did you mean %s?", option[i][1]);
		refuse(text, option[i][0]);
	}
	refuse("\"convert\", or unexpected argument \"a\"", "convert", "a");
	refuse("the verb, import, must be the first", "--quiet", "import",
	       "a", "b");
	refuse("unknown option -x (see", "-x");
	refuse("unknown option --xyzzy (see", "--xyzzy");
	accept("runs.h5");
	options_suggest_verb(&opts, &err);
	ck_assert_str_eq(err.text, "");
}
END_TEST

START_TEST(reports_go_to_standard_output)
{
	refuse("standard output", "--report", "-");
	refuse("standard output", "m.h5", "--report=-");
	accept("--dry-run", "--prompt-tokens", "3", "--report", "-");
	ck_assert_ptr_eq(options_tables(&opts), stderr);
	accept("bench", "gemm", "--report", "-");
	ck_assert_ptr_eq(options_tables(&opts), stderr);
	accept("bench", "host", "--report", "r.json");
	ck_assert_ptr_eq(options_tables(&opts), stdout);
	refuse("--algo list and --report", "bench", "gemm", "--algo", "list",
	       "--report", "-");
}
END_TEST

START_TEST(unknown_words_are_named)
{
	refuse("unknown option --bogus", "--bogus");
	refuse("unknown option --prom", "--prom", "x");
	refuse("unknown option --promptx", "--promptx", "x");
	refuse("unknown option -x", "-x");
	refuse("unknown option -n=3", "-n=3");
	refuse("waferllm info --help", "info", "m.h5", "--prompt", "x");
	refuse("unknown option --grid", "import", "--grid", "4x4");
	refuse("unexpected argument \"b\"", "a", "b");
	refuse("unexpected argument \"b\"", "info", "a", "b");
	refuse("unexpected argument \"c\"", "import", "a", "b", "c");
	refuse("--quiet takes no argument", "--quiet=yes");
	refuse("--prompt needs an argument (TEXT)", "--prompt");
	refuse("-n needs an argument", "m.h5", "-n");
}
END_TEST

START_TEST(grids_are_exact)
{
	static const char *const bad[] = {
		"", "x", "4", "4x", "x4", "4X4", "4x4x4", "-1x4", "4x-1",
		"+4x4", " 4x4", "4 x4", "4x 4", "4x4 ", "0x0", "0x4", "4x0",
		"4.0x4", "99999999999x1", "99999999999999999999x1",
		"1x18446744073709551617", "0x10x4",
	};
	static const char *const option[] = {
		"--grid", "--prefill-grid", "--decode-grid", "--rank-grid",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (int j = 0; j < 4; j++)
			refuse(option[j], option[j], bad[i]);
	for (int j = 0; j < 3; j++) {
		refuse("range", option[j], "4097x4097");
		refuse("range", option[j], "4x4097");
		accept(option[j], "4x5");
	}
	accept("--rank-grid", "65536x1");
	refuse("range", "--rank-grid", "1x65537");
}
END_TEST

START_TEST(numbers_are_exact)
{
	static const char *const bad[] = {
		"", "abc", "1a", "1 ", " 1", "0x10", "nan", "inf", "-inf",
		"1e999", "--", "1,5",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		refuse("option -n:", "-n", bad[i]);
		refuse("option --top-k:", "--top-k", bad[i]);
		refuse("option --temperature:", "--temperature", bad[i]);
		refuse("option --top-p:", "--top-p", bad[i]);
		refuse("option --seed:", "--seed", bad[i]);
	}
	refuse("option -n: \"0\"", "-n", "0");
	refuse("option -n:", "-n", "-1");
	refuse("option -n:", "-n", "1.5");
	refuse("option -n:", "-n", "1e99");
	refuse("option -n:", "-n", "2147483648");
	refuse("option --top-k:", "--top-k", "-1");
	refuse("option --temperature:", "--temperature", "-0.1");
	refuse("option --top-p:", "--top-p", "1.0001");
	refuse("option --seed:", "--seed", "-1");
	refuse("option --seed:", "--seed", "1.0");
	refuse("option --seed:", "--seed", "18446744073709551616");
	accept("-n", "2147483647", "--seed", "18446744073709551615",
	       "--top-p", "0", "--temperature", "1e-3");
	ck_assert_int_eq(opts.new_tokens, INT_MAX);
	ck_assert(opts.seed == UINT64_MAX);
	ck_assert(opts.top_p == 0 && opts.temperature == 1e-3);
}
END_TEST

START_TEST(options_must_go_together)
{
	refuse("exclude each other", "--prompt", "a", "--prompt-file", "b");
	refuse("--prompt-file", "--prompt=", "--prompt-file=b");
	refuse("--prompt-ids and --prompt exclude", "--prompt-ids", "1",
	       "--prompt=");
	refuse("--prompt-ids and --prompt-file exclude", "--prompt-file", "b",
	       "--prompt-ids=");
	refuse("--prompt-ids and --special exclude", "--special",
	       "--prompt-ids=1,2");
	refuse("option --special takes no argument", "--special=1");
	refuse("--prompt-ids needs an argument (ID,...)", "--prompt-ids");
	refuse("--no-account and --report exclude", "--no-account", "--report",
	       "r.json");
	refuse("--no-account and --strict exclude", "--strict",
	       "--no-account");
	accept("--no-account", "--profile", "--quiet");
	ck_assert(opts.no_account && opts.profile);
	refuse("unknown option --profile", "bench", "gemm", "--profile");
	accept("info");
	ck_assert_ptr_null(opts.model);
	refuse("SOURCE and DEST.h5", "import", "--tokenizer", "t");
	refuse("SOURCE and DEST.h5", "import", "a", "--tokenizer", "t");
	refuse("DEST.h5 alone", "import", "--random", "s");
	refuse("DEST.h5 alone", "import", "--random", "s", "a", "b");
	refuse("--tokenizer", "import", "--random", "s", "a", "--tokenizer",
	       "t");
	refuse("\"f64\" is not one of", "import", "--dtype", "f64");
}
END_TEST

/* A made-up name must not forge lines, nor burst the message. */
START_TEST(messages_are_one_short_line)
{
	char word[3000];

	refuse("--a?b", "--a\nb");
	memset(word, 'x', sizeof word);
	memcpy(word, "--", 2);
	word[sizeof word - 1] = '\0';
	refuse("unknown option --xxx", word);
	refuse("xxx", "--grid", word + 2);
	ck_assert_uint_lt(strlen(err.text), sizeof err.text);
}
END_TEST

/* What options_help writes, to be freed. */
static char *help(enum verb verb)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	options_help(f, verb);
	fclose(f);
	return text;
}

static const char *const run_options[] = {
	"--prompt TEXT", "--prompt-file FILE", "--special",
	"--prompt-ids ID,...", "-n N", "--context N", "--temperature T",
	"--top-k K", "--top-p P", "--seed S", "--grid RxC|auto",
	"--prefill-grid RxC", "--decode-grid RxC", "--rank-grid rxc",
	"--dry-run", "--shape SHAPE", "--prompt-tokens L", "--kv shift|concat",
	"--kv-heads-full", "--prefill-regions N", "--decode-regions N",
	"--system SYSTEM", "--gemm NAME", "--allreduce NAME",
	"--groups G[,G...]", "--device DEVICE", "--set KEY=VALUE",
	"--dtype TYPE", "--report FILE", "--strict", "--profile",
	"--no-account", "--logits FILE", "--no-verify", "--no-shared-memory",
	"--quiet", "--verbose", "--help", "-h", "--version",
	NULL,
};
static const char *const import_options[] = {
	"--seed S", "--quiet", "--tokenizer FILE", "--random SHAPE",
	"--dtype TYPE", "--help", "-h", "--version",
	NULL,
};
static const char *const bench_options[] = {
	"--dry-run", "--groups G[,G...]", "--device DEVICE", "--set KEY=VALUE",
	"--dtype TYPE", "--report FILE", "--strict", "--grid RxC", "-m M",
	"-k K", "-n N", "--words W", "--hops L", "--algo NAME,...", "--check",
	"--repeat R", "--no-shared-memory", "--quiet", "--help", "-h",
	"--version",
	NULL,
};
static const char *const host_options[] = {
	"--report FILE", "--repeat R", "--quiet", "--help", "-h", "--version",
	NULL,
};
static const char *const info_options[] = { "--help", "-h", "--version", NULL };
static const char *const device_options[] = {
	"--set KEY=VALUE", "--help", "-h", "--version", NULL,
};

/* Every option of the verb is there, and no other. */
static void assert_help(enum verb verb, const char *const *option)
{
	char *text = help(verb), name[64];
	int lines = 0;

	for (; option[lines]; lines++) {
		snprintf(name, sizeof name, "\n  %s ", option[lines]);
		ck_assert_msg(strstr(text, name), "no '%s'", option[lines]);
	}
	for (const char *p = text; (p = strstr(p, "\n  -")); p++)
		lines--;
	ck_assert_int_eq(lines, 0);
	free(text);
}

START_TEST(help_names_every_option)
{
	char *text = help(NVERBS);

	assert_help(VERB_RUN, run_options);
	assert_help(VERB_BENCH, bench_options);
	assert_help(VERB_IMPORT, import_options);
	assert_help(VERB_INFO, info_options);
	assert_help(VERB_DEVICE, device_options);
	assert_help(VERB_SHAPE, info_options);
	assert_help(NVERBS, run_options);
	ck_assert_ptr_nonnull(strstr(text, "waferllm import SOURCE DEST.h5"));
	ck_assert_ptr_nonnull(strstr(text, "waferllm info [MODEL.h5]"));
	ck_assert_ptr_nonnull(strstr(text, "waferllm device [DEVICE]"));
	ck_assert_ptr_nonnull(strstr(text, "waferllm shape [SHAPE]"));
	ck_assert_ptr_nonnull(strstr(text, "waferllm bench gemm|gemm-t|gemv|"
	                             "allreduce|shift|host [options]"));
	free(text);
}
END_TEST

/* One option as it is used; fails when the verb has no such option. */
static struct option_value *value_of(const char *name)
{
	static struct option_value v;

	for (size_t i = 0; i < options_count(); i++) {
		memset(&v, 0x5a, sizeof v);
		if (options_get(&opts, i, &v) && !strcmp(v.name, name))
			return &v;
	}
	ck_abort_msg("no %s", name);
}

#define assert_none(option) \
	ck_assert_int_eq(value_of(option)->kind, OPTION_NONE)
#define assert_text(option, wanted) do { \
	ck_assert_int_eq(value_of(option)->kind, OPTION_TEXT); \
	ck_assert_str_eq(value_of(option)->text, wanted); \
} while (0)
#define assert_number(option, wanted) do { \
	ck_assert_int_eq(value_of(option)->kind, OPTION_NUMBER); \
	ck_assert(value_of(option)->number == (wanted)); \
} while (0)
#define assert_flag(option, wanted) do { \
	ck_assert_int_eq(value_of(option)->kind, OPTION_FLAG); \
	ck_assert(value_of(option)->flag == (wanted)); \
} while (0)

START_TEST(values_are_those_used)
{
	accept("m.h5");
	assert_none("--prompt");
	assert_none("-n");
	assert_none("--grid");
	assert_none("--set");
	assert_none("--dtype");
	assert_none("--prompt-tokens");
	assert_text("--device", "wse2");
	assert_text("--kv", "shift");
	assert_number("--temperature", 0);
	assert_number("--top-k", 0);
	assert_number("--top-p", 1);
	assert_number("--seed", 0);
	assert_number("--decode-regions", 1);
	assert_flag("--quiet", false);
	assert_flag("--strict", false);
	accept("--prompt-file", "p", "--rank-grid", "2x3", "--grid", "8x8",
	       "--temperature", "0.5", "--seed", "4294967296", "-n", "9",
	       "--quiet");
	assert_text("--prompt-file", "p");
	assert_text("--rank-grid", "2x3");
	assert_text("--grid", "8x8");
	assert_number("--temperature", 0.5);
	assert_number("--seed", 4294967296.0);
	assert_number("-n", 9);
	assert_flag("--quiet", true);
	accept("import", "--random", "s", "d", "--dtype", "f16");
	assert_text("--random", "s");
	assert_text("--dtype", "f16");
	accept("--dry-run", "--prompt-tokens", "5", "--grid", "auto", "--kv",
	       "concat");
	assert_text("--grid", "auto");
	assert_text("--kv", "concat");
}
END_TEST

/* Every option of a verb but --help and --version, in the order of its help,
 * and no other. */
static void assert_values(enum verb verb, const char *const *option)
{
	struct option_value v;
	int n = 0;

	for (size_t i = 0; i < options_count(); i++)
		if (options_get(&opts, i, &v)) {
			size_t len = strlen(v.name);

			ck_assert_msg(option[n] &&
			              !strncmp(option[n], v.name, len) &&
			              (option[n][len] == ' ' ||
			               !option[n][len]),
			              "%s, not %s", v.name, option[n]);
			n++;
		}
	ck_assert_int_eq(opts.verb, verb);
	ck_assert_str_eq(option[n], "--help");
}

START_TEST(values_are_the_verbs_own)
{
	accept(NULL);
	assert_values(VERB_RUN, run_options);
	accept("bench", "gemm", "--dry-run");
	assert_values(VERB_BENCH, bench_options);
	accept("bench", "host");
	assert_values(VERB_BENCH, host_options);
	accept("import", "a", "b");
	assert_values(VERB_IMPORT, import_options);
	accept("info", "m.h5");
	assert_values(VERB_INFO, info_options);
	accept("device", "wse2", "--set", "clock=5");
	assert_values(VERB_DEVICE, device_options);
	accept("shape");
	assert_values(VERB_SHAPE, info_options);
}
END_TEST

START_TEST(sets_are_kept_in_order)
{
	char *argv[2 * OPTIONS_SETS + 5] = { "waferllm" };
	int argc = 1;
	char want[4 * OPTIONS_SETS + 1] = "";

	accept("--set", "clock=1", "--set=sram=2", "--set", "clock=3");
	ck_assert_str_eq(opts.set[0], "clock=1");
	ck_assert_str_eq(opts.set[1], "sram=2");
	ck_assert_str_eq(opts.set[2], "clock=3");
	ck_assert_ptr_null(opts.set[3]);
	assert_text("--set", "clock=1,sram=2,clock=3");
	for (int i = 0; i <= OPTIONS_SETS; i++) {
		argv[argc++] = "--set";
		argv[argc++] = "a=b";
		if (i < OPTIONS_SETS)
			strcat(want, i ? ",a=b" : "a=b");
	}
	ck_assert_int_eq(options_parse(argc - 2, argv, &opts, &err), 0);
	ck_assert_str_eq(opts.set[OPTIONS_SETS - 1], "a=b");
	ck_assert_ptr_null(opts.set[OPTIONS_SETS]);
	assert_text("--set", want);
	ck_assert_int_eq(options_parse(argc, argv, &opts, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "option --set"));
}
END_TEST

/* Lists longer than what shows them end inside it. */
START_TEST(long_lists_are_cut)
{
	char word[400];

	memset(word, 'x', sizeof word);
	word[sizeof word - 1] = '\0';
	accept("--set", word, "--set", word, "--set", word);
	ck_assert_uint_lt(strlen(value_of("--set")->text),
	                  sizeof value_of("--set")->buffer);
	ck_assert_mem_eq(value_of("--set")->text, word, sizeof word - 1);
}
END_TEST

START_TEST(the_account_takes_its_options)
{
	accept("--dry-run", "--shape", "s", "--prompt-tokens", "4096", "-n",
	       "4", "--kv=concat", "--kv-heads-full", "--prefill-regions",
	       "2", "--decode-regions=3");
	ck_assert(opts.dry_run && opts.kv_heads_full && !opts.strict);
	ck_assert_str_eq(opts.shape, "s");
	ck_assert_str_eq(opts.kv, "concat");
	ck_assert_str_eq(opts.device, "wse2");
	ck_assert_int_eq(opts.prompt_tokens, 4096);
	ck_assert_int_eq(opts.prefill_regions, 2);
	ck_assert_int_eq(opts.decode_regions, 3);
	ck_assert_int_eq(opts.type, -1);
	accept("m.h5", "--device", "d.json", "--report", "r.h5", "--strict",
	       "--dtype", "bf16");
	ck_assert_str_eq(opts.device, "d.json");
	ck_assert_str_eq(opts.report, "r.h5");
	ck_assert(opts.strict && !opts.dry_run);
	ck_assert_int_eq(opts.type, WL_BF16);
	accept("--dry-run", "--prompt-tokens=1", "--context", "16777216");
	ck_assert_int_eq(opts.context, OPTIONS_MAX_CONTEXT);
	accept("--context=1");
	ck_assert_int_eq(opts.context, 1);
	assert_number("--context", 1);
	accept("--dry-run", "--prompt-tokens=1", "--grid", "auto");
	ck_assert_int_eq(opts.context, 0);
	ck_assert_int_eq(value_of("--context")->kind, OPTION_NONE);
	assert_grid(opts.grid, GRID_AUTO, GRID_AUTO);
}
END_TEST

START_TEST(bench_takes_its_options)
{
	accept("bench", "shift", "--grid", "7x8", "-m", "3",
	       "-k", "4", "-n", "5", "--words", "6", "--hops", "8",
	       "--groups", "9,4", "--algo", "relay", "--check", "--repeat",
	       "7");
	ck_assert_int_eq(opts.verb, VERB_BENCH);
	ck_assert_str_eq(opts.kernel, "shift");
	assert_grid(opts.grid, 7, 8);
	ck_assert_int_eq(opts.m, 3);
	ck_assert_int_eq(opts.k, 4);
	ck_assert_int_eq(opts.n, 5);
	ck_assert_int_eq(opts.words, 6);
	ck_assert_int_eq(opts.hops, 8);
	ck_assert_int_eq(opts.groups[0], 9);
	ck_assert_int_eq(opts.groups[1], 4);
	ck_assert_int_eq(opts.groups[2], 0);
	ck_assert_str_eq(opts.algo, "relay");
	ck_assert(opts.check && !opts.dry_run);
	ck_assert_int_eq(opts.repeat, 7);
	accept("bench", "gemm", "--dry-run");
	ck_assert_int_eq(opts.n, 0);
	ck_assert_int_eq(opts.groups[0], 0);
	ck_assert_int_eq(opts.repeat, 3);
	refuse("--dry-run and --check", "bench", "gemm", "--dry-run",
	       "--check");
	refuse("option --repeat", "bench", "gemm", "--repeat", "0");
	refuse("unexpected argument", "bench", "gemm", "x", "--dry-run");
	refuse("unknown option", "bench", "gemm", "--prompt", "x");
	refuse("option --grid", "bench", "gemm", "--dry-run", "--grid",
	       "auto");
	refuse("option -m", "bench", "gemm", "--dry-run", "-m", "0");
}
END_TEST

/* It emulates nothing: what a kernel takes is refused, were it the default. */
START_TEST(bench_host_takes_few_options)
{
	static char *const wrong[][2] = {
		{ "--dry-run" }, { "--check" }, { "--strict" },
		{ "--grid", "4x4" }, { "-m", "3" }, { "-k", "3" },
		{ "-n", "3" }, { "--words", "3" }, { "--hops", "3" },
		{ "--algo", "list" }, { "--groups", "2" },
		{ "--device", "wse2" }, { "--set", "hop_cycles=1" },
		{ "--dtype", "f32" },
	};

	accept("bench", "host", "--repeat", "5", "--report", "r.json",
	       "--quiet");
	ck_assert(options_bench_host(&opts));
	ck_assert_int_eq(opts.repeat, 5);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		refuse("is not for bench host", "bench", "host",
		       wrong[i][0], wrong[i][1]);
		refuse(wrong[i][0], "bench", "--repeat", "5", wrong[i][0],
		       wrong[i][1] ? wrong[i][1] : "host",
		       wrong[i][1] ? "host" : NULL);
	}
	accept("bench", "gemm", "--device", "wse2");
	ck_assert(!options_bench_host(&opts));
	accept("run", "host");
	ck_assert(!options_bench_host(&opts));
}
END_TEST

START_TEST(dry_runs_need_and_exclude)
{
	refuse("option --shape needs --dry-run", "--shape", "s");
	refuse("option --prompt-tokens needs --dry-run", "--prompt-tokens",
	       "3");
	refuse("option --kv concat needs --dry-run", "--kv", "concat");
	refuse("option --kv-heads-full needs --dry-run", "--kv-heads-full");
	refuse("option --grid auto needs --dry-run", "--grid", "auto");
	refuse("needs --prompt-tokens", "--dry-run");
#define DRY "--dry-run", "--prompt-tokens", "3"
	refuse("--dry-run and --prompt exclude", DRY, "--prompt", "x");
	refuse("--dry-run and --prompt-ids exclude", DRY, "--prompt-ids", "1");
	refuse("--dry-run and --special exclude", DRY, "--special");
	refuse("--dry-run and --prompt-file exclude", DRY, "--prompt-file",
	       "x");
	refuse("--dry-run and --logits exclude", DRY, "--logits", "x");
	refuse("--dry-run and --rank-grid exclude", DRY, "--rank-grid",
	       "1x1");
	refuse("--dry-run and --profile exclude", DRY, "--profile");
	refuse("--dry-run and --no-account exclude", DRY, "--no-account");
	refuse("--shape and MODEL.h5 exclude", DRY, "--shape", "s", "m.h5");
	refuse("option --grid auto excludes", DRY, "--grid", "auto",
	       "--prefill-grid", "2x2");
	refuse("option --grid auto excludes", DRY, "--grid", "auto",
	       "--decode-grid", "2x2");
	refuse("not one of shift, concat", DRY, "--kv", "grow");
	refuse("option --prompt-tokens", "--dry-run", "--prompt-tokens", "0");
	refuse("option --context: \"0\" is not between", "--context", "0");
	refuse("option --context", "--context", "16777217");
	refuse("option --context", "--context", "4294967297");
	refuse("option --context", "--context", "1.5");
	refuse("option --context", "--context", "");
	refuse("unknown option --context", "info", "--context", "5");
	refuse("option --prompt-tokens", "--dry-run", "--prompt-tokens",
	       "16777217");
	refuse("option --prefill-regions", "--prefill-regions", "0");
	refuse("option --decode-regions", "--decode-regions", "65537");
	refuse("not one of f32, f16, bf16", "--dtype", "f64");
	accept("--kv", "shift");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("options");
	TCase *tc = tcase_create("parse");

	tcase_add_test(tc, nothing_means_defaults);
	tcase_add_test(tc, run_takes_all_of_its_options);
	tcase_add_test(tc, import_and_info_take_theirs);
	tcase_add_test(tc, device_and_shape_take_a_name);
	tcase_add_test(tc, words_are_told_apart);
	tcase_add_test(tc, the_rest_is_not_checked_after_help);
	tcase_add_test(tc, help_is_a_verb);
	tcase_add_test(tc, misspelt_words_name_the_nearest);
	tcase_add_test(tc, reports_go_to_standard_output);
	tcase_add_test(tc, unknown_words_are_named);
	tcase_add_test(tc, grids_are_exact);
	tcase_add_test(tc, numbers_are_exact);
	tcase_add_test(tc, options_must_go_together);
	tcase_add_test(tc, messages_are_one_short_line);
	tcase_add_test(tc, help_names_every_option);
	tcase_add_test(tc, values_are_those_used);
	tcase_add_test(tc, values_are_the_verbs_own);
	tcase_add_test(tc, sets_are_kept_in_order);
	tcase_add_test(tc, long_lists_are_cut);
	tcase_add_test(tc, the_account_takes_its_options);
	tcase_add_test(tc, bench_takes_its_options);
	tcase_add_test(tc, bench_host_takes_few_options);
	tcase_add_test(tc, dry_runs_need_and_exclude);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	name_choices();
	return run_suite(suite());
}

#include "config.h"
#include "base/options.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/names.h"
#include "nearest.h"
#include "option_kind.h"

#define RUN (1u << VERB_RUN)
#define IMPORT (1u << VERB_IMPORT)
#define INFO (1u << VERB_INFO)
#define BENCH (1u << VERB_BENCH)
#define DEVICE (1u << VERB_DEVICE)
#define SHAPE (1u << VERB_SHAPE)
#define ALL (RUN | BENCH | IMPORT | INFO | DEVICE | SHAPE)
/* Beside BENCH: what bench host takes, too. */
#define HOST (1u << NVERBS)

/* Of a prompt, and of new tokens, in a dry run. */
#define MOST_TOKENS (1 << 20)

#define AT(field) offsetof(struct options, field)

/* Texts that options_name_choices completes. */
static char bench_operands[128] = "KERNEL";
static char system_help[256] = "how a model is laid out and run";

static const struct option table[] = {
	{ RUN, "--prompt", STRING, AT(prompt), "TEXT", NULL, 0, 0,
	  "text to continue; \"\": the begin-of-text token alone" },
	{ RUN, "--prompt-file", INPUT, AT(prompt_file), "FILE", NULL, 0, 0,
	  "read the prompt from FILE, - for standard input" },
	{ RUN, "--special", FLAG, AT(special), NULL, NULL, 0, 0,
	  "read control tokens in the prompt, such as <|im_start|>, as\n"
	  "the tokens they are; without it they are plain text" },
	{ RUN, "--prompt-ids", STRING, AT(prompt_ids), "ID,...", NULL, 0, 0,
	  "the prompt as token ids; no begin-of-text token is added" },
	{ RUN, "-n", INTEGER, AT(new_tokens), "N", NULL, 1, INT_MAX,
	  "new tokens (default 256, or what the context leaves)" },
	{ RUN, "--context", INTEGER, AT(context), "N", NULL, 1,
	  OPTIONS_MAX_CONTEXT,
	  "limit on prompt and new tokens together (default: the\n"
	  "model's; only --dry-run may exceed it)" },
	{ RUN, "--temperature", REAL, AT(temperature), "T", "0", 0, 1e6,
	  "0 picks the most likely token; higher values sample more\n"
	  "widely" },
	{ RUN, "--top-k", INTEGER, AT(top_k), "K", "0", 0, INT_MAX,
	  "only the K likeliest tokens, 0: all" },
	{ RUN, "--top-p", REAL, AT(top_p), "P", "1", 0, 1,
	  "only the likeliest tokens that make up P" },
	{ RUN | IMPORT, "--seed", UNSIGNED, AT(seed), "S", "0", 0, 0,
	  "seed of the random numbers" },
	{ RUN, "--grid", AUTO, AT(grid), "RxC|auto", NULL, 1, 4096,
	  "cores of the wafer, both phases (default: by the model);\n"
	  "auto, with --dry-run: the fastest that fit" },
	{ RUN, "--prefill-grid", GRID, AT(prefill_grid), "RxC", NULL, 1,
	  4096, "cores for the prompt, instead of --grid" },
	{ RUN, "--decode-grid", GRID, AT(decode_grid), "RxC", NULL, 1, 4096,
	  "cores for the new tokens, instead of --grid" },
	{ RUN, "--rank-grid", GRID, AT(rank_grid), "rxc", NULL, 1, 65536,
	  "MPI ranks to use (default: the most that fit)" },
	{ RUN | BENCH, "--dry-run", FLAG, AT(dry_run), NULL, NULL, 0, 0,
	  "the account alone: no weights, one process" },
	{ RUN, "--shape", INPUT, AT(shape), "SHAPE", NULL, 0, 0,
	  "with --dry-run, no MODEL.h5: a JSON file or a known shape" },
	{ RUN, "--prompt-tokens", INTEGER, AT(prompt_tokens), "L", NULL, 1,
	  MOST_TOKENS, "with --dry-run: tokens of the prompt, BOS included" },
	{ RUN, "--kv", KV, AT(kv), "shift|concat", "shift", 0, 0,
	  "where new keys and values go; concat with --dry-run" },
	{ RUN, "--kv-heads-full", FLAG, AT(kv_heads_full), NULL, NULL, 0, 0,
	  "with --dry-run: one head of full width, as published" },
	{ RUN, "--prefill-regions", INTEGER, AT(prefill_regions), "N", "1", 1,
	  1 << 16, "parts of the wafer that share the layers out, prefill" },
	{ RUN, "--decode-regions", INTEGER, AT(decode_regions), "N", "1", 1,
	  1 << 16, "the same, decode" },
	{ RUN, "--system", STRING, AT(system), "SYSTEM", "waferllm", 0, 0,
	  system_help },
	{ RUN, "--gemm", STRING, AT(gemm), "NAME", NULL, 0, 0,
	  "algorithm of the prompt's products with weights (default:\n"
	  "the system's; waferllm bench gemm --algo list shows all)" },
	{ RUN, "--allreduce", STRING, AT(allreduce), "NAME", NULL, 0, 0,
	  "algorithm of sums over cores (default: the system's;\n"
	  "waferllm bench allreduce --algo list shows all)" },
	{ RUN | BENCH, "--groups", COUNTS, AT(groups), "G[,G...]", NULL, 1,
	  4096, "groups of a K-tree's levels (default: about equal steps,\n"
	  "the root of a side for K = 2)" },
	{ RUN | BENCH, "--device", INPUT, AT(device), "DEVICE", "wse2", 0, 0,
	  "what is emulated: a known device or a JSON file" },
	{ RUN | BENCH | DEVICE, "--set", LIST, AT(set), "KEY=VALUE", NULL, 0,
	  0,
	  "change one number of the device (as often as wanted)" },
	{ RUN, "--dtype", TYPE, AT(type), "TYPE", NULL, 0, 0,
	  "elements that cores hold, round to and are charged for: f32,\n"
	  "f16, bf16; sums are f32 (default: f32, of a shape f16)" },
	{ BENCH, "--dtype", TYPE, AT(type), "TYPE", NULL, 0, 0,
	  "elements the account charges: f32, f16, bf16 (default: f16);\n"
	  "the host computes in f32" },
	{ RUN | BENCH | HOST, "--report", STRING, AT(report), "FILE", NULL, 0,
	  0,
	  "write the account to a .json or .h5 file; -: as JSON to\n"
	  "standard output, alone (not of a run that prints its text)" },
	{ RUN | BENCH, "--strict", FLAG, AT(strict), NULL, NULL, 0, 0,
	  "what the device cannot do is an error: exit status 2" },
	{ RUN, "--profile", FLAG, AT(profile), NULL, NULL, 0, 0,
	  "where the host's time goes, by phase and operator" },
	{ RUN, "--no-account", FLAG, AT(no_account), NULL, NULL, 0, 0,
	  "the answer alone, to time what the account costs the host" },
	{ BENCH, "--grid", GRID, AT(grid), "RxC", NULL, 1, 4096,
	  "cores that the kernel runs on" },
	{ BENCH, "-m", INTEGER, AT(m), "M", NULL, 1, 1 << 24,
	  "rows of A and C" },
	{ BENCH, "-k", INTEGER, AT(k), "K", NULL, 1, 1 << 24,
	  "columns of A, rows of B (default: M)" },
	{ BENCH, "-n", INTEGER, AT(n), "N", NULL, 1, 1 << 24,
	  "columns of B and C (default: K)" },
	{ BENCH, "--words", INTEGER, AT(words), "W", NULL, 1, 1 << 24,
	  "allreduce: 32-bit words of the vector on each row" },
	{ BENCH, "--hops", INTEGER, AT(hops), "L", NULL, 1, 1 << 24,
	  "shift: columns that each tile of M x N goes" },
	{ BENCH, "--algo", STRING, AT(algo), "NAME,...", NULL, 0, 0,
	  "algorithms to compare, or all (default: WaferLLM's);\n"
	  "list: shows what there is" },
	{ BENCH, "--check", FLAG, AT(check), NULL, NULL, 0, 0,
	  "compare results with one core's, in double" },
	{ BENCH | HOST, "--repeat", INTEGER, AT(repeat), "R", "3", 1, 1000,
	  "times that the host runs it; the median counts, for host\n"
	  "the best" },
	{ RUN, "--logits", STRING, AT(logits), "FILE", NULL, 0, 0,
	  "write every step's token and logits to an HDF5 file" },
	{ RUN, "--no-verify", FLAG, AT(no_verify), NULL, NULL, 0, 0,
	  "do not compare the weights with their checksums" },
	{ RUN | BENCH, "--no-shared-memory", FLAG, AT(no_shared_memory), NULL,
	  NULL, 0, 0, "ranks of one host send messages, too" },
	{ RUN | BENCH | HOST | IMPORT, "--quiet", FLAG, AT(quiet), NULL, NULL,
	  0, 0,
	  "no summary or tables, nothing on standard error but errors" },
	{ RUN, "--verbose", FLAG, AT(verbose), NULL, NULL, 0, 0,
	  "add the tables of phases, cores, operators and PLMR to the\n"
	  "summary, as a dry run always does" },
	{ IMPORT, "--tokenizer", INPUT, AT(tokenizer), "FILE", NULL, 0, 0,
	  "the tokenizer.bin of a llama2.c checkpoint" },
	{ IMPORT, "--random", INPUT, AT(random_shape), "SHAPE", NULL, 0, 0,
	  "no SOURCE: random weights; a JSON file or a known shape" },
	{ IMPORT, "--dtype", TYPE, AT(type), "TYPE", NULL, 0, 0,
	  "store weights as f32, f16, bf16 (default: as SOURCE)" },
	{ ALL, "--help", FLAG, AT(help), NULL, NULL, 0, 0,
	  "this text" },
	{ ALL, "-h", FLAG, AT(help), NULL, NULL, 0, 0,
	  "the same" },
	{ ALL, "--version", FLAG, AT(version), NULL, NULL, 0, 0,
	  "version of waferllm, and what it was built with" },
};

#define N_OPTIONS (sizeof table / sizeof *table)

_Static_assert(N_OPTIONS <= 8 * sizeof ((struct options *)0)->given,
               "each option has a bit");

static const struct verb_doc verb_text[NVERBS] = {
	[VERB_RUN] = { "run", "[MODEL.h5]",
		"Run a model on the emulated wafer. The prompt and its\n"
		"continuation go to standard output, all else to standard"
		" error;\nof a dry run, which has no text, the summary goes to"
		" standard output.\nStart it with mpirun or srun to use several"
		" ranks." },
	[VERB_BENCH] = { "bench", bench_operands,
		"Run one kernel on the emulated wafer by one or several\n"
		"algorithms, and account for it. Start it with mpirun or srun"
		" to\nuse several ranks; --dry-run needs none. host emulates"
		" nothing: it\nmeasures how fast all ranks together read"
		" memory and do fp32\nmultiply-adds; of the options it takes"
		" --repeat, --report, --quiet." },
	[VERB_IMPORT] = { "import", "SOURCE DEST.h5",
		"Turn a Hugging Face directory, a GGUF file, a llama2.c\n"
		"checkpoint (.bin) and its tokenizer, or a random model into"
		" a\ncheckpoint for run." },
	[VERB_INFO] = { "info", "[MODEL.h5]",
		"Show what a checkpoint holds or, without one, what waferllm"
		" was\nbuilt with, as --version does." },
	[VERB_DEVICE] = { "device", "[DEVICE]",
		"List the devices that --device knows by name or, of a DEVICE,"
		"\na name or a JSON file, show each number with its unit,"
		" meaning\nand source." },
	[VERB_SHAPE] = { "shape", "[SHAPE]",
		"List the shapes that --shape and import --random know by"
		" name\nor, of a SHAPE, a name or a JSON file, show each"
		" number, how many\nbytes the weights take and the source." },
};

static int set(const struct option *o, const char *arg, struct options *opts,
               struct wl_error *err)
{
	return option_kinds[o->kind].parse(o, arg, (char *)opts + o->field,
	                                   err);
}

/* ---- Parsing ---- */

static const struct option *find(enum verb verb, const char *name, size_t len)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if ((table[i].verbs & 1u << verb) &&
		    strlen(table[i].name) == len &&
		    !strncmp(table[i].name, name, len))
			return &table[i];
	return NULL;
}

static void set_defaults(struct options *o)
{
	struct wl_error err;

	*o = (struct options){ .new_tokens = -1, .type = -1 };
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (table[i].initial &&
		    set(&table[i], table[i].initial, o, &err))
			wl_die("the default of %s: %s", table[i].name,
			       err.text);
}

/* What makes sense in a dry run only, and what does not in one. */
static int check_dry_run(const struct options *o, struct wl_error *err)
{
	const struct { const char *name; bool given; } only[] = {
		{ "--shape", o->shape },
		{ "--prompt-tokens", o->prompt_tokens },
		{ "--kv concat", !strcmp(o->kv, "concat") },
		{ "--kv-heads-full", o->kv_heads_full },
		{ "--grid auto", o->grid.rows == GRID_AUTO },
	}, never[] = {
		{ "--prompt", o->prompt }, { "--prompt-file", o->prompt_file },
		{ "--prompt-ids", o->prompt_ids }, { "--special", o->special },
		{ "--logits", o->logits }, { "--rank-grid", o->rank_grid.rows },
		{ "--no-account", o->no_account },
		{ "--profile", o->profile },
	};

	for (size_t i = 0; i < sizeof only / sizeof *only; i++)
		if (only[i].given && !o->dry_run)
			return wl_error_set(err, "option %s needs --dry-run",
			                    only[i].name);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (never[i].given && o->dry_run)
			return wl_error_set(err, "options --dry-run and %s "
			                    "exclude each other",
			                    never[i].name);
	if (o->dry_run && o->new_tokens > MOST_TOKENS)
		return wl_error_set(err, "option -n: a dry run has at most %d "
		                    "new tokens", MOST_TOKENS);
	if (o->dry_run && !o->prompt_tokens)
		return wl_error_set(err, "option --dry-run needs "
		                    "--prompt-tokens L");
	return 0;
}

static bool is_report_on_stdout(const struct options *o)
{
	return o->report && !strcmp(o->report, OPTIONS_STDOUT);
}

static int check_run(const struct options *o, struct wl_error *err)
{
	if (o->no_account && (o->report || o->strict || o->verbose))
		return wl_error_set(err, "options --no-account and %s exclude "
		                    "each other", o->report ? "--report" :
		                    o->strict ? "--strict" : "--verbose");
	if (o->quiet && o->verbose)
		return wl_error_set(err, "options --quiet and --verbose "
		                    "exclude each other");
	if (o->prompt && o->prompt_file)
		return wl_error_set(err, "options --prompt and --prompt-file "
		                    "exclude each other");
	if (o->prompt_ids && (o->prompt || o->prompt_file || o->special))
		return wl_error_set(err, "options --prompt-ids and %s exclude "
		                    "each other", o->prompt ? "--prompt" :
		                    o->prompt_file ? "--prompt-file" :
		                    "--special");
	if (o->logits && !strcmp(o->logits, OPTIONS_STDOUT))
		return wl_error_set(err, "option --logits: standard output has"
		                    " the text of a run: name a file");
	if (is_report_on_stdout(o) && !o->dry_run)
		return wl_error_set(err, "option --report: standard output has"
		                    " the text of a run: name a file (- is for"
		                    " --dry-run)");
	if (o->shape && o->model)
		return wl_error_set(err, "option --shape and MODEL.h5 exclude "
		                    "each other");
	if (o->grid.rows == GRID_AUTO &&
	    (o->prefill_grid.rows || o->decode_grid.rows ||
	     o->prefill_regions > 1 || o->decode_regions > 1))
		return wl_error_set(err, "option --grid auto excludes "
		                    "--prefill-grid and --decode-grid, and "
		                    "regions");
	return check_dry_run(o, err);
}

FILE *options_tables(const struct options *o)
{
	return is_report_on_stdout(o) ? stderr : stdout;
}

bool options_bench_host(const struct options *o)
{
	return o->verb == VERB_BENCH && o->kernel &&
	       !strcmp(o->kernel, OPTIONS_BENCH_HOST);
}

/* bench host takes few of bench's options. */
static int check_host(const struct options *o, struct wl_error *err)
{
	char taken[256] = "";

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (table[i].verbs & HOST)
			names_add(taken, sizeof taken, ", ", table[i].name);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (o->given >> i & 1 && !(table[i].verbs & HOST))
			return wl_error_set(err, "option %s is not for bench "
			                    "host, which emulates nothing (it "
			                    "takes %s)", table[i].name, taken);
	return 0;
}

static int check_bench(const struct options *o, struct wl_error *err)
{
	if (o->dry_run && o->check)
		return wl_error_set(err, "options --dry-run and --check "
		                    "exclude each other");
	if (o->report && o->algo && !strcmp(o->algo, "list"))
		return wl_error_set(err, "options --algo list and --report "
		                    "exclude each other");
	return 0;
}

/* What must hold between options. */
static int check(struct options *o, int operands, struct wl_error *err)
{
	if (o->verb == VERB_RUN)
		return check_run(o, err);
	if (options_bench_host(o))
		return check_host(o, err);
	if (o->verb == VERB_BENCH)
		return check_bench(o, err);
	if (o->verb == VERB_DEVICE && *o->set && !o->named)
		return wl_error_set(err, "option --set needs a device: "
		                    "waferllm device DEVICE --set KEY=VALUE");
	if (o->verb != VERB_IMPORT)
		return 0;
	if (o->random_shape) {
		/* Its only operand is the destination. */
		if (operands != 1)
			return wl_error_set(err, "import --random "
			                    "SHAPE takes DEST.h5 alone");
		o->dest = o->source;
		o->source = NULL;
		if (o->tokenizer)
			return wl_error_set(err, "options --random and "
			                    "--tokenizer exclude each other");
		return 0;
	}
	if (operands != 2)
		return wl_error_set(err, "import: SOURCE and DEST.h5 "
		                    "are needed");
	return 0;
}

/* ---- Words that are none of the table's ---- */

/* The option of the verb that is most like the word; NULL: none is. */
static const char *nearest_option(enum verb verb, const char *word)
{
	struct nearest n = nearest_start(word + strspn(word, "-"));

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (table[i].verbs & 1u << verb)
			nearest_offer(&n, table[i].name,
			              table[i].name + strspn(table[i].name,
			                                     "-"));
	return n.best;
}

/* The same of verbs. A word with a dot or a slash is a file's name. */
static const char *nearest_verb(const char *word)
{
	struct nearest n = nearest_start(word);

	if (strpbrk(word, "./"))
		return NULL;
	for (int v = 0; v < NVERBS; v++)
		nearest_offer(&n, verb_text[v].name, verb_text[v].name);
	nearest_offer(&n, OPTIONS_HELP, OPTIONS_HELP);
	return n.best;
}

/* The first word, where it must be taken for a model. */
static bool is_no_model(const struct options *o)
{
	return !o->verb_named && o->verb == VERB_RUN && o->model &&
	       access(o->model, F_OK) < 0;
}

/* A model that is not there, and whose name is nearly a verb's. */
static const char *meant_verb(const struct options *o)
{
	return is_no_model(o) ? nearest_verb(o->model) : NULL;
}

static int suggest_verb(const struct options *o, struct wl_error *err)
{
	const char *verb = meant_verb(o);

	if (!strcmp(verb, o->model))
		return wl_error_set(err, "the verb, %s, must be the first word"
		                    " (see waferllm --help)", verb);
	return wl_error_set(err, "unknown verb or model \"%s\": did you mean "
	                    "%s?", o->model, verb);
}

void options_suggest_verb(const struct options *o, struct wl_error *err)
{
	if (meant_verb(o))
		suggest_verb(o, err);
}

static int refuse_operand(const struct options *o, const char *arg,
                          struct wl_error *err)
{
	if (meant_verb(o))
		return suggest_verb(o, err);
	if (is_no_model(o))
		return wl_error_set(err, "unknown verb or model \"%.500s\", or "
		                    "unexpected argument \"%.300s\" (see "
		                    "waferllm --help)", o->model, arg);
	return wl_error_set(err, "unexpected argument \"%s\" (see "
	                    "waferllm %s --help)", arg,
	                    verb_text[o->verb].name);
}

static int refuse_option(const struct options *o, const char *arg,
                         size_t length, struct wl_error *err)
{
	char word[64];
	const char *option;
	/* Of "-n=3" all of it is wrong. */
	int shown = arg[1] == '-' && length < 500 ? length : 500;

	if (meant_verb(o))
		return suggest_verb(o, err);
	snprintf(word, sizeof word, "%.*s", shown, arg);
	word[strcspn(word, "=")] = '\0';
	option = strcasecmp(word, "-v") ? nearest_option(o->verb, word)
	                                : "--version";
	if (option)
		return wl_error_set(err, "unknown option %.*s: did you mean "
		                    "%s?", shown, arg, option);
	return wl_error_set(err, "unknown option %.*s (see waferllm %s --help)",
	                    shown, arg, verb_text[o->verb].name);
}

/* ---- Words of the command line ---- */

/* Operand number i of the verb; -1 when it takes no more. */
static int set_operand(struct options *o, int i, const char *arg,
                       struct wl_error *err)
{
	const char **field[NVERBS][2] = {
		[VERB_RUN] = { &o->model, NULL },
		[VERB_BENCH] = { &o->kernel, NULL },
		[VERB_IMPORT] = { &o->source, &o->dest },
		[VERB_INFO] = { &o->model, NULL },
		[VERB_DEVICE] = { &o->named, NULL },
		[VERB_SHAPE] = { &o->named, NULL },
	};

	if (i > 1 || !field[o->verb][i])
		return refuse_operand(o, arg, err);
	*field[o->verb][i] = arg;
	return 0;
}

/* How much of the word is an option's name: "--grid=4x4", "-n3". */
static size_t name_length(const char *arg)
{
	if (arg[1] != '-' && arg[2] && strchr("0123456789+-.", arg[2]))
		return 2;
	return strcspn(arg, "=");
}

/* One option at argv[*i]; steps over its argument. */
static int parse_option(int argc, char **argv, int *i, struct options *o,
                        struct wl_error *err)
{
	const char *arg = argv[*i], *rest;
	size_t length = name_length(arg);
	const struct option *opt = find(o->verb, arg, length);

	if (!opt || (arg[length] == '=' && arg[1] != '-'))
		return refuse_option(o, arg, length, err);
	rest = arg[length] ? arg + length + (arg[length] == '=') : NULL;
	o->given |= (uint64_t)1 << (opt - table);
	if (opt->kind == FLAG) {
		if (rest)
			return wl_error_set(err, "option %s takes no argument",
			                    opt->name);
		return set(opt, NULL, o, err);
	}
	if (rest)
		return set(opt, rest, o, err);
	if (*i + 1 >= argc)
		return wl_error_set(err, "option %s needs an argument (%s)",
		                    opt->name, opt->argument);
	return set(opt, argv[++*i], o, err);
}

/* An enum verb; -1: the word names none. */
static int find_verb(const char *word)
{
	for (int v = 0; v < NVERBS; v++)
		if (!strcmp(word, verb_text[v].name))
			return v;
	return -1;
}

/* help, help VERB. */
static int parse_help(int argc, char **argv, struct options *o,
                      struct wl_error *err)
{
	const char *word = argc > 2 ? argv[2] : OPTIONS_HELP, *meant;
	int verb = find_verb(word);

	o->help = true;
	o->verb_named = verb >= 0;
	if (verb >= 0)
		o->verb = verb;
	if (verb >= 0 || word[0] == '-' || !strcmp(word, OPTIONS_HELP))
		return 0;
	meant = nearest_verb(word);
	return wl_error_set(err, "unknown verb \"%.500s\"%s%s%s", word,
	                    meant ? ": did you mean " : "", meant ? meant :
	                    " (see waferllm --help)", meant ? "?" : "");
}

/* The verb, if the first word is one; the number of the next word. */
static int parse_verb(int argc, char **argv, struct options *o)
{
	int verb = argc > 1 ? find_verb(argv[1]) : -1;

	if (verb < 0)
		return 1;
	o->verb = verb;
	o->verb_named = true;
	return 2;
}

int options_parse(int argc, char **argv, struct options *o,
                  struct wl_error *err)
{
	int i, operands = 0;
	bool literal = false; /* after -- */

	set_defaults(o);
	if (argc > 1 && !strcmp(argv[1], OPTIONS_HELP))
		return parse_help(argc, argv, o, err);
	/* As other programs have it. */
	if (argc == 2 && !strcmp(argv[1], "version")) {
		o->version = true;
		return 0;
	}
	for (i = parse_verb(argc, argv, o); i < argc; i++) {
		int rc;

		if (!literal && !strcmp(argv[i], "--")) {
			literal = true;
			continue;
		}
		if (!literal && argv[i][0] == '-' && argv[i][1])
			rc = parse_option(argc, argv, &i, o, err);
		else
			rc = set_operand(o, operands++, argv[i], err);
		if (rc)
			return rc;
		if (o->help || o->version)
			return meant_verb(o) ? suggest_verb(o, err) : 0;
	}
	return check(o, operands, err);
}

static void help_options(FILE *out, enum verb verb)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char left[64];

		if (!(table[i].verbs & 1u << verb))
			continue;
		snprintf(left, sizeof left, "%s%s%s", table[i].name,
		         table[i].argument ? " " : "",
		         table[i].argument ? table[i].argument : "");
		fprintf(out, "  %-22s ", left);
		for (const char *p = table[i].help; *p; p++) {
			fputc(*p, out);
			if (*p == '\n')
				fprintf(out, "%25s", "");
		}
		if (table[i].initial)
			fprintf(out, " (default %s)", table[i].initial);
		fputc('\n', out);
	}
}

void options_name_choices(const char *kernels, const char *systems,
                          const char *accounts)
{
	snprintf(bench_operands, sizeof bench_operands, "%s", kernels);
	snprintf(system_help, sizeof system_help,
	         "how a model is laid out and run: %s;\n"
	         "with --dry-run also %s", systems, accounts);
}

void options_help(FILE *out, enum verb verb)
{
	if (verb != NVERBS) {
		fprintf(out, "usage: waferllm %s %s [options]\n\n%s\n\n",
		        verb_text[verb].name, verb_text[verb].operands,
		        verb_text[verb].help);
		help_options(out, verb);
		return;
	}
	fprintf(out, "usage: waferllm [run] [MODEL.h5] [options]\n");
	for (int v = VERB_RUN + 1; v < NVERBS; v++)
		fprintf(out, "       waferllm %s %s [options]\n",
		        verb_text[v].name, verb_text[v].operands);
	fprintf(out, "       waferllm %s [VERB]\n"
	        "\nRuns Llama-family models on an emulated wafer-scale "
	        "chip.\nwaferllm VERB --help tells about a verb; the default "
	        "verb is run:\n\n", OPTIONS_HELP);
	help_options(out, VERB_RUN);
}

const struct verb_doc *options_verb(enum verb verb)
{
	return &verb_text[verb];
}

bool options_doc(enum verb verb, size_t i, struct option_doc *d)
{
	const struct option *o = &table[i];

	*d = (struct option_doc){ o->name, o->argument, o->initial, o->help,
	                          o->verbs & HOST };
	return o->verbs & 1u << verb;
}

const char *options_input(const struct options *o, size_t i)
{
	const char *operands[] = { o->model, o->source };

	if (i >= N_OPTIONS)
		return i - N_OPTIONS < 2 ? operands[i - N_OPTIONS] : NULL;
	if (table[i].kind != INPUT || !(table[i].verbs & 1u << o->verb))
		return NULL;
	return *(const char *const *)((const char *)o + table[i].field);
}

size_t options_inputs(void)
{
	return N_OPTIONS + 2;
}

size_t options_count(void)
{
	return N_OPTIONS;
}

bool options_get(const struct options *o, size_t i, struct option_value *v)
{
	const struct option *opt = &table[i];
	const void *field = (const char *)o + opt->field;
	unsigned verb = options_bench_host(o) ? HOST : 1u << o->verb;

	if (!(opt->verbs & verb) || opt->field == AT(help) ||
	    opt->field == AT(version))
		return false;
	v->name = opt->name;
	v->buffer[0] = '\0';
	option_kinds[opt->kind].echo(opt, field, v);
	return true;
}

/* The command line: one table (options.c) names, parses, checks, documents
 * and echoes every option of every verb. */
#ifndef WL_OPTIONS_H
#define WL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/partition.h"

enum verb { VERB_RUN, VERB_BENCH, VERB_IMPORT, VERB_INFO, VERB_DEVICE,
            VERB_SHAPE, NVERBS };

/* What --grid auto stands as. */
#define GRID_AUTO (-1)

/* Numbers that --groups takes: a K-tree has at most one level more. */
#define OPTIONS_GROUPS 3

/* The longest context, tokens: of --context, and of a model. */
#define OPTIONS_MAX_CONTEXT (1 << 24)

/* Most --set that a command line may have. */
#define OPTIONS_SETS 32

/* The word that asks for help where a verb stands. */
#define OPTIONS_HELP "help"

/* The operand of bench that measures the host. */
#define OPTIONS_BENCH_HOST "host"

/* As a file to write: standard output, which then holds nothing else. */
#define OPTIONS_STDOUT "-"

struct options {
	enum verb verb;
	bool verb_named;          /* else it is run, which needs no name */
	bool help, version;
	uint64_t given;           /* a bit for each option that was named */
	/* run, info: NULL for run means the default checkpoint */
	const char *model;
	/* run */
	const char *prompt;       /* NULL: not given */
	const char *prompt_file;  /* "-": standard input */
	const char *prompt_ids;   /* token ids with commas between */
	bool special;
	int new_tokens;           /* -1: not given */
	int context;              /* tokens; 0: the model's */
	double temperature;
	int top_k;
	double top_p;
	uint64_t seed;
	struct rxc grid, prefill_grid, decode_grid, rank_grid;
	const char *logits;
	bool no_verify;
	bool no_shared_memory;    /* run and bench */
	bool quiet;
	bool verbose;             /* run */
	/* device, shape: a known name or a file; NULL: all that are known */
	const char *named;
	/* the account: run and bench; the changes: device, too */
	const char *device;
	const char *set[OPTIONS_SETS + 1]; /* ends with NULL */
	const char *report;       /* OPTIONS_STDOUT: standard output */
	bool strict;
	bool no_account, profile; /* run */
	bool dry_run;
	/* run --dry-run */
	const char *shape;
	int prompt_tokens;        /* 0: not given */
	const char *kv;           /* "shift" or "concat" */
	bool kv_heads_full;
	int prefill_regions, decode_regions;
	/* algorithms: run, and bench the groups */
	const char *system, *gemm, *allreduce; /* NULL: not given */
	int groups[OPTIONS_GROUPS];       /* 0: not given */
	/* bench */
	const char *kernel;       /* or "host" */
	const char *algo;         /* NULL: not given */
	int m, k, n, words, hops; /* 0: not given */
	bool check;
	int repeat;
	/* import */
	const char *source, *dest, *tokenizer, *random_shape;
	/* import: of the weights; run, bench: of the elements charged */
	int type;                 /* enum wl_type, -1: not given */
};

/* Parses argv (argv[0] is skipped). Strings point into argv. Not collective.
 * 0, or -1 and err naming the option. With --help or --version the rest is
 * not checked. */
int options_parse(int argc, char **argv, struct options *o,
                  struct wl_error *err);

/* Where tables go that are an answer: standard output, unless the report goes
 * there. */
FILE *options_tables(const struct options *o);

/* For a run that has failed, by err. If its model is not there, and no verb was
 * named, but the model's name is nearly one: err names that verb instead. */
void options_suggest_verb(const struct options *o, struct wl_error *err);

/* Whether it is bench host, which emulates nothing and has options of its
 * own. */
bool options_bench_host(const struct options *o);

/* Completes the texts that name what only higher folders know; to be called
 * once, before any text is shown. kernels: the operands of bench, with |
 * between; systems: those that compute; accounts: those that need --dry-run,
 * both with commas between. The strings are copied. */
void options_name_choices(const char *kernels, const char *systems,
                          const char *accounts);

/* Prints the help of the program (verb NVERBS) or of a verb. */
void options_help(FILE *out, enum verb verb);

/* What the table says of a verb: what stands beside options on its line, and
 * what it does, in lines of a terminal. */
struct verb_doc {
	const char *name, *operands, *help;
};
const struct verb_doc *options_verb(enum verb verb);

/* The same of an option, for manuals and shells. */
struct option_doc {
	const char *name;         /* with its dashes */
	const char *argument;     /* NULL: it takes none */
	const char *initial;      /* its default; NULL: none, or in help */
	const char *help;         /* in lines */
	bool host;                /* bench host takes it, too */
};
/* Option number i, below options_count; false when the verb has no such
 * option. */
bool options_doc(enum verb verb, size_t i, struct option_doc *d);

/* One option of o's verb as it is used, for reports. */
struct option_value {
	const char *name;
	enum { OPTION_NONE, OPTION_FLAG, OPTION_NUMBER, OPTION_TEXT } kind;
	bool flag;
	double number;
	const char *text;         /* points to o's strings or to buffer */
	char buffer[512];
};

/* File number i, below options_inputs, of those that o names to be read;
 * NULL: not given. It need not be there. */
const char *options_input(const struct options *o, size_t i);
size_t options_inputs(void);

size_t options_count(void);
/* Option number i; false when the verb has no such option. OPTION_NONE: not
 * given, and without a default. */
bool options_get(const struct options *o, size_t i, struct option_value *v);

#endif

/* The command line: one table (options.c) names, parses, checks, documents
 * and echoes every option of every verb. */
#ifndef WL_OPTIONS_H
#define WL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fail.h"

enum verb { VERB_RUN, VERB_IMPORT, VERB_INFO, NVERBS };

/* RxC; rows 0: not given. */
struct rxc {
	int rows, cols;
};

struct options {
	enum verb verb;
	bool help, version;
	/* run, info: NULL for run means the default checkpoint */
	const char *model;
	/* run */
	const char *prompt;       /* NULL: not given */
	const char *prompt_file;  /* "-": standard input */
	int new_tokens;           /* -1: not given */
	double temperature;
	int top_k;
	double top_p;
	uint64_t seed;
	struct rxc grid, prefill_grid, decode_grid, rank_grid;
	const char *logits;
	bool no_verify;
	bool quiet;
	/* import */
	const char *source, *dest, *tokenizer, *random_shape;
	int type;                 /* enum wl_type, -1: as the source */
};

/* Parses argv (argv[0] is skipped). Strings point into argv. Not collective.
 * 0, or -1 and err naming the option. With --help or --version the rest is
 * not checked. */
int options_parse(int argc, char **argv, struct options *o,
                  struct wl_error *err);

/* Help for the program (verb NVERBS) or a verb. */
void options_help(FILE *out, enum verb verb);

/* Writes the options of o's verb that differ from their defaults, "--name
 * value" separated by blanks, to text[size]. */
void options_echo(const struct options *o, char *text, size_t size);

#endif

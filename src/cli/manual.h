/* The manual and shell completion, generated from the option table by the
 * program of manual.c when make runs it. */
#ifndef WL_MANUAL_H
#define WL_MANUAL_H

#include <stdio.h>

#include "base/options.h"

/* The text of a manual page beside the option table. A word that begins with a
 * dash is an option; an empty line separates paragraphs; lists end with
 * NULL. */
struct manual_page {
	const char *title;        /* after the name, in NAME */
	const char *description;  /* after the help text of the option table */
	const char *signals;      /* NULL: no such section */
	struct manual_item {
		const char *head, *text;
	} files[8];               /* head: path in the data folder */
	struct manual_item examples[8]; /* head: purpose; text: command */
};

/* The pages of the verbs, and of the program at [NVERBS]. */
extern const struct manual_page manual_page[NVERBS + 1];
/* The same on every page. */
extern const char manual_environment[];
extern const struct manual_item manual_status[];

/* Prints the functions that src/cli/completion.sh calls. */
void manual_print_completion(FILE *out);

#endif

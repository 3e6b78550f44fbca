/* The manual and the completions of shells, which make writes with the program
 * of manual.c. They show the table of options. */
#ifndef WL_MANUAL_H
#define WL_MANUAL_H

#include <stdio.h>

#include "base/options.h"

/* What a page of the manual says beside the table. A word that begins with a
 * dash is an option; an empty line parts paragraphs; the lists end with NULL. */
struct manual_page {
	const char *title;        /* what follows the name */
	const char *description;  /* follows what the table says */
	const char *signals;
	struct manual_item {
		const char *head, *text;
	} files[8];               /* head: below the directory of data */
	struct manual_item examples[8]; /* head: what for; text: the command */
};

/* Of a verb, or of the program (verb NVERBS). */
extern const struct manual_page manual_page[NVERBS + 1];
/* The same on every page. */
extern const char manual_environment[];
extern const struct manual_item manual_status[];

/* A script for bash, and for zsh by its bashcompinit. */
void manual_print_completion(FILE *out);

#endif

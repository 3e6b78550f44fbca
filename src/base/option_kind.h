/* Inside the options only: what one option is, and how options of its kind are
 * parsed and echoed. */
#ifndef WL_OPTION_KIND_H
#define WL_OPTION_KIND_H

#include <stddef.h>

#include "base/options.h"

/* INPUT: the name of a file that is read; LIST: may be given several times;
 * COUNTS: numbers with commas between; AUTO: a grid, or "auto". */
enum kind { FLAG, STRING, INPUT, LIST, INTEGER, UNSIGNED, REAL, COUNTS, GRID,
            AUTO, TYPE, KV, NKINDS };

struct option {
	unsigned verbs;        /* a bit for each verb that has it */
	const char *name;      /* with its dashes */
	enum kind kind;
	size_t field;          /* offset in struct options */
	const char *argument;  /* for help; NULL for flags */
	const char *initial;   /* the default, parsed like an argument */
	double min, max;       /* INTEGER, REAL; max: GRID, AUTO; COUNTS */
	const char *help;
};

struct option_kind {
	/* Stores the argument (NULL for flags) in the field. 0, or -1 and err
	 * naming the option. */
	int (*parse)(const struct option *o, const char *arg, void *field,
	             struct wl_error *err);
	/* Sets *v, whose buffer is empty, to the field's value. */
	void (*echo)(const struct option *o, const void *field,
	             struct option_value *v);
};

extern const struct option_kind option_kinds[NKINDS];

#endif

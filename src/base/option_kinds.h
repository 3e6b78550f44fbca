/* The kinds of values that options have: how each is parsed and shown. For the
 * table of options.c alone. Not collective. */
#ifndef WL_OPTION_KINDS_H
#define WL_OPTION_KINDS_H

#include "base/options.h"

/* With the type of the field in struct options. */
enum kind {
	FLAG,     /* bool */
	STRING,   /* const char * */
	INPUT,    /* the same, the name of a file that is read */
	LIST,     /* const char *[OPTIONS_SETS + 1], ends with NULL */
	INTEGER,  /* int from min to max */
	UNSIGNED, /* uint64_t */
	REAL,     /* double from min to max */
	COUNTS,   /* int[OPTIONS_GROUPS], each from min to max; 0: none */
	GRID,     /* struct rxc, sides up to max */
	AUTO,     /* the same, or "auto" */
	TYPE,     /* int, an enum wl_type; -1: not given */
	KV        /* const char *, "shift" or "concat" */
};

struct option {
	unsigned verbs;
	const char *name;      /* with its dashes */
	enum kind kind;
	size_t field;          /* offset in struct options */
	const char *argument;  /* for help; NULL for flags */
	const char *initial;   /* the default, parsed like an argument */
	double min, max;       /* INTEGER, REAL */
	const char *help;
};

/* Stores an argument (NULL for flags) in the option's field of opts. 0, or -1
 * and err naming option and argument. */
int option_parse(const struct option *o, const char *arg, struct options *opts,
                 struct wl_error *err);

/* Fills in kind and value of v from the field; v->text may point to the field's
 * strings or to v->buffer. */
void option_show(const struct option *o, const void *field,
                 struct option_value *v);

#endif

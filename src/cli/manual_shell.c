/* Generates the functions that src/cli/completion.sh calls from the option
 * table: the verb of a command line, and the words that may follow. */
#include "config.h"
#include "manual.h"

#include <ctype.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/scalapack.h"
#include "model/model.h"
#include "systems/system.h"

/* Prints the words of "a|b|C" with `between` them, except those in capitals,
 * which are placeholders. */
static void print_choices(FILE *out, const char *text, const char *between)
{
	const char *before = "";
	size_t n;

	for (; *text; text += n + (text[n] == '|')) {
		n = strcspn(text, "|");
		if (!islower((unsigned char)*text))
			continue;
		fprintf(out, "%s%.*s", before, (int)n, text);
		before = between;
	}
}

/* ---- Values of an argument, by its name in the table ---- */

static void print_types(FILE *out, const char *option)
{
	(void)option;
	for (int i = 0; i < WL_NTYPES; i++)
		fprintf(out, "%s%s", i ? " " : "", wl_type_name(i));
}

static void print_systems(FILE *out, const char *option)
{
	(void)option;
	for (size_t i = 0; system_name(i); i++)
		fprintf(out, "%s%s", i ? " " : "", system_name(i));
}

/* The algorithms of a kernel. */
static void print_algorithms(FILE *out, const char *kernel)
{
	struct wl_error err;
	const struct bench_kernel *k = bench_kernel_find(kernel, &err);

	for (size_t i = 0; k && i < k->count(); i++)
		fprintf(out, "%s%s", i ? " " : "", k->algorithm(i).name);
}

/* The algorithms of the kernel that the option is named after. */
static void print_names(FILE *out, const char *option)
{
	print_algorithms(out, option + strspn(option, "-"));
}

static void print_devices(FILE *out, const char *option)
{
	(void)option;
	fprintf(out, "$(_waferllm_known devices)");
}

static void print_shapes(FILE *out, const char *option)
{
	(void)option;
	fprintf(out, "$(_waferllm_known shapes)");
}

static void print_files(FILE *out, const char *option)
{
	(void)out, (void)option;
}

static const struct argument {
	const char *name;
	void (*print)(FILE *out, const char *option);
} arguments[] = {
	{ "TYPE", print_types }, { "SYSTEM", print_systems },
	{ "NAME", print_names }, { "DEVICE", print_devices },
	{ "SHAPE", print_shapes }, { "FILE", print_files },
};

/* NULL: not found. */
static const struct argument *find_argument(const char *name)
{
	for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
		if (!strcmp(name, arguments[i].name))
			return &arguments[i];
	return NULL;
}

/* Prints the values of an option's argument; "-" if they cannot be listed, such
 * as numbers. */
static void print_words(FILE *out, const struct option_doc *d)
{
	const struct argument *a = find_argument(d->argument);

	if (a)
		a->print(out, d->name);
	else if (strchr(d->argument, '|'))
		print_choices(out, d->argument, " ");
	else
		fputc('-', out);
}

/* The values of bench's --algo, which depend on the kernel: $verb is then
 * "bench KERNEL". */
static void print_algo(FILE *out)
{
	const struct bench_kernel *k;

	for (size_t i = 0; (k = bench_kernel_at(i)); i++) {
		fprintf(out, "\t'bench %s:--algo') words=\"", k->name);
		print_algorithms(out, k->name);
		fprintf(out, " all list%s\" ;;\n",
		        k->scalapack && scalapack_built()
		        ? " " BENCH_SCALAPACK : "");
	}
}

/* ---- The functions ---- */

static void open_function(FILE *out, const char *name, const char *cases)
{
	fprintf(out, "\n_waferllm_%s()\n{\n\tcase %s in\n", name, cases);
}

static void close_function(FILE *out)
{
	fprintf(out, "\tesac\n}\n");
}

/* Updates $verb with a word of the command line. */
static void print_verb(FILE *out)
{
	open_function(out, "verb", "$verb:$1");
	for (int v = 0; v < NVERBS; v++)
		fprintf(out, "%s:%s", v ? " | " : "\t", options_verb(v)->name);
	fprintf(out, " | :" OPTIONS_HELP ") verb=$1 ;;\n\t:*) verb=%s ;;\n",
	        options_verb(VERB_RUN)->name);
	fprintf(out, "\tbench:");
	print_choices(out, options_verb(VERB_BENCH)->operands, " | bench:");
	fprintf(out, ") verb=\"bench $1\" ;;\n");
	close_function(out);
}

static void print_options_of(FILE *out, const char *pattern, enum verb verb,
                             bool host)
{
	struct option_doc d;
	const char *before = "";

	fprintf(out, "\t%s) words='", pattern);
	for (size_t i = 0; i < options_count(); i++) {
		if (!options_doc(verb, i, &d) || (host && !d.host))
			continue;
		fprintf(out, "%s%s", before, d.name);
		before = " ";
	}
	fprintf(out, "' ;;\n");
}

static void print_options(FILE *out)
{
	open_function(out, "options", "$1");
	print_options_of(out, "'' | run", VERB_RUN, false);
	print_options_of(out, "'bench host'", VERB_BENCH, true);
	print_options_of(out, "bench*", VERB_BENCH, false);
	for (int v = VERB_BENCH + 1; v < NVERBS; v++)
		print_options_of(out, options_verb(v)->name, v, false);
	close_function(out);
}

static void print_operands(FILE *out)
{
	open_function(out, "operands", "$1");
	fprintf(out, "\t'') words='");
	for (int v = 0; v < NVERBS; v++)
		fprintf(out, "%s ", options_verb(v)->name);
	fprintf(out, OPTIONS_HELP "' ;;\n\t" OPTIONS_HELP ") words='");
	for (int v = 0; v < NVERBS; v++)
		fprintf(out, "%s%s", v ? " " : "", options_verb(v)->name);
	fprintf(out, "' ;;\n\tbench) words='");
	print_choices(out, options_verb(VERB_BENCH)->operands, " ");
	fprintf(out, "' ;;\n\t'bench '*) words=- ;;\n");
	for (int v = 0; v < NVERBS; v++) {
		const struct argument *a;
		char name[32];

		if (sscanf(options_verb(v)->operands, "[%31[^]]", name) != 1)
			continue;
		a = find_argument(name);
		if (!a)
			continue;
		fprintf(out, "\t%s) words=\"", options_verb(v)->name);
		a->print(out, NULL);
		fprintf(out, "\" ;;\n");
	}
	close_function(out);
}

/* The generated function fails if the option takes no argument. */
static void print_values(FILE *out)
{
	struct option_doc d;

	open_function(out, "values", "$1:$2");
	print_algo(out);
	for (int v = 0; v < NVERBS; v++)
		for (size_t i = 0; i < options_count(); i++) {
			if (!options_doc(v, i, &d) || !d.argument)
				continue;
			fprintf(out, "\t%s%s:%s) words=\"",
			        options_verb(v)->name,
			        v == VERB_BENCH ? "*" : "", d.name);
			print_words(out, &d);
			fprintf(out, "\" ;;\n");
		}
	fprintf(out, "\t*) return 1 ;;\n");
	close_function(out);
}

/* The installed data folder, for a script that was moved away from it. */
static void print_data_folder(FILE *out)
{
	fprintf(out, "\n_waferllm_installed='");
	for (const char *p = WL_DATADIR; *p; p++)
		if (*p == '\'')
			fprintf(out, "'\\''");
		else
			fputc(*p, out);
	fprintf(out, "'\n");
}

void manual_print_completion(FILE *out)
{
	print_data_folder(out);
	print_verb(out);
	print_options(out);
	print_operands(out);
	print_values(out);
}

/* Generates the manual from the option table. manual VERB prints the page of a
 * verb, manual waferllm that of the program, as troff with man(7) macros;
 * manual bash prints the completion functions. make runs this, so that pages
 * are never older than the program. */
#include "config.h"
#include "choices.h"
#include "manual.h"

#include <ctype.h>
#include <string.h>

/* Escapes a character for troff. In a command, quotes must stay ASCII. */
static void put_char(char c, bool command)
{
	static const struct { char c; const char *troff; } table[] = {
		{ '\\', "\\e" }, { '-', "\\-" }, { '^', "\\(ha" },
		{ '~', "\\(ti" }, { '`', "\\(ga" },
	};

	if (command && c == '\'') {
		fputs("\\(aq", stdout);
		return;
	}
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].c == c) {
			fputs(table[i].troff, stdout);
			return;
		}
	putchar(c);
}

/* Text of a command, to be shown literally. */
static void put(const char *text)
{
	for (; *text; text++)
		put_char(*text, true);
}

/* Length of the option at the start of text; 0: there is none. */
static size_t option_length(const char *text)
{
	size_t n = strspn(text, "-");

	if (n == 0 || n > 2 || !islower((unsigned char)text[n]))
		return 0;
	while (islower((unsigned char)text[n]) || text[n] == '-')
		n++;
	return n;
}

static void put_option(const char *name, size_t length)
{
	fputs("\\fB", stdout);
	for (size_t i = 0; i < length; i++)
		put_char(name[i], true);
	fputs("\\fR", stdout);
}

/* Prose, with options in bold; an empty line starts a paragraph. */
static void put_prose(const char *text)
{
	char before = '\n';

	for (; *text; before = *text++) {
		size_t n = isalnum((unsigned char)before) || before == '-'
			? 0 : option_length(text);

		if (before == '\n' && *text == '\n') {
			fputs(".PP", stdout);
		} else if (n > 0) {
			put_option(text, n);
			text += n - 1;
			continue;
		} else if (before == '\n' && (*text == '.' || *text == '\'')) {
			fputs("\\&", stdout);
		}
		put_char(*text, false);
	}
	putchar('\n');
}

static void put_heading(const char *name)
{
	printf(".SH %s\n", name);
}

/* --- Sections generated from the option table --- */

static void put_name(enum verb verb)
{
	fputs("waferllm", stdout);
	if (verb != NVERBS)
		printf("\\-%s", options_verb(verb)->name);
}

static void put_title(enum verb verb)
{
	const char *p = verb == NVERBS ? "" : options_verb(verb)->name;

	printf(".\\\" Generated from the option table by src/cli/manual.c\n"
	       ".TH WAFERLLM%s", *p ? "-" : "");
	for (; *p; p++)
		putchar(toupper((unsigned char)*p));
	printf(" 1 \"%s\" \"waferllm %s\" \"User Commands\"\n", WL_DATE,
	       PACKAGE_VERSION);
	put_heading("NAME");
	put_name(verb);
	printf(" \\- %s\n", manual_page[verb].title);
}

static void put_usage(enum verb verb)
{
	const struct verb_doc *v = options_verb(verb);

	printf(verb == VERB_RUN ? "\\fBwaferllm\\fR [\\fB%s\\fR]"
	                        : "\\fBwaferllm %s\\fR", v->name);
	putchar(' ');
	put(v->operands);
	puts(" [options]");
}

static void put_synopsis(enum verb verb)
{
	put_heading("SYNOPSIS");
	for (int v = 0; v < NVERBS; v++) {
		if (verb != NVERBS && v != (int)verb)
			continue;
		if (v > 0 && verb == NVERBS)
			puts(".br");
		put_usage(v);
	}
	if (verb == NVERBS)
		puts(".br\n\\fBwaferllm " OPTIONS_HELP "\\fR [\\fIVERB\\fR]");
}

static void put_description(enum verb verb)
{
	put_heading("DESCRIPTION");
	if (verb != NVERBS)
		put_prose(options_verb(verb)->help);
	else
		put_prose("waferllm runs Llama-family models.");
	if (verb != NVERBS)
		puts(".PP");
	put_prose(manual_page[verb].description);
	for (int v = 0; verb == NVERBS && v < NVERBS; v++) {
		printf(".TP\n\\fBwaferllm\\-%s\\fR(1)\n",
		       options_verb(v)->name);
		put_prose(options_verb(v)->help);
	}
}

/* Whether a verb has option i. The program's page (NVERBS) has the options that
 * are common to all verbs. */
static bool has_option(enum verb verb, size_t i, struct option_doc *d)
{
	bool all = true;

	if (verb != NVERBS)
		return options_doc(verb, i, d);
	for (int v = 0; v < NVERBS; v++)
		all = options_doc(v, i, d) && all;
	return all;
}

static void put_options(enum verb verb)
{
	struct option_doc d;

	put_heading("OPTIONS");
	for (size_t i = 0; i < options_count(); i++) {
		if (!has_option(verb, i, &d))
			continue;
		puts(".TP");
		put_option(d.name, strlen(d.name));
		if (d.argument) {
			fputs(" \\fI", stdout);
			put(d.argument);
			fputs("\\fR", stdout);
		}
		putchar('\n');
		put_prose(d.help);
		if (d.initial) {
			fputs("(default ", stdout);
			put(d.initial);
			puts(")");
		}
	}
}

/* --- Sections written by hand --- */

static void put_items(const struct manual_item *item)
{
	for (; item->head; item++) {
		fputs(".TP\n\\fB", stdout);
		put(item->head);
		puts("\\fR");
		put_prose(item->text);
	}
}

static void put_files(const struct manual_item *file)
{
	put_heading("FILES");
	/* No filling: the path may be longer than a line. */
	fputs(".nf\n\\fI", stdout);
	put(WL_DATADIR);
	puts("\\fR\n.fi");
	put_items(file);
	puts(".PP");
	put_prose("If the installed tree was moved or copied, the folder at the"
	          " same place relative\nto the program is used. A program in"
	          " its build folder uses the data of the source\ntree."
	          " waferllm --version names the folder in use.");
}

static void put_examples(const struct manual_item *example)
{
	put_heading("EXAMPLES");
	for (const char *gap = ""; example->head; example++) {
		printf("%s%s:\n.PP\n.RS 4\n.nf\n$ ", gap, example->head);
		put(example->text);
		puts("\n.fi\n.RE");
		gap = ".PP\n";
	}
}

static void put_see_also(enum verb verb)
{
	const char *comma = "";

	put_heading("SEE ALSO");
	for (int v = NVERBS; v >= 0; v--) {
		if (v == (int)verb)
			continue;
		printf("%s\\fB", comma);
		put_name(v);
		fputs("\\fR(1)", stdout);
		comma = ",\n";
	}
	puts(",\n\\fBmpirun\\fR(1)");
}

static void put_page(enum verb verb)
{
	const struct manual_page *page = &manual_page[verb];

	put_title(verb);
	put_synopsis(verb);
	put_description(verb);
	put_options(verb);
	put_heading("EXIT STATUS");
	put_items(manual_status);
	put_heading("ENVIRONMENT");
	put_prose(manual_environment);
	put_files(page->files);
	if (page->signals) {
		put_heading("SIGNALS");
		put_prose(page->signals);
	}
	put_examples(page->examples);
	put_see_also(verb);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	int verb = 0;

	name_choices();
	while (verb < NVERBS && strcmp(what, options_verb(verb)->name))
		verb++;
	if (!strcmp(what, "bash")) {
		manual_print_completion(stdout);
	} else if (verb < NVERBS || !strcmp(what, "waferllm")) {
		put_page(verb);
	} else {
		fprintf(stderr, "usage: manual waferllm|VERB|bash\n");
		return 2;
	}
	return fclose(stdout) != 0;
}

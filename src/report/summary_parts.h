/* Shared by the files of the summary. */
#ifndef WL_SUMMARY_PARTS_H
#define WL_SUMMARY_PARTS_H

#include "report/summary.h"

/* Column where the text after the labels begins. */
#define SUMMARY_INDENT 16

/* Prints a label, a string literal, and text beside it. */
#define summary_say(out, label, ...) \
	wrap_print(&(struct wrap){ out, SUMMARY_PREFIX, SUMMARY_INDENT }, \
	           "  " label, __VA_ARGS__)

void summary_heading(FILE *out, const char *text);

/* What limits the run: time by phase and kind, balance, memory, routes. */
void summary_limits(const struct report *r, FILE *out);

/* The host's times and ranks. */
void summary_host(const struct report *r, FILE *out);

#endif

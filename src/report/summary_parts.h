/* What the parts of the summary share. */
#ifndef WL_SUMMARY_PARTS_H
#define WL_SUMMARY_PARTS_H

#include "report/summary.h"

/* Where the text beside the labels begins. */
#define SUMMARY_INDENT 16

/* A label (a literal), and text beside it. */
#define summary_say(out, label, ...) \
	wrap_print(&(struct wrap){ out, SUMMARY_PREFIX, SUMMARY_INDENT }, \
	           "  " label, __VA_ARGS__)

void summary_heading(FILE *out, const char *text);

/* Where the cycles of each phase go, and what the fullest core holds. */
void summary_limits(const struct report *r, FILE *out);

/* The host's times and ranks. */
void summary_host(const struct report *r, FILE *out);

#endif

/* A report in a screenful, for people. */
#ifndef WL_SUMMARY_H
#define WL_SUMMARY_H

#include <stdio.h>

#include "report/report.h"

/* Lines of at most 80 columns that begin with "waferllm: "; emulated figures
 * say so, figures of the host stand on lines of their own. On the leader only,
 * not collective. */
void summary_print(const struct report *r, FILE *out);

#endif

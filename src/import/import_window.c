/* Sliding windows. A query attends to itself and to the window - 1 tokens
 * before it, so that in a context no longer than the window it attends to all:
 * there a model with windows, in whichever layers, is one with full
 * attention. */
#include "config.h"
#include "import/import.h"

#include <stdio.h>
#include <string.h>

void import_window_cap(struct import_model *m, int window)
{
	if (window >= m->model.max_seq_len)
		return;
	m->source_context = m->model.max_seq_len;
	m->model.max_seq_len = window;
}

void import_window_tell(struct import_model *m)
{
	size_t at = strlen(m->origin);

	if (!m->source_context)
		return;
	snprintf(m->origin + at, sizeof m->origin - at, ", context %d of %d: "
	         "its sliding window", m->model.max_seq_len,
	         m->source_context);
	import_note(m, "the context becomes %d tokens, the sliding window, of"
	            " %d: up to there attention is full", m->model.max_seq_len,
	            m->source_context);
}

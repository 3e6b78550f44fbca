/* The prompt: its text and token ids, from the options. Runs on the leader
 * only; not collective. */
#ifndef WL_PROMPT_H
#define WL_PROMPT_H

#include <stddef.h>

#include "base/error.h"
#include "base/options.h"
#include "text/tokenizer.h"

struct prompt {
	char *text;   /* [len]: as given, or --prompt-ids decoded; owned */
	size_t len;
	int *ids;     /* [n]; owned */
	size_t n;
	/* the first special token in the text that was encoded as plain text,
	 * truncated and with control characters masked, for a warning; "":
	 * none */
	char special[64];
};

/* Encodes the text of --prompt, --prompt-file or the default prompt, with BOS
 * prepended if the model has one; or uses --prompt-ids unchanged. 0, or -1 and
 * err naming the option or file. Free with prompt_fini in either case. */
int prompt_get(struct prompt *p, const struct options *o,
               const struct tokenizer *t, struct wl_error *err);
void prompt_fini(struct prompt *p);

#endif

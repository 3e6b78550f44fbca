/* A report for tests: of a small model on small grids of wse2, its account made
 * without data. One at a time. */
#ifndef WL_MADE_REPORT_H
#define WL_MADE_REPORT_H

#include <check.h>

#include "report/report.h"

static struct wl_error err;

enum { PROMPT = 7, NEW = 4, PREFILL_SIDE = 4, DECODE_SIDE = 3 };

static const struct model lab_model = {
	.dim = 24, .hidden_dim = 40, .n_layers = 2, .n_heads = 4,
	.n_kv_heads = 2, .head_dim = 6, .vocab_size = 50, .max_seq_len = 64,
	.rope_theta = 1e4, .rms_eps = 1e-5, .tied = true, .bos_id = 1,
};

static struct lab {
	struct device device;
	struct options options;
	struct system system;
	struct inference inference;
	struct account account;
	struct report report;
} lab;

static inline void parse_options(const char *set)
{
	char *argv[] = { "waferllm", "run", "--dry-run", "--shape", "lab",
	                 "--prompt-tokens", "7", "-n", "4", "--top-p", "0.5",
	                 "--prefill-grid", "4x4",
	                 "--set", (char *)set, NULL };
	int argc = sizeof argv / sizeof *argv - 1;

	ck_assert_msg(options_parse(argc, argv, &lab.options, &err) == 0, "%s",
	              err.text);
	ck_assert_int_eq(system_choose(&lab.options, &lab.system, &err), 0);
}

/* The account of PROMPT tokens and so many new ones on wse2 with a number
 * changed. */
static inline void make_lab(const char *set, int new_tokens)
{
	struct inference *w = &lab.inference;

	parse_options(set);
	ck_assert_msg(device_read("wse2", &lab.device, &err) == 0, "%s",
	              err.text);
	ck_assert_int_eq(device_set(&lab.device, set, &err), 0);
	inference_init(w, &(struct inference_setup){
		.model = &lab_model, .prefill = { PREFILL_SIDE, PREFILL_SIDE },
		.decode = { DECODE_SIDE, DECODE_SIDE }, .device = &lab.device,
		.type = WL_F16 });
	prefill_run(w, NULL, PROMPT);
	if (new_tokens > 1)
		transition_run(w, PROMPT + new_tokens);
	for (int i = 1; i < new_tokens; i++)
		decode_step(w, 0);
	account_make(&lab.account, w, PROMPT, new_tokens);
	lab.report = (struct report){
		.account = &lab.account, .options = &lab.options,
		.system = &lab.system,
		.model_source = "lab",
		.context = lab_model.max_seq_len,
		.host = { .ranks = 6, .rank_rows = 2, .rank_cols = 3,
		          .seating = { 2, MESH_ON_CORES, { 7, 2, 1 },
		                       { 7, 3, 1 } },
		          .seconds = 1.5, .load = 0.25, .prefill = 0.5,
		          .transition = 0.125, .decode = 0.75,
		          .peak_memory = 3 << 20, .dry = true } };
}

static inline void free_lab(void)
{
	inference_fini(&lab.inference);
}

#endif

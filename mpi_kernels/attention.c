/* Grouped attention of the prefill phase.
 *
 *            head g's columns          step s: row y holds K's (later V's)
 *          x0     x1     x2            block b = ring[(pos(y) - s) mod P]
 *   row y  q k^T  q k^T  q k^T
 *            \-> [S(y,b)] <-/          reduced to column b mod 3 of the head;
 *            <-  [S(y,b)] ->           later multicast from there for S V
 *
 * Each row holds a different block, so each row's reduction has a different
 * root. K and V make a full turn of the ring and end at home.
 *
 * Source: WaferLLM (OSDI'25), section 5.4 (dist-GEMM-T). */
#include "config.h"
#include "mpi_kernels/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/moves/shift.h"
#include "simd/convert.h"
#include "simd/vec.h"

static float **score_slot(const struct scores *s, int g, int y, int x)
{
	const struct grid *grid = s->grid;
	size_t row = (size_t)g * grid_height(grid) + (y - grid->y.local.lo);

	return &s->tile[row * grid_width(grid) + (x - grid->x.local.lo)];
}

static int head_columns(const struct heads *h, int g)
{
	return heads_last(h, g) - heads_first(h, g) + 1;
}

/* Offset of block b in a row of the tile that stores it, tokens; for b beyond
 * the column's last block, the length of the row. */
static int block_offset(const struct scores *s, int g, int b)
{
	int columns = head_columns(&s->heads, g), at = 0;

	for (int i = b % columns; i < b; i += columns)
		at += partition_size(&s->tokens, i);
	return at;
}

/* Length of a row of head g's tile on column x, tokens. */
static int row_length(const struct scores *s, int g, int x)
{
	int columns = head_columns(&s->heads, g), at = 0;

	for (int i = x - heads_first(&s->heads, g); i < s->tokens.parts;
	     i += columns)
		at += partition_size(&s->tokens, i);
	return at;
}

/* The columns of head g that are this rank's. */
static struct range local_columns(const struct scores *s, int g)
{
	struct range columns = { heads_first(&s->heads, g),
	                         heads_last(&s->heads, g) + 1 };

	return range_intersect(columns, s->grid->x.local);
}

/* Longest row of any tile, tokens. */
static int longest_row(const struct scores *s)
{
	int longest = 0;

	for (int g = 0; g < s->heads.n_kv; g++) {
		int n = row_length(s, g, heads_first(&s->heads, g));

		longest = n > longest ? n : longest;
	}
	return longest;
}

/* Rows on the busiest core, over all its heads. */
static uint64_t core_rows(const struct scores *s)
{
	return (uint64_t)s->heads_max * s->heads.group *
	       partition_max(&s->tokens);
}

/* Bytes on the busiest core: all its tiles of S, and one step's blocks of S. */
static uint64_t score_bytes(const struct scores *s)
{
	return cost_bytes(s->grid->ledger, core_rows(s) * longest_row(s));
}

static uint64_t block_bytes(const struct scores *s)
{
	return cost_bytes(s->grid->ledger,
	                  core_rows(s) * partition_max(&s->tokens));
}

void scores_init(struct scores *s, struct grid *g, const struct heads *h,
                 enum wl_type type, struct partition tokens)
{
	*s = (struct scores){ .grid = g, .type = type, .heads = *h,
	                      .tokens = tokens,
	                      .heads_max = heads_max(h) };
	ledger_alloc(g->ledger, SRAM_ACTIVATIONS, score_bytes(s));
	if (g->dry)
		return;
	s->tile = wl_calloc((size_t)h->n_kv * grid_height(g) * grid_width(g),
	                    sizeof *s->tile);
	for (int i = 0; i < h->n_kv; i++) {
		struct range columns = local_columns(s, i);

		for (int x = columns.lo; x < columns.hi; x++)
			for (int y = g->y.local.lo; y < g->y.local.hi; y++)
				*score_slot(s, i, y, x) = wl_malloc(
					(size_t)h->group *
					partition_size(&tokens, y) *
					row_length(s, i, x), sizeof(float));
	}
}

void scores_fini(struct scores *s)
{
	const struct grid *g = s->grid;
	size_t n = (size_t)s->heads.n_kv * grid_height(g) * grid_width(g);

	ledger_free(g->ledger, SRAM_ACTIVATIONS, score_bytes(s));
	for (size_t i = 0; s->tile && i < n; i++)
		free(s->tile[i]);
	free(s->tile);
	s->tile = NULL;
}

/* One step of K or V around its ring. */
struct step {
	int *block;    /* [rows] that each row holds */
	size_t *words; /* [rows] of the row's block of one head's S:
	                  [group][row's tokens][block's tokens] */
};

static void find_blocks(const struct scores *s, const struct tiles *moving,
                        struct step *step)
{
	for (int y = 0; y < s->grid->rows; y++) {
		/* K and V are not skewed: all columns hold the same block. */
		step->block[y] = tiles_block(moving, 0, y);
		step->words[y] = (size_t)s->heads.group *
		                 partition_size(&s->tokens, y) *
		                 partition_size(&s->tokens, step->block[y]);
	}
}

/* The parts of one step for one head, one per row: block b of S, whose root is
 * column b mod (number of columns) of the head. Fills root [rows], which the
 * result refers to. */
static struct line_parts step_parts(const struct scores *s, int g,
                                    const struct step *step, int *root)
{
	const struct grid *grid = s->grid;
	int first = heads_first(&s->heads, g);
	int columns = head_columns(&s->heads, g);

	for (int y = 0; y < grid->rows; y++)
		root[y] = first + step->block[y] % columns;
	return (struct line_parts){ grid->rows, grid->y.local, step->words,
	                            root };
}

/* Whether every token of block b comes after those of row y. The emulated core
 * computes such a block and masks it; the host skips it. */
static bool is_masked(const struct scores *s, int y, int b)
{
	return partition_start(&s->tokens, b) >=
	       partition_start(&s->tokens, y + 1);
}

/* Core (y, x)'s partial sums of Q K^T over its channels c of one head, for the
 * block b of K that it holds: part [group][row's tokens][block's tokens]. */
static void partial_scores(const struct scores *s, struct range c,
                           const struct tiles *q, const struct tiles *k, int y,
                           int x, int b, float *part)
{
	const struct heads *h = &s->heads;
	int m = partition_size(&s->tokens, y),
	    n = partition_size(&s->tokens, b);
	int width = partition_size(&h->q, x);

	memset(part, 0, (size_t)h->group * m * n * sizeof *part);
	for (int r = 0; r < h->group && !is_masked(s, y, b); r++)
		vec_gemm(m, n, range_size(c),
		         tiles_at(q, y, x) + c.lo * h->group + r, width,
		         h->group, WL_F32, tiles_at(k, y, x) + (size_t)c.lo * n,
		         n, part + (size_t)r * m * n, n);
}

/* Scales, masks and stores block b of row y in its tile on core (y, x). Query
 * token start(y) + i does not see key token start(b) + j when that is later.
 */
static void store_block(struct scores *s, int g, int y, int x, int b,
                        const float *part)
{
	int m = partition_size(&s->tokens, y),
	    n = partition_size(&s->tokens, b);
	int row0 = partition_start(&s->tokens, y),
	    col0 = partition_start(&s->tokens, b);
	int length = row_length(s, g, x), at = block_offset(s, g, b);
	float scale = 1.0f / sqrtf(s->heads.head_dim);
	float *tile = *score_slot(s, g, y, x);

	for (int i = 0; i < s->heads.group * m; i++, part += n) {
		float *row = tile + (size_t)i * length + at;
		int seen = row0 + i % m - col0 + 1;

		for (int j = 0; j < n; j++)
			row[j] = j < seen ? part[j] * scale : -INFINITY;
	}
}

/* One step for one head: partial products on each core, summed along the head's
 * columns into the core that stores the block. */
static void reduce_head(struct scores *s, int g, const struct tiles *q,
                        const struct tiles *k, const struct step *step)
{
	struct grid *grid = s->grid;
	int root[grid->rows];
	struct range columns = local_columns(s, g);
	struct line_parts parts = step_parts(s, g, step, root);
	size_t stride = line_parts_words(&parts), at = 0;
	float *value = NULL;

	if (!grid->dry && range_size(columns))
		value = line_buffer(&grid->x, LINE_PARTIAL,
		                    stride * range_size(columns));
	for (int x = columns.lo; x < columns.hi && value; x++) {
		float *part = value + (x - columns.lo) * stride;
		struct range c = heads_channels(&s->heads, g, x);

		for (int y = grid->y.local.lo; y < grid->y.local.hi; y++) {
			partial_scores(s, c, q, k, y, x, step->block[y], part);
			part += step->words[y];
		}
	}
	line_reduce(&grid->x, heads_first(&s->heads, g),
	            heads_last(&s->heads, g), &parts, LINE_ADD, value, stride);
	for (int y = grid->y.local.lo; value && y < grid->y.local.hi; y++) {
		int x = root[y];

		if (line_has(&grid->x, x))
			store_block(s, g, y, x, step->block[y],
			            value + (x - columns.lo) * stride + at);
		at += step->words[y];
	}
}

/* Cycles of one step's product on the busiest core: a block of Q K^T. */
static uint64_t scores_cycles(const struct ledger *l, const struct heads *h,
                              int block)
{
	return h->group * cost_gemm(l, block, block, partition_max(&h->kv));
}

/* The same for a block of S V. */
static uint64_t values_cycles(const struct ledger *l, const struct heads *h,
                              int block)
{
	int heads = heads_max(h);

	return (uint64_t)h->group * heads *
	       cost_gemm(l, block, (partition_max(&h->kv) + heads - 1) / heads,
	                 block);
}

uint64_t attention_min_cycles(const struct ledger *l, const struct heads *h,
                              const struct partition *tokens)
{
	int block = partition_max(tokens), rows = tokens->parts;
	uint64_t exchange = rows > 1 ? cost_exchange(l) : 0;

	return rows * (scores_cycles(l, h, block) +
	               values_cycles(l, h, block) + 2 * exchange);
}

/* Multiply-adds of Q K^T, or of S V; each step charges its own cycles. */
static struct charge unmasked_product(const struct scores *s)
{
	uint64_t tokens = s->tokens.n;

	return cost_product(s->grid->ledger, tokens * tokens * s->heads.q.n,
	                    tokens * partition_max(&s->tokens) *
	                    partition_max(&s->heads.q), 0);
}

void attention_scores(struct scores *s, const struct tiles *q, struct tiles *k)
{
	struct grid *g = s->grid;
	struct ledger *l = g->ledger;
	int blocks[g->rows];
	size_t words[g->rows];
	struct step now = { blocks, words };
	const struct charge product = unmasked_product(s);
	const struct charge step_product = {
		.compute_cycles = scores_cycles(l, &s->heads,
		                                partition_max(&s->tokens)) };

	ledger_charge(l, &product);
	ledger_alloc(l, SRAM_BUFFERS, block_bytes(s));
	for (int step = 0; step < g->rows; step++) {
		struct tiles_shift shift;

		find_blocks(s, k, &now);
		ledger_overlap_begin(l);
		ledger_charge(l, &step_product);
		tiles_shift_start(&shift, k, NULL);
		ledger_overlap_end(l);
		/* The heads' reductions overlap each other, but not the
		 * product: a core that adds to a stream does nothing else. */
		ledger_overlap_begin(l);
		for (int i = 0; i < s->heads.n_kv; i++)
			reduce_head(s, i, q, k, &now);
		ledger_overlap_end(l);
		tiles_shift_finish(&shift);
	}
	ledger_free(l, SRAM_BUFFERS, block_bytes(s));
}

/* All-reduces one word per (query head, token) along the columns of each head.
 * value: [n_kv][width][rows], by the head's local columns; result:
 * [n_kv][rows]. rows: query heads of a group x this rank's tokens. */
static void reduce_rows(struct scores *s, enum line_op op, float *value,
                        float *result, size_t rows)
{
	const struct heads *h = &s->heads;
	int w = grid_width(s->grid);
	struct line_segment segment[h->n_kv];

	for (int g = 0; g < h->n_kv; g++)
		segment[g] = (struct line_segment){
			heads_first(h, g), heads_last(h, g),
			value ? value + g * w * rows : NULL, rows, rows,
			result ? result + g * rows : NULL,
			cost_parts(s->grid->ledger, &s->tokens, h->group) };
	line_allreduce(&s->grid->x, h->n_kv, segment, op);
}

/* One step of the softmax on a core's part of a row of S: row [n]. own: the
 * core's contribution to the next all-reduce. all: the result of the previous
 * all-reduce along the head. */
typedef void row_step(float *row, int n, enum wl_type type, float *own,
                      float all);

static void row_maximum(float *row, int n, enum wl_type type, float *own,
                        float all)
{
	(void)all;
	/* The core stored the scores in this type. */
	wl_round(row, type, n);
	*own = vec_max(n, row);
}

static void row_exp_sum(float *row, int n, enum wl_type type, float *own,
                        float all)
{
	(void)type;
	vec_exp(n, all, row);
	*own = vec_sum(n, row);
}

static void row_divide(float *row, int n, enum wl_type type, float *own,
                       float all)
{
	(void)own;
	vec_scale(n, 1.0f / all, row);
	wl_round(row, type, n);
}

/* Applies a step to all rows of head g on column x. own, all: [rows]. */
static void column_rows(struct scores *s, int g, int x, row_step *step,
                        float *own, const float *all)
{
	const struct grid *grid = s->grid;
	int n = row_length(s, g, x);

	for (int y = grid->y.local.lo; y < grid->y.local.hi; y++) {
		float *row = *score_slot(s, g, y, x);
		int m = s->heads.group * partition_size(&s->tokens, y);

		for (int i = 0; i < m; i++, row += n)
			step(row, n, s->type, own++, *all++);
	}
}

/* Applies a step to all rows of all heads; value and result as in
 * reduce_rows. */
static void each_row(struct scores *s, row_step *step, float *value,
                     const float *result, size_t rows)
{
	int width = grid_width(s->grid);

	for (int g = 0; g < s->heads.n_kv; g++) {
		struct range columns = local_columns(s, g);

		for (int x = columns.lo; x < columns.hi; x++)
			column_rows(s, g, x, step,
			            value + (g * width + x - columns.lo) * rows,
			            result + g * rows);
	}
}

void attention_softmax(struct scores *s)
{
	struct grid *g = s->grid;
	struct range tokens = partition_range(&s->tokens, g->y.local);
	size_t rows = (size_t)s->heads.group * range_size(tokens);
	float *value = NULL, *result = NULL;
	const struct charge local =
		cost_elements(g->ledger, COST_MASKED_SOFTMAX_OPS, core_rows(s),
	                      longest_row(s),
	                      (uint64_t)s->tokens.n * s->tokens.n *
	                              s->heads.n_kv * s->heads.group);

	ledger_charge(g->ledger, &local);
	if (!g->dry) {
		value = wl_calloc(s->heads.n_kv * grid_width(g) * rows,
		                  sizeof *value);
		result = wl_calloc(s->heads.n_kv * rows, sizeof *result);
		each_row(s, row_maximum, value, result, rows);
	}
	reduce_rows(s, LINE_MAXIMUM, value, result, rows);
	if (!g->dry)
		each_row(s, row_exp_sum, value, result, rows);
	reduce_rows(s, LINE_ADD, value, result, rows);
	if (!g->dry)
		each_row(s, row_divide, value, result, rows);
	free(result);
	free(value);
}

/* Copies the blocks of this step that this rank stores into the multicast's
 * data, laid out by parts. */
static void copy_blocks(const struct scores *s, int g,
                        const struct step *step,
                        const struct line_parts *parts, float *data)
{
	const struct grid *grid = s->grid;

	for (int y = grid->y.local.lo; y < grid->y.local.hi; y++) {
		int b = step->block[y], x = parts->root[y];
		int n = partition_size(&s->tokens, b);
		int m = s->heads.group * partition_size(&s->tokens, y);

		if (line_has(&grid->x, x)) {
			const float *tile = *score_slot(s, g, y, x) +
			                    block_offset(s, g, b);
			int length = row_length(s, g, x);

			for (int i = 0; i < m; i++)
				memcpy(data + (size_t)i * n,
				       tile + (size_t)i * length,
				       n * sizeof *data);
		}
		data += parts->words[y];
	}
}

/* out += S V for one head and the blocks of this step. data: the rows' blocks
 * of S, [group][row's tokens][block's tokens] each; out [height][width]: cores'
 * sums [group][row's tokens][column's channels]. */
static void multiply_values(const struct scores *s, int g,
                            const struct tiles *v, const struct step *step,
                            const float *data, void **out)
{
	const struct grid *grid = s->grid;
	const struct heads *h = &s->heads;
	struct range columns = local_columns(s, g);

	for (int y = grid->y.local.lo; y < grid->y.local.hi; y++) {
		int m = partition_size(&s->tokens, y), b = step->block[y];
		int n = partition_size(&s->tokens, b);

		for (int x = columns.lo;
		     m && n && x < columns.hi && !is_masked(s, y, b); x++) {
			struct range c = heads_channels(h, g, x);
			int width = partition_size(&h->kv, x);
			float *o = out[(y - grid->y.local.lo) *
			               grid_width(grid) + x - grid->x.local.lo];

			for (int r = 0; r < h->group && range_size(c); r++)
				vec_gemm(m, range_size(c), n,
				         data + (size_t)r * m * n, n, 1, WL_F32,
				         tiles_at(v, y, x) + c.lo, width,
				         o + (size_t)r * m * width + c.lo,
				         width);
		}
		data += (size_t)h->group * m * n;
	}
}

static void multicast_head(struct scores *s, int g, const struct tiles *v,
                           void **out, const struct step *step, bool follows)
{
	struct grid *grid = s->grid;
	int root[grid->rows];
	struct line_parts parts = step_parts(s, g, step, root);
	float *data = NULL;

	if (!grid->dry) {
		data = line_buffer(&grid->x, LINE_RESULT,
		                   line_parts_words(&parts));
		copy_blocks(s, g, step, &parts, data);
	}
	line_multicast(&grid->x, heads_first(&s->heads, g),
	               heads_last(&s->heads, g), &parts, data, follows);
	if (data)
		multiply_values(s, g, v, step, data, out);
}

/* Reorders [group][token][channel] to [token][(channel, query head)]. */
static void interleave_heads(const struct scores *s, void **out,
                             struct tiles *o)
{
	const struct grid *g = s->grid;
	int group = s->heads.group;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++)
		for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
			int m = partition_size(&s->tokens, y);
			int n = partition_size(&s->heads.kv, x);
			const float *from = out[(y - g->y.local.lo) *
			                        grid_width(g) + x -
			                        g->x.local.lo];
			float *to = tiles_at(o, y, x);

			for (int r = 0; r < group; r++)
				for (int i = 0; i < m; i++)
					for (int c = 0; c < n; c++)
						to[(i * n + c) * group + r] =
							*from++;
		}
}

void attention_values(struct scores *s, struct tiles *v, struct tiles *o)
{
	struct grid *g = s->grid;
	struct ledger *l = g->ledger;
	int blocks[g->rows];
	size_t words[g->rows];
	struct step now = { blocks, words };
	const struct charge product = unmasked_product(s);
	const struct charge step_product = {
		.compute_cycles = values_cycles(l, &s->heads,
		                                partition_max(&s->tokens)) };
	struct tiles sum; /* of O's shape, ordered by query head first */

	tiles_init(&sum, g, AXIS_X, o->ring, o->fixed, SRAM_ACTIVATIONS);
	tiles_clear(&sum);
	ledger_charge(l, &product);
	/* All of S is known: the next step's blocks are multicast early, into
	 * a second buffer. */
	ledger_alloc(l, SRAM_BUFFERS, 2 * block_bytes(s));
	for (int step = 0; step < g->rows; step++) {
		struct tiles_shift shift;

		find_blocks(s, v, &now);
		ledger_overlap_begin(l);
		ledger_charge(l, &step_product);
		tiles_shift_start(&shift, v, NULL);
		for (int i = 0; i < s->heads.n_kv; i++)
			multicast_head(s, i, v, sum.tile, &now,
			               step > 0);
		tiles_shift_finish(&shift);
		ledger_overlap_end(l);
	}
	ledger_free(l, SRAM_BUFFERS, 2 * block_bytes(s));
	if (!g->dry)
		interleave_heads(s, sum.tile, o);
	tiles_fini(&sum);
}

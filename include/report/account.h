/* The account of a request: turns a ledger's counters into seconds, tokens per
 * second, energy and PLMR verdicts. Emulated figures only. Not collective. */
#ifndef WL_ACCOUNT_H
#define WL_ACCOUNT_H

#include "base/options.h"
#include "inference/inference.h"

/* Energy of a phase or operator, joules, estimated in two ways. */
struct energy {
	double envelope;     /* the device's rated power times the seconds */
	/* Bottom-up, the sum of: all arithmetic; memory traffic of arithmetic
	 * and messages; links and routers; the static share of the power. */
	double mac, sram, link, idle;
};

struct phase_account {
	int tokens;            /* processed by prefill or decode, else 0 */
	struct charge total;
	double seconds;
	double tokens_per_s;   /* 0: no tokens */
	struct energy energy;
	int paths;             /* router paths that a core needs */
	struct sram_peak peak;
	struct rxc grid;       /* core grid; rows 0: the phase has none */
	/* Pipeline regions: grids of this size side by side on the wafer, each
	 * with a part of the layers. */
	int regions;           /* used */
	int regions_needed;    /* fewest in which the model fits; 0: it does
	                          not fit even with one layer in each */
	int regions_held;      /* most for which the wafer has room */
	uint64_t core_bytes;   /* peak of the fullest core of a region (in the
	                          transition: of one of decode's) */
	double cores_busy;     /* mean work of a core / work of the busiest */
};

/* PLMR verdict on one letter of one kernel; see account_verdict. */
struct verdict {
	bool applies, ok;
	double figure, limit;
};

enum plmr { PLMR_P, PLMR_L, PLMR_M, PLMR_R, NPLMR };

/* Something that the device cannot do, as one line of text. */
struct violation {
	char text[200];
};

/* The most violations that an account can have. */
#define ACCOUNT_VIOLATIONS (NPHASES * (NOPS + 3))

struct account {
	const struct inference
		*inference; /* borrowed, with its ledger, model, device */
	int prompt_tokens, new_tokens;
	struct phase_account phase[NPHASES];
	double seconds;              /* prefill, transition and decode */
	double tokens_per_s_request; /* new tokens / seconds */
	int n_violations;
	struct violation violation[ACCOUNT_VIOLATIONS];
	/* New tokens for which decode has memory, with each policy of the KV
	 * cache; with decode's regions or, if these are too few, the fewest
	 * that hold the model, even if the wafer has no room for them. */
	int64_t longest_shift, longest_concat;
};

/* Makes the account of a request that has run: prefill processed prompt_tokens
 * tokens and chose the first of new_tokens, decode the others. w is borrowed
 * and has the ledger. */
void account_make(struct account *a, const struct inference *w,
                  int prompt_tokens, int new_tokens);

/* Emulated seconds and energy of the work charged in c. */
double account_seconds(const struct ledger *l, const struct charge *c);
struct energy account_energy(const struct ledger *l, const struct charge *c);

/* The verdicts v[NPLMR] on one operator; false if it took no cycles in the
 * phase. Each compares a figure with its limit:
 *   P: work / (cores x work of the busiest core), at least 0.5
 *   L: cycles of latency of a run (alpha hops + beta stages), at most four
 *      times alpha (rows + cols) + beta sqrt(rows + cols), the latency of a
 *      path along both sides and of a tree's stages
 *   M: peak of the fullest core, at most a core's usable memory, bytes
 *   R: router paths, at most those of a router */
bool account_verdict(const struct account *a, enum phase p, enum op op,
                     struct verdict v[NPLMR]);
/* The same from a ledger alone. bytes: peak of the fullest core. */
bool account_plmr(const struct ledger *l, enum phase p, enum op op,
                  struct rxc grid, uint64_t bytes,
                  struct verdict v[NPLMR]);

/* The fewest pipeline regions in which the model fits, where p is the peak with
 * a single region and bytes the usable memory of a core; 0: it does not fit
 * even with one layer in each. The first region also has the embedding and the
 * last the head, so these may have fewer layers. */
int account_regions(const struct sram_peak *p, const struct model *m,
                    double bytes);

/* Peak of the fullest core, bytes, if `regions` regions share the layers as
 * evenly as possible. */
uint64_t account_bytes(const struct sram_peak *p, const struct model *m,
                       int regions);

/* The number of rows x cols grids for which the device has room. */
int account_regions_held(const struct device *d, int rows, int cols);

#endif

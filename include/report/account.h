/* What a ledger says, in figures that people compare: seconds, tokens per
 * second, energy, verdicts. Emulated figures only. Not collective. */
#ifndef WL_ACCOUNT_H
#define WL_ACCOUNT_H

#include "base/options.h"
#include "inference/inference.h"

/* Joules of one phase or operator, two ways. */
struct energy {
	double envelope;     /* the device's power times the phase's time */
	double mac, sram, link, idle; /* bottom-up: multiply-adds and other
	                        operations, memory (arithmetic and messages),
	                        links; the static share of the power */
};

struct phase_account {
	int tokens;            /* of prefill and decode, else 0 */
	struct charge total;
	double seconds;
	double tokens_per_s;   /* 0: none */
	struct energy energy;
	int paths;             /* router paths that a core holds */
	struct sram_peak peak;
	struct rxc grid;       /* rows 0: the phase has no grid of its own */
	/* Pipeline regions: rectangles of the wafer, each a grid of this size
	 * with its share of the layers. */
	int regions;           /* the account is made for so many */
	int regions_needed;    /* the fewest in which the model fits; 0: it
	                          does not with one layer in each */
	int regions_held;      /* that the wafer has room for */
	uint64_t core_bytes;   /* peak of the fullest core in such a region (the
	                          transition: in one of decode's) */
	double cores_busy;     /* work / (cores x work of the busiest core) */
};

/* PLMR: one letter of one kernel. */
struct verdict {
	bool applies, ok;
	double figure, limit;
};

enum plmr { PLMR_P, PLMR_L, PLMR_M, PLMR_R, NPLMR };

/* Something that the device cannot do, one line of text. */
struct violation {
	char text[200];
};

/* Room for all that there can be. */
#define ACCOUNT_VIOLATIONS (NPHASES * (NOPS + 3))

struct account {
	const struct inference
		*inference; /* borrowed, with ledger, model, device */
	int prompt_tokens, new_tokens;
	struct phase_account phase[NPHASES];
	double seconds;              /* prefill, transition and decode */
	double tokens_per_s_request; /* new tokens / seconds */
	int n_violations;
	struct violation violation[ACCOUNT_VIOLATIONS];
	/* New tokens that fit beside the weights, in decode, with each policy;
	 * on the fewest regions that hold the model, be there room or not. */
	int64_t longest_shift, longest_concat;
};

/* Makes the account of a request: the wafer's ledger after prompt_tokens were
 * prefilled and new_tokens were made, of which the first came from prefill.
 * The wafer is borrowed. */
void account_make(struct account *a, const struct inference *w,
                  int prompt_tokens, int new_tokens);

/* Emulated seconds and energy of what was charged. */
double account_seconds(const struct ledger *l, const struct charge *c);
struct energy account_energy(const struct ledger *l, const struct charge *c);

/* One kernel's verdicts, [NPLMR]; false when the phase has no such kernel.
 *   P: work / (cores x work of the busiest core); at least half
 *   L: the latency of a run, alpha hops + beta stages in cycles, against four
 *      times alpha (rows + cols) + beta sqrt(rows + cols): a way along both
 *      sides, and a tree's stages
 *   M: peak of the fullest core / memory of a core; at most 1
 *   R: router paths / those of the device; at most 1 */
bool account_verdict(const struct account *a, enum phase p, enum op op,
                     struct verdict v[NPLMR]);
/* The same from a ledger alone. bytes: of the fullest core. */
bool account_plmr(const struct ledger *l, enum phase p, enum op op,
                  struct rxc grid, uint64_t bytes,
                  struct verdict v[NPLMR]);

/* The fewest pipeline regions over which the model's layers can be dealt out,
 * when one region would hold p; 0: not even one layer in each. The first holds
 * the embedding and the last the head, and may take fewer layers for it.
 * room: bytes of a core. */
int account_regions(const struct sram_peak *p, const struct model *m,
                    double room);

/* Bytes of the fullest core when that many regions share p as evenly as they
 * can. */
uint64_t account_bytes(const struct sram_peak *p, const struct model *m,
                       int regions);

/* Grids of that size that the device has room for. */
int account_regions_held(const struct device *d, int rows, int cols);

#endif

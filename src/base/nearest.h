/* Spelling suggestions: the known word closest to a mistyped one. Not
 * collective. */
#ifndef WL_NEAREST_H
#define WL_NEAREST_H

struct nearest {
	const char *word;     /* as typed; borrowed */
	const char *best;     /* name of the closest word; NULL: none close */
	int distance;         /* edit distance of best */
};

/* Starts a search, without candidates. */
struct nearest nearest_start(const char *word);

/* Offers a candidate: compares spelling, ignoring case, and sets best to name
 * (borrowed) if it is closer than those before. A candidate is close if at most
 * a third of its letters are wrong, missing, extra or swapped with a neighbour,
 * or if one of the two words is a prefix of the other. */
void nearest_offer(struct nearest *n, const char *name, const char *spelling);

#endif

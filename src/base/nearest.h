/* Of the words that are known, the one that a misspelt word most likely was
 * meant to be. Not collective. */
#ifndef WL_NEAREST_H
#define WL_NEAREST_H

struct nearest {
	const char *word;     /* as it was typed; borrowed */
	const char *best;     /* name of the best offer; NULL: none is near */
	int distance;         /* its letters to change; with best */
};

/* Offers follow. */
struct nearest nearest_start(const char *word);

/* spelling is what is compared, without regard to case; name is what best
 * becomes (borrowed). At most a third of the letters may be wrong, missing,
 * too many, or in the place of their neighbour; or one of the two words is the
 * beginning of the other. Of equally near ones the first stays. */
void nearest_offer(struct nearest *n, const char *name, const char *spelling);

#endif

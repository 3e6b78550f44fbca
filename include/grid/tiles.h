/* A matrix in tiles, one dimension of which (the ring dimension) travels around
 * the rings of an axis. Tile (q, p) belongs to line q, counted across the
 * axis, and to place p of that line's ring. It contains block q of the fixed
 * dimension and block ring_core(ring_pos(p) + skew of line q) of the ring
 * dimension; a line of skew 0 is at home. A core has one place, or several
 * where the ring was made longer than the line (struct ring).
 *
 * Tiles are dense, without padding, and may be empty. The users of a matrix
 * decide which of its two dimensions is contiguous. No function here is
 * collective. */
#ifndef WL_TILES_H
#define WL_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/partition.h"
#include "grid/grid.h"
#include "grid/matrix_view.h"
#include "model/model.h"

struct tiles {
	enum wl_type type;        /* of the elements in memory */
	struct grid *grid;        /* borrowed */
	enum axis axis;           /* of the rings */
	struct ring *path;        /* the ring; owned by the line */
	struct partition ring;    /* ring dimension over the places of a line */
	struct partition fixed;   /* fixed dimension over the lines */
	/* Ring steps from home of line q: skew[q], or, where skew is NULL,
	 * tiles_wanted_skew(q, skewed); less `turned`, modulo the ring. */
	int *skew;                /* [lines] or NULL */
	bool skewed;
	int turned;               /* steps that all lines took together */
	void **tile;              /* [own lines x own places]; see tiles_slot */
	char *memory;             /* all tiles, at a distance of the largest;
	                             NULL in a dry run */
	enum sram sram;           /* use of SRAM that they are charged to */
	struct tiles_kept *kept;  /* see tiles_keep_departed */
};

/* Creates tiles at home, with elements undefined, on the ring of ring.parts
 * places: the number of cores of a line or a multiple of it. Charges
 * tiles_core_bytes to the core's SRAM. A dry run allocates no elements. Free
 * with tiles_fini. */
void tiles_init_on(struct tiles *t, struct grid *g, enum axis axis,
                   enum ring_kind kind, enum wl_type type,
                   struct partition ring, struct partition fixed,
                   enum sram sram);
/* Creates activations on the two-hop ring: floats whose values are rounded to
 * the emulated core's element type (wl_round). */
void tiles_init(struct tiles *t, struct grid *g, enum axis axis,
                struct partition ring, struct partition fixed, enum sram sram);
void tiles_fini(struct tiles *t);

/* Sets all elements of this rank to 0. */
void tiles_clear(struct tiles *t);

/* The lines of the ring's axis. */
struct line *tiles_line(const struct tiles *t);
/* The lines q of which this rank has cores. */
struct range tiles_own_lines(const struct tiles *t);
/* The pointer to tile (q, p), which must be this rank's. */
void **tiles_slot(const struct tiles *t, int q, int p);

/* Ring steps (0 to places - 1) that line q is away from home now. */
int tiles_line_skew(const struct tiles *t, int q);
/* Ring steps that line q is away from home when skewed for a MeshGEMM, or, not
 * skewed, at home (0). */
int tiles_wanted_skew(const struct tiles *t, int q, bool skewed);
/* Records a ring step of line q (1, -1 or 0), or of step 1 of all lines. The
 * caller moves the data. */
void tiles_step(struct tiles *t, int q, int step);
void tiles_step_all(struct tiles *t);
/* Records that all lines are skewed for a MeshGEMM, or at home. */
void tiles_declare_skew(struct tiles *t, bool skewed);

/* The ring block that place p of line q contains now. */
int tiles_block(const struct tiles *t, int q, int p);
/* The place of line q that contains ring block b now. */
int tiles_place(const struct tiles *t, int q, int b);

/* Elements of the largest tile. */
size_t tiles_max_elements(const struct tiles *t);
/* Peak bytes of the matrix in the SRAM of an emulated core, while its tiles go
 * round the ring. */
uint64_t tiles_core_bytes(const struct tiles *t);
/* Elements, and bytes of host memory, of tile (q, p) now. */
size_t tiles_elements_at(const struct tiles *t, int q, int p);
size_t tiles_bytes_at(const struct tiles *t, int q, int p);

/* The tile of core (y, x), that of its first place if it has several: of any
 * type (NULL in a dry run), or of floats. The core must be this rank's. */
void *tiles_data(const struct tiles *t, int y, int x);
float *tiles_at(const struct tiles *t, int y, int x);
/* Extents of that tile along the ring and the fixed dimension. */
int tiles_ring_extent(const struct tiles *t, int y, int x);
int tiles_fixed_extent(const struct tiles *t, int y, int x);

/* This rank's box of a matrix [ring][fixed] whose tiles are at home. Tiles are
 * borrowed. */
struct matrix_view tiles_view(struct tiles *t);

#endif

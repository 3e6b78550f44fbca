/* The end of every unit test program. */
#ifndef WL_SUITE_H
#define WL_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the suite, which it frees, in this process: a fork would share MPI's
 * and HDF5's state. Returns main's status. */
static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

#include "config.h"
#include "base/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#include "base/error.h"

static volatile sig_atomic_t wanted;
static struct itimerval limit;
/* The actions in effect before ours. */
static struct sigaction before[NSIG];

/* Signals whose default action does not end the process, and those that cannot
 * be caught. */
static const int harmless[] = { SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU,
                                SIGURG, SIGWINCH, SIGKILL, SIGSTOP };
/* MPI_Init installs handlers for these that print a stack trace, unless there
 * are others. */
static const int crash[] = { SIGABRT, SIGBUS, SIGFPE, SIGSEGV };

/* A SIGTERM within so many seconds of the first is the same one, forwarded by
 * both the batch system and mpirun. */
#define ECHO_SECONDS 0.3

#define LENGTH(list) (sizeof (list) / sizeof *(list))

static bool is_in(const int *list, size_t n, int signal)
{
	while (n > 0 && list[n - 1] != signal)
		n--;
	return n > 0;
}

/* Removes the temporary file, then lets the signal take its previous action. */
static void die_of(int signal)
{
	wl_clean_up();
	sigaction(signal, &before[signal], NULL);
	raise(signal);
}

static void set(int signal, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	/* The handlers of the two share `wanted`: run one at a time. */
	sigemptyset(&a.sa_mask);
	sigaddset(&a.sa_mask, SIGUSR1);
	sigaddset(&a.sa_mask, SIGTERM);
	sigaction(signal, &a, NULL);
}

/* Whether to catch the signal. One that is ignored (nohup) stays ignored. A
 * handler of a linked-in tool stays in place, but for crashes, which die_of
 * passes on to it. */
static bool is_free(int signal, bool crashes)
{
	if (sigaction(signal, NULL, &before[signal]) < 0 ||
	    before[signal].sa_handler == SIG_IGN)
		return false;
	return crashes || before[signal].sa_handler == SIG_DFL;
}

static void catch_mortal(int signal)
{
	set(signal, die_of, SA_NODEFER);
}

/* Grace period over: exit now. */
static void lose_patience(int signal)
{
	if (wanted != SIGTERM)
		die_of(signal);
	catch_mortal(SIGTERM);
	raise(SIGTERM);
}

/* A monotonic clock. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Records the signal; a second SIGTERM ends the process. */
static void remember(int signal)
{
	static double first;

	if (signal == SIGTERM && wanted != SIGTERM) {
		first = seconds();
		setitimer(ITIMER_REAL, &limit, NULL);
	} else if (signal == SIGTERM && seconds() > first + ECHO_SECONDS)
		die_of(signal);
	if (wanted != SIGTERM)
		wanted = signal;
}

/* SIGXFSZ: the write then fails with EFBIG. Not SIG_IGN, which the daemon that
 * MPI_Init starts would inherit: it would retry its failing writes for ever and
 * fill the memory. */
static void let_write_fail(int signal)
{
	(void)signal;
}

void signals_catch(double patience)
{
	for (int s = 1; s < NSIG; s++) {
		if (is_in(harmless, LENGTH(harmless), s) ||
		    is_in(crash, LENGTH(crash), s) || !is_free(s, false))
			continue;
		if (patience > 0 && s == SIGALRM)
			set(s, lose_patience, 0);
		else if (patience > 0 && (s == SIGUSR1 || s == SIGTERM))
			set(s, remember, SA_RESTART);
		else if (s == SIGXFSZ)
			set(s, let_write_fail, SA_RESTART);
		else
			catch_mortal(s);
	}
	if (patience > 0) {
		limit.it_value.tv_sec = (time_t)patience;
		limit.it_value.tv_usec = 1e6 * (patience - (time_t)patience);
	}
}

void signals_catch_crashes(void)
{
	for (size_t i = 0; i < LENGTH(crash); i++)
		if (is_free(crash[i], true))
			catch_mortal(crash[i]);
}

int signals_stop(void)
{
	return wanted;
}

const char *signals_name(int signal)
{
	return signal == SIGUSR1 ? "SIGUSR1" :
	       signal == SIGTERM ? "SIGTERM" : NULL;
}

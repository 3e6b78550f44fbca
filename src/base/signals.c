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
/* What each signal did before it was caught. */
static struct sigaction before[NSIG];

/* What ends no process unless it is caught, and what cannot be. */
static const int harmless[] = { SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU,
                                SIGURG, SIGWINCH, SIGKILL, SIGSTOP };
/* MPI_Init catches these, unless others have, to show where they came from. */
static const int crash[] = { SIGABRT, SIGBUS, SIGFPE, SIGSEGV };

/* A batch system and mpirun may both pass on one SIGTERM: it is no second one
 * within so many seconds. */
#define ECHO_SECONDS 0.3

#define LENGTH(list) (sizeof (list) / sizeof *(list))

static bool is_in(const int *list, size_t n, int signal)
{
	while (n > 0 && list[n - 1] != signal)
		n--;
	return n > 0;
}

/* Leaves no temporary file behind, then dies of the signal all the same. */
static void die_of(int signal)
{
	wl_clean_up();
	sigaction(signal, &before[signal], NULL);
	raise(signal);
}

static void set(int signal, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	/* One of the two at a time looks at what is wanted. */
	sigemptyset(&a.sa_mask);
	sigaddset(&a.sa_mask, SIGUSR1);
	sigaddset(&a.sa_mask, SIGTERM);
	sigaction(signal, &a, NULL);
}

/* What nohup has had ignored stays so, as does the handler of a tool that is
 * linked in; but a crash is handed on to it. */
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

/* Seconds since some moment. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

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

/* A file that grows too large is a write that fails. Not SIG_IGN, which the
 * daemon that MPI_Init starts would inherit: its own writes would then fail for
 * ever, and fill the memory. */
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

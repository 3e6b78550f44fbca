#include "config.h"
#include "signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "fail.h"

static volatile sig_atomic_t wanted;
static struct itimerval limit;

/* Leaves no temporary file behind, then dies of the signal all the same. */
static void die_of(int signal)
{
	wl_clean_up();
	raise(signal);
}

static void catch(int signal, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags }, old;

	/* One of the two at a time looks at what is wanted. */
	sigemptyset(&a.sa_mask);
	sigaddset(&a.sa_mask, SIGUSR1);
	sigaddset(&a.sa_mask, SIGTERM);
	/* What nohup has had ignored stays so. */
	if (sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(signal, &a, NULL);
}

static void catch_mortal(int signal)
{
	catch(signal, die_of, SA_RESETHAND | SA_NODEFER);
}

/* The alarm that comes too late for an end in order. */
static void lose_patience(int signal)
{
	(void)signal;
	catch_mortal(SIGTERM);
	raise(SIGTERM);
}

static void remember(int signal)
{
	if (signal == SIGTERM) {
		catch_mortal(SIGTERM);
		setitimer(ITIMER_REAL, &limit, NULL);
	}
	if (wanted != SIGTERM)
		wanted = signal;
}

void signals_catch(double patience)
{
	static const int mortal[] = { SIGHUP, SIGINT, SIGPIPE, SIGTERM };

	for (size_t i = 0; i < sizeof mortal / sizeof *mortal; i++)
		catch_mortal(mortal[i]);
	if (patience <= 0)
		return;
	limit.it_value.tv_sec = (time_t)patience;
	limit.it_value.tv_usec = 1e6 * (patience - (time_t)patience);
	catch(SIGALRM, lose_patience, 0);
	catch(SIGUSR1, remember, SA_RESTART);
	catch(SIGTERM, remember, SA_RESTART);
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

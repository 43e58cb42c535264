#include "restart.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static bool has_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* A fault of the program's own code; it cannot come while a thread waits.  Handlers that
 * report crashes are commonly installed for these, without SA_RESTART. */
static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP ||
           number == SIGSYS || number == SIGABRT;
}

bool signal_restarts(void)
{
    sigset_t blocked;
    if (pthread_sigmask(SIG_BLOCK, NULL, &blocked))
        return false;
    for (int number = 1; number <= SIGRTMAX; number++) {
        struct sigaction action;
        if (is_fault(number) || sigismember(&blocked, number) || sigaction(number, NULL, &action) || !has_handler(&action))
            continue;
        if (!(action.sa_flags & SA_RESTART))
            return false;
    }
    return true;
}

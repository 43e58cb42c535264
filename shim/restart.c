#include "restart.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static bool has_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

bool signal_restarts(void)
{
    sigset_t blocked;
    if (pthread_sigmask(SIG_BLOCK, NULL, &blocked))
        return false;
    for (int number = 1; number <= SIGRTMAX; number++) {
        struct sigaction action;
        if (sigismember(&blocked, number) || sigaction(number, NULL, &action) || !has_handler(&action))
            continue;
        if (!(action.sa_flags & SA_RESTART))
            return false;
    }
    return true;
}

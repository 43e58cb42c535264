/* Would the kernel have restarted the call that a signal has just interrupted? */
#ifndef RESTART_H
#define RESTART_H

#include <stdbool.h>

/* A blocking read restarts after a handler that was installed with SA_RESTART; ppoll(2),
 * in which we wait, never does and does not say which signal it was (signal(7)).  So after
 * EINTR the dispositions are read back, those of signals that this thread does not block:
 *
 *   every handler has SA_RESTART   restart
 *   none has                       EINTR
 *   some have, some have not       EINTR: a program with a handler that interrupts is
 *                                  prepared for it, and relies on it to stop
 *   there is no handler            restart: the process was stopped and continued, or it
 *                                  was one of glibc's own signals (setgid() in another
 *                                  thread).  A handler that was there for one signal only
 *                                  (SA_RESETHAND) is gone by now, and is taken for none. */
bool signal_restarts(void);

#endif

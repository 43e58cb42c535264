/* A call that only libc can make, and that may wait for ever inside it, runs in a thread of
 * its own, so that its caller can go on without it at a deadline.
 *
 * The job owns all the memory that the call uses: a worker that was left behind writes to
 * nothing of the program's, and frees the job when the call ends after all. */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolver.h"

struct job {
    void (*run)(struct job *);      /* makes the call and keeps what it answers in the job */
    void (*discard)(struct job *);  /* frees the job and what it keeps */
    int error, host_error;          /* errno and h_errno of the call */
    bool is_callers;                /* no thread could be made: the caller makes the call itself */
    struct resolver resolver;       /* filled in by the caller (resolver_keep) */
    pthread_mutex_t lock;
    pthread_cond_t over;
    enum { JOB_RUNS, JOB_IS_DONE, JOB_IS_ABANDONED } state;
};

/* Runs the job until it is done; if no thread can be made, in the calling one.  False: the
 * deadline came first, and the job must not be touched any more. */
bool worker_run(struct job *job, int64_t deadline);

#endif

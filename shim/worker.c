#include "worker.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "deadline.h"

/* Workers that nobody waits for any more; libc's resolver ends each after some 30 s. */
#define MOST_ABANDONED 16
static atomic_int abandoned;

static void forget_workers(void)
{
    atomic_store(&abandoned, 0);
}

/* A child has none. */
static void forget_workers_in_children(void)
{
    static atomic_bool registered;
    if (!atomic_exchange(&registered, true))
        pthread_atfork(NULL, NULL, forget_workers);
}

/* True: nobody waits for the job. */
static bool finish(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    bool alone = job->state == JOB_IS_ABANDONED;
    job->state = JOB_IS_DONE;
    pthread_cond_signal(&job->over);
    pthread_mutex_unlock(&job->lock);
    return alone;
}

static void run(struct job *job)
{
    job->run(job);
    job->error = errno;
    job->host_error = h_errno;
}

static void *work(void *argument)
{
    struct job *job = argument;
    resolver_adopt(&job->resolver);
    run(job);
    if (finish(job)) {
        job->discard(job);
        atomic_fetch_sub(&abandoned, 1);
    }
    return NULL;
}

/* The program's handlers run in its own threads only. */
static bool start(struct job *job, pthread_t *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return false;
    bool started = !pthread_create(thread, NULL, work, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

struct waiter {
    struct job *job;
    pthread_t thread;
};

/* With the job's lock held: whether it is done.  If not, it is the worker's from now on. */
static bool leave(struct waiter *waiter)
{
    struct job *job = waiter->job;
    bool done = job->state == JOB_IS_DONE;
    if (!done) {
        job->state = JOB_IS_ABANDONED;
        atomic_fetch_add(&abandoned, 1);
        pthread_detach(waiter->thread);
    }
    pthread_mutex_unlock(&job->lock);
    if (done)
        pthread_join(waiter->thread, NULL);
    return done;
}

static void leave_cancelled(void *argument)
{
    struct waiter *waiter = argument;
    if (leave(waiter))
        waiter->job->discard(waiter->job);
}

static void wait_for(struct job *job, int64_t deadline)
{
    struct timespec t;
    span_to_timespec(deadline, &t);
    while (job->state == JOB_RUNS && pthread_cond_clockwait(&job->over, &job->lock, CLOCK_MONOTONIC, &t) != ETIMEDOUT)
        ;
}

/* A cancellation point, as every look-up is, but for its last steps. */
static bool wait_in_thread(struct waiter *waiter, int64_t deadline)
{
    int cancellable;
    pthread_mutex_lock(&waiter->job->lock);
    pthread_cleanup_push(leave_cancelled, waiter);
    wait_for(waiter->job, deadline);
    pthread_cleanup_pop(0);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    bool done = leave(waiter);
    pthread_setcancelstate(cancellable, NULL);
    return done;
}

/* Waits until there are less workers than there may be.  False: the time is up. */
static bool await_room(int64_t deadline)
{
    for (int64_t left; (left = left_until(deadline, clock_now()));) {
        if (atomic_load(&abandoned) < MOST_ABANDONED)
            return true;
        struct timespec t;
        clock_nanosleep(CLOCK_MONOTONIC, 0, span_to_timespec(earlier(left, TICK), &t), NULL);
    }
    return false;
}

static bool has_room(int64_t deadline)
{
    int cancellable;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    bool room = await_room(deadline);
    pthread_setcancelstate(cancellable, NULL);
    return room;
}

bool worker_run(struct job *job, int64_t deadline)
{
    struct waiter waiter = {.job = job};
    if (!has_room(deadline)) {
        job->discard(job);
        return false;
    }
    forget_workers_in_children();
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->over, NULL);
    job->state = JOB_RUNS;
    if (start(job, &waiter.thread))
        return wait_in_thread(&waiter, deadline);
    job->is_callers = true;
    run(job);
    return true;
}

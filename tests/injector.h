/* Faults in what the library itself calls.  injector.so is preloaded behind the library, counts the
 * calls that come from it, and fails those that the plan names; the program's own pass.
 * The plan lies in a file that program and test share: $FAULTS_PLAN. */
#ifndef INJECTOR_H
#define INJECTOR_H

#include <stdatomic.h>
#include <stdint.h>

/* FAULT(type, name, (parameters), (arguments), what it returns when it fails, errno) */
#define EACH_FAULT(FAULT)                                                                                        \
    FAULT(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, long from),                          \
          (at, len, prot, flags, fd, from), MAP_FAILED, ENOMEM)                                                  \
    FAULT(int, madvise, (void *at, size_t len, int advice), (at, len, advice), -1, EINVAL)                       \
    FAULT(int, getsockopt, (int fd, int level, int name, void *value, void *len), (fd, level, name, value, len), \
          -1, ENOBUFS)                                                                                           \
    FAULT(int, setsockopt, (int fd, int level, int name, const void *value, unsigned len),                       \
          (fd, level, name, value, len), -1, ENOMEM)                                                             \
    FAULT(int, getpeername, (int fd, void *name, void *len), (fd, name, len), -1, ENOBUFS)                       \
    FAULT(int, shutdown, (int fd, int how), (fd, how), -1, EPERM)                                                \
    FAULT(int, fcntl, (int fd, int what, long argument), (fd, what, argument), -1, EPERM)                        \
    FAULT(int, fstat64, (int fd, void *file), (fd, file), -1, ENOMEM)                                            \
    FAULT(int, ppoll, (void *fds, unsigned long count, const void *timeout, const void *mask),                   \
          (fds, count, timeout, mask), -1, ENOMEM)                                                               \
    FAULT(int, poll, (void *fds, unsigned long count, int ms), (fds, count, ms), -1, ENOMEM)                     \
    FAULT(int, clock_gettime, (int clock, void *time), (clock, time), -1, EPERM)                                 \
    FAULT(int, open, (const char *path, int flags, long mode), (path, flags, mode), -1, EMFILE)                  \
    FAULT(long, write, (int fd, const void *buf, size_t len), (fd, buf, len), -1, ENOSPC)                        \
    FAULT(int, pthread_create, (void *thread, const void *how, void *start, void *argument),                     \
          (thread, how, start, argument), EAGAIN, 0)                                                             \
    FAULT(int, pthread_sigmask, (int how, const void *set, void *old), (how, set, old), EINVAL, 0)               \
    FAULT(int, sigaction, (int number, const void *action, void *old), (number, action, old), -1, EINVAL)        \
    FAULT(void *, malloc, (size_t size), (size), NULL, ENOMEM)                                                   \
    FAULT(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)                              \
    FAULT(void *, realloc, (void *old, size_t size), (old, size), NULL, ENOMEM)

#define FAULT_NUMBER(type, name, parameters, arguments, result, error) FAULT_##name,
enum fault { EACH_FAULT(FAULT_NUMBER) FAULT_COUNT };
#undef FAULT_NUMBER

#define FAULT_NONE (-1)
#define FAULT_RANDOM (-2)   /* one call of four, by the seed; but a clock that works goes on working */
#define EACH_TIME 0

/* In the program, by dlsym: nothing fails, and nothing is counted, until it is called with 0. */
typedef void injector_pause_function(int on);
injector_pause_function injector_pause;

struct fault_plan {
    int fault;              /* which call fails, */
    unsigned nth;           /* at which time: from 1, or EACH_TIME; the seed of FAULT_RANDOM */
    atomic_uint seen[FAULT_COUNT];
    atomic_uint total, struck;
};

#endif

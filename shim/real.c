#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Atomic(real_any *) real_table[CALL_COUNT];

#define ALIAS(name, call)
#define CALL(type, name, parameters) #name,
static const char *const names[CALL_COUNT] = {
#include "calls.def"
};
#undef CALL
#undef ALIAS

/* dlsym(3) may allocate (glibc before 2.34 did once for each thread), and the host's
 * own malloc may read or write a file: such a call, made while the same symbol is being
 * looked up, goes to the kernel directly. */
static ssize_t kernel_read(int fd, void *buf, size_t len)
{
    return syscall(SYS_read, fd, buf, len);
}

static ssize_t kernel_write(int fd, const void *buf, size_t len)
{
    return syscall(SYS_write, fd, buf, len);
}

static int kernel_close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

/* A symbol that this libc does not have; a program that tests for it by a weak
 * reference finds ours. */
static long missing(void)
{
    errno = ENOSYS;
    return -1;
}

static real_any *without_dlsym(enum call call)
{
    switch (call) {
    case CALL_read: return (real_any *)kernel_read;
    case CALL_write: return (real_any *)kernel_write;
    case CALL_close: return (real_any *)kernel_close;
    default: return (real_any *)missing;
    }
}

/* ISO C has no cast from an object to a function pointer; POSIX promises that the bits fit. */
static real_any *as_function(void *object)
{
    real_any *function;
    memcpy(&function, &object, sizeof function);
    return function;
}

real_any *real_resolve(enum call call)
{
    static _Thread_local unsigned char resolving[CALL_COUNT];
    if (resolving[call])
        return without_dlsym(call);
    int saved_errno = errno;
    resolving[call] = 1;
    real_any *next = as_function(dlsym(RTLD_NEXT, names[call]));
    resolving[call] = 0;
    if (!next) {
        dlerror();      /* not the host's */
        next = (real_any *)missing;
    }
    atomic_store_explicit(&real_table[call], next, memory_order_relaxed);
    errno = saved_errno;
    return next;
}

void real_init(void)
{
    for (int call = 0; call < CALL_COUNT; call++)
        real_next((enum call)call);
}

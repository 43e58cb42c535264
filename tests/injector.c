#include "injector.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fault_plan *_Atomic plan;

/* Constructors before this library's own may be the first to make a call. */
static struct fault_plan *the_plan(void)
{
    const char *path = atomic_load(&plan) ? NULL : getenv("FAULTS_PLAN");
    if (!path)
        return atomic_load(&plan);
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    long at = syscall(SYS_mmap, NULL, sizeof(struct fault_plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    struct fault_plan *mapped = NULL;
    memcpy(&mapped, &at, sizeof at);
    atomic_store(&plan, mapped);
    return mapped;
}

static bool is_librarys(void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "/libtimeoutsock.so");
}

/* splitmix64's last step: a number that looks like chance. */
static bool is_unlucky(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return (number ^ number >> 31) % 4 == 0;
}

static bool is_meant(struct fault_plan *p, int fault)
{
    unsigned seen = atomic_fetch_add(&p->seen[fault], 1) + 1, total = atomic_fetch_add(&p->total, 1);
    if (p->fault == FAULT_RANDOM)
        return fault != FAULT_clock_gettime && is_unlucky((uint64_t)p->nth << 32 | total);
    return p->fault == fault && (p->nth == EACH_TIME || p->nth == seen);
}

static atomic_bool paused;

void injector_pause(int on)
{
    atomic_store(&paused, on);
}

static bool strikes(int fault, void *caller)
{
    struct fault_plan *p = atomic_load(&paused) ? NULL : the_plan();
    if (!p || !is_librarys(caller) || !is_meant(p, fault))
        return false;
    atomic_fetch_add(&p->struck, 1);
    return true;
}

/* By another name in C, so that no header's declaration is in the way. */
#define DEFINE(type, name, parameters, arguments, result, error)                 \
    type inject_##name parameters __asm__(#name);                                \
    type inject_##name parameters                                                \
    {                                                                            \
        static type (*_Atomic next) parameters;                                  \
        if (strikes(FAULT_##name, __builtin_return_address(0))) {                \
            if (error)                                                           \
                errno = error;                                                   \
            return result;                                                       \
        }                                                                        \
        if (!next) {                                                             \
            void *found = dlsym(RTLD_NEXT, #name);                               \
            type (*function) parameters;                                         \
            memcpy(&function, &found, sizeof found);                             \
            next = function;                                                     \
        }                                                                        \
        return next arguments;                                                   \
    }
EACH_FAULT(DEFINE)

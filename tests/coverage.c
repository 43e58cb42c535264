/* A part of the library where it counts what is run of it (tests/coverage.sh): many tests have
 * their children end by _exit(), which leaves no count behind. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);

/* A filter of system calls would end a process for opening the files of counts. */
static int may_write(void)
{
    return syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) == 0;
}

/* A child of vfork() counts in its parent's memory, which goes on to count. */
__attribute__((visibility("default"))) void _exit(int status)
{
    if (may_write()) {
        __gcov_dump();
        __gcov_reset();
    }
    for (;;)
        syscall(SYS_exit_group, status);
}

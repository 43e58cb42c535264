#include "pipes.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Not by prctl(): the library would take it for a sandbox. */
static void be_old(void)
{
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    ck_ok(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    ck_ok(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void as_it_is(void)
{
}

static const struct kernel {
    const char *name;
    void (*become)(void);
} kernels[] = {{"this kernel", as_it_is}, {"a kernel before 6.4", be_old}};

const char *const *kernel_names(void)
{
    return NAMES_IN(kernels);
}

void enter_kernel(void)
{
    VARIANT_IN(kernels)->become();
}

struct pair a_pipe(void)
{
    enter_kernel();
    return pipe_pair();
}

struct pair full_pipe(void)
{
    struct pair p = a_pipe();
    ck_assert_int_eq(plain_write(p.there, pattern(ROOM), ROOM), ROOM);
    return p;
}

ssize_t by_writev(int fd, char *data, size_t len)
{
    struct iovec iov[] = {{data, 0}, {data, 100}, {NULL, 0}, {data + 100, len - 100}};
    return writev(fd, iov, 4);
}

ssize_t by_write(int fd, char *data, size_t len)
{
    return write(fd, data, len);
}

void *close_late(void *fd)
{
    close(*(int *)fd);
    return NULL;
}

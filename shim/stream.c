#include "stream.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"
#include "any.h"
#include "real.h"

struct stream {
    int fd;
    bool is_standard;
    max_align_t wide[];     /* libc's room for wide characters */
};

static ssize_t read_stream(void *cookie, char *buf, size_t len)
{
    const struct stream *s = cookie;
    return any_read(s->fd, buf, len);
}

/* As libc's own: until all is written, or one write fails. */
static ssize_t write_stream(void *cookie, const char *buf, size_t len)
{
    const struct stream *s = cookie;
    size_t done = 0;
    ssize_t n = 0;
    while (done < len && (n = any_write(s->fd, buf + done, len - done)) >= 0)
        done += (size_t)n;
    return (ssize_t)done;
}

/* What lseek(2) says of sockets and pipes. */
static int seek_stream(void *cookie, off64_t *at, int whence)
{
    const struct stream *s = cookie;
    return (*at = lseek64(s->fd, *at, whence)) < 0 ? -1 : 0;
}

/* What libc had at the start, and what it has got instead. */
static struct standard {
    FILE *libcs, *ours;
} standards[3];

static FILE **const places[] = {&stdin, &stdout, &stderr};

/* A standard stream may still be used once it is closed, and then fails. */
static int close_stream(void *cookie)
{
    struct stream *s = cookie;
    int fd = s->fd;
    if (s->is_standard && *places[fd] == standards[fd].ours)
        *places[fd] = standards[fd].libcs;
    free(s);
    return any_close(fd);
}

static const cookie_io_functions_t functions = {read_stream, write_stream, seek_stream, close_stream};

/* A stream becomes one of wide characters at its first such call (fwide(3)), and for that has
 * room that a cookie stream lacks: it gets a copy of what libc's own have at the start.  How
 * large that is nobody tells, but libc's three lie one behind the other.  From then on libc
 * reads, writes and closes by itself, without a limit, and our memory for it is lost; so it is
 * when freopen(3) makes another stream of it. */
static max_align_t wide_start[16];
static size_t wide_size;

static void measure_wide(void)
{
    char *place[] = {(char *)stdin->_wide_data, (char *)stdout->_wide_data, (char *)stderr->_wide_data};
    ptrdiff_t a = labs(place[1] - place[0]), b = labs(place[2] - place[1]);
    size_t size = (size_t)(a < b ? a : b);
    if (size > sizeof wide_start || stdin->_mode > 0)
        return;
    memcpy(wide_start, place[0], size);
    wide_size = size;
}

static FILE *open_stream(int fd, bool is_standard, const char *mode)
{
    struct stream *s = malloc(sizeof *s + wide_size);
    FILE *f = s ? fopencookie(s, mode, functions) : NULL;
    if (!f) {
        free(s);
        return NULL;
    }
    s->fd = f->_fileno = fd;
    s->is_standard = is_standard;
    if (wide_size) {
        f->_wide_data = memcpy(s->wide, wide_start, wide_size);
        f->_mode = 0;
    }
    return f;
}

static bool has_limit(int fd, const struct cell *cell, uint32_t state)
{
    for (enum phase phase = PHASE_READ; phase <= PHASE_TOTAL; phase++)
        if (connection_limit(fd, cell, state, phase).span != NEVER)
            return true;
    return false;
}

/* A program that knows of limits may set one, or be in a scope, at any time. */
static bool is_limited(int fd)
{
    struct cell *cell = policy_is_armed() ? fdtab_cell(fd) : NULL;
    if (!cell)
        return false;
    uint32_t state = fdtab_learn(fd, cell);
    return kind_has_limits(state_kind(state)) && fdtab_is_ours() && (policy_is_aware() || has_limit(fd, cell, state));
}

/* What fdopen(3) reads in a mode: its first letter, and whether a '+' is among the next four. */
static bool reads_and_writes(const char *mode)
{
    return *mode && memchr(mode + 1, '+', strnlen(mode + 1, 4));
}

/* fdopen's own reasons to refuse, and what "a" does to the descriptor. */
static bool can_be_opened(int fd, const char *mode)
{
    int flags = REAL(fcntl)(fd, F_GETFL);
    int access = flags & O_ACCMODE;
    bool both = reads_and_writes(mode);
    if (flags < 0)
        return false;
    if (!memchr("rwa", *mode, 3) || (access == O_RDONLY && (both || *mode != 'r')) || (access == O_WRONLY && (both || *mode == 'r'))) {
        errno = EINVAL;
        return false;
    }
    return *mode != 'a' || flags & O_APPEND || REAL(fcntl)(fd, F_SETFL, flags | O_APPEND) >= 0;
}

INTERPOSE FILE *fdopen(int fd, const char *mode)
{
    if (!is_limited(fd))
        return REAL(fdopen)(fd, mode);
    if (!can_be_opened(fd, mode))
        return NULL;
    return open_stream(fd, false, (char[]){*mode, reads_and_writes(mode) ? '+' : '\0', '\0'});
}

/* Those of C++ have been bound to libc's streams already if another library has brought
 * <iostream> up before this constructor; both must stay the same ones. */
static bool iostreams_are_bound(void)
{
    void *const *cin = dlsym(RTLD_DEFAULT, "_ZSt3cin");
    if (!cin)
        dlerror();
    return cin && *cin;
}

static void replace_standard(int fd, const char *mode)
{
    FILE *f = is_limited(fd) ? open_stream(fd, true, mode) : NULL;
    if (!f)
        return;
    standards[fd] = (struct standard){*places[fd], f};
    *places[fd] = f;
}

/* Whether they are bound is asked only then: it takes as long as all else here. */
static bool some_standard_is_limited(void)
{
    return is_limited(STDIN_FILENO) || is_limited(STDOUT_FILENO) || is_limited(STDERR_FILENO);
}

void stream_init(void)
{
    measure_wide();
    if (!policy_is_armed() || !some_standard_is_limited() || iostreams_are_bound())
        return;
    replace_standard(STDIN_FILENO, "r");
    replace_standard(STDOUT_FILENO, "w");
    replace_standard(STDERR_FILENO, "w");
    if (standards[STDERR_FILENO].ours)
        setvbuf(stderr, NULL, _IONBF, 0);
}

/* The library among others: what calls it before its constructor has run, what is loaded
 * later, and what replaces the same symbols.  All of that is built here and runs in
 * processes of its own. */
#include <limits.h>
#include <stdio.h>

#include "built.h"

#define LIMIT "100ms"

/* A silent connection.  If nothing limits a receive on it, its own timer ends it. */
#define SILENT                                                                            \
    "#include <dlfcn.h>\n#include <errno.h>\n#include <fcntl.h>\n#include <poll.h>\n"     \
    "#include <netinet/in.h>\n#include <stdlib.h>\n#include <string.h>\n"                 \
    "#include <sys/socket.h>\n#include <sys/syscall.h>\n#include <sys/time.h>\n"          \
    "#include <unistd.h>\n"                                                               \
    "static int silent(int *peer)\n{\n"                                                   \
    "    struct sockaddr_in name = {.sin_family = AF_INET};\n"                            \
    "    socklen_t len = sizeof name;\n"                                                  \
    "    struct timeval t = {1, 0};\n"                                                    \
    "    int l = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);\n"\
    "    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);\n"                                \
    "    if (bind(l, (struct sockaddr *)&name, len) || listen(l, 1)) exit(90);\n"         \
    "    getsockname(l, (struct sockaddr *)&name, &len);\n"                               \
    "    if (connect(fd, (struct sockaddr *)&name, len)) exit(91);\n"                     \
    "    *peer = accept(l, NULL, NULL);\n"                                                \
    "    if (close(l)) exit(92);\n"                                                       \
    "    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);\n"           \
    "    return fd;\n}\n"                                                                 \
    "static int times_out(int fd)\n{\n"                                                   \
    "    char byte;\n"                                                                    \
    "    return recv(fd, &byte, 1, 0) < 0 && errno == ETIMEDOUT;\n}\n"

/* A program that ends with 0 if a receive is limited, and 1 if not. */
#define LIMITED_PROGRAM SILENT "int main(void) { int peer; return !times_out(silent(&peer)); }\n"

/* Of preloaded libraries the last is initialized first. */
START_TEST(calls_of_a_constructor_that_runs_before_ours_are_made)
{
    build("early.so", "-shared -fPIC",
          SILENT "int early_fd = -1;\n"
                 "__attribute__((constructor)) static void early(void)\n{\n"
                 "    int peer;\n"
                 "    char bytes[4] = \"\";\n"
                 "    struct pollfd p = {early_fd = silent(&peer), POLLIN, 0};\n"
                 "    errno = 4711;\n"
                 "    if (write(peer, \"abc\", 3) != 3 || poll(&p, 1, 1000) != 1) exit(80);\n"
                 "    if (read(p.fd, bytes, 1) != 1 || recv(p.fd, bytes + 1, 2, 0) != 2) exit(81);\n"
                 "    if (strcmp(bytes, \"abc\") || errno != 4711) exit(82);\n"
                 "    if (read(-1, bytes, 1) != -1 || errno != EBADF) exit(83);\n}\n");
    char with[PATH_MAX + 16];
    snprintf(with, sizeof with, "'%s'", built("early.so"));
    build("early", with,
          SILENT "extern int early_fd;\nint main(void) { return early_fd < 0 ? 2 : !times_out(early_fd); }\n");
    const char *both = preload_both(library_path(), built("early.so"));
    ck_assert_int_eq(run_built("early", both, LIMIT), 0);
    ck_assert_int_eq(run_built("early", both, NULL), 1);
}
END_TEST

/* It counts, and passes on. */
#define ALSO                                                                              \
    "#include <dlfcn.h>\n#include <sys/socket.h>\n"                                       \
    "int also_called;\n"                                                                  \
    "ssize_t recv(int fd, void *buf, size_t len, int flags)\n{\n"                         \
    "    also_called++;\n"                                                                \
    "    ssize_t (*next)(int, void *, size_t, int) = dlsym(RTLD_NEXT, \"recv\");\n"       \
    "    return next(fd, buf, len, flags);\n}\n"

START_TEST(another_library_that_replaces_recv_is_called_too_in_either_order)
{
    build("also.so", "-shared -fPIC", ALSO);
    build("chained", "",
          SILENT "__attribute__((weak)) extern int also_called;\n"
                 "int main(void)\n{\n"
                 "    int peer, limited = times_out(silent(&peer));\n"
                 "    return !limited + 2 * !(&also_called && also_called);\n}\n");
    ck_assert_int_eq(run_built("chained", preload_both(built("also.so"), library_path()), LIMIT), 0);
    ck_assert_int_eq(run_built("chained", preload_both(library_path(), built("also.so")), LIMIT), 0);
    ck_assert_int_eq(run_built("chained", preload_both(library_path(), built("also.so")), NULL), 1);
}
END_TEST

/* Connections of another make, of which it says that something has just moved on them. */
#define EMULATING_TCP                                                                     \
    "#include <dlfcn.h>\n#include <netinet/in.h>\n#include <netinet/tcp.h>\n"             \
    "#include <string.h>\n#include <sys/socket.h>\n"                                      \
    "int getsockopt(int fd, int level, int name, void *value, socklen_t *len)\n{\n"       \
    "    int (*next)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, \"getsockopt\");\n" \
    "    if (level != IPPROTO_TCP || name != TCP_INFO) return next(fd, level, name, value, len);\n" \
    "    memset(value, 0, *len);\n    return 0;\n}\n"

START_TEST(another_library_that_emulates_tcp_info_keeps_no_silent_connection_alive)
{
    build("emulating.so", "-shared -fPIC", EMULATING_TCP);
    build("waiting", "",
          SILENT "int main(void)\n{\n"
                 "    int peer;\n    struct pollfd p = {silent(&peer), POLLIN, 0};\n"
                 "    return poll(&p, 1, 2000) != 1 || !times_out(p.fd);\n}\n");
    ck_assert_int_eq(run_built("waiting", preload_both(library_path(), built("emulating.so")), LIMIT), 0);
    ck_assert_int_eq(run_built("waiting", preload_both(library_path(), built("emulating.so")), NULL), 1);
}
END_TEST

/* A sanitizer's runtime is the malloc, refuses RTLD_DEEPBIND and calls dlopen itself. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Every allocation reads a file; none is ever freed. */
#define READING_MALLOC                                                                    \
    "#include <fcntl.h>\n#include <stddef.h>\n#include <string.h>\n#include <unistd.h>\n" \
    "static char room[64 << 20];\nstatic size_t used;\n"                                  \
    "int malloc_reads;\n"                                                                 \
    "static void read_a_file(void)\n{\n"                                                  \
    "    static __thread int inside;\n    char bytes[4];\n"                               \
    "    if (inside) return;\n    inside = 1;\n"                                          \
    "    int fd = open(\"/proc/self/exe\", O_RDONLY);\n"                                  \
    "    if (read(fd, bytes, 4) == 4 && !memcmp(bytes, \"\\177ELF\", 4)) malloc_reads++;\n"\
    "    else _exit(70);\n"                                                               \
    "    if (close(fd)) _exit(71);\n    inside = 0;\n}\n"                                 \
    "void *malloc(size_t n)\n{\n    read_a_file();\n"                                     \
    "    char *at = room + used;\n    used += (n + 31) / 16 * 16;\n"                      \
    "    memcpy(at, &n, sizeof n);\n    return at + 16;\n}\n"                             \
    "void free(void *p) { (void)p; }\n"                                                   \
    "void *calloc(size_t a, size_t b) { return malloc(a * b); }\n"                        \
    "void *realloc(void *p, size_t n)\n{\n    size_t old = 0;\n    void *q = malloc(n);\n"\
    "    if (p) memcpy(&old, (char *)p - 16, sizeof old);\n"                              \
    "    return p ? memcpy(q, p, old < n ? old : n) : q;\n}\n"                            \
    "__attribute__((constructor)) static void begin(void) { free(malloc(1)); }\n"

START_TEST(a_malloc_that_reads_files_does_not_recurse_in_either_order)
{
    build("malloc.so", "-shared -fPIC -fno-builtin", READING_MALLOC);
    build("allocate", "-fno-builtin",
          SILENT "__attribute__((weak)) extern int malloc_reads;\n"
                 "int main(void)\n{\n"
                 "    int peer, before = &malloc_reads ? malloc_reads : -1;\n"
                 "    if (before < 1 || !malloc(100) || malloc_reads == before) return 2;\n"
                 "    return !times_out(silent(&peer));\n}\n");
    ck_assert_int_eq(run_built("allocate", preload_both(built("malloc.so"), library_path()), LIMIT), 0);
    ck_assert_int_eq(run_built("allocate", preload_both(library_path(), built("malloc.so")), LIMIT), 0);
    ck_assert_int_eq(run_built("allocate", preload_both(library_path(), built("malloc.so")), NULL), 1);
}
END_TEST

/* who() is the program's own 1 unless the plugin is bound deeply: then it is its 2.  Only a
 * weak function do all compilers leave to the linker. */
static void build_deep(void)
{
    build("plugin.so", "-shared -fPIC",
          SILENT "__attribute__((weak)) int who(void) { return 2; }\nint plugin_who(void) { return who(); }\n"
                 "int plugin_limited(void) { int peer; return times_out(silent(&peer)); }\n");
    char text[2 * PATH_MAX];
    snprintf(text, sizeof text,
             "#include <dlfcn.h>\nint who(void) { return 1; }\n"
             "int main(void)\n{\n"
             "    void *plugin = dlopen(\"%s\", RTLD_NOW | RTLD_DEEPBIND);\n"
             "    if (!plugin) return 60;\n"
             "    int (*who_)(void) = (int (*)(void))dlsym(plugin, \"plugin_who\");\n"
             "    int (*limited)(void) = (int (*)(void))dlsym(plugin, \"plugin_limited\");\n"
             "    return 10 * limited() + who_();\n}\n",
             built("plugin.so"));
    build("deep", "-rdynamic -ldl", text);
}

START_TEST(a_library_opened_with_rtld_deepbind_is_limited)
{
    build_deep();
    ck_assert_int_eq(run_built("deep", library_path(), LIMIT), 11);
}
END_TEST

START_TEST(rtld_deepbind_is_passed_on_where_nothing_is_limited)
{
    build_deep();
    ck_assert_int_eq(run_built("deep", library_path(), NULL), 2);
}
END_TEST

/* dlopen looks where its caller says, and the caller is not our library. */
START_TEST(dlopen_searches_the_runpath_of_the_calling_library)
{
    build("inner.so", "-shared -fPIC", "int inner(void) { return 0; }\n");
    char flags[PATH_MAX + 64];
    snprintf(flags, sizeof flags, "-shared -fPIC -Wl,--enable-new-dtags,-rpath,'%s'", built("."));
    build("outer.so", flags,
          "#include <dlfcn.h>\nint outer(int flags) { return dlopen(\"inner.so\", RTLD_NOW | flags) == 0; }\n");
    snprintf(flags, sizeof flags, "'%s'", built("outer.so"));
    build("search", flags,
          "#include <dlfcn.h>\nint outer(int);\n"
          "int main(void)\n{\n"
          "    if (dlopen(\"inner.so\", RTLD_NOW)) return 2;\n"
          "    return outer(RTLD_DEEPBIND) || outer(0);\n}\n");
    const char *const limits[] = {LIMIT, NULL};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(run_built("search", library_path(), limits[i]), 0);
}
END_TEST

#define NOT_UNDER_SANITIZERS                                                                               \
    a_malloc_that_reads_files_does_not_recurse_in_either_order, a_library_opened_with_rtld_deepbind_is_limited, \
        rtld_deepbind_is_passed_on_where_nothing_is_limited, dlopen_searches_the_runpath_of_the_calling_library,
#else
#define NOT_UNDER_SANITIZERS
#endif

START_TEST(a_program_that_was_built_shows_the_difference)
{
    build("limited", "", LIMITED_PROGRAM);
    ck_assert_int_eq(run_built("limited", preload_both(library_path(), library_path()), LIMIT), 0);
    ck_assert_int_eq(run_built("limited", NULL, LIMIT), 1);
}
END_TEST

int main(void)
{
    built_begin();
    int status = run_tests("loading", TESTS(NOT_UNDER_SANITIZERS a_program_that_was_built_shows_the_difference,
                                            calls_of_a_constructor_that_runs_before_ours_are_made,
                                            another_library_that_replaces_recv_is_called_too_in_either_order,
                                            another_library_that_emulates_tcp_info_keeps_no_silent_connection_alive));
    built_end();
    return status;
}

/* What happens to a descriptor between the first try of a call and all that follows.  No
 * system call lies there, so a library that is preloaded behind ours makes it happen: it runs
 * the program's hook once after the next recv(2) or send(2), or before the next connect(2). */
#include "built.h"

#define LIMIT "200ms"

#define BEHIND                                                                            \
    "#include <dlfcn.h>\n#include <errno.h>\n#include <string.h>\n#include <sys/types.h>\n" \
    "void (*behind_hook)(void);\n"                                                        \
    "static ssize_t run_hook(ssize_t n)\n{\n"                                             \
    "    int error = errno;\n"                                                            \
    "    void (*hook)(void) = behind_hook;\n"                                             \
    "    behind_hook = NULL;\n"                                                           \
    "    if (hook) hook();\n"                                                             \
    "    errno = error;\n"                                                                \
    "    return n;\n}\n"                                                                  \
    "#define BEHIND(name, type)\\\n"                                                      \
    "    ssize_t name(int fd, type buf, size_t len, int flags)\\\n    {\\\n"              \
    "        ssize_t (*next)(int, type, size_t, int);\\\n"                                \
    "        void *found = dlsym(RTLD_NEXT, #name);\\\n"                                  \
    "        memcpy(&next, &found, sizeof next);\\\n"                                     \
    "        return run_hook(next(fd, buf, len, flags));\\\n    }\n"                      \
    "BEHIND(recv, void *)\nBEHIND(send, const void *)\n"                                  \
    "struct sockaddr;\n"                                                                  \
    "int connect(int fd, const struct sockaddr *to, unsigned len)\n{\n"                  \
    "    int (*next)(int, const struct sockaddr *, unsigned);\n"                          \
    "    void *found = dlsym(RTLD_NEXT, \"connect\");\n"                                  \
    "    memcpy(&next, &found, sizeof next);\n"                                           \
    "    run_hook(0);\n"                                                                  \
    "    return next(fd, to, len);\n}\n"

/* Two connections, ours[] and theirs[]. */
#define TWO                                                                               \
    "#include <dlfcn.h>\n#include <errno.h>\n#include <netinet/in.h>\n"                   \
    "#include <pthread.h>\n#include <stdlib.h>\n#include <string.h>\n"                    \
    "#include <sys/socket.h>\n#include <unistd.h>\n"                                      \
    "enum { MUCH = 8 << 20 };\n"                                                          \
    "static char much[MUCH], room[MUCH];\n"                                               \
    "static int ours[2], theirs[2];\n"                                                    \
    "static void connect_two(void)\n{\n"                                                  \
    "    struct sockaddr_in name = {.sin_family = AF_INET};\n"                            \
    "    socklen_t len = sizeof name;\n"                                                  \
    "    int l = socket(AF_INET, SOCK_STREAM, 0);\n"                                      \
    "    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);\n"                                \
    "    if (bind(l, (struct sockaddr *)&name, len) || listen(l, 2)) exit(90);\n"         \
    "    getsockname(l, (struct sockaddr *)&name, &len);\n"                               \
    "    for (int i = 0; i < 2; i++) {\n"                                                 \
    "        ours[i] = socket(AF_INET, SOCK_STREAM, 0);\n"                                \
    "        if (connect(ours[i], (struct sockaddr *)&name, len)) exit(91);\n"            \
    "        theirs[i] = accept(l, NULL, NULL);\n    }\n}\n"                              \
    "static void run_between(void (*hook)(void))\n{\n"                                    \
    "    void *place = dlsym(RTLD_DEFAULT, \"behind_hook\");\n"                           \
    "    if (!place) exit(92);\n"                                                         \
    "    memcpy(place, &hook, sizeof hook);\n}\n"                                         \
    "static void replace(void) { if (dup2(ours[1], ours[0]) < 0) exit(93); }\n"

static int run_with_behind(const char *program)
{
    build("behind.so", "-shared -fPIC", BEHIND);
    return run_built(program, preload_both(library_path(), built("behind.so")), LIMIT);
}

START_TEST(a_receive_does_not_go_on_with_another_connection_nor_with_a_pipe)
{
    build("receive", "",
          TWO "static int fails(void)\n{\n"
              "    char bytes[8];\n"
              "    if (write(theirs[1], \"secret\", 6) != 6) exit(80);\n"
              "    run_between(replace);\n"
              "    return read(ours[0], bytes, sizeof bytes) == -1 && errno == EBADF;\n}\n"
              "int main(void)\n{\n"
              "    int ends[2];\n"
              "    connect_two();\n"
              "    if (!fails()) exit(81);\n"
              "    connect_two();\n"
              "    if (pipe(ends)) exit(82);\n"
              "    ours[1] = ends[0];\n"
              "    theirs[1] = ends[1];\n"
              "    return !fails();\n}\n");
    ck_assert_int_eq(run_with_behind("receive"), 0);
}
END_TEST

START_TEST(a_send_does_not_go_on_with_another_connection)
{
    build("send", "",
          TWO "int main(void)\n{\n"
              "    char byte;\n"
              "    connect_two();\n"
              "    run_between(replace);\n"
              "    ssize_t n = write(ours[0], much, MUCH);\n"
              "    return n <= 0 || n >= MUCH || recv(theirs[1], &byte, 1, MSG_DONTWAIT) != -1;\n}\n");
    ck_assert_int_eq(run_with_behind("send"), 0);
}
END_TEST

START_TEST(a_send_whose_limit_is_taken_away_goes_on_to_its_end)
{
    build("unlimited", "-lpthread",
          TWO "static pthread_t reader;\n"
              "static void *take_all(void *all)\n{\n"
              "    return recv(theirs[0], room, MUCH, MSG_WAITALL) == MUCH ? all : NULL;\n}\n"
              "static void unlimit(void)\n{\n"
              "    int (*set)(int);\n"
              "    void *found = dlsym(RTLD_DEFAULT, \"tsock_set_default_timeout\");\n"
              "    memcpy(&set, &found, sizeof set);\n"
              "    if (set(-1)) exit(80);\n"
              "    if (pthread_create(&reader, NULL, take_all, room)) exit(81);\n}\n"
              "int main(void)\n{\n"
              "    void *taken;\n"
              "    connect_two();\n"
              "    run_between(unlimit);\n"
              "    if (write(ours[0], much, MUCH) != MUCH) exit(82);\n"
              "    pthread_join(reader, &taken);\n"
              "    return !taken;\n}\n");
    ck_assert_int_eq(run_with_behind("unlimited"), 0);
}
END_TEST

/* So does a kernel whose ticks, by which that counts, leap: the first one ends long before the
 * program's time, and the call goes on. */
START_TEST(a_connect_that_ends_too_early_and_goes_on_says_what_the_first_one_said)
{
    build("early", "",
          TWO "#include <fcntl.h>\n#include <sys/syscall.h>\n"
              "static void hurry(void)\n{\n"
              "    struct timeval time = {0, 5000};\n"
              "    syscall(SYS_setsockopt, ours[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);\n}\n"
              "int main(void)\n{\n"
              "    struct sockaddr_in name = {.sin_family = AF_INET};\n"
              "    struct timeval time = {0, 100000};\n"
              "    socklen_t len = sizeof name;\n"
              "    int l = socket(AF_INET, SOCK_STREAM, 0);\n"
              "    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);\n"
              "    if (bind(l, (struct sockaddr *)&name, len) || listen(l, 0)) exit(90);\n"
              "    getsockname(l, (struct sockaddr *)&name, &len);\n"
              "    for (int i = 0; i < 3; i++)\n"
              "        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&name, len);\n"
              "    ours[0] = socket(AF_INET, SOCK_STREAM, 0);\n"
              "    if (setsockopt(ours[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time)) exit(91);\n"
              "    run_between(hurry);\n"
              "    if (connect(ours[0], (struct sockaddr *)&name, len) != -1 || errno != EINPROGRESS) exit(92);\n"
              "    return connect(ours[0], (struct sockaddr *)&name, len) != -1 || errno != EALREADY;\n}\n");
    ck_assert_int_eq(run_with_behind("early"), 0);
}
END_TEST

int main(void)
{
    built_begin();
    int status = run_tests("between", TESTS(a_receive_does_not_go_on_with_another_connection_nor_with_a_pipe,
                                            a_send_does_not_go_on_with_another_connection,
                                            a_send_whose_limit_is_taken_away_goes_on_to_its_end,
                                            a_connect_that_ends_too_early_and_goes_on_says_what_the_first_one_said));
    built_end();
    return status;
}

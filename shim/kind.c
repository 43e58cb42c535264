#include "kind.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "fdtab.h"
#include "real.h"

enum kind kind_of_socket(int domain, int type, int protocol, uint32_t *flags)
{
    enum { TYPE = 0xf };    /* without SOCK_NONBLOCK and SOCK_CLOEXEC */
    bool stream = (type & TYPE) == SOCK_STREAM;
    bool internet = domain == AF_INET || domain == AF_INET6;
    *flags = stream ? 0 : CELL_RECORD | ((type & TYPE) == SOCK_SEQPACKET ? CELL_PACKET : 0);
    if (internet && stream && (!protocol || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
        return KIND_TCP;
    if (internet && (type & TYPE) == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP))
        return KIND_UDP;
    if (domain == AF_UNIX)
        return KIND_UNIX;
    return domain == AF_VSOCK ? KIND_VSOCK : KIND_SOCKET;
}

static int option(int fd, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    return REAL(getsockopt)(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

static bool has_timeout(int fd, int name)
{
    struct timeval t = {0};
    socklen_t length = sizeof t;
    return !REAL(getsockopt)(fd, SOL_SOCKET, name, &t, &length) && (t.tv_sec || t.tv_usec);
}

static uint32_t ask_about_socket(int fd, int domain)
{
    uint32_t flags;
    int type = option(fd, SO_TYPE), protocol = option(fd, SO_PROTOCOL);
    if (type < 0 || protocol < 0)
        return KIND_UNKNOWN;
    enum kind kind = kind_of_socket(domain, type, protocol, &flags);
    if (has_timeout(fd, SO_RCVTIMEO) || has_timeout(fd, SO_SNDTIMEO))
        flags |= CELL_TIMER;
    if (option(fd, SO_RCVLOWAT) > 1)
        flags |= CELL_LOWAT;
    return kind | flags;
}

uint32_t kind_ask(int fd)
{
    int domain = option(fd, SO_DOMAIN);
    if (domain >= 0)
        return ask_about_socket(fd, domain);
    struct stat64 file;     /* a large one too, where off_t is short */
    if (errno != ENOTSOCK || fstat64(fd, &file) < 0)
        return KIND_UNKNOWN;
    return S_ISFIFO(file.st_mode) ? KIND_PIPE : KIND_OTHER;
}


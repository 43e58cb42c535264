/* Makes one call many times that need not wait, for its instructions to be counted.
 *
 * usage: ready CALL COUNT */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

static char byte = 'x';

static bool do_read(struct ends e)
{
    return read(e.here, &byte, 1) == 1;
}

static bool do_recv(struct ends e)
{
    return recv(e.here, &byte, 1, 0) == 1;
}

static bool do_write(struct ends e)
{
    return write(e.there, &byte, 1) == 1;
}

static bool do_send(struct ends e)
{
    return send(e.there, &byte, 1, 0) == 1;
}

static bool do_poll(struct ends e)
{
    return poll(&(struct pollfd){e.here, POLLIN, 0}, 1, 1000) == 1;
}

static const struct {
    const char *name;
    bool (*call)(struct ends);
} ready_calls[] = {{"read", do_read}, {"recv", do_recv}, {"write", do_write}, {"send", do_send}, {"poll", do_poll}};

int main(int argc, char **argv)
{
    static char bytes[4096];
    struct ends ends = connect_ends(AF_INET);
    need(argc == 3 && write(ends.there, bytes, sizeof bytes) == sizeof bytes, "usage: ready CALL COUNT");
    for (size_t i = 0; i < sizeof ready_calls / sizeof *ready_calls; i++)
        for (int n = strcmp(ready_calls[i].name, argv[1]) ? 0 : atoi(argv[2]); n > 0; n--)
            need(ready_calls[i].call(ends), argv[1]);
    return EXIT_SUCCESS;
}

#include "interruption.h"

#include "deadline.h"

static _Thread_local struct {
    int fd;
    enum phase phase;
    uint32_t state;
    int64_t at, left;
} last = {.fd = -1};

void interruption_note(int fd, enum phase phase, uint32_t state, int64_t now, int64_t left)
{
    last.fd = fd;
    last.phase = phase;
    last.state = state;
    last.at = now;
    last.left = left;
}

void interruption_forget(int fd)
{
    if (last.fd == fd)
        last.fd = -1;
}

int64_t interruption_left(int fd, enum phase phase, const struct cell *cell, int64_t now, int64_t span)
{
    bool same = last.fd == fd && last.phase == phase && cell_same(cell, last.state);
    return same && now - last.at < span ? earlier(span, last.left) : span;
}

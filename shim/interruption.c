#include "interruption.h"

#include "deadline.h"

_Thread_local int interruption_fd = -1;

static _Thread_local struct {
    enum phase phase;
    uint32_t state;
    int64_t at, left;
} last;

void interruption_note(int fd, enum phase phase, uint32_t state, int64_t now, int64_t left)
{
    interruption_fd = fd;
    last.phase = phase;
    last.state = state;
    last.at = now;
    last.left = left;
}

int64_t interruption_left(int fd, enum phase phase, const struct cell *cell, int64_t now, int64_t span)
{
    bool same = interruption_fd == fd && last.phase == phase && cell_same(cell, last.state);
    return same && now - last.at < span ? earlier(span, last.left) : span;
}

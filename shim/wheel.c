#include "wheel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "deadline.h"
#include "policy.h"
#include "watch.h"

/* A tick is 8.4 ms: no expiry in epoll is later than that, and the tick after an expiry
 * before the next.  The wheel reaches 8 s ahead; what expires later is looked at on the
 * way. */
#define TICK_BITS 23
#define SLOTS 1024
#define WORD 64
#define WORDS (SLOTS / WORD)
#define CHANGE (UINT64_C(1) << WORDS)

/* Who turns the wheel goes by clock_lately, which has been seen 300 ms behind on a virtual machine,
 * and is to see what others put ahead by clock_now. */
#define BEHIND 64

/* A far-away descriptor is looked at together with others of the same half second. */
#define FAR_TICKS 64

/* Cells are linked by number; END is the last one of a list. */
enum { UNLINKED = WHEEL_UNLINKED, END, FIRST };

_Atomic uint32_t wheel_slots[SLOTS] LARGE;
static _Atomic uint64_t filled[WORDS];          /* a bit for each slot that is not empty ... */
static _Atomic uint64_t filled_words;           /* ... and for each of these words that has one, below
                                                 * a count of CHANGEs */
static _Atomic int64_t turned;                  /* every tick up to this one has been looked at */
static _Atomic int64_t reach = NEVER;           /* the smallest limit when the wheel was last swept */

static int64_t tick_of(int64_t time)
{
    return time >> TICK_BITS;
}

static int64_t tick_begins(int64_t tick)
{
    return tick << TICK_BITS;
}

/* Nothing stays unlooked at for longer than the smallest limit in force: whatever limit a
 * linked descriptor gets meanwhile (its number may be reused), it is not late. */
static int64_t slot_tick(int64_t expiry, int64_t now)
{
    int64_t first = tick_of(now) + 1, exact = tick_of(expiry) + 1;
    int64_t furthest = first + earlier(SLOTS - BEHIND, tick_of(policy_smallest()));
    if (exact <= furthest)
        return exact > first ? exact : first;
    int64_t rounded = furthest - furthest % FAR_TICKS;
    return rounded > first ? rounded : furthest;
}

static void note_filled(size_t slot)
{
    uint64_t word = UINT64_C(1) << slot / WORD, words = atomic_load(&filled_words);
    atomic_fetch_or(&filled[slot / WORD], UINT64_C(1) << slot % WORD);
    while (!atomic_compare_exchange_weak(&filled_words, &words, (words | word) + CHANGE)) {}
}

/* A slot of the word that another thread has filled meanwhile has changed the count. */
static void note_empty(size_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % WORD, words = atomic_load(&filled_words);
    if (!(atomic_fetch_and(&filled[slot / WORD], ~bit) & ~bit))
        atomic_compare_exchange_strong(&filled_words, &words, words & ~(UINT64_C(1) << slot / WORD));
}

static void put(int fd, struct cell *cell, int64_t tick)
{
    size_t slot = (size_t)tick % SLOTS;
    uint32_t head = atomic_load(&wheel_slots[slot]);
    do atomic_store(&cell->next, head ? head : END);
    while (!atomic_compare_exchange_weak(&wheel_slots[slot], &head, (uint32_t)fd + FIRST));
    note_filled(slot);
}

void wheel_link(int fd, struct cell *cell, int64_t now)
{
    int64_t expiry = watch_by_epoll(fd, now);
    uint32_t unlinked = UNLINKED;
    if (expiry == NEVER || !atomic_compare_exchange_strong(&cell->next, &unlinked, END))
        return;
    int64_t tick = slot_tick(expiry, now);
    put(fd, cell, tick);
    if (tick <= atomic_load(&turned))
        atomic_store(&reach, NEVER);    /* another thread has just passed that slot: sweep */
}

static void look_at(int fd, struct cell *cell, int64_t now)
{
    if (watch_by_epoll(fd, now) <= now)
        watch_expire_by_epoll(fd, now);
    wheel_link(fd, cell, now);
}

static void empty(size_t slot, int64_t now)
{
    note_empty(slot);
    uint32_t link = atomic_exchange(&wheel_slots[slot], 0);
    while (link >= FIRST) {
        int fd = (int)(link - FIRST);
        struct cell *cell = fdtab_cell(fd);
        link = atomic_exchange(&cell->next, UNLINKED);
        look_at(fd, cell, now);
    }
}

/* The smallest limit has shrunk: what is linked may be too far away. */
static void sweep_if_shrunk(int64_t now)
{
    int64_t smallest = policy_smallest(), before = atomic_load(&reach);
    if (smallest == before || !atomic_compare_exchange_strong(&reach, &before, smallest) || smallest > before)
        return;
    for (size_t slot = 0; slot < SLOTS; slot++)
        empty(slot, now);
}

/* One thread looks at the slots whose time has come. */
static void turn_to(int64_t tick, int64_t now)
{
    int64_t last = atomic_load(&turned);
    if (tick <= last || !atomic_compare_exchange_strong(&turned, &last, tick))
        return;
    int64_t first = last + 1 > tick - SLOTS + 1 ? last + 1 : tick - SLOTS + 1;
    for (int64_t due = first; due <= tick; due++)
        if (atomic_load(&filled[(size_t)due % SLOTS / WORD]) >> due % WORD & 1)
            empty((size_t)due % SLOTS, now);
}

/* The slots from `at` on that are in its word. */
static uint64_t filled_from(uint64_t at)
{
    return atomic_load_explicit(&filled[at % SLOTS / WORD], memory_order_relaxed) >> at % WORD;
}

/* Where the next word begins that has a slot that is not empty. */
static uint64_t next_word(uint64_t at)
{
    uint32_t next = at / WORD % WORDS + 1;
    uint32_t words = atomic_load_explicit(&filled_words, memory_order_relaxed) % CHANGE;
    uint32_t ahead = words >> next | words << (WORDS - next);
    return (at / WORD + 1 + (ahead ? (unsigned)__builtin_ctz(ahead) : WORDS)) * WORD;
}

/* The first slot after `tick` that is not empty; NEVER if all are. */
static int64_t next_filled(int64_t tick)
{
    uint64_t first = (uint64_t)tick + 1;
    for (uint64_t at = first; at < first + SLOTS - 1; at = next_word(at)) {
        uint64_t bits = filled_from(at);
        if (bits)
            return (int64_t)at + __builtin_ctzll(bits);
    }
    return NEVER;
}

int64_t wheel_turn(int64_t now)
{
    int64_t tick = tick_of(now);
    sweep_if_shrunk(now);
    turn_to(tick, now);
    int64_t next = next_filled(tick), cap = deadline_after(now, policy_smallest());
    return next == NEVER ? cap : earlier(cap, tick_begins(next));
}

void wheel_consider(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell && atomic_load_explicit(&cell->watched, memory_order_relaxed) && !wheel_considers(cell))
        wheel_link(fd, cell, clock_now());
}

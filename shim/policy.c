#include "policy.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "deadline.h"
#include "report.h"
#include "settings.h"
#include "timeoutsock.h"

#define UNSET (-1)

struct limits {
    int64_t phase[PHASE_COUNT];     /* UNSET: the default limit */
    int64_t standard;               /* TIMEOUTSOCK_DEFAULT */
    int kinds;                      /* a bit (1 << enum kind) for each */
    int events;
    int action;
    int error;                      /* index into error_words */
    const char *only, *skip;        /* programs' names; NULL is unset */
};

enum action { ACTION_SHUTDOWN, ACTION_ERROR };

static struct limits limits = {
    .phase = {UNSET, UNSET, UNSET, UNSET, NEVER, UNSET},
    .standard = NEVER,
    .kinds = 1 << KIND_TCP,
};

atomic_bool policy_armed;

/* What the program has set by tsock_set_default_timeout; TSOCK_DEFAULT: nothing. */
static atomic_int program_default = TSOCK_DEFAULT;

/* In the order of the words; a bit of `all` for each kind of fd that can be limited. */
static const char *const kind_words[] = {"tcp", "udp", "unix", "vsock", "pipe", "all", NULL};
static const enum kind word_kinds[] = {KIND_TCP, KIND_UDP, KIND_UNIX, KIND_VSOCK, KIND_PIPE};
static const char *const event_words[] = {"connected", "all", "off", NULL};
static const char *const action_words[] = {"shutdown", "error", NULL};
static const char *const error_words[] = {"ETIMEDOUT", "EAGAIN", NULL};

static bool read_duration(const char *text, void *value)
{
    return parse_duration(text, value);
}

static bool read_kinds(const char *text, void *value)
{
    enum { COUNT = sizeof word_kinds / sizeof *word_kinds };
    int words, kinds = 0;
    if (!parse_words(text, kind_words, &words))
        return false;
    for (int i = 0; i < COUNT; i++)
        if (words & (1 << i | 1 << COUNT))
            kinds |= 1 << word_kinds[i];
    *(int *)value = kinds;
    return true;
}

static bool read_events(const char *text, void *value)
{
    return parse_word(text, event_words, value);
}

static bool read_action(const char *text, void *value)
{
    return parse_word(text, action_words, value);
}

static bool read_error(const char *text, void *value)
{
    return parse_word(text, error_words, value);
}

static bool read_names(const char *text, void *value)
{
    *(const char **)value = text;
    return true;
}

#define DURATIONS "30, 1.5, 500ms, 2m or none"

/* A new setting is one line here. */
static const struct key {
    const char *name;
    bool (*read)(const char *text, void *value);
    void *value;
    const char *example;
} keys[] = {
    {"TIMEOUTSOCK_DEFAULT", read_duration, &limits.standard, DURATIONS},
    {"TIMEOUTSOCK_CONNECT", read_duration, &limits.phase[PHASE_CONNECT], DURATIONS},
    {"TIMEOUTSOCK_ACCEPT", read_duration, &limits.phase[PHASE_ACCEPT], DURATIONS},
    {"TIMEOUTSOCK_READ", read_duration, &limits.phase[PHASE_READ], DURATIONS},
    {"TIMEOUTSOCK_WRITE", read_duration, &limits.phase[PHASE_WRITE], DURATIONS},
    {"TIMEOUTSOCK_TOTAL", read_duration, &limits.phase[PHASE_TOTAL], DURATIONS},
    {"TIMEOUTSOCK_LOOKUP", read_duration, &limits.phase[PHASE_LOOKUP], DURATIONS},
    {"TIMEOUTSOCK_KINDS", read_kinds, &limits.kinds, "tcp or tcp,udp,unix,vsock,pipe or all"},
    {"TIMEOUTSOCK_EVENTS", read_events, &limits.events, "connected, all or off"},
    {"TIMEOUTSOCK_ACTION", read_action, &limits.action, "shutdown or error"},
    {"TIMEOUTSOCK_ERRNO", read_error, &limits.error, "ETIMEDOUT or EAGAIN"},
    {"TIMEOUTSOCK_ONLY", read_names, &limits.only, "curl,wget"},
    {"TIMEOUTSOCK_SKIP", read_names, &limits.skip, "sshd,cron"},
};

/* secure_getenv: a privileged program takes nothing from whoever starts it. */
static void read_environment(void)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = secure_getenv(keys[i].name);
        if (text && !keys[i].read(text, keys[i].value))
            report_line("bad value ", keys[i].name, "=\"", text, "\", ignored (try ", keys[i].example, ")", NULL);
    }
}

static _Atomic int64_t smallest = NEVER;

int64_t policy_smallest(void)
{
    return atomic_load_explicit(&smallest, memory_order_relaxed);
}

void policy_note_limit(int64_t span)
{
    int64_t before = atomic_load(&smallest), limit = span > MILLISECOND ? span : MILLISECOND;
    while (limit < before && !atomic_compare_exchange_weak(&smallest, &before, limit))
        ;
}

static bool program_is_meant(void)
{
    const char *name = program_invocation_short_name;
    return (!limits.only || names_include(limits.only, name)) && !(limits.skip && names_include(limits.skip, name));
}

static void forget_all_limits(void)
{
    limits.standard = NEVER;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        limits.phase[phase] = phase == PHASE_TOTAL ? NEVER : UNSET;
}

static struct limit limit_of(enum phase phase)
{
    if (limits.phase[phase] != UNSET)
        return (struct limit){limits.phase[phase], true};
    int ms = atomic_load_explicit(&program_default, memory_order_relaxed);
    if (ms == TSOCK_DEFAULT)
        return (struct limit){limits.standard, true};
    return (struct limit){ms == TSOCK_NONE ? NEVER : ms * MILLISECOND, false};
}

_Atomic uint32_t policy_limited[PHASE_COUNT];

static void note_what_is_limited(void)
{
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        bool limited = limit_of((enum phase)phase).span != NEVER;
        atomic_store_explicit(&policy_limited[phase], limited ? (uint32_t)limits.kinds : 0, memory_order_relaxed);
    }
}

void policy_init(void)
{
    read_environment();
    if (!program_is_meant())
        forget_all_limits();
    note_what_is_limited();
    policy_note_limit(limits.standard);
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        if (limits.phase[phase] != UNSET)
            policy_note_limit(limits.phase[phase]);
    if (policy_smallest() != NEVER)
        policy_arm();
}

static atomic_bool stepped_aside;

void policy_arm(void)
{
    atomic_store(&policy_armed, !atomic_load(&stepped_aside));
}

atomic_bool policy_aware;

void policy_note_program(void)
{
    atomic_store_explicit(&policy_aware, true, memory_order_relaxed);
    policy_arm();
}

void policy_step_aside(void)
{
    atomic_store(&stepped_aside, true);
    atomic_store(&policy_armed, false);
}

struct limit policy_limit(enum kind kind, enum phase phase)
{
    return policy_covers(kind) ? limit_of(phase) : (struct limit){NEVER, true};
}

int64_t policy_lookup_span(void)
{
    return limit_of(limits.phase[PHASE_LOOKUP] == UNSET ? PHASE_CONNECT : PHASE_LOOKUP).span;
}

bool policy_covers(enum kind kind)
{
    return limits.kinds >> kind & 1;
}

enum events policy_events(void)
{
    return (enum events)limits.events;
}

bool policy_shuts_down(void)
{
    return limits.action == ACTION_SHUTDOWN;
}

int policy_error(void)
{
    return limits.error ? EAGAIN : ETIMEDOUT;
}

void policy_set_default_ms(int ms)
{
    atomic_store(&program_default, ms);
    note_what_is_limited();
}

int policy_default_ms(void)
{
    int ms = atomic_load(&program_default);
    if (ms != TSOCK_DEFAULT)
        return ms;
    if (limits.standard == NEVER)
        return TSOCK_NONE;
    int64_t configured = divide_up(limits.standard, MILLISECOND);
    return configured > INT_MAX ? INT_MAX : (int)configured;
}

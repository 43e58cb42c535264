/* Any text as the environment, a variable a line: every setting that is taken means what it
 * means alone, one that is refused counts as unset, and no limit is below the smallest.  By
 * libFuzzer and by AFL++ (tests/fuzz/run). */
#include "../../shim/policy.c"      /* what a process settles once has to be settled again here */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOLD(claim) ((claim) ? (void)0 : fail(#claim))
#define COUNT(table) (sizeof(table) / sizeof *(table))

static void fail(const char *claim)
{
    for (char **setting = environ; *setting; setting++)
        fprintf(stderr, "%s\n", *setting);
    fprintf(stderr, "this environment breaks: %s\n", claim);
    abort();
}

static const char *refused[COUNT(keys)];
static size_t refused_count;

/* In place of the library's: the third word is the setting's name. */
void report_line(const char *word, ...)
{
    va_list words;
    va_start(words, word);
    HOLD(refused_count < COUNT(refused));
    refused[refused_count++] = va_arg(words, const char *);
    va_end(words);
}

static struct limits unset;

static void init_again(void)
{
    limits = unset;
    atomic_store(&smallest, NEVER);
    atomic_store(&policy_armed, false);
    refused_count = 0;
    policy_init();
}

static int64_t duration_in(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    int64_t span;
    return text && parse_duration(text, &span) ? span : otherwise;
}

static bool names_us(const char *setting, bool otherwise)
{
    const char *text = getenv(setting);
    return text ? names_include(text, program_invocation_short_name) : otherwise;
}

static const struct {
    enum phase phase;
    const char *name;
} phases[] = {
    {PHASE_CONNECT, "TIMEOUTSOCK_CONNECT"}, {PHASE_ACCEPT, "TIMEOUTSOCK_ACCEPT"}, {PHASE_READ, "TIMEOUTSOCK_READ"},
    {PHASE_WRITE, "TIMEOUTSOCK_WRITE"}, {PHASE_TOTAL, "TIMEOUTSOCK_TOTAL"}, {PHASE_LOOKUP, "TIMEOUTSOCK_LOOKUP"},
};

static void hold_phase(enum phase phase, int64_t span)
{
    HOLD(span > 0);
    HOLD(policy_smallest() <= (span > MILLISECOND ? span : MILLISECOND));
    for (enum kind kind = KIND_UNKNOWN; kind <= KIND_SOCKET; kind++)
        HOLD(policy_limit(kind, phase).span == (policy_covers(kind) ? span : NEVER));
}

/* Each limit is that of its own setting, or the default; none where the program is not meant. */
static void hold_limits(void)
{
    bool meant = names_us("TIMEOUTSOCK_ONLY", true) && !names_us("TIMEOUTSOCK_SKIP", false);
    int64_t standard = duration_in("TIMEOUTSOCK_DEFAULT", NEVER), least = meant ? standard : NEVER;
    for (size_t i = 0; i < COUNT(phases); i++) {
        int64_t span = duration_in(phases[i].name, phases[i].phase == PHASE_TOTAL ? NEVER : standard);
        hold_phase(phases[i].phase, meant ? span : NEVER);
        least = meant && span < least ? span : least;
    }
    int64_t lookup = duration_in("TIMEOUTSOCK_LOOKUP", duration_in("TIMEOUTSOCK_CONNECT", standard));
    HOLD(policy_lookup_span() == (meant ? lookup : NEVER));
    HOLD(policy_smallest() == (least > MILLISECOND ? least : MILLISECOND));
    HOLD(policy_is_armed() == (least != NEVER));
    HOLD(policy_default_ms() == TSOCK_NONE || policy_default_ms() > 0);
    HOLD((policy_default_ms() == TSOCK_NONE) == (!meant || standard == NEVER));
}

static void hold_words(void)
{
    static const enum kind never_limited[] = {KIND_UNKNOWN, KIND_OTHER, KIND_EPOLL, KIND_SOCKET};
    int covered = 0;
    for (enum kind kind = KIND_UNKNOWN; kind <= KIND_SOCKET; kind++)
        covered += policy_covers(kind);
    HOLD(covered > 0);
    for (size_t i = 0; i < COUNT(never_limited); i++)
        HOLD(!policy_covers(never_limited[i]));
    HOLD(policy_events() == EVENTS_CONNECTED || policy_events() == EVENTS_ALL || policy_events() == EVENTS_OFF);
    HOLD(policy_error() == ETIMEDOUT || policy_error() == EAGAIN);
}

static bool is_of(const char *setting, const char *name)
{
    size_t len = strlen(name);
    return !strncmp(setting, name, len) && setting[len] == '=';
}

static void remove_setting(const char *name)
{
    char **kept = environ;
    for (char **setting = environ; *setting; setting++)
        if (!is_of(*setting, name))
            *kept++ = *setting;
    *kept = NULL;
}

static void hold_without_the_refused(void)
{
    struct limits before = limits;
    for (size_t i = 0; i < refused_count; i++)
        remove_setting(refused[i]);
    init_again();
    HOLD(refused_count == 0);
    HOLD(!memcmp(&before, &limits, sizeof limits));
}

static void try_environment(char *lines)
{
    char *settings[64], **free = settings;
    for (char *line; (line = strsep(&lines, "\n")) && free < settings + COUNT(settings) - 1;)
        *free++ = line;
    *free = NULL;
    environ = settings;
    init_again();
    hold_limits();
    hold_words();
    hold_without_the_refused();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    unset = limits;
    program_invocation_short_name = (char *)"curl";
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 2, 1), **own = environ;      /* getenv() of glibc looks at two bytes at once */
    memcpy(text, data, size);
    try_environment(text);
    environ = own;
    free(text);
    return 0;
}

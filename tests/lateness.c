#include "lateness.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harness.h"

enum { STEP_MS = 4, STEPS = 8192 };     /* half a minute */
enum { MOST_PROCESSORS = 16 };

/* What a sleep that ended at a time was late by; the oldest is written over. */
static struct step {
    _Atomic int64_t end, late;
} *steps[MOST_PROCESSORS];

/* Whoever reads what the program writes must not wait for this process. */
static void end_with(pid_t program)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != program)
        _exit(EXIT_SUCCESS);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        syscall(SYS_close, fd);
}

static void sleep_and_write_down(struct step *those)
{
    for (unsigned i = 0;; i++) {
        int64_t began = now_ns();
        plain_sleep_ms(STEP_MS);
        int64_t end = now_ns();
        atomic_store(&those[i % STEPS].late, end - began - STEP_MS * INT64_C(1000000));
        atomic_store(&those[i % STEPS].end, end);
    }
}

static void watch(int processor, struct step *those)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET((size_t)processor, &only);
    pid_t program = getpid();
    if (fork() == 0) {
        end_with(program);
        sched_setaffinity(0, sizeof only, &only);
        sleep_and_write_down(those);
    }
}

void lateness_watch(void)
{
    cpu_set_t ours;
    int found = 0;
    if (sched_getaffinity(0, sizeof ours, &ours))
        exit(EXIT_FAILURE);
    struct step *all = mmap(NULL, MOST_PROCESSORS * STEPS * sizeof *all, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        exit(EXIT_FAILURE);
    for (int processor = 0; processor < CPU_SETSIZE && found < MOST_PROCESSORS; processor++)
        if (CPU_ISSET((size_t)processor, &ours)) {
            steps[found] = all + found * STEPS;
            watch(processor, steps[found++]);
        }
}

static int64_t worst_step(const struct step *those, int64_t from)
{
    int64_t worst = 0;
    for (const struct step *step = those; step < those + STEPS; step++)
        if (atomic_load(&step->end) >= from && atomic_load(&step->late) > worst)
            worst = atomic_load(&step->late);
    return worst;
}

static int64_t worst_of_all(int64_t from)
{
    plain_sleep_ms(5 * STEP_MS);        /* a step that is still late is written down */
    int64_t worst = 0;
    for (int i = 0; i < MOST_PROCESSORS && steps[i]; i++) {
        int64_t one = worst_step(steps[i], from);
        worst = one > worst ? one : worst;
    }
    return worst;
}

/* For how long this thread has been ready to run and waited for a processor: the second
 * number that the kernel gives. */
static int64_t run_delay(void)
{
    long long ran, delay = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%lld %lld", &ran, &delay) < 2)
        delay = 0;
    fclose(file);
    return delay;
}

int64_t lateness_since(int64_t from)
{
    int64_t delay = run_delay(), worst = worst_of_all(from);
    return delay > worst ? delay : worst;
}

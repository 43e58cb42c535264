/* Each call that the library itself makes fails, one at a time, always, and at random: then
 * the program's call does what it does without the library, or times out.  Never another
 * error, an early end, a crash or a hang.
 *
 * Started with a name, this program is what is tried: it makes one call and judges it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "attempts.h"
#include "built.h"
#include "injector.h"
#include "suites.h"

static struct fault_plan *plan;

static const char *plan_path(void)
{
    char name[64];
    snprintf(name, sizeof name, "plan of %s", test_variant());
    return built(name);
}

static void share_plan(void)
{
    int fd = open(plan_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_ok(fd);
    ck_ok(ftruncate(fd, sizeof *plan));
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(plan, MAP_FAILED);
    close(fd);
}

/* ThreadSanitizer does not start where malloc() and mmap() are replaced. */
#ifdef __SANITIZE_THREAD__
#define INJECTOR "../.libs/libtimeoutsock.so"
#else
#define INJECTOR ".libs/injector.so"
#endif

static void be_tried(const char *attempt)
{
    char self[4096] = "", preload[8192];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        _exit(127);
    const char *runtime = getenv("SANITIZER_RUNTIME");
    snprintf(preload, sizeof preload, "%s:%s:%.*s/" INJECTOR, runtime ? runtime : "", library_path(), (int)(strrchr(self, '/') - self), self);
    setenv("LD_PRELOAD", preload, 1);
    setenv("FAULTS_PLAN", plan_path(), 1);
    setenv("TIMEOUTSOCK_DEFAULT", attempt_limit(attempt), 1);
    setenv("CK_FORK", "no", 1);
    setenv("CK_VERBOSITY", "silent", 1);
    execl(self, "faults", attempt, (char *)NULL);
    _exit(127);
}

#ifndef __SANITIZE_THREAD__
#define MOST_TIMES 12u      /* how many calls of one name are failed one by one */
#define SEEDS 16

#define NAME(type, name, parameters, arguments, result, error) #name,
static const char *const fault_names[] = {EACH_FAULT(NAME)};

/* SIGALRM, which the attempt has asked for, ends one that hangs. */
static void try(const char *attempt, int fault, unsigned nth)
{
    memset(plan, 0, sizeof *plan);
    plan->fault = fault;
    plan->nth = nth;
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        be_tried(attempt);
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_msg(status == 0, "%s: status 0x%x when %s fails (%u)", attempt, (unsigned)status,
                  fault == FAULT_RANDOM ? "one of four" : fault == FAULT_NONE ? "nothing" : fault_names[fault], nth);
}

/* Returns how many calls have failed. */
static unsigned try_fault(const char *attempt, int fault, unsigned times)
{
    try(attempt, fault, EACH_TIME);
    unsigned struck = plan->struck;
    if (fault == FAULT_clock_gettime)
        return struck;
    for (unsigned nth = 1; nth <= times && nth <= MOST_TIMES && times > 1; nth++)
        try(attempt, fault, nth);
    return struck;
}

static void try_all_faults(const char *attempt)
{
    unsigned seen[FAULT_COUNT], struck = 0;
    try(attempt, FAULT_NONE, 0);
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        seen[fault] = plan->seen[fault];
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        if (seen[fault])
            struck += try_fault(attempt, fault, seen[fault]);
    ck_assert_uint_gt(struck, 0);
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        try(attempt, FAULT_RANDOM, seed);
}

START_TEST(a_call_survives_each_fault_of_what_the_library_calls)
{
    share_plan();
    try_all_faults(test_variant());
}
END_TEST
#endif

#define CLOSED (-1)

/* A bad setting is told on standard error, which here takes nothing. */
static void try_with_standard_error(int fd)
{
    share_plan();
    memset(plan, 0, sizeof *plan);
    plan->fault = FAULT_NONE;
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        close(STDERR_FILENO);
        dup2(fd, STDERR_FILENO);
        setenv("TIMEOUTSOCK_WRITE", "never", 1);
        alarm(10);
        be_tried("answered recv");
    }
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_msg(status == 0, "status 0x%x", (unsigned)status);
}

START_TEST(a_bad_setting_does_not_end_a_program_whose_standard_error_nobody_reads)
{
    int ends[2];
    ck_ok(pipe2(ends, O_CLOEXEC));
    close(ends[0]);
    try_with_standard_error(ends[1]);
}
END_TEST

START_TEST(a_bad_setting_does_not_hang_a_program_whose_standard_error_is_full)
{
    char block[4096] = "";
    int ends[2];
    ck_ok(pipe2(ends, O_CLOEXEC));
    ck_ok(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    while (plain_write(ends[1], block, sizeof block) > 0)
        ;
    ck_ok(fcntl(ends[1], F_SETFL, 0));
    try_with_standard_error(ends[1]);
}
END_TEST

START_TEST(a_bad_setting_does_not_hang_a_program_whose_standard_error_has_no_space_left)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_ok(full);
    try_with_standard_error(full);
}
END_TEST

/* A connection of the program's then has that number. */
START_TEST(a_bad_setting_does_not_disturb_a_program_whose_standard_error_is_closed)
{
    try_with_standard_error(CLOSED);
}
END_TEST

int main(int argc, char **argv)
{
    const struct suite suites[] = {
#ifndef __SANITIZE_THREAD__
        {"faults", SETTINGS(NULL), TESTS(a_call_survives_each_fault_of_what_the_library_calls), attempt_names()},
#endif
        {"standard error", SETTINGS(NULL), TESTS(a_bad_setting_does_not_end_a_program_whose_standard_error_nobody_reads,
         a_bad_setting_does_not_hang_a_program_whose_standard_error_is_full,
         a_bad_setting_does_not_hang_a_program_whose_standard_error_has_no_space_left,
         a_bad_setting_does_not_disturb_a_program_whose_standard_error_is_closed), NULL},
        {0}};
    if (argc > 1)
        return attempt_make(argv[1]);
    if (getenv("TIMEOUTSOCK_TEST"))
        return run_suites(argv, suites);
    built_begin();
    int status = run_suites(argv, suites);
    built_end();
    return status;
}

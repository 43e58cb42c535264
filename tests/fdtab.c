/* The table of descriptors itself, linked into the test: every number has a cell of its own. */
#include "../shim/fdtab.h"

#include <limits.h>
#include <sys/mman.h>

#include "harness.h"

static const int numbers[] = {0, 1, 1023, 1024, 1025, 100000, (1 << 20) - 1, 1 << 20, INT_MAX - 1, INT_MAX};
enum { COUNT = sizeof numbers / sizeof *numbers };

START_TEST(every_number_has_a_cell_of_its_own)
{
    for (int i = 0; i < COUNT; i++) {
        struct cell *cell = fdtab_cell(numbers[i]);
        ck_assert_ptr_nonnull(cell);
        ck_assert_uint_eq(atomic_load(&cell->own), 0);
        atomic_store(&cell->own, (uint32_t)i + 1);
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_uint_eq(atomic_load(&fdtab_cell(numbers[i])->own), (uint32_t)i + 1);
}
END_TEST

START_TEST(a_negative_number_has_none)
{
    ck_assert_ptr_null(fdtab_cell(-1));
    ck_assert_ptr_null(fdtab_cell(INT_MIN));
}
END_TEST

START_TEST(a_new_descriptor_of_the_same_number_is_told_from_the_old_one)
{
    fdtab_own();
    for (int i = 0; i < COUNT; i++) {
        struct cell *cell = fdtab_cell(numbers[i]);
        fdtab_reset(numbers[i], KIND_TCP, CELL_OPENED);
        uint32_t state = cell_state(cell);
        ck_assert(cell_same(cell, state));
        fdtab_reset(numbers[i], KIND_TCP, CELL_OPENED);
        ck_assert(!cell_same(cell, state));
        ck_assert(!cell_post_error(cell, state, ETIMEDOUT, 0));
        ck_assert_int_eq(cell_take_error(cell), 0);
        ck_assert(!cell_change(cell, state, CELL_OPENED, CELL_EXPIRED));
        ck_assert_uint_eq(cell_state(cell) & (CELL_OPENED | CELL_EXPIRED), CELL_OPENED);
    }
}
END_TEST

START_TEST(what_was_judged_before_a_copy_over_it_is_too_late_and_what_is_known_stays)
{
    fdtab_own();
    fdtab_reset(3, KIND_TCP, CELL_OPENED);
    struct cell *cell = fdtab_cell(3);
    uint32_t state = cell_state(cell);
    atomic_store(&cell->own, 4711);
    fdtab_outdate(3);
    ck_assert(!cell_post_error(cell, state, ETIMEDOUT, CELL_EXPIRED));
    ck_assert_uint_eq(cell_state(cell) & ~STATE_GENERATION, state & ~STATE_GENERATION);
    ck_assert_uint_eq(atomic_load(&cell->own), 4711);
}
END_TEST

START_TEST(a_file_too_large_for_a_short_off_t_is_known_for_a_file)
{
    fdtab_own();
    int fd = memfd_create("large", MFD_CLOEXEC);
    ck_ok(ftruncate64(fd, INT64_C(1) << 32));
    ck_assert_int_eq(fdtab_kind(fd), KIND_OTHER);
}
END_TEST

START_TEST(an_error_is_answered_once)
{
    fdtab_own();
    fdtab_reset(3, KIND_TCP, 0);
    struct cell *cell = fdtab_cell(3);
    uint32_t state = cell_state(cell);
    ck_assert(cell_post_error(cell, state, ETIMEDOUT, CELL_EXPIRED));
    ck_assert_uint_eq(cell_state(cell) & CELL_EXPIRED, CELL_EXPIRED);
    ck_assert_int_eq(cell_take_error(cell), ETIMEDOUT);
    ck_assert_int_eq(cell_take_error(cell), 0);
    ck_assert(!cell_post_error(cell, state, ETIMEDOUT, CELL_EXPIRED));
    ck_assert_int_eq(cell_take_error(cell), 0);
}
END_TEST

int main(void)
{
    return run_tests("fdtab", TESTS(every_number_has_a_cell_of_its_own, a_negative_number_has_none,
                                    a_new_descriptor_of_the_same_number_is_told_from_the_old_one,
                                    what_was_judged_before_a_copy_over_it_is_too_late_and_what_is_known_stays,
                                    a_file_too_large_for_a_short_off_t_is_known_for_a_file,
                                    an_error_is_answered_once));
}

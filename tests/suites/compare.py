"""Test by test: does the library make a difference?

The rule.  A test that ends otherwise than in the plain run is run AGAIN times more by
itself, plain and in that arm in turn.  It is a difference unless plain runs alone account
for all that the arm gave when it was by itself: then the test is flaky, or was disturbed
by what ran beside it.  Everything that was run again is printed, whatever came of it."""
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

AGAIN = 3
ABSENT = "not run"
LINES = 20  # of what a test said, to show where it differs


@dataclass
class Verdict:
    passed: int
    failed: int
    text: str


def once(suite, unit, arm, test=None):
    with tempfile.TemporaryDirectory(prefix="timeoutsock-suite-") as directory:
        return suite.run(unit, arm, Path(directory), test)


def differing(plain, other):
    tests = plain.keys() | other.keys()
    return sorted(test for test in tests if plain.get(test, ABSENT) != other.get(test, ABSENT))


def compare(suite, unit, plain, arms, known):
    """The verdict on one unit of a suite."""
    expected, said = once(suite, unit, plain)
    if "passed" not in expected.values():
        return Verdict(0, 1, f"FAIL {suite.NAME} {unit}: nothing passes without the library\n"
                       + tail(said))
    verdict = Verdict(0, 0, f"     {suite.NAME} {unit}: {counts(expected)}\n")
    for arm in arms:
        compare_arm(suite, unit, plain, arm, expected, known, verdict)
    return verdict


def compare_arm(suite, unit, plain, arm, expected, known, verdict):
    found, said = once(suite, unit, arm)
    different = differing(expected, found)
    verdict.passed += len(expected.keys() | found.keys()) - len(different)
    for test in different:
        name = f"{suite.NAME} {test} {arm.name}"
        first = f"{expected.get(test, ABSENT)} plain, {found.get(test, ABSENT)} {arm.name}"
        plains, others, last = run_again(suite, unit, plain, arm, test)
        text = f"{name}: {first}; by itself {' '.join(plains)} plain, {' '.join(others)} {arm.name}"
        if set(others) <= {*plains, expected.get(test, ABSENT)}:
            verdict.passed += 1
            verdict.text += f"     flaky or disturbed: {text}\n"
        elif reason := known.get((suite.NAME, test)):
            verdict.passed += 1
            verdict.text += f"     known difference: {text}\n       {reason}\n"
        else:
            verdict.failed += 1
            verdict.text += f"FAIL {text}\n{tail(said)}{tail(last)}"


def run_again(suite, unit, plain, arm, test):
    plains, others, last = [], [], ""
    for _, way in itertools.product(range(AGAIN), (plain, arm)):
        outcomes, said = once(suite, unit, way, test)
        outcome = outcomes.get(test, ABSENT)
        (plains if way is plain else others).append(outcome)
        if way is arm and outcome != plains[-1]:
            last = said
    return plains, others, last


def counts(outcomes):
    values = list(outcomes.values())
    return ", ".join(f"{values.count(word)} {word}" for word in sorted(set(values)))


def tail(said):
    return "".join(f"       | {line}\n" for line in said.splitlines()[-LINES:])

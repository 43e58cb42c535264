#!/usr/bin/env python3
"""Judges what the tests run of the library, by gcovr's JSON: a share of lines and one of
branches, and that for each function of which a line is never run there is a reason.

usage: coverage.py SOURCE-DIRECTORY COUNTS.json
"""

import json
import re
import sys
from collections import defaultdict

LEAST = {"lines": 95, "branches": 90}      # per cent


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def claim(self, holds, otherwise):
        self.passed += holds
        self.failed += not holds
        if not holds:
            print("FAILED:", otherwise)


class Shares:
    """Counts of what is there and of what has been run."""

    def __init__(self):
        self.there, self.run = defaultdict(int), defaultdict(int)

    def add(self, measure, count):
        self.there[measure] += 1
        self.run[measure] += count > 0

    def of(self, measure):
        return 100 * self.run[measure] / max(self.there[measure], 1)


class Function:
    """Numbers of the lines that are never run, and of those with a branch never taken."""

    def __init__(self):
        self.lines, self.branches = [], []

    def places(self):
        return ", ".join(map(str, sorted(set(self.lines + self.branches))))


def functions_of(path):
    """(line, name) of each function: its body begins with a brace that stands alone.  gcovr
    names only some of those in a file."""
    found, signature = [], []
    for number, line in enumerate(open(path), 1):
        if line == "{\n" and signature:
            text = re.sub(r"__attribute__\(\(.*?\)\) ?", "", " ".join(text for _, text in signature))
            found.append((signature[0][0], re.search(r"(\w+)\(", text)[1]))
        if re.match(r"\w", line) or (signature and line.startswith(" " * 8)):
            signature.append((number, line.strip()))
        else:
            signature = []
    return found


def function_at(functions, number):
    return max([(0, "-")] + [f for f in functions if f[0] <= number])[1]


def read_counts(path, source):
    """What there is by share, and by (file, function)."""
    shares, functions = Shares(), defaultdict(Function)
    for file in json.load(open(path))["files"]:
        names = functions_of(f"{source}/{file['file']}")
        for line in file["lines"]:
            if line.get("gcovr/noncode") or line.get("gcovr/excluded"):
                continue
            function = functions[file["file"], function_at(names, line["line_number"])]
            shares.add("lines", line["count"])
            if not line["count"]:
                function.lines.append(line["line_number"])
            for branch in line["branches"]:
                shares.add("branches", branch["count"])
                if not branch["count"]:
                    function.branches.append(line["line_number"])
    return shares, functions


def read_reasons(path):
    reasons = {}
    for line in open(path):
        if line.strip() and not line.startswith("#"):
            file, function, reason = line.strip().split(": ", 2)
            reasons[file, function] = reason
    return reasons


def judge_functions(judge, functions, reasons):
    for place, function in sorted(functions.items()):
        name, listed = ": ".join(place), place in reasons
        if function.lines and not listed:
            print(f"{name}: never run, and no reason is given: lines {function.places()}")
        elif function.branches and not listed:
            print(f"{name}: not each branch is taken, and no reason is given: lines {function.places()}")
        elif listed and not function.places():
            print(f"{name}: all of it was run this time")
    never = [place for place, f in functions.items() if f.lines and place not in reasons]
    judge.claim(not never, f"{len(never)} functions have lines that are never run without a reason")
    unknown = [": ".join(place) for place in reasons if place not in functions]
    judge.claim(not unknown, f"reasons are given for what is not there: {', '.join(unknown)}")


def main(source, counts):
    judge = Judge()
    shares, functions = read_counts(counts, source)
    judge_functions(judge, functions, read_reasons(f"{source}/tests/coverage.txt"))
    for measure, least in LEAST.items():
        share = shares.of(measure)
        print(f"{share:.1f} % of {shares.there[measure]} {measure}")
        judge.claim(share >= least, f"less than {least} % of {measure}")
    print(f"{judge.passed} passed, {judge.failed} failed")
    return judge.failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

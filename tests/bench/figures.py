"""Pairs of costs, plain and with a library, and what they say.

Everything is a cost, nanoseconds or bytes of one thing, so that less is better; a rate is
turned into the time that one takes."""
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """The cost with the library is at most `ratio` times the plain one and `added` more."""
    ratio: float
    added: float = 0

    def reached(self, pairs):
        return statistics.median(given - self.ratio * plain for plain, given in pairs) <= self.added

    def __str__(self):
        words = [f"x {self.ratio:.3g}"] if self.ratio != 1 else []
        return " + ".join(words + ([amount(self.added)] if self.added else []))


def amount(number):
    """Three digits: 12.3, 123, 1.23M."""
    for unit in ("", "k", "M", "G"):
        if abs(number) < 999.5 or unit == "G":
            return f"{number:.3g}{unit}"
        number /= 1000


def quartiles(numbers):
    first, middle, third = statistics.quantiles(numbers, n=4, method="inclusive")
    return {"first": first, "median": middle, "third": third}


def figures(pairs):
    """Medians of the pairs' ratios and differences, each with its quartiles."""
    return {"pairs": len(pairs),
            "plain": statistics.median(plain for plain, _ in pairs),
            "given": statistics.median(given for _, given in pairs),
            "added": quartiles([given - plain for plain, given in pairs]),
            "ratio": quartiles([given / plain for plain, given in pairs])}

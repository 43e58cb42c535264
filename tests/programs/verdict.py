"""What came of a case."""
from dataclasses import dataclass


class Late(str):
    """A complaint that the other cases may be to blame for: there was too little of this
    machine left."""


@dataclass
class Verdict:
    complaints: list       # none: it passed
    seconds: float = None  # how long it took; None if it could not be tried
    note: str = ""         # to be said although it passed
    details: tuple = ()    # lines to be shown when it failed

    @property
    def late(self):
        """Whether it was late, and nothing else is wrong."""
        return bool(self.complaints) and all(isinstance(it, Late) for it in self.complaints)


def report(name, verdict):
    """The text that says what came of it."""
    seconds = "" if verdict.seconds is None else f" ({verdict.seconds:.2f} s)"
    lines = [f"{'FAIL' if verdict.complaints else 'ok  '} {name}{seconds}{verdict.note}"]
    lines += [f"     {complaint}" for complaint in verdict.complaints]
    if verdict.complaints:
        lines += [f"     {line}" for line in verdict.details]
    return "\n".join(lines)

"""Whether this machine kept time itself.

A measured time means nothing when the processors were taken away meanwhile, as happens
to virtual machines and under load.  A thread that does nothing but wake up regularly
notices: it is late then."""
import threading
import time

INTERVAL = 0.05
TOLERATED = 0.1  # of the 0.2 seconds that a program has to end after its limit


class Heartbeat:
    def __init__(self):
        self.gaps = []  # (when it was over, how late it was)
        self.stopped = threading.Event()
        threading.Thread(target=self.beat, daemon=True).start()

    def beat(self):
        due = time.monotonic() + INTERVAL
        while not self.stopped.wait(max(0, due - time.monotonic())):
            now = time.monotonic()
            if now - due > TOLERATED:
                self.gaps.append((now, now - due))
            due = now + INTERVAL

    def worst_since(self, start):
        return max((late for when, late in self.gaps if when > start), default=0)

    def stop(self):
        self.stopped.set()

"""The three ways in which everything is run: plain, with the library loaded and nothing
set, and with limits on everything that no test comes near."""
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Arm:
    name: str
    library: str = ""
    settings: dict = field(default_factory=dict, hash=False)

    def environment(self, home, before=(), after=()):
        """Of a program, which may want other libraries preloaded before or after ours."""
        preloaded = [*before, *([self.library] if self.library else []), *after]
        return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(home), **self.settings,
                **({"LD_PRELOAD": " ".join(map(str, preloaded))} if preloaded else {})}


def all_arms(library, directory):
    # A copy: the original may be built anew meanwhile.
    copy = shutil.copy(library, os.path.join(directory, "libtimeoutsock.so"))
    os.chmod(copy, 0o755)
    plain = Arm("plain")
    loaded = Arm("loaded", copy)
    limited = Arm("limited", copy, {"TIMEOUTSOCK_DEFAULT": "300", "TIMEOUTSOCK_KINDS": "all",
                                    "TIMEOUTSOCK_EVENTS": "all"})
    for arm in (loaded, limited):
        check_that_it_loads(arm)
    return plain, [loaded, limited]


def check_that_it_loads(arm):
    """A library that cannot be loaded is only warned of, and would differ in nothing."""
    done = subprocess.run(["/bin/cat", "/proc/self/maps"], env=arm.environment("/"),
                          capture_output=True, text=True, check=True)
    if arm.library not in done.stdout or done.stderr:
        sys.exit(f"{arm.library} cannot be loaded: {done.stderr}")

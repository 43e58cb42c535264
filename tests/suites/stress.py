"""stress-ng's stressors of sockets and event waits, a unit each, with what they verify."""
import command

NAME = "stress-ng"
STRESSORS = ["sock", "sockmany", "sockpair", "sockdiag", "epoll", "poll", "udp"]
SLACK = 60  # seconds, for it to come to an end


def units(long):
    return [f"{name} {60 if long else 2} s" for name in STRESSORS]


def run(unit, arm, directory, test=None):
    name, seconds, _ = unit.split()
    ended = command.run(["stress-ng", f"--{name}", "1", "--timeout", f"{seconds}s", "--verify"],
                        arm.environment(directory), directory, int(seconds) + SLACK)
    return {unit: ended.outcome}, ended.said

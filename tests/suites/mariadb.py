"""MariaDB's own tests of connections, clients, threads and files: a server and its clients with
the library in all of them, and in the program that runs the tests, too."""
from pathlib import Path

import command
import junit

NAME = "mariadb"
TESTS = Path("/usr/share/mysql/mysql-test")
WITHIN = 900  # seconds

# Of the main suite, what has to do with sockets, signals, processes and time.
SUBSET = "^(connect|kill|ssl|openssl|wait_timeout|shutdown|client|mysql|mariadb|timeout|max_statement|" \
         "compress|net|flush|lock|handler|xa|init_connect|status|query_cache|load|outfile|trans|timezone)"


def units(long):
    return ["main"] if long else []


def run(unit, arm, directory, test=None):
    if not (TESTS / "main").is_dir():
        raise command.Missing(command.how_to_get(str(TESTS)))
    only = [f"--do-test={SUBSET}"] if test in (None, unit) else [test]
    result = directory / "result.xml"
    ended = command.run(["perl", TESTS / "mariadb-test-run.pl", f"--suite={unit}", "--force", "--max-test-fail=0",
                         "--retry=0", f"--vardir={directory}/var", f"--xml-report={result}", *only],
                        arm.environment(directory), directory, WITHIN, cwd=TESTS)
    return (junit.read(result) if result.exists() else {}) | {unit: ended.outcome}, ended.said

"""Differences that the library makes by what it is: (suite, test) -> why.

They are printed wherever they are seen.  What stands here stands in timeoutsock(1), too."""

BEHIND = ("preloaded first, {} calls functions of libc itself and not those of the libraries "
          "behind it, which do not see {}")

KNOWN = {
    ("companions", "libsocket-wrapper before wait"):
        BEHIND.format("socket_wrapper", "the receiving call, but one end of a Unix socket: not "
                      "limited by default, and shut down without a word where it is"),
    ("companions", "torsocks before wait"):
        BEHIND.format("torsocks", "that the program has opened the connection"),
    ("cpython", "test.test_signal.SiginterruptTest.test_siginterrupt_off"):
        "a limited wait does not learn which signal has come, and the handler of another one "
        "(SIGINT) is to interrupt",
}

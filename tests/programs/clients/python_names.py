"""Look up each name of standard input in every way, and each address that was found."""
import socket
import sys

FAMILIES = (socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6)


def show(lookup, *arguments):
    try:
        answer = lookup(*arguments)
    except OSError as failure:
        answer = repr(failure)
    print(lookup.__name__, *arguments, answer)
    return answer


def show_address(address):
    show(socket.gethostbyaddr, address)
    show(socket.getnameinfo, (address, 80), 0)
    show(socket.getnameinfo, (address, 80), socket.NI_NAMEREQD)


for name in sys.stdin.read().split():
    show(socket.gethostbyname_ex, name)
    for family in FAMILIES:
        show(socket.getaddrinfo, name, 80, family, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
    found = show(socket.getaddrinfo, name, None)
    for address in sorted({entry[4][0] for entry in found if isinstance(found, list)}):
        show_address(address)

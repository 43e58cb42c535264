"""Send FILE and print the answer from an asyncio loop: python_asyncio.py PORT FILE [select]"""
import asyncio
import selectors
import sys


async def main(port, file):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    with open(file, "rb") as request:
        while piece := request.read(65536):
            writer.write(piece)
            await writer.drain()
    while answer := await reader.read(65536):
        sys.stdout.write(answer.decode())
    writer.close()


def new_loop(selector=None):
    # By itself asyncio takes epoll.
    by_itself = selectors.DefaultSelector
    return asyncio.SelectorEventLoop((selectors.SelectSelector if selector else by_itself)())


new_loop(*sys.argv[3:]).run_until_complete(main(*sys.argv[1:3]))

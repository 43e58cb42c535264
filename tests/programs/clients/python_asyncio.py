"""Send FILE and print the answer from an asyncio loop over select(): python_asyncio.py PORT FILE"""
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


# asyncio would take epoll by itself.
loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
loop.run_until_complete(main(*sys.argv[1:]))

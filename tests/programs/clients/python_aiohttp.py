"""GET the item, or POST FILE, with aiohttp: python_aiohttp.py URL [FILE]"""
import asyncio
import sys

import aiohttp


async def main(url, file=None):
    async with aiohttp.ClientSession() as session:
        request = session.post(url, data=open(file, "rb")) if file else session.get(url)
        async with request as answer:
            sys.stdout.write(await answer.text())


asyncio.run(main(*sys.argv[1:]))

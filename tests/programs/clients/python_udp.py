"""Ask by a datagram and print the answer: python_udp.py PORT unconnected|connected|asyncio"""
import asyncio
import socket
import sys

SERVER, WAY = ("127.0.0.1", int(sys.argv[1])), sys.argv[2]


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.answer.set_result(data)

    def error_received(self, exc):
        self.answer.set_exception(exc)


async def ask():
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(Client, remote_addr=SERVER)
    transport.sendto(b"item")
    return await client.answer


def answer():
    if WAY == "asyncio":
        return asyncio.run(ask())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        if WAY == "connected":
            client.connect(SERVER)
            client.send(b"item")
            return client.recv(2000)
        client.sendto(b"item", SERVER)
        return client.recvfrom(2000)[0]


print(answer().decode())

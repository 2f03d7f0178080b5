"""Bodies of requests arrive as they were sent, however the network cuts them."""

import asyncio
import hashlib
import random

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from tholos.gateway.protocol import READ_BYTES
from tholos.kit.settings import Settings
from tholos.server import uvicorn_options


async def digests(scope, receive, send):
    """Answers with the SHA-256 of the body."""
    digest = hashlib.sha256()
    while True:
        message = await receive()
        await asyncio.sleep(0)
        digest.update(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": digest.hexdigest().encode()})


@pytest.fixture
async def port(tmp_path):
    config = uvicorn.Config(digests, port=0, lifespan="off", **uvicorn_options(Settings(home=tmp_path)))
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def answered(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return (await reader.readexactly(64)).decode()


def requests(body, pick):
    """The same body with its length announced, and in chunks."""
    yield b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    pieces = []
    position = 0
    while position < len(body):
        size = pick.choice([1, 7, 1000, HIGH_WATER_LIMIT, HIGH_WATER_LIMIT + 1, 3 * READ_BYTES])
        piece = body[position : position + size]
        pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        position += size
    yield b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "size", [0, 1, HIGH_WATER_LIMIT, HIGH_WATER_LIMIT + 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5_000_000]
)
async def test_a_body_arrives_as_it_was_sent(port, size):
    pick = random.Random(size)
    body = pick.randbytes(size)
    expected = hashlib.sha256(body).hexdigest()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests(body, pick):
        position = 0
        while position < len(request):
            step = pick.choice([100, 20_000, 70_000, 600_000])
            writer.write(request[position : position + step])
            await writer.drain()
            position += step
        assert await answered(reader) == expected
    writer.close()


async def test_connections_that_send_at_the_same_time_and_pipelined_requests_do_not_mix(port):
    async def send(number):
        pick = random.Random(number)
        bodies = [pick.randbytes(pick.choice([0, 10, 100_000, 700_000])) for _ in range(8)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.writelines([next(requests(body, pick)) for body in bodies])
        answers = [await answered(reader) for _ in bodies]
        writer.close()
        return answers == [hashlib.sha256(body).hexdigest() for body in bodies]

    assert all(await asyncio.gather(*map(send, range(12))))

"""Upload and download of one large file through the SDK: Tholos against a server that does nothing but sync the bytes.

    python benchmarks/transfer.py [--size 1GiB] [--rounds 3] [--check]

The same client code talks to both. The bare server (a raw ASGI app on the same uvicorn) writes what arrives to a file
and calls fdatasync, and sends files back; it hashes, checks and records nothing. Each round uploads new content into a
new repo and downloads it again, in a process of its own whose peak memory is reported; the servers take turns.
``--check`` exits 1 when the median speed is under 0.8 of the bare server's, or memory grows with the file.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bare import HEAD, Server, answer, body, fetch, serve, size_of, store, write_random
from goals import goal
from tree import running

FLOOR = 0.8
MEMORY_LIMIT_MIB = 150


# -- the bare server ---------------------------------------------------------------------------------------------------


class Bare:
    """Just enough of the REST API for the SDK's push and pull, over one folder."""

    def __init__(self, folder: Path, _url: str) -> None:
        self._folder = folder
        self._entries: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        repo, _, action = path.removeprefix("/api/v1/models/").partition("/")[2].partition("/")
        if method == "PUT":
            await store(self._folder / action.removeprefix("blobs/"), receive)
            await answer(send, 201, {})
        elif action.startswith("files/"):
            path = self._folder / self._entries[repo]["sha256"]
            await fetch(path, send)
            path.unlink()
        elif action == "commits":
            [operation] = json.loads(await body(receive))["operations"]
            self._entries[repo] = {**operation, "type": "file"}
            await answer(send, 201, {"id": HEAD})
        elif action.startswith("tree/"):
            entries = [self._entries[repo]] if repo in self._entries else []
            await answer(send, 200, {"items": entries, "next_cursor": None})
        elif method == "HEAD":
            await answer(send, 404, {})
        else:
            await body(receive)
            await answer(send, 200, {"id": HEAD, "kind": "model", "name": "admin/x"})


# -- the client, in a process of its own -------------------------------------------------------------------------------


def transfer(direction: str, server: Server, repo: str, path: Path) -> None:
    """Uploads or downloads; prints seconds and peak memory as JSON."""
    import tholos

    with tholos.Client(server.url, server.token) as client:
        model = client.model(repo)
        model.create()
        started = time.perf_counter()
        if direction == "upload":
            model.push(path)
        else:
            model.pull(path)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


def run_client(direction: str, server: Server, repo: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--client", direction, server.url, server.token, repo, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


# -- the benchmark -----------------------------------------------------------------------------------------------------


def one_round(
    number: int, servers: dict[str, Server], folder: Path, size: int
) -> dict[tuple[str, str], dict[str, float]]:
    """Upload and download with each server, in turns; what is written is removed again."""
    results = {}
    for name in sorted(servers, reverse=bool(number % 2)):
        source = folder / "large.bin"
        write_random(source, size)
        repo = f"admin/round{number}"
        results[name, "upload"] = run_client("upload", servers[name], repo, source)
        source.unlink()
        target = folder / f"pulled-{name}-{number}"
        results[name, "download"] = run_client("download", servers[name], repo, target)
        assert (target / "large.bin").stat().st_size == size
        (target / "large.bin").unlink()
    return results


def report(rounds: list[dict[tuple[str, str], dict[str, float]]], size: int) -> bool:
    """Prints medians; returns whether the limits hold."""
    goals = []
    print(f"{'':<10}{'bare MiB/s':>12}{'tholos MiB/s':>14}{'ratio':>8}{'client peak MiB':>18}")
    for direction in ("upload", "download"):
        seconds = {
            name: statistics.median(results[name, direction]["seconds"] for results in rounds)
            for name in ("bare", "tholos")
        }
        peak = max(results["tholos", direction]["peak_mib"] for results in rounds)
        speed = {name: size / (1 << 20) / taken for name, taken in seconds.items()}
        ratio = speed["tholos"] / speed["bare"]
        print(f"{direction:<10}{speed['bare']:>12.0f}{speed['tholos']:>14.0f}{ratio:>8.2f}{peak:>18.0f}")
        goals.append((f"{direction} at {FLOOR} of a server that only syncs", f"{ratio:.2f}", ratio >= FLOOR))
        goals.append((f"{direction} in flat memory", f"{peak:.0f} MiB", peak <= MEMORY_LIMIT_MIB))
    held = [goal(what, measured, met=met) for what, measured, met in goals]  # each is printed
    return all(held)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=size_of, default=1 << 30, help="of the file, such as 1GiB (default)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="exit 1 when a limit is missed")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        direction, url, token, repo, path = options.client
        transfer(direction, Server(url, token), repo, Path(path))
        return 0
    with tempfile.TemporaryDirectory(prefix="tholos-transfer-") as name:
        folder = Path(name)
        with serve(Bare, folder / "bare") as bare, running() as ours:
            servers = {"bare": bare, "tholos": Server(ours.url, ours.token)}
            rounds = [one_round(number, servers, folder, options.size) for number in range(options.rounds)]
    return int(not report(rounds, options.size) and options.check)


if __name__ == "__main__":
    sys.exit(main())

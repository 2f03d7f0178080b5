"""The hub with the stock Hugging Face client: large files, small edits, many files, pages of a large tree.

    python benchmarks/hub.py [--size 2GiB] [--rounds 3] [--check]

Needs the extra `dev` (huggingface_hub). The bare server speaks as much of the protocol as the client asks for and only
writes what arrives, calls fdatasync, and sends files back: it hashes, checks and records nothing. The servers take
turns, each transfer in a client process of its own with an empty cache. ``--check`` exits 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bare import Server, serve, size_of, write_random
from goals import goal
from hub_bare import BareHub
from tree import running

FLOOR = 0.8
MEMORY_LIMIT_MIB = 600
"""The client's own buffers: it keeps xorbs of 64 MiB in flight."""
EDITED, EDITS = 500 << 20, 20
MANY, LARGE_TREE = 10_000, 100_000
ALONE_MB_S = 400


# -- the client, in a process of its own -------------------------------------------------------------------------------


def client(task: str, repo: str, path: Path) -> None:
    """Does one thing with the stock client; prints seconds, peak memory and requests as JSON."""
    import huggingface_hub as hf

    api = hf.HfApi()
    requests = count_requests()
    if task in ("upload", "folder"):
        api.create_repo(repo, exist_ok=True)
    started = time.perf_counter()
    if task == "upload":
        api.upload_file(path_or_fileobj=str(path), path_in_repo="large.bin", repo_id=repo)
    elif task == "folder":
        adds = [hf.CommitOperationAdd(f"part{number % 100:02}/{number}.txt", b"%d" % number) for number in range(MANY)]
        api.create_commit(repo, operations=adds, commit_message="Ten thousand files")
    elif task == "download":
        hf.hf_hub_download(repo, "large.bin", cache_dir=path)
    elif task == "snapshot":
        hf.snapshot_download(repo, cache_dir=path)
        requests.clear()
        started = time.perf_counter()
        hf.snapshot_download(repo, cache_dir=path)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "requests": requests}))


def count_requests() -> list[str]:
    """Notes each request that the Python half of the client sends, from now on."""
    import httpx2 as http  # what huggingface_hub 2.4 sends with

    seen: list[str] = []
    send = http.Client.send

    def counted(self: http.Client, request: http.Request, **options: Any) -> http.Response:
        seen.append(f"{request.method} {request.url.path}")
        return send(self, request, **options)

    http.Client.send = counted  # type: ignore[method-assign]
    return seen


def run(
    task: str, server: Server, repo: str, path: Path, *, xet: bool = True, home: Path | None = None
) -> dict[str, Any]:
    """Runs the client with what it keeps for itself in ``home``, or in a folder that goes away again."""
    if home is None:
        with tempfile.TemporaryDirectory(prefix="hf-home-") as folder:
            return run(task, server, repo, path, xet=xet, home=Path(folder))
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": server.token,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "0" if xet else "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, __file__, "--client", task, repo, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


# -- the parts ---------------------------------------------------------------------------------------------------------


def large_files(servers: dict[str, Server], folder: Path, size: int, rounds: int) -> list[bool]:
    seconds: dict[tuple[str, str], list[float]] = {}
    peaks: list[float] = []
    for number in range(rounds):
        for name in sorted(servers, reverse=bool(number % 2)):
            for way in ("xet", "lfs"):
                source, repo = folder / "large.bin", f"admin/{way}{number}"
                write_random(source, size)
                up = run("upload", servers[name], repo, source, xet=way == "xet")
                source.unlink()
                seconds.setdefault((name, f"upload by {way}"), []).append(up["seconds"])
                if way == "lfs" or name == "tholos":
                    with tempfile.TemporaryDirectory(dir=folder) as cache:
                        down = run("download", servers[name], repo, Path(cache))
                    seconds.setdefault((name, f"download of {way}"), []).append(down["seconds"])
                    peaks.append(down["peak_mib"])
                peaks.append(up["peak_mib"])
    middle = {key: statistics.median(values) for key, values in seconds.items()}
    print(f"{'':<18}{'bare MB/s':>12}{'tholos MB/s':>14}{'ratio':>8}   ({size >> 20} MiB, median of {rounds})")
    held = []
    for what in ("upload by xet", "upload by lfs", "download of lfs", "download of xet"):
        bare = size / 1e6 / middle["bare", "download of lfs" if what == "download of xet" else what]
        ours = size / 1e6 / middle["tholos", what]
        print(f"{what:<18}{bare:>12.0f}{ours:>14.0f}{ours / bare:>8.2f}")
        title = f"stock client: {what} at {FLOOR} of a server that only syncs"
        held.append(goal(title, f"{ours / bare:.2f}", met=ours >= FLOOR * bare))
    held.append(goal("stock client: flat memory", f"{max(peaks):.0f} MiB", met=max(peaks) <= MEMORY_LIMIT_MIB))
    return held


def server_alone(ours: Server, folder: Path, size: int) -> bool:
    """One PUT of an LFS object from a client that costs next to nothing: sendfile on a plain socket."""
    import hashlib

    source = folder / "alone.bin"
    write_random(source, size)
    with source.open("rb") as file:
        oid = hashlib.file_digest(file, "sha256").hexdigest()
    headers = {"authorization": f"Bearer {ours.token}"}
    httpx2.post(f"{ours.url}/api/repos/create", json={"name": "alone"}, headers=headers).raise_for_status()
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]}
    answer = httpx2.post(f"{ours.url}/admin/alone.git/info/lfs/objects/batch", json=batch, headers=headers)
    href = urlsplit(answer.raise_for_status().json()["objects"][0]["actions"]["upload"]["href"])
    with socket.create_connection((href.hostname, href.port)) as connection, source.open("rb") as file:
        target = f"{href.path}?{href.query}" if href.query else href.path
        head = f"PUT {target} HTTP/1.1\r\nHost: {href.netloc}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        started = time.perf_counter()
        connection.sendall(head.encode())
        connection.sendfile(file)
        status = connection.recv(1 << 16).split(b"\r\n")[0].decode()
        seconds = time.perf_counter() - started
    source.unlink()
    assert " 200 " in status or " 201 " in status or status.endswith(("200", "201")), status
    speed = size / 1e6 / seconds
    return goal(
        f"the server alone takes {ALONE_MB_S} MB/s, hashing included", f"{speed:.0f} MB/s", met=speed >= ALONE_MB_S
    )


def edits(ours: Server, home: Path, folder: Path) -> bool:
    source = folder / "edited.bin"
    write_random(source, EDITED)
    cache = folder / "edits"  # the client knows by its own notes what it has sent
    run("upload", ours, "admin/edited", source, home=cache)
    before = stored_bytes(home)
    chance = random.Random(7)
    with source.open("r+b") as file:
        for _ in range(EDITS):
            file.seek(chance.randrange(EDITED - 16))
            file.write(chance.randbytes(16))
    run("upload", ours, "admin/edited", source, home=cache)
    source.unlink()
    share = (stored_bytes(home) - before) / EDITED
    what = f"{EDITED >> 20} MiB with {EDITS} small edits re-sends at most 1 %"
    return goal(what, f"{share:.2%}", met=share <= 0.01)


def stored_bytes(home: Path) -> int:
    return sum(
        path.stat().st_size for name in ("blobs", "xorbs") for path in (home / name).rglob("*") if path.is_file()
    )


def many_files(ours: Server, folder: Path) -> list[bool]:
    taken = run("folder", ours, "admin/many", folder)["seconds"]
    held = [goal(f"{MANY:,} small files committed under 60 s", f"{taken:.1f} s", met=taken < 60)]
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        run("upload", ours, "admin/unchanged", Path(__file__))
        asked = run("snapshot", ours, "admin/unchanged", Path(cache))["requests"]
    what = "snapshot_download of an unchanged repo asks no more than the client must (info and tree)"
    held.append(goal(what, f"{len(asked)} requests", met=len(asked) <= 2))
    return held


def pages_of_a_large_tree(ours: Server) -> bool:
    headers = {"authorization": f"Bearer {ours.token}"}
    with httpx2.Client(base_url=ours.url, headers=headers, timeout=600) as http:
        http.post("/api/repos/create", json={"name": "wide"}).raise_for_status()
        kind = {"content-type": "application/x-ndjson"}
        for start in range(0, LARGE_TREE, MANY):
            lines = [json.dumps({"key": "header", "value": {"summary": "Many", "description": ""}})]
            for number in range(start, start + MANY):
                value = {"path": f"d{number % 300:03}/f{number:06}.txt", "content": "eA==", "encoding": "base64"}
                lines.append(json.dumps({"key": "file", "value": value}))
            body = "\n".join(lines).encode()
            http.post("/api/models/admin/wide/commit/main", content=body, headers=kind).raise_for_status()
        times: list[float] = []
        url: str | None = "/api/models/admin/wide/tree/main?recursive=true"
        files = 0
        while url:
            started = time.perf_counter()
            answer = http.get(url).raise_for_status()
            times.append(time.perf_counter() - started)
            files += sum(entry["type"] == "file" for entry in answer.json())
            url = answer.links["next"]["url"] if "next" in answer.links else None
    assert files >= LARGE_TREE, files
    times.sort()
    p50, p95 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.95))
    print(f"{len(times)} pages of a recursive tree of {LARGE_TREE:,} files: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    return goal(f"a page of a tree of {LARGE_TREE:,} files under 50 ms at p95", f"{p95:.0f} ms", met=p95 < 50)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=size_of, default=2 << 30, help="of the large file, such as 2GiB (default)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        task, repo, path = options.client
        client(task, repo, Path(path))
        return 0
    with tempfile.TemporaryDirectory(prefix="tholos-hub-") as name:
        folder = Path(name)
        with serve(BareHub, folder / "bare") as bare, running() as tree:
            ours = Server(tree.url, tree.token)
            held = [pages_of_a_large_tree(ours), *many_files(ours, folder)]
            held += [edits(ours, tree.home, folder), server_alone(ours, folder, options.size)]
            held += large_files({"bare": bare, "tholos": ours}, folder, options.size, options.rounds)
    return int(options.check and not all(held))


if __name__ == "__main__":
    sys.exit(main())

"""Drives the real Xet client in a process of its own: `python xet_client.py upload|download` with JSON on stdin."""

from __future__ import annotations

import json
import sys
import time
import warnings


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # its older functions are the plainest way in
    import hf_xet

    wanted = json.load(sys.stdin)
    token = (wanted["accessToken"], wanted["exp"])
    started = time.perf_counter()
    if sys.argv[1] == "upload":
        done = hf_xet.upload_files(wanted["paths"], wanted["casUrl"], token, None, None, "model")
        answer = [{"hash": file.hash, "size": file.file_size, "sha256": file.sha256} for file in done]
    else:
        files = [hf_xet.PyXetDownloadInfo(path, xet_hash, size) for path, xet_hash, size in wanted["files"]]
        answer = hf_xet.download_files(files, wanted["casUrl"], token, None, None)
    json.dump({"answer": answer, "seconds": time.perf_counter() - started}, sys.stdout)


if __name__ == "__main__":
    main()

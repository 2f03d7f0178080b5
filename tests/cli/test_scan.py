from __future__ import annotations

import json
import os
import pickle

import pytest

pytestmark = pytest.mark.usefixtures("signed_in")


class Evil:
    def __reduce__(self):
        return (os.system, ("true",))


def test_a_push_is_scanned_and_the_verdict_told(tholos, tmp_path):
    (tmp_path / "weights.bin").write_bytes(pickle.dumps(Evil()))
    assert tholos("push", "scanned", tmp_path / "weights.bin").code == 0
    told = tholos("scan", "scanned", "--wait", "--json")
    assert told.code == 6
    assert (told.json["status"], [item["path"] for item in told.json["items"]]) == ("unsafe", ["weights.bin"])
    shown = tholos("scan", "scanned", "--file", ".gitattributes")
    assert ".gitattributes\tsafe" in shown.out
    again = tholos("scan", "scanned", "--again")
    assert again.code == 6
    assert "imports posix.system" in again.out
    everything = tholos("scan", "--all", "--json")
    assert (everything.code, json.loads(everything.out)["state"]) == (0, "succeeded")
    assert tholos("scan").code == 2
    assert tholos("scan", "scanned", "--force").code == 2
    assert tholos("scan", "nobody/nothing").code == 5

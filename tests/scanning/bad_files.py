"""Files that would do harm if anyone loaded them, made for the tests. Nothing here is ever loaded."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import pickletools
import struct
import tarfile
import zipfile
from collections.abc import Mapping


class Evil:
    """Pickles to a call of a harmless program, which nobody ever makes."""

    def __reduce__(self):
        return (os.system, ("true",))


def evil_pickle(protocol: int = 4) -> bytes:
    return pickle.dumps({"weights": [1.0, 2.0], "extra": Evil()}, protocol=protocol)


def pickle_calling(module: str, name: str) -> bytes:
    return f"\x80\x02c{module}\n{name}\n(tR.".encode("latin-1")


def pickle_by_memo() -> bytes:
    """The names of the import come back from the memo, in another order than they were put there."""
    strings = b"\x8c\x06system\x94\x8c\x05posix\x940" + b"0"
    assert pickletools.dis(b"\x80\x04" + strings + b"N.", out=io.StringIO()) is None
    return b"\x80\x04" + strings + b"h\x01h\x00\x93\x8c\x04true\x85R."


def zipped(members: Mapping[str, bytes], *, deflate: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def torch_zip(payload: bytes) -> bytes:
    return zipped({"model/data.pkl": payload, "model/version": b"3\n", "model/data/0": bytes(64)})


def keras_archive(layer: dict[str, object]) -> bytes:
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    return zipped({"metadata.json": b"{}", "config.json": json.dumps(config).encode(), "model.weights.h5": b"\x89HDF"})


def gguf(entries: Mapping[str, str], *, tensors: int = 0, version: int = 3) -> bytes:
    data = b"GGUF" + struct.pack("<IQQ", version, tensors, len(entries))
    for key, value in entries.items():
        data += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", 8)
        data += struct.pack("<Q", len(value.encode())) + value.encode()
    return data


def safetensors(header: object, payload: bytes) -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + payload


def zip_bomb() -> bytes:
    return zipped({"zeros.bin": bytes(300 << 20)}, deflate=True)


def nested(depth: int, innermost: bytes) -> bytes:
    data = innermost
    for level in range(depth):
        data = zipped({f"level{level}.zip" if level else "model.pkl": data})
    return data


def tar_with(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return gzip.compress(buffer.getvalue())


def notebook(source: str, output: str) -> bytes:
    cell = {"cell_type": "code", "source": [source], "outputs": [{"output_type": "stream", "text": [output]}]}
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}).encode()


# Put together here, so that no scanner of this repository takes them for real ones.
AWS_KEY = "AKIA" + "Q3EGU7KZ5WJN2XRD"
GITHUB_TOKEN = "ghp_" + "a8Kd0sLq3Zx7Vb2Nm5Rt1Yw9Pc4Hf6Je0UgT"
PRIVATE_KEY = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEowIBAAKCAQEAq7Vw0Zk3\n"

PEOPLE = (
    b"name,mail,card,identity,account,phone\n"
    b"Ada,ada.l@firma-nord.de,4111111111111111,11010519491231002X,DE89370400440532013000,+49 30 12345678\n"
    b"Bo,bo.k@firma-nord.de,5500005555555559,440524199001010018,FR1420041010050500013M02606,+49 30 22345678\n"
    b"Cy,cy.m@firma-nord.de,4012888888881881,320311197707060018,GB29NWBK60161331926819,+49 30 32345678\n"
)

BAD = {
    "evil.pkl": evil_pickle(),
    "evil0.pkl": evil_pickle(0),
    "memo.pkl": pickle_by_memo(),
    "model.pt": torch_zip(evil_pickle(2)),
    "lambda.keras": keras_archive({"class_name": "Lambda", "module": "keras.layers", "config": {}}),
    "evil.gguf": gguf({"tokenizer.chat_template": "{{ ().__class__.__base__.__subclasses__() }}"}),
    "nested.zip": nested(3, evil_pickle()),
    "people.csv": PEOPLE,
    "notes.ipynb": notebook("print(os.environ)", f"token {GITHUB_TOKEN}"),
    "tensors.safetensors": safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "slip.tgz": tar_with(tarfile.TarInfo("../../etc/cron.d/x")),
}

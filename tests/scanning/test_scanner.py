"""What the scanner says of single contents. Nothing that it reads is loaded: the payloads would be seen to have run."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_files import (
    AWS_KEY,
    BAD,
    GITHUB_TOKEN,
    PEOPLE,
    PRIVATE_KEY,
    Evil,
    evil_pickle,
    gguf,
    keras_archive,
    nested,
    notebook,
    pickle_by_memo,
    pickle_calling,
    safetensors,
    tar_with,
    torch_zip,
    zip_bomb,
    zipped,
)

from tholos.scanning.inspection import Bounds
from tholos.scanning.scanner import lens_of, scan

TENSOR = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def look(name, data, kind="model", bounds=None):
    return scan(io.BytesIO(data), len(data), lens_of(kind, name), bounds)


def kinds(report, severity=None):
    return {item.kind for item in report.findings if severity in (None, item.severity.value)}


def dumped(value, **options):
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def saved(value, **options):
    buffer = io.BytesIO()
    np.save(buffer, value, **options)
    return buffer.getvalue()


# -- pickles


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_a_program_is_unsafe_in_every_protocol(protocol):
    report = look("model.pkl", pickle.dumps([1, "a", Evil()], protocol=protocol))
    assert report.status == "unsafe"
    assert [(item.module, item.name, item.safety) for item in report.imports] == [("posix", "system", "dangerous")]
    assert report.findings[0].where.startswith("offset ")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.pt", torch_zip(evil_pickle(2))),
        ("model.bin", evil_pickle(2)),
        ("unnamed", evil_pickle()),
        ("model.dill", evil_pickle()),
        ("memo.pkl", pickle_by_memo()),
        ("two.pkl", pickle.dumps([1]) + evil_pickle()),
        ("two0.pkl", pickle.dumps([1]) + evil_pickle(0)),
        ("cut.pkl", evil_pickle()[:-1]),
        ("tail.pkl", evil_pickle() + b"\xff" * 100),
        ("polyglot.bin", b"junk" * 100 + torch_zip(evil_pickle())),
        ("a.joblib", dumped({"x": np.arange(1000.0), "y": Evil()})),
        ("z.joblib", dumped({"x": np.arange(1000.0), "y": Evil()}, compress=3)),
        ("g.joblib", dumped({"y": Evil()}, compress=("gzip", 3))),
        ("b.pkl", bz2.compress(evil_pickle())),
        ("z.pkl", zlib.compress(evil_pickle())),
        ("objects.npy", saved(np.array([Evil()], dtype=object), allow_pickle=True)),
        ("objects.npz", zipped({"a.npy": saved(np.array([Evil()], dtype=object), allow_pickle=True)})),
        ("nested.zip", nested(3, evil_pickle())),
        ("folder.tar", gzip.decompress(tar_with())),
    ],
)
def test_a_pickle_is_found_wherever_it_lies(name, data):
    if name == "folder.tar":
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("inner/weights.pkl")
            member.size = len(evil_pickle())
            archive.addfile(member, io.BytesIO(evil_pickle()))
        data = buffer.getvalue()
    report = look(name, data)
    assert report.status == "unsafe", report
    assert "pickle.import" in kinds(report, "unsafe")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("os", "popen"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("operator", "attrgetter"),
        ("_operator", "methodcaller"),
        ("functools", "partial"),
        ("pickle", "loads"),
        ("torch.serialization", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
        ("collections", "namedtuple.__globals__"),
        ("http.client", "HTTPSConnection"),
    ],
)
def test_known_ways_out_are_unsafe(module, name):
    assert look("a.pkl", pickle_calling(module, name)).status == "unsafe"


def test_plain_data_is_safe_and_an_unknown_class_is_suspicious():
    plain = {"a": [1, 2.5, "x"], "b": OrderedDict(a=1), "c": {1, 2}, "n": np.arange(5)}
    assert look("a.pkl", pickle.dumps(plain)).findings == []
    assert look("a.joblib", dumped({"x": np.arange(10_000.0), "y": [1, 2]})).findings == []
    report = look("a.pkl", pickle_calling("mylib.models", "Net"))
    assert (report.status, report.imports[0].safety) == ("suspicious", "suspicious")


def test_a_name_that_is_made_up_while_loading_is_unsafe():
    made_up = b"\x80\x04N\x8c\x06system\x93\x8c\x04true\x85R."
    assert "pickle.import" in kinds(look("a.pkl", made_up), "unsafe")


def test_numbers_are_not_taken_for_pickles():
    rng = np.random.default_rng(0)
    for seed_size in (10, 1000, 3_000_000):
        raw = rng.standard_normal(seed_size).astype(np.float32).tobytes()
        assert look("weights.bin", raw).status == "safe"
    assert look("weights.npy", saved(rng.standard_normal(1000))).status == "safe"


# -- models


@pytest.mark.parametrize(
    ("layer", "status"),
    [
        ({"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}}, "safe"),
        ({"class_name": "Lambda", "module": "keras.layers", "config": {}}, "unsafe"),
        ({"class_name": "run", "module": "subprocess", "config": {}}, "unsafe"),
        ({"class_name": "Mine", "module": "my.layers", "config": {}}, "suspicious"),
        ({"class_name": "Dense", "config": {"activation": {"class_name": "__lambda__", "config": {}}}}, "unsafe"),
    ],
)
def test_layers_of_keras_archives(layer, status):
    assert look("model.keras", keras_archive(layer)).status == status


def test_a_lambda_layer_in_an_hdf5_file_is_found():
    config = b'{"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}'
    data = b"\x89HDF\r\n\x1a\n" + bytes(500) + config + bytes(500)
    assert "keras.lambda" in kinds(look("model.h5", data), "unsafe")
    assert look("model.h5", data.replace(b"Lambda", b"Denser")).status == "safe"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ().__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ cycler | attr('__init__') }}",
        "{{ x | attr('__in' ~ 'it__') }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{% set n = '__globals__' %}{{ x[n] }}",
        "{% include '/etc/passwd' %}",
        "{% from 'x' import y %}",
        "{% for i in x.gi_frame %}{% endfor %}",
    ],
)
def test_a_template_that_leaves_its_sandbox_is_unsafe_wherever_it_stands(template):
    assert look("m.gguf", gguf({"tokenizer.chat_template": template})).status == "unsafe"
    assert look("m.gguf", gguf({"tokenizer.chat_template.tool_use": template})).status == "unsafe"
    assert look("chat_template.jinja", template.encode()).status == "unsafe"
    config = {"chat_template": [{"name": "default", "template": template}]}
    assert look("tokenizer_config.json", json.dumps(config).encode()).status == "unsafe"


def test_an_ordinary_template_is_safe():
    template = (
        "{%- for message in messages %}{%- if loop.index0 == 0 and message['role'] == 'system' %}{{ bos_token }}"
        "{{ message.content | trim }}{%- else %}{% generation %}{{ message['content'].split('</think>')[-1] }}"
        "{% endgeneration %}{%- endif %}{{ raise_exception('no') if message.role not in ['user'] }}{%- endfor %}"
    )
    assert look("m.gguf", gguf({"tokenizer.chat_template": template})).findings == []
    assert kinds(look("chat_template.jinja", b"{% for %}")) == {"template.broken"}


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 63),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 10, 1 << 62),
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
        gguf({}, tensors=1) + struct.pack("<Q", 1) + b"t" + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0),
    ],
)
def test_a_gguf_header_that_lies_is_unsafe(data):
    assert kinds(look("m.gguf", data), "unsafe") == {"gguf.malformed"}


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
        ({"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        ({**TENSOR, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
        (TENSOR, bytes(9)),
        ({**TENSOR, "__metadata__": {"a": 1}}, bytes(8)),
        ([1], b""),
        ({"a": 1}, b""),
    ],
)
def test_a_safetensors_header_that_does_not_fit_is_suspicious(header, payload):
    assert kinds(look("m.safetensors", safetensors(header, payload))) == {"safetensors.malformed"}


def test_sound_safetensors_are_safe_and_cut_ones_are_not():
    whole = safetensors({**TENSOR, "__metadata__": {"format": "pt"}}, bytes(8))
    assert look("m.safetensors", whole).findings == []
    for cut in (4, 20, len(whole) - 1):
        assert look("m.safetensors", whole[:cut]).status == "suspicious"
    deep = struct.pack("<Q", 200_000) + b"[" * 200_000
    assert look("m.safetensors", deep).status == "suspicious"


@pytest.mark.parametrize(
    ("location", "status"),
    [("weights.bin", "safe"), ("../../etc/shadow", "unsafe"), ("/etc/shadow", "unsafe"), ("C:\\x", "unsafe")],
)
def test_onnx_weights_outside_of_the_folder_are_unsafe(location, status):
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    graph = helper.make_graph([], "g", [], [], initializer=[tensor])
    report = look("m.onnx", helper.make_model(graph).SerializeToString())
    assert report.status == status
    assert report.loads == (["weights.bin"] if status == "safe" else [])


def test_onnx_operators_of_strangers_are_suspicious():
    from onnx import helper

    node = helper.make_node("Run", ["x"], ["y"], domain="com.evil")
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    assert kinds(look("m.onnx", model.SerializeToString())) == {"onnx.custom_operators"}
    assert kinds(look("m.onnx", b"\xff" * 100)) == {"onnx.malformed"}
    standard = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], []))
    assert look("m.onnx", standard.SerializeToString()).findings == []


def test_skops_types_are_held_against_the_list_that_tholos_loads():
    def schema(module, name, loader="ObjectNode"):
        node = {"__class__": name, "__module__": module, "__loader__": loader}
        return zipped({"schema.json": json.dumps(node).encode()})

    assert look("m.skops", schema("sklearn.pipeline", "Pipeline")).status == "safe"
    assert look("m.skops", schema("sklearn.neighbors", "KNeighborsClassifier")).status == "suspicious"
    assert look("m.skops", schema("os", "system", "FunctionNode")).status == "unsafe"


# -- archives


def test_archives_that_write_elsewhere_link_elsewhere_or_never_end_are_unsafe():
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    assert kinds(look("a.tar.gz", tar_with(tarfile.TarInfo("../x")))) == {"archive.traversal"}
    assert kinds(look("a.tar.gz", tar_with(link))) == {"archive.link"}
    assert kinds(look("a.tar.gz", tar_with(device))) == {"archive.device"}
    assert kinds(look("a.zip", zipped({"../../x": b"1"}))) == {"archive.traversal"}
    assert kinds(look("a.zip", zipped({"..\\..\\x": b"1"}))) == {"archive.traversal"}
    assert kinds(look("a.zip", zip_bomb())) == {"archive.bomb"}
    assert kinds(look("a.gz", gzip.compress(bytes(300 << 20)))) == {"archive.bomb"}
    symbolic = zipfile.ZipInfo("link")
    symbolic.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(symbolic, "/etc/passwd")
    assert kinds(look("a.zip", buffer.getvalue())) == {"archive.link"}


def test_what_lies_too_deep_or_is_closed_is_said_so():
    assert kinds(look("a.zip", nested(9, b"x"))) == {"archive.nested"}
    assert kinds(look("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50))) == {"archive.closed"}
    locked = bytearray(zipped({"model.pkl": evil_pickle()}))
    locked[6] |= 1  # the flag "encrypted", in both headers
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert kinds(look("a.zip", bytes(locked))) == {"archive.encrypted"}
    assert kinds(look("a.zip", zipped({"a": b"x"})[:-10])) == {"archive.unreadable"}


def test_an_archive_that_gives_out_more_than_the_bounds_cannot_be_scanned():
    many = zipped({f"{i}.bin": bytes(1 << 20) for i in range(20)})
    report = look("a.zip", many, bounds=Bounds(unpacked_bytes=10 << 20))
    assert (report.status, report.error) == ("error", "It unpacks to more than 10 MiB.")
    assert look("a.zip", many).status == "safe"
    evil_first = zipped({"a.pkl": evil_pickle(), **{f"{i}.bin": bytes(1 << 20) for i in range(20)}})
    assert look("a.zip", evil_first, bounds=Bounds(unpacked_bytes=10 << 20)).status == "unsafe"


# -- texts


def test_secrets_are_found_by_line_and_never_repeated():
    text = f"# settings\nkey = {AWS_KEY}\n\ntoken: {GITHUB_TOKEN}\n{PRIVATE_KEY}".encode()
    report = look("settings.toml", text)
    assert {(item.kind, item.where) for item in report.findings} == {
        ("secret.aws_key", "line 2"),
        ("secret.github_token", "line 4"),
        ("secret.private_key", "line 5"),
    }
    assert (report.status, report.public_status) == ("suspicious", "safe")
    said = json.dumps(report.to_json())
    assert AWS_KEY not in said
    assert GITHUB_TOKEN not in said


def test_secrets_in_notebooks_are_found_in_cells_and_outputs():
    report = look("a.ipynb", notebook(f"key = '{AWS_KEY}'", f"hello {GITHUB_TOKEN}"))
    assert {"cell 1, line 1", "output of cell 1, line 1"} <= {item.where for item in report.findings}


def test_passwords_are_found_and_examples_are_not():
    found = 'DB = "postgresql://ada:kW9zTq27xLbm@db.firm/x"\napi_key = "aK9zTq27xLbmV4nR8yPc"\n'
    assert kinds(look("a.py", found.encode())) == {"secret.url_password", "secret.assigned"}
    harmless = (
        'api_key = "your-api-key-goes-here"\npassword = "${PASSWORD_OF_THE_DB}"\nsecret: "aaaaaaaaaaaaaaaaaaaaaa"\n'
        "AWS = AKIAIOSFODNN7EXAMPLE\nsha = 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\n"
        "url = postgresql://user:password@localhost\npassword = getpass()\n"
    )
    assert kinds(look("a.py", harmless.encode())) <= {"secret.url_password"}


def test_personal_data_are_looked_for_in_data_sets_only():
    report = look("people.csv", PEOPLE, "dataset")
    assert kinds(report) == {
        "personal.email",
        "personal.phone",
        "personal.card",
        "personal.chinese_id",
        "personal.iban",
    }
    assert all(item.private and "line 2" in item.where for item in report.findings)
    assert report.public_status == "safe"
    assert "ada.l" not in json.dumps(report.to_json())
    assert look("people.csv", PEOPLE).findings == []


def test_numbers_that_only_look_like_cards_are_not_reported():
    rng = np.random.default_rng(1)
    numbers = "\n".join(str(n) for n in rng.integers(4 * 10**15, 5 * 10**15, 5000))
    assert look("ids.csv", numbers.encode(), "dataset").findings == []
    measured = "\n".join(f"{n:.15f}" for n in rng.standard_normal(5000))
    assert look("x.csv", measured.encode(), "dataset").findings == []


def test_a_large_text_is_sampled_and_the_share_is_said():
    filler = b"a,b,c\n" * 1000
    data = filler * 400 + PEOPLE + filler * 400
    report = look("people.csv", data, "dataset", Bounds(sample_bytes=2 << 20))
    assert report.read_share == pytest.approx((2 << 20) / len(data), rel=0.01)
    assert look("people.csv", data, "dataset").read_share == 1.0


def test_columns_of_parquet_are_looked_at():
    buffer = io.BytesIO()
    mails = [f"person{i}@firma-nord.de" for i in range(50)]
    pq.write_table(pa.table({"mail": mails, "x": list(range(50))}), buffer)
    report = look("people.parquet", buffer.getvalue(), "dataset")
    assert [(item.kind, item.where) for item in report.findings] == [("personal.email", "column mail, first at line 1")]
    assert kinds(look("x.parquet", buffer.getvalue()[:-20], "dataset")) == {"parquet.malformed"}


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("README.md", "# A\n<script>alert(1)</script>", "suspicious"),
        ("README.md", "# A\n```html\n<script>alert(1)</script>\n```", "safe"),
        ("a.svg", '<svg onload="x()"></svg>', "suspicious"),
        ("a.svg", "<svg><path d='M0 0'/></svg>", "safe"),
        ("a.html", "<script>1</script>", "safe"),
        ("a.yaml", "a: !!python/object/apply:os.system [id]", "unsafe"),
        ("a.yaml", "a: [1, 2]", "safe"),
        ("config.json", '{"auto_map": {"AutoModel": "modeling.Net"}}', "safe"),
        ("a.exe", "MZ text that only begins so", "safe"),
    ],
)
def test_texts_that_carry_code(name, text, status):
    assert look(name, text.encode()).status == status


def test_programs_are_told_by_their_first_bytes():
    windows = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(100)
    assert kinds(look("tool", b"\x7fELF" + bytes(100))) == {"executable"}
    assert kinds(look("tool.bin", windows)) == {"executable"}


def test_whatever_is_cut_short_still_gets_a_verdict():
    for name, data in BAD.items():
        for length in {0, 1, 2, 7, 8, 15, 16, 64, len(data) // 2, len(data) - 1}:
            report = look(name, data[:length], "dataset")
            assert report.status in ("safe", "suspicious", "unsafe", "error")

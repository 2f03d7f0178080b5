"""Views, splits and imports of real revisions."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tholos.data import repository, service, view
from tholos.data.columns import ColumnType, column_type
from tholos.data.errors import (
    BrokenFile,
    CannotSplit,
    ColumnNotFound,
    CorruptImages,
    DatasetNotEmpty,
    NoDataFiles,
    RaggedRow,
    SplitNotFound,
    SplitOutOfDate,
)
from tholos.data.splits import Method, SplitSpec
from tholos.hub import service as hub
from tholos.hub.errors import CommitRace
from tholos.jobs import service as jobs
from tholos.jobs.lineage import upstream
from tholos.kit.outbox import dispatch

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

CSV = "name,mass,species\n" + "".join(f"bird {n},{n / 2 + 0.25},{'ab'[n % 2]}\n" for n in range(20))
SPEC = SplitSpec({"train": 0.8, "test": 0.2}, Method.STRATIFIED, "species", seed=1)


@pytest.fixture
def split_now(services, ada, work):
    """Splits ada/birds and returns the child revision."""

    def run(rev="main", spec=SPEC, name="default"):
        job = work(service.start_split(services, ada, "ada/birds", rev, split_name=name, spec=spec).id)
        with services.database.read() as read:
            return hub.resolve(read, ada, hub.RepoKind.DATASET, "ada/birds", job.result["revision"])[1]

    return run


def recorded(services, repo, revision):
    with services.database.read() as read:
        return repository.view_of(read, repo.id, revision.commit_id)


def queued(services, ada):
    with services.database.read() as read:
        return jobs.page(read, ada).items


def test_load_makes_and_records_a_view(services, dataset, push):
    revision = push({"a.csv": CSV})
    assert recorded(services, dataset, revision) is None
    table = view.load(services, dataset, revision)
    assert table.num_rows == 20
    assert [column_type(field) for field in table.schema] == [ColumnType.STRING, ColumnType.NUMBER, ColumnType.STRING]
    made = recorded(services, dataset, revision)
    assert (made.state, made.rows, made.profile["rows"]) == ("ready", 20, 20)
    assert services.blobs.exists(made.parquet_sha256)
    assert view.load(services, dataset, revision, columns=["mass"]).column_names == ["mass"]
    assert view.load(services, dataset, revision, columns=[]).num_rows == 20


def test_text_is_marked_in_the_loaded_table(services, dataset, push):
    revision = push({"a.csv": "review,score\n" + "".join(f"this is review number {n} of many,{n}\n" for n in range(9))})
    table = view.load(services, dataset, revision)
    assert column_type(table.schema.field("review")) is ColumnType.TEXT


def test_a_new_card_shares_the_view(services, dataset, push):
    first = push({"a.csv": CSV})
    view.load(services, dataset, first)
    second = push({"README.md": "# Birds\n"})
    view.load(services, dataset, second)
    ours, theirs = recorded(services, dataset, first), recorded(services, dataset, second)
    assert ours.parquet_sha256 == theirs.parquet_sha256
    assert ours.fingerprint == theirs.fingerprint
    third = push({"b.csv": CSV})
    assert view.load(services, dataset, third).num_rows == 40
    assert recorded(services, dataset, third).fingerprint != ours.fingerprint


def test_unreadable_data_is_said_and_not_recorded_by_load(services, dataset, push):
    revision = push({"a.csv": "a,b\n1,2,3\n"})
    with pytest.raises(RaggedRow, match="line 2"):
        view.load(services, dataset, revision)
    assert recorded(services, dataset, revision) is None


def test_a_dataset_without_data(services, dataset, push):
    revision = push({"README.md": "# Nothing yet\n"})
    with pytest.raises(NoDataFiles):
        view.load(services, dataset, revision)


def test_the_card_may_skip_corrupt_images(services, dataset, push):
    good = _png()
    revision = push({"a/1.png": good, "a/2.png": good[:30], "b/3.png": good})
    with pytest.raises(CorruptImages):
        view.load(services, dataset, revision)
    revision = push({"README.md": "---\ntholos: {corrupt_images: skip}\n---\n# Birds\n"})
    assert view.load(services, dataset, revision)["path"].to_pylist() == ["a/1.png", "b/3.png"]


def test_a_split_is_a_child_revision_that_shares_the_view(services, ada, dataset, push, split_now):
    revision = push({"a.csv": CSV})
    child = split_now()
    assert child.parents == [revision.commit_id]
    assert recorded(services, dataset, child).parquet_sha256 == recorded(services, dataset, revision).parquet_sha256
    train = view.load(services, dataset, child, split="train")
    test = view.load(services, dataset, child, split="default/test", columns=["name", "species"])
    assert (train.num_rows, test.num_rows) == (16, 4)
    assert not set(train["name"].to_pylist()) & set(test["name"].to_pylist())
    assert test["species"].to_pylist().count("a") == 2
    assert column_type(test.schema.field("species")) is ColumnType.STRING
    with services.database.read() as read:
        entry = hub.file(read, dataset, child.commit_id, "splits/default.json")
        about = json.loads(services.blobs.path(entry.sha256).read_bytes())
        assert about["counts"] == {"train": 16, "test": 4}
        assert about["ratios"] == {"train": 0.8, "test": 0.2}
        assert (about["method"], about["column"], about["seed"]) == ("stratified", "species", 1)
        links = upstream(read, [child.urn])
        assert [(link.source.urn, link.kind) for link in links] == [(revision.urn, "data.split")]


def test_the_same_split_again_changes_nothing(push, split_now):
    push({"a.csv": CSV})
    assert split_now().commit_id == split_now().commit_id


def test_several_splits_live_beside_each_other(services, dataset, push, split_now):
    push({"a.csv": CSV})
    split_now()
    child = split_now(spec=SplitSpec({"left": 0.5, "right": 0.5}), name="halves")
    assert view.load(services, dataset, child, split="halves/left").num_rows == 10
    assert view.load(services, dataset, child, split="train").num_rows == 16


def test_a_split_of_other_data_is_refused(services, dataset, push, split_now):
    push({"a.csv": CSV})
    split_now()
    same_rows = push({"a.csv": CSV.replace("bird 1,", "bird one,")})
    with pytest.raises(SplitOutOfDate):
        view.load(services, dataset, same_rows, split="train")
    more_rows = push({"b.csv": CSV})
    with pytest.raises(SplitOutOfDate):
        view.load(services, dataset, more_rows, split="train")
    again = split_now()
    assert view.load(services, dataset, again, split="train").num_rows == 32


def test_missing_splits_are_named(services, dataset, push, split_now):
    revision = push({"a.csv": CSV})
    with pytest.raises(SplitNotFound, match="It has none"):
        view.load(services, dataset, revision, split="train")
    child = split_now()
    with pytest.raises(SplitNotFound, match="no subset 'validation'; it has train, test"):
        view.load(services, dataset, child, split="validation")
    with pytest.raises(SplitNotFound, match="no split 'other'"):
        view.load(services, dataset, child, split="other/train")


def test_a_split_that_someone_pushed(services, dataset, push):
    subsets = pa.array(["train"] * 15 + ["test"] * 4 + [None])
    revision = push({"a.csv": CSV, "splits/default.parquet": _parquet({"subset": subsets})})
    assert view.load(services, dataset, revision, split="train").num_rows == 15
    for content in (b"nonsense", _parquet({"other": subsets}), _parquet({"subset": list(range(20))})):
        revision = push({"splits/default.parquet": content, "splits/default.json": b"[1, 2"})
        with pytest.raises(BrokenFile, match="is not a split"):
            view.load(services, dataset, revision, split="train")
    revision = push({"splits/default.parquet": _parquet({"subset": subsets.slice(1)})})
    with pytest.raises(SplitOutOfDate):
        view.load(services, dataset, revision, split="train")


def test_a_split_made_while_the_branch_moved_is_refused(services, ada, push, work):
    push({"a.csv": CSV})
    job = service.start_split(services, ada, "ada/birds", "main", split_name="default", spec=SPEC)
    push({"b.csv": CSV})
    with pytest.raises(CommitRace):
        work(job.id)


def test_splits_that_cannot_be_made(services, ada, dataset, push, work):
    revision = push({"a.csv": CSV})
    view.load(services, dataset, revision)
    unknown = SplitSpec(SPEC.ratios, Method.STRATIFIED, "specie")
    with pytest.raises(ColumnNotFound, match="no column 'specie'"):
        service.start_split(services, ada, "ada/birds", "main", split_name="default", spec=unknown)
    single = SplitSpec(SPEC.ratios, Method.STRATIFIED, "name")
    job = service.start_split(services, ada, "ada/birds", "main", split_name="default", spec=single)
    with pytest.raises(CannotSplit, match="20 of 20 classes"):
        work(job.id)


def test_a_commit_queues_the_reading_of_its_data(services, ada, dataset, push, work):
    revision = push({"a.csv": CSV})
    dispatch(services.database, service.HANDLERS)
    [job] = queued(services, ada)
    assert (job.kind, job.payload["revision"]) == ("data.view", revision.commit_id)
    assert work(job.id).result == {"state": "ready", "rows": 20}
    assert recorded(services, dataset, revision).job_id == job.id
    assert dispatch(services.database, service.HANDLERS) == 0


def test_the_reading_of_a_card_only_commit_succeeds_as_empty(services, ada, dataset, push, work):
    revision = push({"README.md": "# Birds\n"})
    dispatch(services.database, service.HANDLERS)
    [job] = queued(services, ada)
    assert work(job.id).result == {"state": "empty", "rows": None}
    assert recorded(services, dataset, revision).state == "empty"


def test_a_failed_reading_is_recorded_and_may_be_repeated(services, ada, dataset, push, work):
    revision = push({"a.csv": "a,b\n1,2,3\n"})
    job = service.start_view(services, ada, "ada/birds", "main")
    for _ in range(2):
        with pytest.raises(RaggedRow):
            work(job.id)
        failed = recorded(services, dataset, revision)
        assert (failed.state, failed.error["code"]) == ("failed", "ragged_row")
        assert "line 2" in failed.error["message"]
        job = service.start_view(services, ada, "ada/birds", "main")


def test_models_are_not_read(services, ada):
    repo = hub.create_repo(services.database, services.blobs, ada, hub.RepoKind.MODEL, "ada/model")
    hub.commit(services.database, services.blobs, ada, repo, [hub.AddBytes("a.csv", b"a\n1\n")], "Push")
    dispatch(services.database, service.HANDLERS)
    assert queued(services, ada) == []


def test_import_commits_files_card_view_and_lineage(services, ada, work):
    job = work(service.start_import(services, ada, "penguins", None).id)
    assert job.result["rows"] == 344
    with services.database.read() as read:
        repo, revision = hub.resolve(read, ada, hub.RepoKind.DATASET, "ada/penguins")
        files = {entry.path for entry in hub.tree(read, repo, revision.commit_id, recursive=True)}
        made = repository.view_of(read, repo.id, revision.commit_id)
    assert files == {".gitattributes", "README.md", "penguins.csv"}
    assert revision.commit_id == job.result["revision"]
    assert revision.message.startswith("Import penguins from palmerpenguins ")
    assert repo.card["license"] == "cc0-1.0"
    assert made.job_id == job.id
    assert [edge.urn for edge in job.edges] == [revision.urn]
    dispatch(services.database, service.HANDLERS)
    assert [each.kind for each in queued(services, ada)] == ["data.import"]  # the view came with the import


def test_import_again_changes_nothing_and_never_mixes_data(services, ada, work):
    first = work(service.start_import(services, ada, "penguins", "birds").id)
    again = work(service.start_import(services, ada, "penguins", "birds").id)
    assert again.result["revision"] == first.result["revision"]
    other = service.start_import(services, ada, "sklearn:iris", "birds")
    with pytest.raises(DatasetNotEmpty, match=r"penguins\.csv"):
        work(other.id)


def _png():
    buffer = io.BytesIO()
    Image.new("L", (4, 4), 3).save(buffer, "PNG")
    return buffer.getvalue()


def _parquet(columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()

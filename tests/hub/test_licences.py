"""Licences: known or not, fitting those of parents or not; shown, never blocking, and never naming what is hidden."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub import service as hub
from tholos.hub.licence_terms import _PASSED_ON, _SHARE_ALIKE, KNOWN, breach
from tholos.hub.licences import LicenceReport, licence_report
from tholos.hub.models import Repo, Revision
from tholos.hub.operations import AddBytes
from tholos.jobs.lineage import Edge, record_link
from tholos.kit.services import Services

MODEL, DATASET = hub.RepoKind.MODEL, hub.RepoKind.DATASET
Make = Callable[..., tuple[Repo, Revision]]


@pytest.fixture
def make(services: Services) -> Make:
    """A repo with a card of these lines: `make(ada, "base", "license: mit")`."""

    def run(actor: Actor, name: str, *lines: str, kind: hub.RepoKind = MODEL, visibility: str = "public"):
        repo = hub.create_repo(services.database, services.blobs, actor, kind, name, visibility=visibility)
        card = "\n".join(["---", *lines, "---", ""]).encode()
        revision = hub.commit(services.database, services.blobs, actor, repo, [AddBytes("README.md", card)], "Card")
        return repo, revision

    return run


@pytest.fixture
def report(services: Services) -> Callable[..., LicenceReport]:
    def run(actor: Actor, name: str, kind: hub.RepoKind = MODEL) -> LicenceReport:
        with services.database.read() as read:
            return licence_report(read, services.blobs, actor, kind, name)

    return run


def levels(found: LicenceReport) -> list[tuple[str, str | None]]:
    return [(finding.level, finding.parent) for finding in found.findings]


@pytest.mark.parametrize(
    ("parent", "child", "fits"),
    [
        ("mit", "apache-2.0", True),
        ("apache-2.0", "cc-by-nc-4.0", True),
        ("cc-by-nc-4.0", "mit", False),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", True),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", False),
        ("cc-by-sa-4.0", "cc-by-sa-4.0", True),
        ("cc-by-sa-4.0", "cc-by-4.0", False),
        ("cc-by-sa-4.0", "gpl-3.0", True),
        ("gpl-3.0", "apache-2.0", False),
        ("gpl-3.0", "agpl-3.0", True),
        ("agpl-3.0", "gpl-3.0", False),
        ("llama3.1", "mit", False),
        ("llama3.1", "llama3.1", True),
        ("gemma", "other", True),
        ("openrail", "creativeml-openrail-m", True),
        ("creativeml-openrail-m", "mit", False),
        ("odbl", "cc0-1.0", False),
    ],
)
def test_the_table(parent: str, child: str, fits: bool):
    assert (breach(parent, child) is None) is fits


def test_the_table_is_about_known_licences_and_names_its_sources():
    for name, same in (_SHARE_ALIKE | _PASSED_ON).items():
        assert {name, *same.allowed} <= KNOWN
        assert same.source.startswith("https://")


def test_a_base_model_and_data_are_judged(make: Make, report, ada: Actor):
    make(ada, "ada/base", "license: cc-by-nc-4.0")
    make(ada, "ada/data", "license: [cc-by-sa-4.0]", kind=DATASET)
    make(ada, "ada/free", "license: mit", kind=DATASET)
    make(ada, "ada/child", "license: apache-2.0", "base_model: ada/base", "datasets: [ada/data, ada/free]")
    found = report(ada, "ada/child")
    assert found.licences == ("apache-2.0",)
    assert levels(found) == [("conflict", "model ada/base"), ("caution", "dataset ada/data")]
    assert all(finding.source.startswith("https://") for finding in found.findings)
    make(ada, "ada/kept", "license: cc-by-nc-4.0", "base_model: ada/base")
    assert levels(report(ada, "ada/kept")) == []
    make(ada, "ada/choice", "license: [mit, cc-by-nc-4.0]", "base_model: [ada/base]")
    assert levels(report(ada, "ada/choice")) == []


def test_what_cannot_be_told_is_called_unknown(make: Make, report, ada: Actor):
    make(ada, "ada/own-terms", "license: other", "license_name: mine")
    make(ada, "ada/silent", "tags: [x]")
    make(ada, "ada/nc", "license: cc-by-nc-4.0")
    make(ada, "ada/child", "license: MIT Licence", "base_model: [ada/own-terms, ada/silent, ada/nc, elsewhere/x, 7]")
    assert levels(report(ada, "ada/child")) == [
        ("unknown", None),
        ("unknown", "model ada/own-terms"),
        ("unknown", "model ada/silent"),
        ("unknown", "model ada/nc"),
        ("unknown", "model elsewhere/x"),
    ]


def test_a_hidden_parent_reads_like_one_that_is_not_there(make: Make, report, services, ada: Actor, bob: Actor):
    _, secret = make(ada, "ada/secret", "license: cc-by-nc-4.0", visibility="private")
    make(ada, "ada/child", "license: mit", "base_model: [ada/secret, ada/nothing]")
    for reader in (bob, ANONYMOUS):
        first, second = report(reader, "ada/child").findings
        assert first.message.replace("secret", "nothing") == second.message
    _, made = make(ada, "ada/made", "license: mit")
    with services.database.write() as write:
        record_link(write, Edge(secret.urn, "model"), Edge(made.urn, "model"), kind="merge", owner_id=ada.account_id)
    assert levels(report(ada, "ada/made")) == [("conflict", "model ada/secret")]
    (hidden,) = report(bob, "ada/made").findings
    assert (hidden.level, "secret" in hidden.message) == ("unknown", False)


def test_it_is_told_by_rest_on_the_page_and_before_a_commit(make: Make, ada: Actor, as_ada, as_bob, anyone):
    make(ada, "ada/base", "license: gpl-3.0")
    make(ada, "ada/child", "license: mit", "base_model: ada/base")
    answer = anyone.get("/api/v1/models/ada/child/licence").json()
    assert answer["licences"] == ["mit"]
    assert [finding["level"] for finding in answer["findings"]] == ["conflict"]
    page = as_bob.get("/ada/child").text
    assert "gpl-3.0 asks that what is made from it be shared under" in page
    content = "---\nlicense: mti\nbase_model: ada/base\n---\n"
    said = as_ada.post("/api/validate-yaml", json={"content": content, "repoType": "model"}).json()
    assert said["errors"] == []
    assert [warning["message"].split(";")[0] for warning in said["warnings"]] == ['"mti" is no known licence id']
    content = content.replace("mti", "mit")
    said = as_ada.post("/api/validate-yaml", json={"content": content, "repoType": "model"}).json()
    assert "gpl-3.0" in said["warnings"][0]["message"]

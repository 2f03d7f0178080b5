"""Search: what is found, in which order, how it is counted, and that nothing private shows."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub import service as hub
from tholos.hub.names import RepoKind
from tholos.hub.operations import AddBytes
from tholos.hub.search import service as searching
from tholos.hub.search.models import SearchDocument
from tholos.hub.search.words import query_terms
from tholos.kit.clock import utcnow
from tholos.kit.paging import encode_cursor
from tholos.kit.services import Services

Make = Callable[..., hub.Repo]


@pytest.fixture
def make(services: Services, ada: Actor) -> Make:
    """Makes a repo with a card."""

    def run(name: str, card: str = "", *, actor: Actor = ada, public: bool = True, **options: Any) -> hub.Repo:
        kind = options.pop("kind", RepoKind.MODEL)
        visibility = "public" if public else "private"
        repo = hub.create_repo(services.database, services.blobs, actor, kind, name, visibility=visibility, **options)
        if card:
            hub.commit(
                services.database, services.blobs, actor, repo, [AddBytes("README.md", card.encode())], "Add a card"
            )
        return repo

    return run


@pytest.fixture
def find(services: Services) -> Callable[..., list[str]]:
    """The names of what a search finds."""

    def run(text: str = "", actor: Actor = ANONYMOUS, **options: Any) -> list[str]:
        with services.database.read() as read:
            found = hub.search(read, actor, hub.Wanted(text, **options))
            assert found.counts.total == len(found.page.items)
            return [repo.name for repo in found.page.items]

    return run


def test_words_are_found_in_names_tags_descriptions_and_cards(make: Make, find: Callable[..., list[str]]) -> None:
    make("ada/resnet-50-v2", "---\ntags: [vision]\nlicense: mit\n---\n# Residuals\nTrained on the Palmer penguins.")
    make("ada/MiniLM", description="Small sentence embeddings")
    make("ada/birds", "---\nlanguage: zh\n---\n# 企鹅分类模型\n根据体型区分企鹅的种类。")
    for text in ("resnet", "resnet50", "ResNet-50", "vision", "penguin", "PENGUINS palmer", "mit penguins", "residual"):
        assert find(text) == ["resnet-50-v2"], text
    for text in ("minilm", "lm", "embedding", "senten", "ada minilm"):
        assert find(text) == ["MiniLM"], text
    for text in ("企鹅", "分类模型", "区分企鹅", "鹅"):
        assert find(text) == ["birds"], text
    for text in ("企图", "penguins minilm", "zzz"):
        assert find(text) == [], text


def test_a_mistyped_word_finds_what_was_meant(make: Make, services: Services) -> None:
    make("ada/penguins")
    make("ada/translation-small")
    for wrong, right in (("pengiuns", "penguins"), ("penguns", "penguins"), ("transaltion", "translation-small")):
        with services.database.read() as read:
            found = hub.search(read, ANONYMOUS, hub.Wanted(wrong))
        assert [repo.name for repo in found.page.items] == [right]
        assert list(found.corrections) == query_terms(wrong)
    with services.database.read() as read:
        assert hub.search(read, ANONYMOUS, hub.Wanted("penguins")).corrections == {}
        assert hub.search(read, ANONYMOUS, hub.Wanted("xylophone")).corrections == {}


def test_hugging_faces_clients_find_what_was_meant_page_by_page(
    make: Make, services: Services, anyone: TestClient
) -> None:
    names = [f"ada/penguins-{number}" for number in range(3)]
    for name in names:
        make(name, kind=RepoKind.DATASET)
    make("ada/hidden-penguins", kind=RepoKind.DATASET, public=False)
    make("ada/penguins-model")
    found: list[str] = []
    address = "/api/datasets?search=pengins&limit=2"
    while address:
        answer = anyone.get(address)
        found += [item["id"] for item in answer.json()]
        address = answer.links.get("next", {}).get("url", "")
    assert sorted(found) == names
    assert anyone.get("/api/datasets?search=xylophone").json() == []
    assert anyone.get("/api/datasets?search=pengins&author=bob").json() == []


def test_a_page_after_the_last_one_is_empty_and_no_other_spelling(make: Make, services: Services) -> None:
    make("ada/albatrosk")
    last = make("ada/albatross")
    after = encode_cursor(last.created_at.isoformat(), 0)
    with services.database.read() as read:
        for name, others in (("albatross", []), ("albatrossk", ["albatrosk"])):
            found = hub.list_found(read, ANONYMOUS, hub.Wanted(name, sort="created"), cursor=after)
            assert [repo.name for repo in found.items] == others


def _header(**tensors: Any) -> bytes:
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header


def test_nothing_private_shows_in_hits_counts_facets_words_or_tags(
    make: Make, ada: Actor, bob: Actor, admin: Actor, services: Services, anyone: TestClient, as_bob: TestClient
) -> None:
    card = "---\nlicense: mit\ntags: [secretive]\npipeline_tag: fill-mask\n---\nHidden albatross."
    make("ada/secretive-plans", card, public=False)
    make("ada/open", "---\nlicense: apache-2.0\n---\nShown.")
    for actor, hits in ((ANONYMOUS, 1), (bob, 1), (ada, 2), (admin, 2)):
        with services.database.read() as read:
            # An administrator, too, is offered only public words and own ones.
            guessed = () if actor is admin else ("secretvie", "secr")
            for text in ("secretive", "albatross", "ada plans", *guessed):
                found = hub.search(read, actor, hub.Wanted(text))
                assert (found.counts.total, len(found.page.items)) == ((hits - 1,) * 2), (actor.name, text)
                assert hits == 2 or (not found.corrections and not any(found.counts.facets.values()))
            every = hub.search(read, actor, hub.Wanted())
            assert every.counts.total == hits
            assert ("mit", 1) in every.counts.facets["license"] if hits == 2 else "mit" not in str(every.counts)
            assert hub.search(read, actor, hub.Wanted(tags=["secretive"])).counts.total == hits - 1
            assert ("secretive" in str(hub.tags_by_type(read, actor, RepoKind.MODEL))) is (hits == 2)
    for client in (anyone, as_bob):
        assert client.get("/api/v1/search/suggestions?q=secr").json()["items"] == []
        assert "secretive" not in client.get("/api/models-tags-by-type").text
        assert client.get("/api/v1/models/ada/secretive-plans/downloads").status_code == 404
        assert client.get("/api/models/ada/secretive-plans/safetensors-metadata/x").status_code == 404


def test_what_becomes_private_is_gone_at_once_and_words_with_it(
    make: Make, ada: Actor, services: Services, find: Callable[..., list[str]]
) -> None:
    make("ada/albatross")
    assert find("albatros") == ["albatross"]
    with services.database.write() as write:
        hub.update_repo(write, ada, RepoKind.MODEL, "ada/albatross", visibility="private")
    assert find("albatross") == find("albatros") == find("") == []
    assert find("albatross", ada) == ["albatross"]
    with services.database.write() as write:
        hub.move_repo(write, ada, RepoKind.MODEL, "ada/albatross", "ada/petrel")
        hub.update_repo(write, ada, RepoKind.MODEL, "ada/petrel", visibility="public")
    assert (find("petrel"), find("albatross")) == (["petrel"], [])
    with services.database.write() as write:
        hub.delete_repo(write, ada, RepoKind.MODEL, "ada/petrel")
    assert find("petrel") == find("petrle") == []


def test_facets_filters_and_orders(make: Make, as_ada: TestClient, ada: Actor, services: Services) -> None:
    for number in range(4):
        task = "fill-mask" if number % 2 else "text-generation"
        make(f"ada/m{number}", f"---\npipeline_tag: {task}\nlicense: mit\nlanguage: [en, zh]\n---\nWords.")
    make("ada/d", "---\nlicense: mit\n---\nWords.", kind=RepoKind.DATASET)
    with services.database.write() as write:
        hub.like(write, ada, RepoKind.MODEL, "ada/m2")
    answer = as_ada.get("/api/v1/search", params={"q": "words", "kind": "model"}).json()
    assert (answer["total"], answer["estimated"]) == (4, False)
    assert answer["facets"]["task"] == [{"value": "fill-mask", "count": 2}, {"value": "text-generation", "count": 2}]
    assert answer["facets"]["language"] == [{"value": "en", "count": 4}, {"value": "zh", "count": 4}]
    names = [hit["name"] for hit in as_ada.get("/api/v1/search?task=fill-mask&license=mit").json()["items"]]
    assert sorted(names) == ["ada/m1", "ada/m3"]
    assert as_ada.get("/api/v1/search?sort=likes&limit=1").json()["items"][0]["name"] == "ada/m2"
    newest = as_ada.get("/api/v1/search?sort=created&kind=model").json()["items"]
    assert [hit["name"] for hit in newest] == ["ada/m3", "ada/m2", "ada/m1", "ada/m0"]


def test_algorithms_are_found_and_have_a_page_of_their_own(make: Make, as_ada: TestClient, as_bob: TestClient) -> None:
    make("ada/centroid", "---\ntags: [means]\n---\nDistances.", kind=RepoKind.ALGORITHM)
    make("ada/hidden-means", kind=RepoKind.ALGORITHM, public=False)
    make("ada/model-of-means")
    for client, hits in ((as_ada, ["ada/centroid", "ada/hidden-means"]), (as_bob, ["ada/centroid"])):
        found = client.get("/api/v1/search", params={"q": "means", "kind": "algorithm"}).json()
        assert sorted(hit["name"] for hit in found["items"]) == hits
        assert found["facets"]["kind"] == [{"value": "algorithm", "count": len(hits)}]
        page = client.get("/algorithms", params={"search": "maens"})
        assert page.status_code == 200
        for name in ("ada/centroid", "ada/hidden-means", "ada/model-of-means"):
            assert (f"{name}</a>" in page.text or f"/algorithms/{name}" in page.text) is (name in hits), name


@pytest.mark.parametrize("many", [False, True])
def test_pages_hold_every_hit_once_while_repos_change(
    make: Make, as_ada: TestClient, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    for number in range(7):
        make(f"ada/word{number}")
    if many:
        monkeypatch.setattr(searching, "_is_everything", lambda _matching: True)
        monkeypatch.setattr(searching, "_WALK", 3)
    for sort in ("trending", "created", "updated", "downloads", "likes"):
        seen, cursor = [], None
        while True:
            query = {"q": "word", "sort": sort, "limit": 3, **({"cursor": cursor} if cursor else {})}
            page = as_ada.get("/api/v1/search", params=query).json()
            seen += [hit["name"] for hit in page["items"]]
            if not (cursor := page["next_cursor"]):
                break
            make(f"ada/{sort}-word-later{len(seen)}")
        assert len(seen) == len(set(seen))
        assert {f"ada/word{number}" for number in range(7)} <= set(seen)


def test_large_counts_are_estimated_from_what_the_asker_may_see(
    make: Make, services: Services, monkeypatch: pytest.MonkeyPatch, bob: Actor, ada: Actor
) -> None:
    for number in range(6):
        make(f"ada/shown{number}", "---\nlicense: mit\n---\n")
        make(f"ada/hidden{number}", "---\nlicense: openrail\n---\n", public=False)
    monkeypatch.setattr(searching, "EXACT_HITS", 3)
    monkeypatch.setattr(searching, "SAMPLES", (0, 0, 0))  # one in one: the sample is everything
    monkeypatch.setattr("tholos.hub.search.documents.SAMPLES", (0,))
    for number in range(2):  # made again, so that they carry the sample's term
        make(f"ada/again{number}", "---\nlicense: mit\n---\n")
    with services.database.read() as read:
        for actor in (ANONYMOUS, bob):
            counts = hub.search(read, actor, hub.Wanted()).counts
            assert "openrail" not in str(counts)
        if services.database.is_sqlite:
            assert (counts.total, counts.facets["license"]) == (8, [("mit", 8)])
            assert hub.search(read, ada, hub.Wanted()).counts.total == 14


def test_downloads_are_counted_once_per_asker_and_window(
    make: Make, as_ada: TestClient, as_bob: TestClient, anyone: TestClient, services: Services, ada: Actor
) -> None:
    repo = make("ada/used")
    files = [AddBytes("config.json", b"{}"), AddBytes("notes.txt", b"x")]
    hub.commit(services.database, services.blobs, ada, repo, files, "Add files")
    for client in (as_ada, as_ada, as_bob):
        assert client.head("/ada/used/resolve/main/config.json").status_code == 200
        assert client.get("/ada/used/resolve/main/config.json").status_code == 200
        assert client.get("/ada/used/resolve/main/notes.txt").status_code == 200
    marked = {"x-hf-download-counter": "1"}
    assert anyone.get("/ada/used/resolve/main/notes.txt", headers=marked).status_code == 200
    assert anyone.get("/ada/used/resolve/main/gone", headers=marked).status_code == 404
    app: Any = anyone.app
    hub.write_downloads(services.database, app.state.services.downloads)
    answer = anyone.get("/api/v1/models/ada/used/downloads").json()
    assert (answer["total"], answer["all_time"], answer["days"][-1]["count"]) == (3, 3, 3)
    info = anyone.get("/api/models/ada/used?expand=downloads&expand=downloadsAllTime").json()
    assert (info["downloads"], info["downloadsAllTime"]) == (3, 3)


def test_scores_decay_and_the_window_moves_on(make: Make, services: Services, ada: Actor) -> None:
    repo = make("ada/used")
    services.downloads.add(repo.id, "someone")
    hub.write_downloads(services.database, services.downloads)
    today = utcnow().date()
    for days, downloads, trending in ((0, 1, 1.0), (2, 1, 0.5), (7, 1, 0.0), (30, 0, 0.0)):
        hub.refresh_popularity(services.database, today + timedelta(days=days))
        with services.database.read() as read:
            document = hub.documents_of(read, [repo])[repo.id]
            assert (document.downloads, document.trending, document.downloads_all) == (downloads, trending, 1)


def test_files_of_a_model_tell_parameters_library_and_task(
    make: Make, services: Services, ada: Actor, anyone: TestClient
) -> None:
    repo = make("ada/tiny")
    gguf = b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60)
    files = [
        AddBytes("config.json", b'{"architectures": ["TinyForCausalLM"], "model_type": "tiny", "secret": 1}'),
        AddBytes("model.safetensors", _header(a={"dtype": "F16", "shape": [3, 4], "data_offsets": [0, 24]})),
        AddBytes("broken.safetensors", b"\xff" * 9),
        AddBytes("lies.safetensors", _header(a={"dtype": "F32", "shape": [-1, "x"]}, b=7, __metadata__=[])),
        AddBytes("broken.gguf", gguf),
    ]
    hub.commit(services.database, services.blobs, ada, repo, files, "Add files")
    assert hub.catch_up(services.database, services.blobs) >= 1
    assert hub.catch_up(services.database, services.blobs) == 0
    info = anyone.get("/api/models/ada/tiny").json()
    assert info["safetensors"] == {"parameters": {"F16": 12}, "total": 12}
    assert info["config"] == {"architectures": ["TinyForCausalLM"], "model_type": "tiny"}
    assert (info["library_name"], info["pipeline_tag"]) == ("transformers", "text-generation")
    assert {"transformers", "text-generation", "tiny", "safetensors"} <= set(info["tags"])
    hit = anyone.get("/api/v1/search?q=tiny&size=<100M&task=text-generation").json()["items"][0]
    assert (hit["parameters"], hit["library"]) == (12, "transformers")
    listed = anyone.get("/api/models?filter=transformers&num_parameters=min:10,max:1K").json()
    assert [one["id"] for one in listed] == ["ada/tiny"]
    assert anyone.get("/api/models?num_parameters=min:1B").json() == []
    metadata = anyone.get("/api/models/ada/tiny/safetensors-metadata/model.safetensors").json()
    assert metadata["headers"]["model.safetensors"]["a"]["shape"] == [3, 4]
    assert anyone.get("/api/models/ada/tiny/safetensors-metadata/broken.safetensors").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=" + "x" * 301,
        "q=" + "+".join(f"w{number}" for number in range(25)),
        "cursor=nonsense",
        "cursor=WzEsMiwzXQ",
        "sort=size",
        "limit=0",
        "limit=101",
        "min_parameters=-1",
        "kind=space",
    ],
)
def test_bad_searches_are_refused(anyone: TestClient, query: str) -> None:
    assert 400 <= anyone.get(f"/api/v1/search?{query}").status_code < 500


@pytest.mark.parametrize(
    "text", ['" OR *', "NEAR(a b)", "a AND", "'; DROP TABLE repos; --", "(((", "\\", "%", "\ue000abc"]
)
def test_what_looks_like_a_query_language_is_only_words(make: Make, anyone: TestClient, text: str) -> None:
    make("ada/plain")
    assert anyone.get("/api/v1/search", params={"q": text}).status_code == 200
    assert anyone.get("/api/models", params={"search": text}).status_code == 200


def test_the_index_is_built_anew_by_administrators_alone(
    make: Make, services: Services, ada: Actor, admin: Actor, as_ada: TestClient, find: Callable[..., list[str]]
) -> None:
    make("ada/penguins", "About albatross.")
    assert as_ada.post("/api/v1/search/rebuild").status_code == 403
    with services.database.write() as write:
        write.execute(delete(SearchDocument))
    assert find("penguins") == []
    assert hub.rebuild(services.database, admin) == 1
    assert hub.catch_up(services.database, services.blobs) == 1
    assert find("penguins") == find("albatross") == ["penguins"]

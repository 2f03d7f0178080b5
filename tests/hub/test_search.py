"""Search: what is found, in which order, how it is counted, and that nothing private shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tholos.accounts.authorization import ANONYMOUS, Actor
from tholos.hub import service as hub
from tholos.hub.names import RepoKind
from tholos.hub.operations import AddBytes
from tholos.hub.search.words import query_terms
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
    make("ada/企鹅分类", "---\nlanguage: zh\n---\n# 企鹅分类模型\n根据体型区分企鹅的种类。") if False else None
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

"""Keeping the index: a repo's document changes in the transaction in which the repo does."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update

from tholos.hub.cards import Card
from tholos.hub.models import Repo, RepoLike, RepoTag
from tholos.hub.names import RepoKind
from tholos.hub.search.models import RepoDownload, SearchDocument, SearchWord
from tholos.hub.search.words import filter_term, name_terms, terms, vocabulary
from tholos.kit.clock import utcnow
from tholos.kit.database import ReadSession, WriteSession, insert

FACETS: Final = ("kind", "task", "library", "license", "language", "size")
"""What hits are counted by, in the order in which they are shown."""
SAMPLES: Final = (4, 6, 8)
"""One in 2 to the power of each of these documents carries a term of its own, to estimate by."""
DOWNLOAD_DAYS: Final = 30
DOC_BITS: Final = 62
_CARD_CHARACTERS: Final = 8_000
_CARD_TERMS: Final = 1_000
_FACT_TERMS: Final = 2_000
_MAX_LANGUAGES: Final = 20
_SIZES: Final = ((10**8, "<100M"), (10**9, "100M-1B"), (10**10, "1B-10B"), (10**11, "10B-100B"))
_LARGEST: Final = ">100B"
PUBLIC: Final = filter_term("scope", "public")
GATED: Final = filter_term("gated", "true")


def owner_term(owner_id: str) -> str:
    """The term that an owner's private repos carry."""
    return filter_term("scope", f"owner:{owner_id}")


def sample_term(power: int) -> str:
    """The term that one in 2**power documents carries."""
    return filter_term("sample", str(power))


def card_terms(card: Card) -> str:
    """The terms of a card's text, up to a bound that keeps writing them short."""
    found = dict.fromkeys(terms(card.body[:_CARD_CHARACTERS]))
    return _joined(list(found)[:_CARD_TERMS])


def put(write: WriteSession, repo: Repo, words: str | None = None, details: Mapping[str, Any] | None = None) -> None:
    """Writes a repo's document as the repo is now; ``words`` and ``details`` (as their columns) only if given."""
    write.flush()
    found = write.scalar(select(SearchDocument).where(SearchDocument.repo_id == repo.id))
    if words is None:
        words = found.words if found else ""
    if details is None:
        details = found.details if found else {}
    tags = list(write.scalars(select(RepoTag.tag).where(RepoTag.repo_id == repo.id).order_by(RepoTag.tag)))
    doc = found.doc if found else secrets.randbits(DOC_BITS)
    before = _vocabulary(found) if found else set()
    document = found or _new_document(write, repo, doc)
    for name, value in made(repo, doc, tags, details).items():
        if getattr(document, name) != value:  # what is unchanged is not indexed anew
            setattr(document, name, value)
    if document.words != words:
        document.words = words
    if document.details != details:
        document.details = dict(details)
    if found is None:
        write.add(document)
    write.flush()
    _count_words(write, before, _vocabulary(document))


def made(repo: Repo, doc: int, tags: Sequence[str], details: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a repo's document that follow from the repo, the tags of its card and what its files hold."""
    facets = _facets(repo, details)
    return {
        "kind": repo.kind.value,
        "scope": "" if repo.visibility == "public" else repo.owner_id,
        "parameters": _parameters(details),
        "created_at": repo.created_at,
        "updated_at": repo.updated_at,
        "facets": "\n".join(f"{name}={value}" for name, value in facets),
        "facts": _facts(repo, doc, [*tags, *derived_tags(details)], facets),
    }


def touch(write: WriteSession, repo: Repo) -> None:
    """Notes that a branch of the repo has moved: its files are read again soon."""
    write.execute(
        update(SearchDocument)
        .where(SearchDocument.repo_id == repo.id)
        .values(updated_at=repo.updated_at, stale=True)
        .execution_options(synchronize_session=False)
    )


def remove(write: WriteSession, repo_id: str) -> None:
    """Takes a repo out of the index, and its downloads with it."""
    found = write.scalar(select(SearchDocument).where(SearchDocument.repo_id == repo_id))
    if found is not None:
        _count_words(write, _vocabulary(found), set())
        write.execute(delete(SearchDocument).where(SearchDocument.repo_id == repo_id))
        write.expunge(found)
    write.execute(delete(RepoDownload).where(RepoDownload.repo_id == repo_id))


def count_likes(write: WriteSession, repo_id: str) -> None:
    """Brings the number of likes up to date."""
    likes = select(func.count()).select_from(RepoLike).where(RepoLike.repo_id == repo_id).scalar_subquery()
    write.execute(
        update(SearchDocument)
        .where(SearchDocument.repo_id == repo_id)
        .values(likes=likes)
        .execution_options(synchronize_session=False)
    )


def documents_of(read: ReadSession, repos: Sequence[Repo]) -> dict[str, SearchDocument]:
    """The documents of repos, by the repos' ids; the index may lack some while it is rebuilt."""
    query = select(SearchDocument).where(SearchDocument.repo_id.in_([repo.id for repo in repos]))
    return {document.repo_id: document for document in read.scalars(query)}


def derived_tags(details: Mapping[str, Any]) -> list[str]:
    """Tags that follow from a model's files: its library, task, architecture and formats."""
    config = details.get("config") or {}
    named = (details.get("library_name"), details.get("pipeline_tag"), config.get("model_type"))
    return [*dict.fromkeys(str(tag) for tag in (*named, *details.get("formats", ())) if tag)]


def task_of(repo: Repo, details: Mapping[str, Any]) -> str | None:
    """What a repo is for: what its card says, or else what its files tell."""
    return _word(repo.card.get("pipeline_tag")) or _word(details.get("pipeline_tag"))


def library_of(repo: Repo, details: Mapping[str, Any]) -> str | None:
    """The library that reads a model: the one that its card names, or else its files."""
    return _word(repo.card.get("library_name")) or _word(details.get("library_name"))


def _new_document(write: WriteSession, repo: Repo, doc: int) -> SearchDocument:
    downloads = select(func.sum(RepoDownload.count)).where(RepoDownload.repo_id == repo.id)
    since = utcnow().date() - timedelta(days=DOWNLOAD_DAYS - 1)
    likes = select(func.count()).select_from(RepoLike).where(RepoLike.repo_id == repo.id)
    return SearchDocument(
        doc=doc,
        repo_id=repo.id,
        kind=repo.kind.value,
        scope="",
        downloads=int(write.scalar(downloads.where(RepoDownload.day >= since)) or 0),
        downloads_all=int(write.scalar(downloads) or 0),
        likes=write.scalar(likes) or 0,
        trending=0.0,
        parameters=None,
        created_at=repo.created_at,
        updated_at=repo.updated_at,
        facets="",
        facts="",
        words="",
        details={},
        stale=False,
    )


def _facets(repo: Repo, details: Mapping[str, Any]) -> list[tuple[str, str]]:
    card = repo.card
    tasks = [task_of(repo, details), *_words(card.get("task_categories"))]
    sizes = [_size(details)] if repo.kind is RepoKind.MODEL else _words(card.get("size_categories"))
    values: dict[str, Iterable[str | None]] = {
        "kind": [repo.kind.value],
        "task": tasks,
        "library": [library_of(repo, details)],
        "license": _words(card.get("license")),
        "language": _words(card.get("language"))[:_MAX_LANGUAGES],
        "size": sizes,
    }
    found = [(name, str(value)[:100]) for name in FACETS for value in values[name] if value]
    return list(dict.fromkeys((name, " ".join(value.split())) for name, value in found))


def _facts(repo: Repo, doc: int, tags: Iterable[str], facets: Iterable[tuple[str, str]]) -> str:
    scope = PUBLIC if repo.visibility == "public" else owner_term(repo.owner_id)
    found = {scope: None, filter_term("namespace", repo.namespace_key): None}
    found.update((sample_term(power), None) for power in SAMPLES if doc % (1 << power) == 0)
    found.update((filter_term(name, value), None) for name, value in facets)
    if repo.gated:
        found[GATED] = None
    found.update((filter_term("tag", tag), None) for tag in tags)
    for language in _words(repo.card.get("language"))[:_MAX_LANGUAGES]:
        found[filter_term("tag", f"language:{language}")] = None
    texts = (repo.namespace, repo.description, *tags)
    found.update((term, None) for term in name_terms(repo.name))
    found.update((term, None) for text in texts for term in terms(text))
    return _joined(list(found)[:_FACT_TERMS])


def _joined(found: Iterable[str]) -> str:
    return "".join(f" {term}" for term in found)


def _size(details: Mapping[str, Any]) -> str | None:
    count = _parameters(details)
    if count is None:
        return None
    return next((name for bound, name in _SIZES if count < bound), _LARGEST)


def _parameters(details: Mapping[str, Any]) -> int | None:
    for source in ("safetensors", "gguf"):
        total = (details.get(source) or {}).get("total")
        if isinstance(total, int) and 0 < total < 1 << 62:
            return total
    return None


def _words(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str) and item.strip()]


def _word(value: Any) -> str | None:
    return value.strip()[:100] or None if isinstance(value, str) else None


# -- the vocabulary


def _vocabulary(document: SearchDocument) -> set[tuple[str, str]]:
    return {(document.scope, word) for word in vocabulary(document.facts.split())}


def _count_words(write: WriteSession, before: set[tuple[str, str]], after: set[tuple[str, str]]) -> None:
    """Changes how many repos use each word, in the order of the words: two writers cannot wait for each other."""
    changes = sorted([(key, -1) for key in before - after] + [(key, 1) for key in after - before])
    if not changes:
        return
    statement = insert(write, SearchWord)
    counted = statement.on_conflict_do_update(
        index_elements=["scope", "word"], set_={"uses": SearchWord.uses + statement.excluded.uses}
    )
    rows = [{"scope": scope, "word": word, "reversed": word[::-1], "uses": change} for (scope, word), change in changes]
    write.execute(counted, rows)
    for scope in {scope for scope, _ in before - after}:
        gone = [word for owner, word in before - after if owner == scope]
        write.execute(
            delete(SearchWord)
            .where(SearchWord.scope == scope, SearchWord.word.in_(gone), SearchWord.uses <= 0)
            .execution_options(synchronize_session=False)
        )

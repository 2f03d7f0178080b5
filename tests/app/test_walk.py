"""Every address, asked by everybody: nothing of a private repo shows, and nothing of what a gated repo's files hold.

Addresses come from the application's own tables. One that is new must be filled in here, or listed with the reason why
it is not: nobody forgets it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from addresses import Door, doors
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hidden_world import (
    CONTENT_SHA256,
    FORMER,
    NAME,
    OTHER,
    WORD,
    Asker,
    Place,
    World,
    hide,
    limited,
    make_open,
    make_people,
    make_repo,
)
from requests_to_doors import (
    KINDS,
    LOOKS,
    NAMED,
    NEVER_ANSWERED,
    PASSED_OVER,
    QUERIES,
    SEARCHED,
    SEARCHES,
    filled,
    sent,
)
from sqlalchemy.engine import make_url

from tholos.app import create_app
from tholos.hub import service as hub
from tholos.hub.names import RepoKind
from tholos.kit.blobs import open_blob_store
from tholos.kit.database import Database
from tholos.kit.logs import configure_logs
from tholos.kit.services import Services
from tholos.kit.settings import Settings

sys.path.insert(0, str(Path(__file__).parent.parent / "hub" / "xet"))

from xet_bodies import File, Part, shard, some_xorb

UNKNOWN: Final = "e" * 64
"""The hash of nothing that is here."""

_OF_THE_MOMENT: Final = re.compile(r"(?<=Z\">)[^<]*(?=</time>)|WyJ[\w.-]+|(?<=\"exp\":)\d+|(?<=expiration\": \")\d+")
"""How long ago something was, tokens, and when they expire."""
FOUND: Final = re.compile(
    "entry_not_found|blob_not_found|profile_pending|mirror_not_found|_invalid|model_broken|not_servable"
)
"""Refusals of which the repo itself is the reason: the door was opened."""

OWN_DOINGS: Final = {("dora", "GET /api/v1/audit")}
"""A log of what she did herself, when it was hers to do."""

Told = tuple[int, str]
Lists = dict[tuple[str, str, str], Told]


@dataclass
class Walk:
    """The application over a world, and what its lists said before and after there was something to hide."""

    app: FastAPI
    world: World
    before: Lists = field(default_factory=dict)
    after: Lists = field(default_factory=dict)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """One world for all tests: whoever asks changes nothing in it, which is what they show."""
    configure_logs("ERROR")
    home = tmp_path_factory.mktemp("walk") / "home"
    home.mkdir()
    options: dict[str, Any] = {"home": home, "port": 0, "deploy_unscanned": "allow"}
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), home / "tholos.db")
    else:
        url, name = make_url(request.getfixturevalue("postgres")), f"t{uuid.uuid4().hex}"
        with psycopg.connect(host=str(url.query["host"]), user="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template".encode())
        options["database_url"] = url.set(database=name).render_as_string(hide_password=False)
    settings = Settings(**options)
    database = Database(settings.resolved_database_url)
    services = Services(settings, database, open_blob_store(settings))
    with start_blocking_portal() as portal:
        app = create_app(services)
        client = TestClient(app, raise_server_exceptions=False)
        client.portal = portal  # one event loop for all requests, instead of one for each
        found = Walk(app, make_people(services, client))
        make_open(found.world)
        while hub.catch_up(database, services.blobs):
            pass
        found.before = lists(found)
        hide(found.world)
        lists_of(found, "ada")  # what is kept in memory is kept of hers
        found.after = lists(found)
        yield found
    database.close()


# -- asking


def about_a_repo(door: Door) -> bool:
    return {"namespace", "name"} <= door.fields or {"namespace", "deployment"} <= door.fields


def about_an_id(door: Door) -> bool:
    return bool(door.fields & {"job_id", "evaluation_id", "webhook"})


def ask(asker: Asker, method: str, path: str, what: dict[str, str], **rest: Any) -> Told:
    """What comes back, but for what was asked for: ``what`` leads from these texts to what stands for them."""
    answer = asker.request(method, path, **rest)
    text = answer.text.replace(answer.headers.get("x-request-id", "-"), "ID")
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    told = f"{text}\n{json.dumps(headers)}"
    told = _OF_THE_MOMENT.sub("NOW", told)
    if "<time" in told:
        told = re.sub(r'"content-length": "\d+"', "LENGTH", told)
    for given, stands_for in what.items():
        told = told.replace(given, stands_for)
    return answer.status_code, told


def same(door: str, there: Told, missing: Told, place: Place) -> None:
    """That one cannot tell the one from the other, and that neither tells anything."""
    assert there == missing, door
    assert there[0] < 500 or there[0] == 501, (door, there)
    assert NAME not in there[1], f"{door}: the name in its own spelling"
    assert WORD not in there[1], door
    for secret in place.secrets:
        assert secret not in there[1], door


def spelled(namespace: str, name: str) -> dict[str, str]:
    name = name.lower()
    full = f"{namespace}/{name}"
    return {full: "NS/NAME", full.replace("/", "%2F"): "NS/NAME", name: "NAME"}


def walked(app: FastAPI) -> Iterator[tuple[Door, str]]:
    """Every address below a repo, with a kind of repo that it may be about."""
    for door in doors(app):
        if about_a_repo(door):
            yield from ((door, kinds) for kinds in (KINDS if "kinds" in door.fields and door.reads else ["models"]))


def lists_of(walk: Walk, who: str) -> Lists:
    """What addresses say that are about no repo; to bob, also those that are about a public one."""
    asker, found = walk.world.asker(who), Lists()
    for door in doors(walk.app):
        if not door.reads or about_an_id(door) or (about_a_repo(door) and who != "bob"):
            continue
        looks = (*LOOKS, *(SEARCHES if who == "bob" else SEARCHES[:1])) if door.path in SEARCHED else LOOKS[:1]
        for namespace in ("ada",) if about_a_repo(door) or not door.fields - {"kinds"} else ("ada", "acme"):
            names = {"namespace": namespace, "organization": namespace, "user": namespace, "deployment": "open"}
            names |= {"name": "open"} if about_a_repo(door) else {"name": namespace}
            names |= {"file": UNKNOWN, "xorb": UNKNOWN, "signature": "x"}
            for kinds in KINDS if door.path.startswith("/api/{kinds}") and not about_a_repo(door) else ("models",):
                path = filled(door, names, kinds=kinds)
                for query in looks:
                    key = who, f"{door.method} {path}", json.dumps(query)
                    found[key] = ask(asker, door.method, path, {}, params={**sent(door)["params"], **query})
    for path, named in QUERIES:
        for kind in RepoKind if any("{kind}" in text for text in named.values()) else (RepoKind.MODEL,):
            query = {name: text.format(name="ada/open", kind=kind.value) for name, text in named.items()}
            found[who, f"GET {path}", json.dumps(query)] = ask(asker, "GET", path, {}, params=query)
    return found


def lists(walk: Walk) -> Lists:
    """The same for all to whom something is hidden."""
    return {key: told for who in walk.world.strangers for key, told in lists_of(walk, who).items()}


# -- the walk


def test_every_address_is_walked_or_passed_over_for_a_reason(walk: Walk) -> None:
    named = {path for path, _ in QUERIES} | {path for _, path, _ in NAMED}
    everything = doors(walk.app)
    unknown = [
        door
        for door in everything
        if not (about_a_repo(door) or about_an_id(door) or door.reads)
        and door.path not in named
        and door.path not in PASSED_OVER
    ]
    assert unknown == [], "Fill these in, or say why not."
    assert len(everything) > 300
    gone = {*named, *PASSED_OVER, *NEVER_ANSWERED, *SEARCHED} - {door.path for door in everything}
    assert gone == set(), "There are no such addresses any more."


@dataclass
class Seen:
    """What reading addresses told the one whom everything belongs to."""

    telling: set[str] = field(default_factory=set)
    """Paths of doors that told what is hidden from others."""
    shared: list[str] = field(default_factory=list)
    """Of these, what a cache that several people share would keep."""
    refused: list[str] = field(default_factory=list)
    validators: dict[Door, tuple[str, str]] = field(default_factory=dict)
    """ETag and Last-Modified."""


@pytest.fixture(scope="module")
def seen(walk: Walk) -> Seen:
    """Everything that can be read, read by ada, and by the administrator what is for him."""
    place, found = walk.world.places[0], Seen()
    for door in doors(walk.app):
        if not door.reads or door.path.endswith("/jobs/{job_id}/events"):
            continue  # events go on for as long as the job does
        names = {"namespace": place.namespace, "organization": "acme", "user": "ada", "deployment": NAME}
        names |= {"name": NAME if about_a_repo(door) else "ada", "file": UNKNOWN, "xorb": UNKNOWN, "signature": "x"}
        names |= {"name": "roc"} if "/plots/" in door.path else {}
        path = filled(door, {**names, **place.ids}, kinds="models", sha256=CONTENT_SHA256, oid=CONTENT_SHA256)
        query = next((query for asked, query in QUERIES if asked == door.path), {})
        query = {name: text.format(name=f"{place.namespace}/{NAME}", kind="model") for name, text in query.items()}
        for who in ("ada", "admin"):
            answer = walk.world.asker(who).request(door.method, path, params={"q": WORD} | sent(door)["params"] | query)
            if answer.status_code < 400:
                break
        else:
            if about_an_id(door) or FOUND.search(answer.text):
                continue
            found.refused.append(f"{door.method} {door.path}: {answer.status_code} {answer.text[:200]}")
        if WORD in answer.text or NAME in answer.text:
            found.telling.add(door.path)
            kept = answer.headers.get("cache-control", "")
            if not ("private" in kept or "no-store" in kept):
                found.shared.append(f"{door.method} {door.path}: {kept}")
        validators = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        if any(validators) and about_a_repo(door):
            found.validators[door] = validators
    return found


def test_whom_it_belongs_to_sees_it(seen: Seen) -> None:
    """Or else the walk would find nothing where there is something to find."""
    assert [each for each in seen.refused if each.split()[1].rstrip(":") not in NEVER_ANSWERED] == []
    assert len(seen.telling) >= 80


def test_no_shared_cache_keeps_what_is_private(seen: Seen) -> None:
    assert seen.shared == []


def test_lists_counts_and_searches_say_nothing(walk: Walk) -> None:
    secrets = {secret for place in walk.world.places for secret in place.secrets}
    telling = {}
    for key, told in walk.after.items():
        if told != walk.before[key] and key[:2] not in OWN_DOINGS:
            telling[key] = (walk.before[key], told)
        assert told[0] != 500, (key, told)
        assert not any(secret in told[1] for secret in secrets), key
    assert telling == {}
    assert walk.after.keys() == walk.before.keys()


def test_what_is_private_looks_like_what_is_not_there(walk: Walk) -> None:
    odd: list[str] = []
    for place in walk.world.places:
        for who, asker in place.askers.items():
            for door, kinds in walked(walk.app):
                if kinds != "models" and who != "bob":
                    continue
                answers = []
                for name in (NAME, OTHER, FORMER) if (who, kinds) == ("bob", "models") else (NAME, OTHER):
                    names = {"namespace": place.namespace, "name": name.lower(), "deployment": name.lower()}
                    path = filled(door, names, kinds=kinds, sha256=CONTENT_SHA256, oid=CONTENT_SHA256)
                    what = spelled(place.namespace, name) | {CONTENT_SHA256: "SHA256"}
                    answers.append(ask(asker, door.method, path, what, **sent(door, CONTENT_SHA256)))
                where = f"{who}: {door.method} {door.path} ({kinds})"
                for answer in answers[1:]:
                    same(where, answers[0], answer, place)
                if answers[0][0] not in (401, 404) and not re.search("/info/lfs/(locks|objects/{oid})", door.path):
                    odd.append(f"{where}: {answers[0][0]} {answers[0][1][:200]}")
    assert odd == []


def test_whoever_has_a_copy_learns_nothing_of_the_original(walk: Walk, seen: Seen) -> None:
    """Conditions that name the private content, by one who knows it, are answered as if nothing was there."""
    place = walk.world.places[0]
    for door, (etag, modified) in seen.validators.items():
        paths = [
            filled(door, {"namespace": place.namespace, "name": name.lower(), "deployment": name.lower()},
                   kinds="models", sha256=CONTENT_SHA256, oid=CONTENT_SHA256)
            for name in (NAME, OTHER)
        ]  # fmt: skip
        conditions: list[dict[str, str]] = [{"if-none-match": etag or "*"}, {"if-none-match": "*"}]
        conditions += [{"if-range": etag or "*", "range": "bytes=0-1"}, {"if-match": etag or "*"}]
        conditions += [{"if-modified-since": modified or "Fri, 01 Jan 2100 00:00:00 GMT"}]
        for who in ("nobody", "bob"):
            for headers in conditions:
                answers = [
                    ask(place.askers[who], door.method, path, spelled("ada", name) | {CONTENT_SHA256: "SHA256"},
                        headers=headers, **sent(door))
                    for path, name in zip(paths, (NAME, OTHER), strict=True)
                ]  # fmt: skip
                same(f"{who}: {door} {headers}", answers[0], answers[1], place)
                assert answers[0][0] in (401, 404), (who, door, headers)
    assert len(seen.validators) >= 6


def test_what_is_kept_already_is_nobodys_business(walk: Walk) -> None:
    """Bob has a repo of his own and knows the hash of ada's content: he is told what he would be told of any other."""
    bob, asked = walk.world.asker("bob"), 0
    place = Place("bob", {})
    for door in doors(walk.app):
        if not about_a_repo(door):
            continue
        for operation in ("download", "upload") if door.path.endswith("/objects/batch") else ("",):
            answers = []
            for sha256 in (CONTENT_SHA256, UNKNOWN):
                names = {"namespace": "bob", "name": "own", "deployment": "own"}
                path = filled(door, names, kinds="datasets", sha256=sha256, oid=sha256)
                rest = sent(door, sha256)
                if operation:
                    rest["json"]["operation"] = operation
                if sha256 not in f"{path}{rest}":
                    break
                answers.append(ask(bob, door.method, path, {sha256: "SHA256", sha256.encode().hex(): "HEX"}, **rest))
            if answers:
                asked += 1
                same(f"{door} {operation}", re_signed(answers[0]), re_signed(answers[1]), place)
    assert asked >= 12


def re_signed(told: Told) -> Told:
    """What was told, but for signatures: they differ by what they sign."""
    return told[0], re.sub(r"grant=[\w.~-]+", "grant=X", told[1])


def test_pieces_that_others_have_sent_are_nobodys_business(walk: Walk) -> None:
    ada, bob = walk.world.asker("ada"), walk.world.asker("bob")
    sent_xorb, other = some_xorb(1), some_xorb(2)

    def store(asker: Asker, name: str, kinds: str) -> tuple[str, dict[str, str]]:
        token = asker.request("GET", f"/api/{kinds}/{name}/xet-write-token/main").json()
        base = "/xet/" + token["casUrl"].partition("/xet/")[2]
        return base, {"authorization": f"Bearer {token['accessToken']}"}

    base, hers = store(ada, f"ada/{NAME}", "models")
    put = ada.request("POST", f"{base}/v1/xorbs/default/{sent_xorb.hash}", content=sent_xorb.body, headers=hers)
    assert put.status_code == 200, put.text
    file = File([Part(sent_xorb, 0, len(sent_xorb.chunks))])
    assert ada.request("POST", f"{base}/v1/shards", content=shard(file), headers=hers).status_code == 200
    assert ada.request("GET", f"{base}/v1/reconstructions/{file.hash}", headers=hers).status_code == 200
    base, his = store(bob, "bob/own", "datasets")
    place = walk.world.places[0]
    answers = []
    for xorb in (sent_xorb, other):
        guess = File([Part(xorb, 0, len(xorb.chunks))])
        what = {xorb.hash: "XORB", guess.hash: "FILE"}
        requests: list[tuple[str, str, bytes]] = [
            ("HEAD", f"/v1/xorbs/default/{xorb.hash}", b""),
            ("GET", f"/v1/reconstructions/{guess.hash}", b""),
            ("GET", f"/v1/chunks/default-merkledb/{xorb.hash}", b""),
            ("POST", "/v1/shards", shard(guess)),
            ("POST", f"/v1/xorbs/default/{xorb.hash}", b"no xorb"),
        ]
        answers.append([ask(bob, verb, base + path, what, content=body, headers=his) for verb, path, body in requests])
    for there, missing in zip(*answers, strict=True):
        assert there[0] >= 400
        same("xet", there, missing, place)


def test_ids_and_names_elsewhere_than_in_the_path(walk: Walk) -> None:
    odd: list[str] = []
    for place in walk.world.places:
        for who, asker in place.askers.items():
            missing = {key: f"{value[:-4]}zzzz" for key, value in place.ids.items()}
            for door in filter(about_an_id, doors(walk.app)):
                answers = [
                    ask(asker, door.method, filled(door, ids, name="roc"), dict.fromkeys(ids.values(), "ID"),
                        **sent(door))
                    for ids in (place.ids, missing)
                ]  # fmt: skip
                where = f"{who}: {door.method} {door.path}"
                same(where, *answers, place)
                # A token that is limited to repos has nothing to do with webhooks, whichever it names.
                if answers[0][0] not in (401, 404) and not (who == "token" and "token_limited" in answers[0][1]):
                    odd.append(f"{where}: {answers[0][0]} {answers[0][1][:200]}")
            named = [("GET", path, "params", query) for path, query in QUERIES]
            named += [(method, path, "json", body) for method, path, body in NAMED]
            for method, path, part, fields in named:
                for kind in RepoKind if any("{kind}" in text for text in fields.values()) else (RepoKind.MODEL,):
                    same_named(asker, method, path, {part: fields}, kind, place, who)
    assert odd == []


def same_named(
    asker: Asker, method: str, path: str, rest: dict[str, Any], kind: RepoKind, place: Place, who: str
) -> None:
    answers = []
    for name in (NAME, OTHER):
        full = f"{place.namespace}/{name.lower()}"
        ((key, fields),) = rest.items()
        values = {field: text.format(name=full, kind=kind.value) for field, text in fields.items()}
        answers.append(ask(asker, method, path, spelled(place.namespace, name), **{key: values}))
    where = f"{who}: {method} {path} {rest}"
    same(where, answers[0], answers[1], place)
    assert answers[0][0] != 422, where


def looks_at(door: Door) -> list[dict[str, Any]]:
    """Queries by which a door tells more."""
    if not door.path.startswith("/api/{kinds}/"):
        return [{}]
    more: list[dict[str, Any]] = [{}, {"diff": "1"}] if door.path.endswith("/discussions/{num}") else [{}]
    if door.path.endswith(("/{name}", "/revision/{rev}")):
        more += [{"expand": ["config", "securityRepoStatus", "gguf", "safetensors"]}]
    if "/tree/" in door.path:
        more += [{"expand": "true"}]
    return more


def test_nothing_of_the_files_of_a_gated_repo_shows(walk: Walk) -> None:
    """Its card, its history and the names of its files are for all, but not what they hold."""
    world, place = walk.world, Place("ada", {})
    services, ada, dora = world.services, world.actor("ada"), world.actor("dora")
    for kind in RepoKind:
        name = make_repo(world, kind, place, name="Gated-Vault", former="Gated-Cells", visibility="public").full_name
        with services.database.write() as write:
            hub.update_repo(write, ada, kind, name, gated="manual")
            hub.grant_access(write, ada, kind, name, "carol")
        hub.request_access(services, dora, kind, name, {})
        with services.database.write() as write:
            hub.decide_access(write, ada, kind, name, "rejected", user="dora")
    while hub.catch_up(services.database, services.blobs):
        pass
    let_in = world.asker("carol")
    # Of carol's, who is let in; but the token is for other repos, and here nobody's.
    world.tokens["elsewhere"] = limited(services, world.actor("carol"), "carol/elsewhere:read")
    doors_of_content = set()
    for door in doors(walk.app):
        if not {"namespace", "name"} <= door.fields or not (door.reads or door.path.endswith("/paths-info/{rev}")):
            continue
        for path in ("secret.txt", "model.safetensors") if door.fields & {"rest", "path"} else ("",):
            names = {"namespace": "ada", "name": "Gated-Vault"}
            address = filled(door, names, kinds="models", rest=path, path=path, sha256=CONTENT_SHA256)
            for query in looks_at(door):
                rest = sent(door)
                if door.reads:
                    rest["params"] = {**rest.get("params", {}), **query}
                for who in ("dora", "elsewhere"):
                    answer = world.asker(who).request(door.method, address, **rest)
                    assert WORD not in answer.text + str(answer.headers), (who, door, path, query)
                    assert answer.status_code != 500, (door, answer.text)
                if WORD in let_in.request(door.method, address, **rest).text:
                    doors_of_content.add(door.path)
    assert len(doors_of_content) >= 12, sorted(doors_of_content)  # whoever is let in does see it

"""Webhooks: who is told what, what leaves the server, and where it never goes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import huggingface_hub as hf
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from tholos.accounts.authorization import Actor
from tholos.community import service as community
from tholos.community import watching
from tholos.community.models import WebhookDelivery
from tholos.community.sending import WebhookSender
from tholos.hub import service as hub
from tholos.hub.models import Repo
from tholos.hub.names import RepoKind
from tholos.kit.addresses import is_public
from tholos.kit.clock import utcnow
from tholos.kit.outbox import dispatch
from tholos.kit.services import Services

HOOKS = "/api/v1/webhooks"
BASE = "https://hub.example"


@dataclass
class Receiver:
    """Somebody's program that takes webhooks, on this machine."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.bodies.append(body)
            found.got.append(({key.lower(): value for key, value in self.headers.items()}, json.loads(body)))
            time.sleep(found.wait_s)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"secret of the inner network")

        do_GET = do_POST  # noqa: N815 - the base's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook?x=1"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deliver(services: Services) -> Callable[..., int]:
    """What the agent does: tells the webhooks of all that happened, and sends what is due."""

    def run(**changes: Any) -> int:
        options = {"webhook_allow_private_addresses": True, "webhook_retry_delay_s": 0.0} | changes
        dispatch(services.database, watching.handlers(BASE))
        settings = services.settings.model_copy(update=options)
        return asyncio.run(WebhookSender(settings, services.database).send_due())

    return run


@pytest.fixture(autouse=True)
def _quiet(services: Services, repo: Repo) -> None:
    """What happened while the repo was made is nobody's."""
    dispatch(services.database, watching.handlers(BASE))


def hook(client: TestClient, url: str, *watched: str, **more: Any) -> str:
    items = [dict(zip(("type", "name"), text.split(":", 1), strict=True)) for text in watched]
    made = client.post(HOOKS, json={"url": url, "watched": items, **more})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def log(client: TestClient, webhook: str) -> list[dict[str, Any]]:
    return list(client.get(f"{HOOKS}/{webhook}/deliveries").json()["items"])


def commit(services: Services, actor: Actor, repo: Repo, path: str = "c.txt") -> hub.Revision:
    return hub.commit(services.database, services.blobs, actor, repo, [hub.AddBytes(path, b"c")], "Change")


def test_a_commit_is_told_as_hugging_face_tells_it(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    webhook = hook(as_ada, receiver.url, "model:Ada/Penguins", secret="s3cret")
    with services.database.read() as read:
        before = hub.branch_head(read, repo, "main")
    made = commit(services, ada, repo)
    assert deliver() == 1
    headers, payload = receiver.got[0]
    assert headers["x-webhook-secret"] == "s3cret"
    signature = hmac.new(b"s3cret", receiver.bodies[0], hashlib.sha256).hexdigest()
    assert headers["x-tholos-signature"] == f"sha256={signature}"
    parsed = hf.WebhookPayload(**payload)
    assert (parsed.event.action, parsed.event.scope) == ("update", "repo.content")
    assert parsed.updatedRefs is not None
    assert (parsed.updatedRefs[0].ref, parsed.updatedRefs[0].oldSha) == ("refs/heads/main", before)
    assert parsed.updatedRefs[0].newSha == made.commit_id == payload["repo"]["headSha"]
    assert parsed.repo.url.web == f"{BASE}/ada/penguins"
    assert parsed.webhook.id == webhook
    told = log(as_ada, webhook)[0]
    assert (told["state"], told["attempts"], told["status_code"], told["id"]) == (
        "delivered", 1, 200, headers["x-tholos-delivery"]
    )  # fmt: skip
    assert deliver() == 0


def test_what_is_said_and_merged_is_told(
    services: Services,
    ada: Actor,
    bob: Actor,
    as_ada: TestClient,
    repo: Repo,
    receiver: Receiver,
    deliver: Callable[..., int],
) -> None:
    webhook = hook(as_ada, receiver.url, "user:ada", domains=["discussion"])
    opened = community.propose(services, bob, RepoKind.MODEL, "ada/penguins", [hub.AddBytes("x", b"x")], "Add x")
    at = community.At(RepoKind.MODEL, "ada/penguins", opened.view.discussion.number)
    community.comment(services.database, bob, at, "Please.")
    community.merge(services, ada, at)
    while deliver():
        pass
    told = sorted(log(as_ada, webhook), key=lambda one: one["id"])
    events = [one["event"] for one in told]
    assert sorted(events) == [
        "create discussion", "create discussion.comment", "update discussion", "update discussion"
    ]  # fmt: skip
    payloads = [hf.WebhookPayload(**payload) for _, payload in receiver.got]
    comment = next(one for one in payloads if one.comment)
    assert comment.comment is not None
    assert comment.comment.content == "Please."
    discussion = payloads[0].discussion
    assert discussion is not None
    assert discussion.isPullRequest
    assert discussion.changes is not None
    assert discussion.changes.base == "refs/heads/main"


def test_a_repo_is_moved_changed_and_deleted(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    hook(as_ada, receiver.url, "user:ada", domains=["repo"])
    with services.database.write() as write:
        hub.update_repo(write, ada, RepoKind.MODEL, "ada/penguins", description="Birds")
    deliver()
    with services.database.write() as write:
        hub.move_repo(write, ada, RepoKind.MODEL, "ada/penguins", "ada/birds")
    deliver()
    with services.database.write() as write:
        hub.delete_repo(write, ada, RepoKind.MODEL, "ada/birds")
    deliver()
    told = [(payload["event"]["action"], payload["event"]["scope"]) for _, payload in receiver.got]
    assert told == [("update", "repo.config"), ("move", "repo"), ("delete", "repo")]
    assert receiver.got[1][1]["movedTo"]["name"] == "ada/birds"


def test_a_stranger_is_told_nothing_of_what_is_private(
    services: Services,
    ada: Actor,
    as_ada: TestClient,
    as_bob: TestClient,
    repo: Repo,
    receiver: Receiver,
    deliver: Callable[..., int],
) -> None:
    webhook = hook(as_bob, receiver.url, "model:ada/penguins", "user:ada")
    commit(services, ada, repo, "one")
    assert deliver() == 1
    commit(services, ada, repo, "two")
    dispatch(services.database, watching.handlers(BASE))
    with services.database.write() as write:
        hub.update_repo(write, ada, RepoKind.MODEL, "ada/penguins", visibility="private")
    assert deliver() == 0, "it was told between the event and its delivery"
    last = log(as_bob, webhook)[0]
    assert (last["state"], "may not read" in last["error"]) == ("failed", True)
    commit(services, ada, repo, "three")
    as_ada.post("/api/v1/models/ada/penguins/discussions", json={"title": "ours"})
    as_ada.delete("/api/v1/models/ada/penguins")
    assert deliver() == 0
    assert len(receiver.got) == 1


def test_what_is_not_taken_is_sent_again_and_then_given_up(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    webhook = hook(as_ada, receiver.url, "model:ada/penguins")
    receiver.status = 500
    commit(services, ada, repo)
    assert [deliver(webhook_attempts=3) for _ in range(5)] == [1, 1, 1, 0, 0]
    told = log(as_ada, webhook)[0]
    assert (told["state"], told["attempts"], told["status_code"]) == ("failed", 3, 500)
    receiver.status = 204
    again = as_ada.post(f"{HOOKS}/{webhook}/deliveries/{told['id']}/replay")
    assert (again.status_code, again.json()["state"]) == (201, "pending")
    assert deliver() == 1
    assert [one["state"] for one in log(as_ada, webhook)] == ["delivered", "failed"]
    assert receiver.got[-1][1] == receiver.got[0][1]


def test_a_delay_lies_between_two_attempts(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    hook(as_ada, receiver.url, "model:ada/penguins")
    receiver.status = 503
    commit(services, ada, repo)
    assert deliver(webhook_retry_delay_s=100.0) == 1
    assert deliver() == 0
    with services.database.write() as write:
        write.execute(update(WebhookDelivery).values(next_at=utcnow() - timedelta(seconds=1)))
    assert deliver() == 1


def test_a_redirect_leads_nowhere(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    webhook = hook(as_ada, receiver.url, "model:ada/penguins")
    receiver.status, receiver.headers = 302, {"location": receiver.url}
    commit(services, ada, repo)
    deliver()
    assert len(receiver.got) == 1
    assert "redirects are not followed" in log(as_ada, webhook)[0]["error"]


def test_a_receiver_that_hangs_is_left(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    webhook = hook(as_ada, receiver.url, "model:ada/penguins")
    receiver.wait_s = 1.0
    commit(services, ada, repo)
    deliver(webhook_timeout_s=0.2)
    assert "no answer within 0.2 seconds" in log(as_ada, webhook)[0]["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"])
def test_the_inner_network_is_out_of_reach(
    services: Services,
    ada: Actor,
    as_ada: TestClient,
    repo: Repo,
    receiver: Receiver,
    deliver: Callable[..., int],
    host: str,
) -> None:
    webhook = hook(as_ada, receiver.url.replace("127.0.0.1", host), "model:ada/penguins")
    commit(services, ada, repo)
    assert deliver(webhook_allow_private_addresses=False) == 1
    assert receiver.got == []
    told = log(as_ada, webhook)[0]
    assert "not an address of the public internet" in told["error"]
    assert "secret of the inner network" not in json.dumps(told)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("ff02::1", False),
        ("nonsense", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "body",
    [
        {"url": "ftp://example.org/x"},
        {"url": "https://"},
        {"url": "https://user:pw@example.org/"},
        {"url": "https://example.org/\r\nx: y"},
        {"url": "https://example.org:99999/"},
        {"url": "https://[::1/"},
        {"url": "https://exämple.org/"},
        {"url": "https://example.org/" + "x" * 3000},
        {"watched": []},
        {"watched": [{"type": "model", "name": "ada"}]},
        {"watched": [{"type": "user", "name": "ada/x"}]},
        {"watched": [{"type": "planet", "name": "ada"}]},
        {"watched": [{"type": "user", "name": "a\0"}]},
        {"domains": []},
        {"domains": ["x"]},
        {"secret": "a\nb"},
        {"secret": "é"},
        {"secret": "x" * 300},
    ],
)
def test_webhooks_that_cannot_be(as_ada: TestClient, body: dict[str, Any]) -> None:
    good = {"url": "https://example.org/x", "watched": [{"type": "user", "name": "ada"}]}
    assert as_ada.post(HOOKS, json=good | body).status_code == 400
    wire = as_ada.post("/api/settings/webhooks", json=good | body)
    assert wire.status_code == 400 or "domains" in body
    made = as_ada.post(HOOKS, json=good).json()["id"]
    assert as_ada.patch(f"{HOOKS}/{made}", json=body).status_code == 400


def test_anothers_webhook_is_out_of_sight(as_ada: TestClient, as_bob: TestClient, anyone: TestClient) -> None:
    webhook = hook(as_ada, "https://example.org/x", "user:ada")
    missing = as_bob.get(f"{HOOKS}/hook_none").json()["error"]
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/deliveries/dlv_x/replay")
    ):  # fmt: skip
        answer = as_bob.request(method, f"{HOOKS}/{webhook}{path}", json={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["error"]) == (404, missing)
        assert anyone.request(method, f"{HOOKS}/{webhook}{path}").status_code == 401
    assert as_bob.get(HOOKS).json()["items"] == []
    assert as_bob.get(f"/api/settings/webhooks/{webhook}").status_code == 404
    assert as_ada.get(f"{HOOKS}/a%00b").status_code in (400, 404)


def test_twenty_are_enough(as_ada: TestClient) -> None:
    for _ in range(20):
        hook(as_ada, "https://example.org/x", "user:ada")
    body = {"url": "https://example.org/x", "watched": [{"type": "user", "name": "ada"}]}
    assert as_ada.post(HOOKS, json=body).json()["error"]["code"] == "too_many_webhooks"


def test_disabled_it_is_told_nothing(
    services: Services, ada: Actor, as_ada: TestClient, repo: Repo, receiver: Receiver, deliver: Callable[..., int]
) -> None:
    webhook = hook(as_ada, receiver.url, "model:ada/penguins")
    assert as_ada.patch(f"{HOOKS}/{webhook}", json={"disabled": True}).json()["disabled"]
    commit(services, ada, repo)
    assert deliver() == 0
    as_ada.patch(f"{HOOKS}/{webhook}", json={"disabled": False})
    commit(services, ada, repo, "again")
    assert deliver() == 1
    assert as_ada.delete(f"{HOOKS}/{webhook}").status_code == 204
    commit(services, ada, repo, "and again")
    assert deliver() == 0


def test_the_stock_client_keeps_webhooks(endpoint: str, ada_token: str) -> None:
    api = hf.HfApi(endpoint=endpoint, token=ada_token)
    made = api.create_webhook(
        url="https://example.org/x", watched=[{"type": "user", "name": "ada"}], domains=["repo"], secret="abc"
    )
    assert (made.url, made.domains, made.secret, made.disabled) == ("https://example.org/x", ["repo"], "abc", False)
    assert made.watched == [hf.WebhookWatchedItem(type="user", name="ada")]
    assert api.get_webhook(made.id) == made
    assert api.list_webhooks() == [made]
    changed = api.update_webhook(made.id, url="https://example.org/y", domains=["discussion"])
    assert (changed.url, changed.domains, changed.secret) == ("https://example.org/y", ["discussion"], "abc")
    assert changed.watched == made.watched
    assert api.disable_webhook(made.id).disabled
    assert not api.enable_webhook(made.id).disabled
    api.delete_webhook(made.id)
    assert api.list_webhooks() == []
    hf.close_session()

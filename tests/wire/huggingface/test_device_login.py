"""Device login, by the book (RFC 8628) and by the real client."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from tholos.accounts.models import DeviceLogin
from tholos.kit.clock import utcnow
from tholos.kit.services import Services

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def ask(client: TestClient, code: str, grant: str = GRANT) -> dict[str, object]:
    answer = client.post("/oauth/token", data={"grant_type": grant, "device_code": code, "client_id": "x"})
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, object] = answer.json()
    assert answer.status_code == (200 if "access_token" in told else 400)
    return told


def patience(services: Services) -> None:
    """As if enough time had passed since the last question."""
    with services.database.write() as write:
        write.execute(update(DeviceLogin).values(asked_at=None))


def decide(client: TestClient, code: str, decision: str) -> int:
    answer = client.post("/login/device", data={"code": code, "decision": decision}, headers={"accept": "text/html"})
    return answer.status_code


@pytest.fixture
def browser(anyone: TestClient, ada_token: str) -> TestClient:
    """Ada's browser, signed in."""
    client = TestClient(anyone.app, raise_server_exceptions=False, follow_redirects=False)
    assert client.post("/login", data={"token": ada_token}).status_code == 303
    return client


def test_a_program_waits_until_it_is_let_in(services: Services, anyone: TestClient, browser: TestClient) -> None:
    begun = anyone.post("/oauth/device", data={"client_id": "x"}).json()
    assert begun["verification_uri_complete"] == f"{begun['verification_uri']}?code={begun['user_code']}"
    code = begun["device_code"]
    assert ask(anyone, code)["error"] == "authorization_pending"
    assert ask(anyone, code)["error"] == "slow_down"
    page = browser.get("/login/device", params={"code": begun["user_code"]})
    assert begun["user_code"] in page.text
    assert decide(browser, begun["user_code"].lower().replace("-", " "), "approve") == 200
    patience(services)
    told = ask(anyone, code)
    assert told["token_type"] == "bearer"
    assert int(str(told["expires_in"])) > 86_000
    assert "admin" not in str(told["scope"])
    key = TestClient(anyone.app, headers={"authorization": f"Bearer {told['access_token']}"})
    assert key.get("/api/whoami-v2").json()["name"] == "ada"
    assert ask(anyone, code)["error"] == "expired_token"  # once, and no more


def test_a_program_that_is_refused_or_late_or_unknown(
    services: Services, anyone: TestClient, browser: TestClient
) -> None:
    refused = anyone.post("/oauth/device", data={}).json()
    assert decide(browser, refused["user_code"], "deny") == 200
    assert ask(anyone, refused["device_code"])["error"] == "access_denied"
    late = anyone.post("/oauth/device", data={}).json()
    with services.database.write() as write:
        write.execute(update(DeviceLogin).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert decide(browser, late["user_code"], "approve") == 404
    assert ask(anyone, late["device_code"])["error"] == "expired_token"
    assert ask(anyone, "device_unknown")["error"] == "expired_token"
    assert ask(anyone, "", GRANT)["error"] == "invalid_request"
    assert ask(anyone, "x", "refresh_token")["error"] == "unsupported_grant_type"
    assert ask(anyone, "x", "")["error"] == "invalid_request"
    assert browser.get("/login/device", params={"code": "<script>"}).status_code == 404
    assert "<script>" not in browser.get("/login/device", params={"code": "<script>"}).text


def test_who_lets_a_program_in_is_signed_in_and_whole(anyone: TestClient, as_ada: TestClient) -> None:
    begun = anyone.post("/oauth/device", data={}).json()
    assert anyone.get("/login/device", headers={"accept": "text/html"}).status_code == 303
    assert decide(anyone, begun["user_code"], "approve") == 401
    made = as_ada.post("/api/v1/keys", json={"name": "x", "limits": ["ada/x:write"]}).json()["secret"]
    limited = TestClient(anyone.app, headers={"authorization": f"Bearer {made}"}, raise_server_exceptions=False)
    assert decide(limited, begun["user_code"], "approve") == 403
    reader = as_ada.post("/api/v1/keys", json={"name": "x", "scopes": ["read"]}).json()["secret"]
    weak = TestClient(anyone.app, headers={"authorization": f"Bearer {reader}"}, raise_server_exceptions=False)
    assert decide(weak, begun["user_code"], "approve") == 403
    elsewhere = {"sec-fetch-site": "cross-site", "cookie": "tholos_session=x"}
    assert anyone.post("/login/device", data={"code": "x", "decision": "approve"}, headers=elsewhere).status_code >= 400
    assert ask(anyone, begun["device_code"])["error"] == "authorization_pending"


def test_an_account_that_was_disabled_meanwhile_gets_nothing(
    services: Services, anyone: TestClient, browser: TestClient, admin_token: str
) -> None:
    begun = anyone.post("/oauth/device", data={}).json()
    decide(browser, begun["user_code"], "approve")
    admin = {"authorization": f"Bearer {admin_token}"}
    assert anyone.patch("/api/v1/users/ada", json={"disabled": True}, headers=admin).status_code == 200
    assert ask(anyone, begun["device_code"])["error"] == "access_denied"


def test_no_more_programs_wait_than_may(app: FastAPI, services: Services) -> None:
    app.state.services = replace(services, settings=services.settings.model_copy(update={"max_device_logins": 2}))
    client = TestClient(app)
    statuses = [client.post("/oauth/device", data={}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    with services.database.write() as write:
        write.execute(update(DeviceLogin).values(expires_at=utcnow() - timedelta(hours=1)))
    assert client.post("/oauth/device", data={}).status_code == 200


@pytest.fixture
def port(app: FastAPI) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def test_the_real_client_logs_in_without_a_token(port: int, browser: TestClient, tmp_path: Path) -> None:
    own = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own
    script = (
        "from huggingface_hub import whoami\n"
        "from huggingface_hub._login import _device_code_login\n"
        "_device_code_login()\nprint('SIGNED IN AS', whoami()['name'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        assert program.stdout is not None
        said: list[str] = []
        for line in program.stdout:
            said.append(line)
            if "enter the code:" in line:
                assert decide(browser, line.split(":")[1].strip(), "approve") == 200
        assert program.wait(timeout=60) == 0, "".join(said)
    assert "SIGNED IN AS ada" in said[-1]

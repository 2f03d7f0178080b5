from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from model_samples import ROW, image_files, onnx_files, png, publish
from sqlalchemy import update

from tholos.accounts import service as accounts
from tholos.accounts.authorization import Scope
from tholos.accounts.models import ApiKey
from tholos.kit.clock import utcnow

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

URL = "/predict/ada/penguins"
LARGE = 1e39


@pytest.fixture
async def served(front):
    await front.deploy(onnx_files())
    return front


# -- answers


async def test_a_row_gets_one_output_with_probabilities_revision_and_request_id(served):
    answer = await served.predict(ROW)
    body = answer.json()
    assert answer.status_code == 200
    assert body["output"] in ("Adelie", "Gentoo")
    assert body["probabilities"].keys() == {"Adelie", "Gentoo"}
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["probabilities"][body["output"]] == max(body["probabilities"].values())
    assert (body["model"], body["deployment"]) == ("ada/penguins", "ada/penguins")
    assert body["revision"] == served.look().current.revision
    assert body["request_id"].startswith("req_")
    assert answer.headers["x-request-id"] == body["request_id"]


async def test_lists_get_lists_and_rows_mean_the_same_in_every_form(served):
    one = (await served.predict(ROW)).json()
    objects = (await served.predict([ROW, {**ROW, "length": None}])).json()
    nested = (await served.predict([[40.5, 3750, "Dream"], [None, 3750, "Dream"]])).json()
    assert objects["output"] == nested["output"]
    assert objects["probabilities"] == nested["probabilities"]
    assert len(objects["output"]) == 2
    assert objects["probabilities"][0] == one["probabilities"]


async def test_the_callers_request_id_comes_back(served):
    answer = await served.predict(ROW, headers={"x-request-id": "mine-7"})
    assert answer.headers["x-request-id"] == "mine-7"
    assert answer.json()["request_id"] == "mine-7"


async def test_an_unseen_category_is_answered(served):
    assert (await served.predict({**ROW, "island": "Atlantis"})).status_code == 200


async def test_large_batches_leave_the_loop_and_are_answered_in_order(served):
    rows = [{**ROW, "length": 30 + number / 100} for number in range(3000)]
    body = (await served.predict(rows)).json()
    first, last = (await served.predict(rows[0])).json(), (await served.predict(rows[-1])).json()
    assert len(body["output"]) == 3000
    assert body["probabilities"][0] == pytest.approx(first["probabilities"])
    assert body["probabilities"][-1] == pytest.approx(last["probabilities"])


async def test_images_as_base64_as_a_list_and_as_a_raw_body(front):
    await front.deploy(image_files())
    bright, dark = (base64.b64encode(png(level)).decode() for level in (250, 3))
    assert (await front.predict(bright)).json()["output"] == "bright"
    assert (await front.predict([bright, dark])).json()["output"] == ["bright", "dark"]
    raw = await front.client.post(URL, content=png(3), headers={"content-type": "image/png"})
    assert raw.json()["output"] == "dark"
    broken = await front.client.post(URL, content=png(3)[:40], headers={"content-type": "image/png"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "input_broken_image")


async def test_a_string_label_body_sent_as_curl_does_is_json(served):
    body = json.dumps({"input": ROW})
    answer = await served.client.post(URL, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 200


# -- what bad input gets: status and code of each, and always a sentence and a next step

DEEP = b"[" * 500 + b"]" * 500
BAD = {
    "wrong type": (json.dumps({"input": {**ROW, "length": "long"}}), 400, "input_wrong_type"),
    "fraction for an integer": (json.dumps({"input": {**ROW, "mass": 1.5}}), 400, "input_wrong_type"),
    "number for a string": (json.dumps({"input": {**ROW, "island": 3}}), 400, "input_wrong_type"),
    "a scalar for rows": (json.dumps({"input": 7}), 400, "input_wrong_type"),
    "a string for rows": (json.dumps({"input": "Hello, world!"}), 400, "input_wrong_type"),
    "missing column": (json.dumps({"input": {"length": 1, "mass": 2}}), 400, "input_missing_column"),
    "extra column": (json.dumps({"input": {**ROW, "sex": "f"}}), 400, "input_extra_column"),
    "null where none may be": (json.dumps({"input": {**ROW, "island": None}}), 400, "input_missing_value"),
    "NaN": (b'{"input": {"length": NaN, "mass": 1, "island": "Dream"}}', 400, "input_not_finite"),
    "infinity": (b'{"input": [[1.5, -Infinity, "Dream"]]}', 400, "input_not_finite"),
    "too large for a float": (b'{"input": [[1e999, 1, "Dream"]]}', 400, None),
    "beyond float32": (json.dumps({"input": {**ROW, "length": LARGE}}), 400, "input_not_finite"),
    "an integer of 500 digits": (b'{"input": [[' + b"9" * 500 + b', 1, "Dream"]]}', 400, None),
    "empty batch": (b'{"input": []}', 400, "input_empty"),
    "one row too wide": (b'{"input": [[1, 2, "Dream"], [1, 2, "Dream", 4]]}', 400, "input_wrong_width"),
    "no input": (b'{"inputs": 1}', 400, "input_absent"),
    "not an object": (b"[1, 2]", 400, "input_absent"),
    "nothing": (b"", 400, "broken_json"),
    "half a document": (b'{"input": {"length": 40', 400, "broken_json"),
    "two documents": (b'{"input": 1}{"input": 2}', 400, "broken_json"),
    "broken UTF-8": (b'{"input": {"length": 1, "mass": 1, "island": "Dr\xe9am"}}', 400, "broken_utf8"),
    "a lone surrogate": (b'{"input": {"length": 1, "mass": 1, "island": "\\ud800"}}', 400, "broken_json"),
    "a byte order mark": (b'\xef\xbb\xbf{"input": 1}', 400, "broken_json"),
    "UTF-16": ('{"input": 1}'.encode("utf-16"), 400, "broken_utf8"),
    "deeply nested": (b'{"input": ' + DEEP + b"}", 400, "json_too_deep"),
    "far too deeply nested": (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "json_too_deep"),
    "too many rows": (json.dumps({"input": [[1, 2, "Dream"]] * 10_001}), 400, "input_too_many_rows"),
}


async def test_every_kind_of_bad_input_gets_its_own_clear_refusal(served):
    for name, (content, status, code) in BAD.items():
        answer = await served.client.post(URL, content=content, headers={"content-type": "application/json"})
        error = answer.json()["error"]
        assert (answer.status_code, code or error["code"]) == (status, error["code"]), (name, error)
        assert error["message"].endswith((".", "…")), (name, error)
        assert error["next"], (name, error)
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert (await served.predict(ROW)).status_code == 200  # and the server is none the worse


async def test_refusals_name_row_and_field(served):
    error = (await served.predict([ROW, {**ROW, "length": "long"}])).json()["error"]
    assert (error["details"]["row"], error["details"]["field"]) == (1, "length")
    assert "a number" in error["message"]


async def test_an_unknown_content_type_is_refused(served):
    answer = await served.client.post(URL, content=b"<x/>", headers={"content-type": "text/xml"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_type_wrong")


async def test_a_hundred_megabytes_are_refused_by_their_announcement(served, raw):
    status, body = await raw(
        "POST /predict/ada/penguins HTTP/1.1\nHost: x\nAuthorization: Bearer TOKEN\nContent-Length: 100000000"
    )
    assert (status, body["error"]["code"]) == (413, "body_too_large")
    assert body["error"]["details"] == {"max_bytes": 16 << 20}


async def test_a_hundred_megabytes_sent_anyway_are_refused_and_the_client_reads_the_refusal(served):
    answer = await served.client.post(URL, content=b"[" * 100_000_000, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_an_endless_chunked_body_is_refused_while_it_streams(served, raw):
    chunk = b"100000\r\n" + b"[" * 0x100000 + b"\r\n"
    status, body = await raw(
        "POST /predict/ada/penguins HTTP/1.1\nHost: x\nAuthorization: Bearer TOKEN\nTransfer-Encoding: chunked",
        *[chunk] * 17,
    )
    assert (status, body["error"]["code"]) == (413, "body_too_large")


async def test_get_points_to_the_schema(served):
    answer = await served.client.get(URL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert "/api/v1/deployments/ada/penguins/schema" in answer.json()["error"]["next"]


# -- who may


async def test_without_or_with_a_bad_token_nobody_learns_what_exists(served):
    async with served.client_of(None) as stranger:
        for url in (URL, "/predict/ada/absent"):
            answer = await stranger.post(url, json={"input": ROW})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_authenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
            wrong = await stranger.post(url, json={"input": ROW}, headers={"authorization": "Bearer tholos_no"})
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_token")


async def test_a_private_deployment_looks_like_none_to_others_until_it_is_public(served, bob_token):
    async with served.client_of(bob_token) as bob:
        for url in (URL, "/predict/ada/absent", "/predict/nobody/at-all"):
            answer = await bob.post(url, json={"input": ROW})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "deployment_not_found")
        await served.choose(visibility="public")
        assert (await bob.post(URL, json={"input": ROW})).status_code == 200


async def test_scope_expiry_and_revocation_are_looked_at_on_every_request(served):
    def new_key(*scopes):
        with served.services.database.write() as write:
            return accounts.create_key(write, served.ada, "k", frozenset(scopes), None)

    def change(key, **values):
        with served.services.database.write() as write:
            write.execute(update(ApiKey).where(ApiKey.id == key.key.id).values(**values))

    readers, predictors = new_key(Scope.READ), new_key(Scope.PREDICT)
    async with served.client_of(readers.secret) as reader, served.client_of(predictors.secret) as caller:
        refused = await reader.post(URL, json={"input": ROW})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_scope")
        assert (await caller.post(URL, json={"input": ROW})).status_code == 200
        change(predictors, expires_at=utcnow() - timedelta(seconds=1))
        expired = await caller.post(URL, json={"input": ROW})
        assert (expired.status_code, expired.json()["error"]["code"]) == (401, "token_expired")
        change(predictors, expires_at=None, revoked_at=utcnow())
        revoked = await caller.post(URL, json={"input": ROW})
        assert (revoked.status_code, revoked.json()["error"]["code"]) == (401, "invalid_token")


async def test_a_web_session_predicts_from_our_own_pages_only(served, ada_token):
    with served.services.database.write() as write:
        session = accounts.open_session(write, ada_token, 1)
    async with served.client_of(None) as browser:
        cookie = {"cookie": f"tholos_session={session}"}
        same = await browser.post(URL, json={"input": ROW}, headers={**cookie, "sec-fetch-site": "same-origin"})
        assert same.status_code == 200
        foreign = await browser.post(URL, json={"input": ROW}, headers={**cookie, "sec-fetch-site": "cross-site"})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "cross_origin_refused")


# -- health, schema


async def test_health(front):
    assert (await front.client.get("/health/live")).json() == {"status": "live"}
    async with asyncio.timeout(10):
        while (await front.client.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - a probe is polled
            await asyncio.sleep(0.02)


async def test_the_schema_shows_input_example_and_a_command(served):
    body = (await served.client.get("/api/v1/deployments/ada/penguins/schema")).json()
    assert body["example"] == {"input": ROW}
    assert (await served.client.post(URL, json=body["example"])).status_code == 200
    one, many = body["body_schema"]["properties"]["input"]["anyOf"]
    assert one["properties"]["length"] == {"type": ["number", "null"], "title": "length"}
    assert one["properties"]["mass"]["type"] == ["integer", "null"]
    assert one["properties"]["island"]["examples"] == ["Biscoe", "Dream", "Torgersen"]
    assert (one["required"], one["additionalProperties"]) == (["length", "mass", "island"], False)
    assert many["items"]["anyOf"][1]["minItems"] == 3
    assert body["curl"].startswith(f"curl http://127.0.0.1:{served.port}/predict/ada/penguins -H ")


async def test_the_curl_command_works_as_printed(served, ada_token):
    command = (await served.client.get("/api/v1/deployments/ada/penguins/schema")).json()["curl"]
    shell = await asyncio.create_subprocess_shell(
        f"{command} --silent", stdout=asyncio.subprocess.PIPE, env={"TOKEN": ada_token, "PATH": "/usr/bin:/bin"}
    )
    output, _ = await shell.communicate()
    assert json.loads(output)["output"] in ("Adelie", "Gentoo")


async def test_rest_deploys_shows_and_deletes(front):
    commit = publish(front.services, front.ada, onnx_files())
    made = await front.client.post("/api/v1/deployments", json={"model": "ada/penguins"})
    assert made.status_code == 200
    assert made.json()["revision"] == commit
    view = await front.until(lambda view: view.status.state == "ready")
    shown = (await front.client.get("/api/v1/deployments/ada/penguins")).json()
    assert (shown["state"], shown["serving_revision"], shown["url"]) == ("ready", commit, URL)
    assert shown["version"] == view.deployment.version == 1
    listed = (await front.client.get("/api/v1/deployments")).json()
    assert [item["name"] for item in listed["items"]] == ["ada/penguins"]
    assert (await front.client.post("/api/v1/deployments/ada/penguins/rollback")).status_code == 409
    stopped = (await front.client.post("/api/v1/deployments/ada/penguins/stop")).json()
    assert stopped["state"] == "stopped"
    assert (await front.client.post("/api/v1/deployments/ada/penguins/start")).json()["state"] in ("starting", "ready")
    assert (await front.client.delete("/api/v1/deployments/ada/penguins")).status_code == 204
    assert (await front.client.get("/api/v1/deployments/ada/penguins")).status_code == 404
    assert (await front.predict(ROW)).status_code == 404
    refused = await front.client.post("/api/v1/deployments", json={"model": "ada/penguins", "replicas": 3})
    assert refused.status_code == 400

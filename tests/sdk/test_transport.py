"""Calls over HTTP: what is tried again, and what errors become."""

from __future__ import annotations

import socket

import pytest

import tholos
from tholos.sdk import AsyncClient, RetryPolicy, errors
from tholos.sdk.error_codes import RepoNotFound

ME = {"name": "ada", "is_admin": False, "scopes": ["read"]}
WHOAMI = "/api/v1/whoami"
BUSY = {"error": {"code": "unavailable", "message": "Busy.", "next": "Wait."}}


def test_a_call_sends_the_token_and_reads_the_answer(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(body={**ME, "from_a_newer_server": 1})]
    identity = scripted_client.whoami()
    assert (identity.name, identity.scopes) == ("ada", ("read",))
    assert identity.raw["from_a_newer_server"] == 1
    assert scripted.seen[0].headers["Authorization"] == "Bearer tholos_test"


def test_503_with_retry_after_is_tried_again_even_for_post(scripted, scripted_client, reply):
    key = {"id": "key_1", "name": "k", "secret": "tholos_s"}
    scripted.script["/api/v1/keys"] = [reply(503, BUSY, {"Retry-After": "0"}), reply(201, key)]
    assert scripted_client.keys.create("k").secret == "tholos_s"
    assert [seen.method for seen in scripted.seen] == ["POST", "POST"]


def test_503_without_retry_after_is_not_tried_again(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(503, BUSY)]
    with pytest.raises(errors.Unavailable, match="Busy"):
        scripted_client.whoami()
    assert len(scripted.seen) == 1


def test_a_retry_after_beyond_our_patience_is_an_error_at_once(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(503, BUSY, {"Retry-After": "3600"})]
    with pytest.raises(errors.Unavailable):
        scripted_client.whoami()
    assert len(scripted.seen) == 1


def test_tries_come_to_an_end(scripted, reply):
    scripted.script[WHOAMI] = [reply(503, BUSY, {"Retry-After": "0"})]
    policy = RetryPolicy(retries=2, first_delay_s=0.001)
    with tholos.Client(scripted.url, "t", retry=policy) as client, pytest.raises(errors.Unavailable):
        client.whoami()
    assert len(scripted.seen) == 3


def test_a_get_is_tried_again_after_a_broken_connection(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(drop=True), reply(body=ME)]
    assert scripted_client.whoami().name == "ada"


def test_a_post_that_may_have_arrived_is_not_repeated(scripted, scripted_client, reply):
    scripted.script["/api/v1/keys"] = [reply(drop=True), reply(201, {"id": "key_1", "name": "k"})]
    with pytest.raises(errors.ServerUnreachable, match="broke before the answer"):
        scripted_client.keys.create("k")
    assert len(scripted.seen) == 1


def test_502_is_tried_again_for_get_only(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(502, b"proxy"), reply(body=ME)]
    assert scripted_client.whoami().name == "ada"
    scripted.script["/api/v1/keys"] = [reply(502, b"proxy")]
    with pytest.raises(errors.UnexpectedAnswer):
        scripted_client.keys.create("k")
    assert [seen.method for seen in scripted.seen] == ["GET", "GET", "POST"]


def test_no_server_is_told_with_what_to_do():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    policy = RetryPolicy(retries=1, first_delay_s=0.001)
    with tholos.Client(url, retry=policy) as client, pytest.raises(errors.ServerUnreachable) as caught:
        client.whoami()
    assert url in caught.value.message
    assert "tholos up" in caught.value.next


async def test_no_server_is_told_to_asynchronous_callers_too():
    async with AsyncClient("http://127.0.0.1:9", retry=RetryPolicy(retries=0)) as client:
        with pytest.raises(errors.ServerUnreachable, match="No server answers"):
            await client.whoami()


def test_an_error_has_the_class_of_its_code_and_all_its_words(scripted, scripted_client, reply):
    body = {
        "error": {"code": "repo_not_found", "message": "No such repo.", "next": "Look.", "details": {"name": "a/b"}},
        "request_id": "req_1",
    }
    scripted.script["/api/v1/models/a/b"] = [reply(404, body)]
    with pytest.raises(RepoNotFound) as caught:
        scripted_client.model("a/b").info()
    error = caught.value
    assert isinstance(error, errors.NotFound)
    assert (error.code, error.message, error.next) == ("repo_not_found", "No such repo.", "Look.")
    assert (error.status, error.request_id, error.details) == (404, "req_1", {"name": "a/b"})


def test_a_code_of_a_newer_server_becomes_its_family(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(409, {"error": {"code": "brand_new", "message": "New."}})]
    with pytest.raises(errors.Conflict) as caught:
        scripted_client.whoami()
    assert caught.value.code == "brand_new"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "text"}', b""])
def test_an_error_without_our_shape_is_still_an_error(scripted, scripted_client, reply, body):
    scripted.script[WHOAMI] = [reply(403, body)]
    with pytest.raises(errors.Forbidden, match="status 403"):
        scripted_client.whoami()


def test_an_answer_that_is_not_ours_is_told(scripted, scripted_client, reply):
    scripted.script[WHOAMI] = [reply(200, b"<html>hello</html>")]
    with pytest.raises(errors.UnexpectedAnswer, match="something other than JSON"):
        scripted_client.whoami()
    scripted.script[WHOAMI] = [reply(200, {"is_admin": True})]
    with pytest.raises(errors.UnexpectedAnswer, match="lacks 'name'"):
        scripted_client.whoami()


def test_lists_follow_their_cursors_up_to_the_limit(scripted, scripted_client, reply):
    def page(seen):
        start = int(seen.path.partition("cursor=")[2].partition("&")[0] or 0)
        size = int(seen.path.partition("limit=")[2].partition("&")[0])
        items = [{"name": f"user{number}"} for number in range(start, min(start + size, 450))]
        following = start + size if start + size < 450 else None
        return reply(body={"items": items, "next_cursor": None if following is None else str(following)})

    scripted.script["/api/v1/users"] = page
    assert len(scripted_client.users.list()) == 450
    assert len(scripted.seen) == 3
    assert [user.name for user in scripted_client.users.list(limit=2)] == ["user0", "user1"]


def test_what_has_no_json_form_is_refused_before_it_is_sent(scripted, scripted_client):
    with pytest.raises(errors.InvalidInput, match="no JSON form"):
        scripted_client.train("a/b", "a/c", params={"depth": float("nan")})
    assert not scripted.seen

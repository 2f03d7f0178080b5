"""Organizations, collaborators and limited keys from the command line and the SDK, against a whole platform."""

from __future__ import annotations

import time

import pytest

import tholos as sdk

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(scope="module")
def grace(platform, client):
    """Another user's client."""
    with sdk.Client(platform.url, client.users.create("cli-grace").secret) as made:
        yield made


def test_an_organization_from_its_making_to_its_end(tholos, grace):
    assert tholos("orgs", "create", "acme", "--full-name", "Acme Research").out == "acme\n"
    assert tholos("orgs", "add", "acme", "cli-grace", "--role", "contributor").code == 0
    assert grace.whoami().organizations[0].role == "contributor"
    shown = tholos("orgs", "show", "acme", "--json").json
    assert [(each["name"], each["role"]) for each in shown["members"]] == [
        ("admin", "admin"),
        ("cli-grace", "contributor"),
    ]
    grace.model("acme/hers").create()
    assert tholos("repos", "list", "--owner", "acme", "--json").json[0]["name"] == "acme/hers"
    assert tholos("orgs", "delete", "acme", "--yes").code == 1
    refused = tholos("orgs", "leave", "acme")
    assert refused.code == 1
    assert "without an admin" in refused.err
    assert tholos("orgs", "remove", "acme", "cli-grace").code == 0
    with pytest.raises(sdk.NotFound):
        grace.model("acme/hers").info()
    assert tholos("orgs", "update", "acme", "--full-name", "Acme").code == 0
    assert tholos("orgs", "list", "--json").json[0]["full_name"] == "Acme"
    assert tholos("repos", "delete", "acme/hers", "--yes").code == 0
    until = time.monotonic() + 60  # the jobs that looked at its repo may still be at work
    while (gone := tholos("orgs", "delete", "acme", "--yes")).code and time.monotonic() < until:
        time.sleep(0.5)
    assert gone.code == 0, gone.err


def test_collaborators_come_and_go(tholos, client, grace):
    client.model("admin/shared").create()
    assert tholos("repos", "collaborators", "add", "shared", "cli-grace", "--role", "writer").code == 0
    assert grace.model("admin/shared").update(description="Hers, too").description == "Hers, too"
    listed = tholos("repos", "collaborators", "list", "admin/shared", "--json").json
    assert [(each["name"], each["role"]) for each in listed] == [("cli-grace", "writer")]
    with pytest.raises(sdk.Forbidden):
        grace.model("admin/shared").collaborators.list()
    assert tholos("repos", "collaborators", "remove", "admin/shared", "cli-grace").code == 0
    assert client.model("admin/shared").collaborators.list() == []


def test_a_key_reaches_what_it_was_made_for(tholos, client, platform):
    client.model("admin/reached").create()
    client.model("admin/beyond").create()
    made = tholos("keys", "create", "nightly", "--repo", "admin/reached:read", "--json").json
    assert made["limits"] == ["admin/reached:read"]
    with sdk.Client(platform.url, made["secret"]) as limited:
        assert limited.whoami().limits == ("admin/reached:read",)
        assert limited.model("admin/reached").info().name == "admin/reached"
        with pytest.raises(sdk.NotFound):
            limited.model("admin/beyond").info()
    assert "admin/reached:read" in tholos("keys", "list").out
    assert tholos("keys", "create", "--repo", "nonsense").code == 1

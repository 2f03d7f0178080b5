"""What is sent to every address, and why some are asked nothing."""

from __future__ import annotations

import json
from typing import Any, Final

from addresses import Door
from hidden_world import NAME, SHA256, WORD

KINDS: Final = {"models": "model", "datasets": "dataset", "algorithms": "algorithm"}

# What is sent to an address below a repo, by the address's end. Others are sent an empty object.
BODIES: Final[dict[str, Any]] = {
    "/collaborators/{user}": {"role": "reader"},
    "/access/requests/{user}": {"state": "accepted"},
    "/access": {"fields": {}},
    "/discussions": {"title": "x"},
    "/discussions/{number}": {"title": "x"},
    "/comments": {"text": "x"},
    "/comments/{comment}": {"text": "x"},
    "/discussions/{number}/commits": {"message": "x", "operations": []},
    "/commits": {"message": "x", "operations": [{"op": "add", "path": "x.bin", "sha256": SHA256, "size": 18}]},
    "/branches/{ref}": {"revision": "main"},
    "/tags/{ref}": {"revision": "main"},
    "/lfs-files/copy": {"kind": "model", "name": "bob/own", "sha256": [SHA256]},
    "/lfs-files/delete": {"sha256": [SHA256]},
    "/move": {"to": "bob/mine"},
    "/tag/{ref}": {"tag": "x"},
    "/preupload/{rev}": {"files": [{"path": "secret.txt", "size": 3, "sample": "eHh4"}]},
    "/lfs-files/batch": {"deletions": {"sha": [SHA256], "rewriteHistory": True}},
    "/lfs-files/duplicate": {"target": {"type": "model", "name": "bob/own"}, "files": []},
    "/settings": {"visibility": "public"},
    "/user-access-request/handle": {"user": "bob", "status": "accepted"},
    "/user-access-request/grant": {"user": "bob"},
    "/objects/batch": {"operation": "download", "objects": [{"oid": SHA256, "size": 3}]},
    "/discussions/{num}/comment": {"comment": "x"},
    "/edit": {"content": "x"},
    "/title": {"title": "x"},
    "/status": {"status": "closed"},
}
COMMIT: Final = (
    b'{"key": "header", "value": {"summary": "x"}}\n'
    b'{"key": "lfsFile", "value": {"path": "x.bin", "algo": "sha256", "size": 18, "oid": "%s"}}\n' % SHA256.encode()
)
# What the forms of pages below a repo send, all of them in one.
FORM: Final = {
    "title": "x", "text": "x", "status": "open", "user": "bob", "role": "reader", "decision": "accepted",
    "gated": "no", "to": "bob/mine", "what": "stop", "change": "stop", "action": "cancel",
    "url": "https://example.org/", "revision": "main", "input": "1",
}  # fmt: skip

# Addresses that name a repo elsewhere than in their path: in the query, or in the body (JSON, or a form).
QUERIES: Final = (
    ("/api/v1/lineage", {"of": "{kind}:{name}"}),
    ("/api/v1/lineage", {"of": "{kind}:{name}", "depth": "1"}),
    ("/api/v1/lineage", {"of": "deployment:{name}"}),
    ("/api/v1/compare", {"a": "{name}", "b": "{name}"}),
    ("/api/v1/evaluations", {"model": "{name}"}),
)
NAMED: Final = (
    ("POST", "/api/v1/train", {"dataset": "{name}", "algorithm": "linear"}),
    ("POST", "/api/v1/train", {"dataset": "bob/own", "algorithm": "{name}"}),
    ("POST", "/api/v1/train", {"dataset": "bob/own", "algorithm": "linear", "name": "{name}"}),
    ("POST", "/api/v1/evaluate", {"model": "{name}", "dataset": "{name}"}),
    ("POST", "/api/v1/compile", {"model": "{name}"}),
    ("POST", "/api/v1/deployments", {"model": "{name}"}),
    ("POST", "/api/v1/deployments", {"model": "bob/own", "name": "{name}"}),
    ("POST", "/api/v1/data/import", {"source": "penguins", "name": "{name}"}),
    ("POST", "/api/v1/mirrors", {"kind": "{kind}", "source": "x/y", "url": "http://127.0.0.1:9", "target": "{name}"}),
    ("POST", "/api/v1/repos", {"kind": "{kind}", "name": "{name}"}),
    ("POST", "/api/repos/create", {"type": "{kind}", "name": "{name}"}),
    ("DELETE", "/api/repos/delete", {"type": "{kind}", "name": "{name}"}),
    ("POST", "/api/repos/move", {"type": "{kind}", "fromRepo": "{name}", "toRepo": "bob/mine"}),
    ("POST", "/api/repos/move", {"type": "{kind}", "fromRepo": "bob/own", "toRepo": "{name}"}),
    ("POST", "/api/validate-yaml", {"repoType": "{kind}", "content": "---\nbase_model: {name}\n---\n"}),
)
# Not asked about a repo, each for its reason.
PASSED_OVER: Final[dict[str, str]] = {
    "/static": "files of the pages",
    "/login": "no repo is named",
    "/login/device": "no repo is named",
    "/logout": "no repo is named",
    "/oauth/device": "no repo is named",
    "/oauth/token": "no repo is named",
    "/api/v1/keys": "the account's own keys; it would make one",
    "/api/v1/keys/{key_id}": "the account's own keys",
    "/api/v1/users": "administrators only: tests/accounts",
    "/api/v1/users/{name}": "administrators only: tests/accounts",
    "/api/v1/users/{name}/quota": "administrators only: tests/hub/test_quotas.py",
    "/api/v1/scans": "administrators only: tests/scanning",
    "/api/v1/search/rebuild": "administrators only: tests/hub/test_search.py",
    "/api/v1/hub/collect": "administrators only: tests/hub/test_collection.py",
    "/api/v1/hub/fsck": "administrators only: tests/hub/test_fsck.py",
    "/api/v1/hub/pack": "administrators only: tests/hub/test_packing.py",
    "/organizations": "organizations are known to all; it would make one",
    "/organizations/{organization}/delete": "about an organization: tests/accounts/test_organizations.py",
    "/organizations/{organization}/members": "about an organization: tests/accounts/test_organizations.py",
    "/organizations/{organization}/members/remove": "about an organization: tests/accounts/test_organizations.py",
    "/api/v1/organizations": "organizations are known to all; it would make one",
    "/api/v1/organizations/{organization}": "about an organization: tests/accounts/test_organizations.py",
    "/api/v1/organizations/{organization}/members/{user}": "about an organization: tests/accounts",
    "/settings/tokens": "the account's own keys",
    "/settings/tokens/revoke": "the account's own keys",
    "/settings/webhooks": "the account's own; what they tell is in tests/community/test_webhooks.py",
    "/api/v1/webhooks": "the account's own; what they tell is in tests/community/test_webhooks.py",
    "/api/settings/webhooks": "the account's own; what they tell is in tests/community/test_webhooks.py",
    "/xet/{generation}/v1/xorbs/default/{xorb}": "a token names the repo, and none is given out: tests/hub/xet",
    "/xet/{generation}/v1/shards": "a token names the repo, and none is given out: tests/hub/xet",
    "/xet/{generation}/shards": "a token names the repo, and none is given out: tests/hub/xet",
    "/xet/{generation}/v1/reconstructions/{file}": "a token names the repo, and none is given out: tests/hub/xet",
    "/xet/{generation}/data/{signature}": "a signature names the repo, and none is given out: tests/hub/xet",
    "/xet/{generation}/{path}": "it looks at nothing",
}


# Queries by which lists are narrowed and ordered: with what is hidden, cut short, mistyped, as a facet.
LOOKS: Final[tuple[dict[str, str], ...]] = ({}, {"search": WORD, "q": WORD})
SEARCHES: Final[tuple[dict[str, str], ...]] = (
    {"search": "quokka", "q": "quokka"},
    {"search": "quokkafisk", "q": "quokkafisk"},
    {"search": NAME, "q": NAME},
    {"search": "hidden", "q": "hidden", "sort": "likes"},
    {"filter": WORD, "tag": WORD, "tags": WORD},
    {"filter": f"license:{WORD}", "license": WORD, "tag": f"license:{WORD}"},
    {"owner": "ada", "author": "ada", "full": "true", "cardData": "true"},
    {"owner": "acme", "author": "acme", "sort": "downloads"},
)
SEARCHED: Final = frozenset(
    {"/api/v1/search", "/api/v1/search/suggestions", "/api/v1/repos", "/api/{kinds}", "/models", "/datasets",
     "/algorithms", "/api/v1/deployments", "/deployments"}
)  # fmt: skip
# Reading these answers with no success even whom everything belongs to.
NEVER_ANSWERED: Final[dict[str, str]] = {
    "/xet/{generation}/data/{signature}": "a signature names the repo: tests/hub/xet",
    "/xet/{generation}/v1/reconstructions/{file}": "a token names the repo: tests/hub/xet",
    "/xet/{generation}/v1/xorbs/default/{xorb}": "a token names the repo: test_pieces_that_others_have_sent…",
    "/xet/{generation}/{path}": "it looks at nothing",
    "/health/ready": "no job runner stands behind it",
    "/{kinds}/{namespace}/{name}.git/info/lfs/locks{rest}": "there are no locks",
    "/{namespace}/{name}.git/info/lfs/locks{rest}": "there are no locks",
    "/{kinds}/{namespace}/{name}.git/info/lfs/objects/{oid}": "a grant names the repo: tests/wire",
    "/{namespace}/{name}.git/info/lfs/objects/{oid}": "a grant names the repo: tests/wire",
}


def filled(door: Door, names: dict[str, str], **more: str) -> str:
    """The address with a value in each of its fields. Raises KeyError for a field that is new."""
    values = {
        "rev": "main", "ref": "dev", "rest": "secret.txt", "path": "secret.txt", "sha256": SHA256, "oid": SHA256,
        "number": "1", "num": "1", "comment": "evt_x", "comment_id": "evt_x", "user": "bob", "state": "pending",
        "form": "json", "generation": "g1", **more, **names,
    }  # fmt: skip
    path = door.path
    for name in door.fields:
        path = path.replace(f"{{{name}}}", values[name])
    return path


def sent(door: Door, sha256: str = SHA256) -> dict[str, Any]:
    """The rest of a request, as the client takes it; ``sha256`` is the content it speaks of, where it does."""
    if door.reads:
        return {"params": {"service": "git-upload-pack"} if door.path.endswith("/info/refs") else {}}
    if door.path.endswith(("/git-upload-pack", "/git-receive-pack")):
        return {"content": b"0000"}
    if door.path.endswith("/commit/{rev}"):
        return {"content": COMMIT.replace(SHA256.encode(), sha256.encode())}
    if door.path.endswith("/paths-info/{rev}"):
        return {"data": {"paths": "secret.txt"}}
    if door.method == "PUT" and door.path.endswith(("/{sha256}", "/{oid}")):
        return {"content": b"xxx"}
    if not door.path.startswith(("/api/", "/predict/")) and ".git/" not in door.path:
        actions = {"/change": "start", "/settings/webhooks/{webhook}": "delete"}
        action = next((action for end, action in actions.items() if door.path.endswith(end)), FORM["action"])
        return {"data": {**FORM, "action": action}}
    ends = [end for end in BODIES if door.path.endswith(end)]
    body = BODIES[max(ends, key=len)] if ends else {}
    return {"json": json.loads(json.dumps(body).replace(SHA256, sha256))}

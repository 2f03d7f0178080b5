"""The commands against a whole platform."""

from __future__ import annotations

import json
import pickle
import signal
import stat

import pytest

from tholos.cli.files import PICKLE_SUFFIXES
from tholos.runtimes.pickles import SUFFIXES
from tholos.sdk.credentials import login_path, read_login

pytestmark = pytest.mark.usefixtures("signed_in")
SPECIES = {"Adelie", "Chinstrap", "Gentoo"}


@pytest.fixture
def example(client, penguins):
    return client.deployments.schema(penguins)["example"]["input"]


def test_signing_in_saves_a_checked_key_for_ones_own_eyes(tholos, platform, client, monkeypatch):
    key = client.keys.create("laptop").secret
    monkeypatch.delenv("THOLOS_TOKEN")
    monkeypatch.delenv("THOLOS_URL")
    assert tholos("login", "--url", platform.url, "--token", "tholos_wrong").code == 4
    assert read_login() is None
    outcome = tholos("login", "--url", platform.url, "--token", key)
    assert outcome.code == 0
    assert "Signed in to" in outcome.err
    assert stat.S_IMODE(login_path().stat().st_mode) == 0o600
    assert tholos("whoami", "--json").json["name"] == "admin"
    assert "forget" not in tholos("logout").err
    assert read_login() is None
    assert "no saved login" in tholos("logout").err


def test_signing_in_asks_for_the_key_or_reads_it_from_stdin(start, platform, client, tmp_path):
    key = client.keys.create("asked").secret
    for arguments in (("login", "--url", platform.url), ("login", "--url", platform.url, "--token", "-")):
        process = start(*arguments, THOLOS_TOKEN="", THOLOS_URL="")
        out, err = process.communicate(f"{key}\n", timeout=60)
        assert process.returncode == 0, err
        assert key not in out + err


def test_the_local_administrator_needs_no_login(tholos, platform, monkeypatch):
    monkeypatch.delenv("THOLOS_TOKEN")
    monkeypatch.delenv("THOLOS_URL")
    monkeypatch.setenv("THOLOS_HOME", str(platform.home))
    assert "admin" in tholos("whoami").out


def test_push_pull_and_repos(tholos, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"w" * 100_000)
    pushed = tholos("push", "cli-model", folder, "-m", "From the shell")
    assert pushed.code == 0, pushed.err
    revision = pushed.out.strip()
    assert len(revision) == 40
    shown = tholos("repos", "show", "cli-model", "--json").json
    assert shown["revisions"][0]["message"] == "From the shell"
    assert "weights.bin" in tholos("repos", "show", "cli-model").out
    pulled = tholos("pull", f"cli-model@{revision[:10]}", tmp_path / "back", "--only", "*.bin")
    assert (tmp_path / "back" / "weights.bin").read_bytes() == b"w" * 100_000
    assert pulled.out.strip() == str(tmp_path / "back")
    assert tholos("repos", "create", "cli-empty", "--kind", "dataset").out.strip() == "admin/cli-empty"
    assert tholos("repos", "create", "cli-empty", "--kind", "dataset").code == 1
    assert "public" in tholos("repos", "update", "cli-empty", "--kind", "dataset", "--visibility", "public").err
    assert "admin/cli-empty" in tholos("data", "list").out
    assert "admin/cli-model" in [repo["name"] for repo in tholos("repos", "list", "--json").json]
    assert tholos("repos", "delete", "cli-empty", "--kind", "dataset", "--yes").code == 0
    assert tholos("repos", "show", "cli-empty", "--kind", "dataset").code == 5


def test_data_from_a_file_to_rows(tholos, tmp_path):
    (tmp_path / "my.csv").write_text("size,label\n" + "".join(f"{number},{number % 2}\n" for number in range(40)))
    pushed = tholos("data", "push", "cli-data", tmp_path / "my.csv")
    assert pushed.code == 0, pushed.err
    assert len(pushed.out.strip()) == 40
    assert pushed.err.endswith("40 rows, 2 columns\n")
    again = tholos("data", "push", "cli-data", tmp_path / "my.csv", "--json").json
    assert (again["id"], again["profile"]["state"], again["profile"]["rows"]) == (pushed.out.strip(), "ready", 40)
    profile = tholos("data", "profile", "cli-data")
    assert "40 rows, 2 columns" in profile.err
    assert profile.out.startswith("size\tinteger")
    split = tholos("data", "split", "cli-data", "--part", "train=0.75", "--part", "test=0.25", "--json")
    assert split.json["result"]["counts"] == {"train": 30, "test": 10}
    assert tholos("data", "show", "cli-data", "--split", "test", "--limit", "3", "--json").json["total"] == 10
    assert len(tholos("data", "show", "cli-data", "--limit", "3").out.splitlines()) == 3
    assert tholos("data", "pull", "cli-data", tmp_path / "back").code == 0
    assert (tmp_path / "back" / "my.csv").read_text() == (tmp_path / "my.csv").read_text()


def test_pushed_data_that_cannot_be_read_is_kept_and_told(tholos, tmp_path):
    data = tmp_path / "bad.csv"
    data.write_bytes(b"a,b\n1,2\n\x00\x01\x02\xff")
    pushed = tholos("data", "push", "cli-bad", data)
    assert pushed.code == 6
    assert len(pushed.out.strip()) == 40
    message, fix, kept, otherwise = pushed.err.splitlines()[-4:]
    assert message.startswith("error: ")
    assert "bad.csv" in message
    assert fix.startswith("  → ")
    assert "kept" in kept
    assert "corrected file" in kept
    assert "--mirror" in otherwise
    failed = tholos("data", "push", "cli-bad", data, "--json")
    assert (failed.code, failed.json["profile"]["state"]) == (6, "failed")
    data.write_text("a,b\n1,2\n")
    assert tholos("data", "push", "cli-bad", data).err.endswith("1 rows, 2 columns\n")


def test_a_push_without_data_files_says_so_and_one_may_not_wait(tholos, tmp_path):
    (tmp_path / "NOTES.md").write_text("# Nothing yet\n")
    pushed = tholos("data", "push", "cli-notes", tmp_path / "NOTES.md")
    assert pushed.code == 0
    assert "There are no data files in it." in pushed.err
    (tmp_path / "my.csv").write_text("a,b\n1,2\n")
    unread = tholos("data", "push", "cli-notes", tmp_path / "my.csv", "--no-wait", "--json")
    assert unread.code == 0
    assert "profile" not in unread.json
    assert "Reading" not in tholos("data", "push", "cli-notes", tmp_path / "my.csv", "--no-wait").err


def test_a_pickle_pushed_to_a_model_is_warned_of(tholos, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"w" * 100)
    (folder / "tree.joblib").write_bytes(b"anything")
    (folder / "hidden.bin").write_bytes(pickle.dumps({"a": 1}))
    pushed = tholos("push", "cli-pickles", folder, "--json")
    assert pushed.code == 0
    assert len(pushed.json["id"]) == 40
    assert "warning: hidden.bin, tree.joblib are pickles" in pushed.err
    assert "a deployment will refuse them" in pushed.err
    assert "ONNX" in pushed.err
    assert (
        "warning: sub/hidden.bin is a pickle"
        in tholos("push", "cli-pickles", folder / "hidden.bin", "--into", "sub/").err
    )
    assert "warning" not in tholos("push", "cli-pickles", folder, "--only", "weights.*").err
    assert "warning" not in tholos("push", "cli-pickles", folder, "--kind", "dataset").err


def test_the_names_of_pickles_are_those_that_the_server_refuses():
    assert PICKLE_SUFFIXES == SUFFIXES


def test_sources_and_import(tholos):
    assert tholos("data", "sources", "penguins").out.splitlines()[0].count("\t") == 4
    job_id = tholos("data", "import", "penguins", "cli-penguins", "--detach").out.strip()
    assert job_id.startswith("job_")
    watched = tholos("jobs", "watch", job_id)
    assert watched.code == 0
    assert "344" in watched.out
    assert f"{job_id} succeeded" in watched.err
    assert "data.import" in tholos("jobs", "show", job_id).out
    assert tholos("logs", job_id).out == tholos("logs", job_id, "-f").out
    assert job_id in [job["id"] for job in tholos("jobs", "list", "--kind", "data.import", "--json").json]


def test_a_model_from_training_to_an_answer(tholos, penguins):
    trained = tholos(
        "train", penguins, "-t", "species", "-a", "decision_tree", "-p", "max_depth=4", "--name", "cli-tree"
    )
    assert trained.code == 0, trained.err
    assert "admin/cli-tree" in trained.out
    compiled = tholos("compile", "cli-tree", "--json")
    assert compiled.json["result"]["model"] == "admin/cli-tree"
    evaluated = tholos("evaluate", "cli-tree", penguins)
    assert "Accuracy\t0.9" in evaluated.out
    evaluation = tholos("evaluations", "list", "--model", "cli-tree", "--json").json[0]["id"]
    assert "Accuracy" in tholos("evaluations", "show", evaluation).out
    compared = tholos("compare", "cli-tree", penguins)
    assert compared.out.startswith("Accuracy\t0.9")
    assert tholos("deploy", "cli-tree").code == 0
    assert tholos("predict", "cli-tree", "--example").out.split()[0] in SPECIES
    tree = tholos("lineage", "cli-tree")
    assert "[training.train]" in tree.out
    assert "[data.import]" in tree.out or "dataset admin/penguins" in tree.out
    assert tholos("lineage", f"dataset:{penguins}", "--json").json["root"].startswith("rev:")


def test_predictions_from_every_kind_of_row(tholos, penguins, example, tmp_path, start):
    row = json.dumps(example)
    assert tholos("predict", penguins, row, "--json").json["output"] in SPECIES
    (tmp_path / "rows.json").write_text(json.dumps([example, example]))
    assert len(tholos("predict", penguins, f"@{tmp_path / 'rows.json'}").out.splitlines()) == 2
    names = [*example, "comment"]
    (tmp_path / "rows.csv").write_text(
        "\ufeff" + ",".join(names) + "\n" + ",".join(str(value) for value in example.values()) + ",hello\n"
    )
    from_csv = tholos("predict", penguins, f"@{tmp_path / 'rows.csv'}", "--json")
    assert from_csv.json["output"] == [tholos("predict", penguins, row, "--json").json["output"]]
    assert "Left out, as the model does not take them: comment." in from_csv.err
    piped = start("predict", penguins, "-")
    out, err = piped.communicate(row, timeout=60)
    assert out.split()[0] in SPECIES, err
    wrong = tholos("predict", penguins, json.dumps({**example, "extra": 1}))
    assert wrong.code == 1
    assert "extra" in wrong.err


def test_deployments(tholos, penguins):
    assert tholos("deploy", penguins, "--name", "cli-door", "--json").json["state"] == "ready"
    assert "curl " in tholos("deployments", "show", "cli-door").out
    assert "stopped" in tholos("deployments", "stop", "cli-door").err
    assert "ready" in tholos("deployments", "start", "cli-door").err
    assert tholos("deployments", "rollback", "cli-door").code == 1
    assert "admin/cli-door\tready" in tholos("deployments", "list").out
    assert tholos("deployments", "delete", "cli-door", "-y").code == 0
    assert tholos("deployments", "show", "cli-door").code == 5


def test_keys_and_users(tholos, platform):
    key = tholos("keys", "create", "shop", "--scope", "predict", "--days", "1", "--json").json
    assert "predict" in tholos("--token", key["secret"], "whoami").out.split()
    assert key["id"] in tholos("keys", "list").out
    assert key["secret"] not in tholos("keys", "list").out
    assert tholos("keys", "revoke", key["id"]).code == 0
    assert tholos("--token", key["secret"], "whoami").code == 4
    secret = tholos("users", "create", "cli-user").out.strip()
    assert "cli-user" in tholos("--token", secret, "whoami").out
    assert tholos("--token", secret, "users", "list").code == 4
    assert "disabled" in tholos("users", "update", "cli-user", "--disable").err


def test_algorithms(tholos):
    assert "random_forest\t" in tholos("algorithms").out
    assert "kernel\tchoice\trbf\t" in tholos("algorithms", "svm").out
    assert tholos("algorithms", "show", "svm").out == tholos("algorithms", "svm").out
    assert tholos("algorithms", "nonsense").code == 1
    assert {item["name"] for item in tholos("algorithms", "--json").json} > {"svm", "mlp"}


def test_an_algorithm_is_started_shared_and_shown(tholos, tmp_path):
    folder = tmp_path / "near-est: [x]"
    assert tholos("algorithms", "init", folder).code == 0
    assert tholos("algorithms", "init", folder).code == 1, "what is there already is not overwritten"
    pushed = tholos("push", "shared", folder, "--kind", "algorithm")
    assert pushed.code == 0, pushed.err
    shown = tholos("algorithms", "show", "admin/shared")
    assert "Near est: [x]" in shown.out
    assert "shrink\tfloat\t0.1\t0 … 1\t" in shown.out
    assert tholos("algorithms", "admin/shared@main", "--json").json["entry"] == "train.py:fit"
    assert tholos("algorithms", "show", "admin/absent").code == 5
    assert "admin/shared\tprivate" in tholos("algorithms", "repos", "--owner", "admin").out
    assert "admin/shared\talgorithm" in tholos("repos", "list", "--kind", "algorithm").out
    assert "train.py" in tholos("repos", "show", "shared", "--kind", "algorithm").out
    assert tholos("pull", "shared", tmp_path / "pulled", "--kind", "algorithm").code == 0
    assert (tmp_path / "pulled" / "train.py").read_bytes() == (folder / "train.py").read_bytes()
    refused = tholos("train", "penguins", "-t", "species", "-a", "admin/shared", "-p", "shrink=3")
    assert refused.code == 1
    assert "from 0 to 1" in refused.err
    assert tholos("repos", "delete", "shared", "--kind", "algorithm", "--yes").code == 0


def test_config_prints_every_setting_and_no_secret(tholos, monkeypatch):
    from tholos.kit.settings import Settings

    monkeypatch.setenv("THOLOS_PORT", "9123")
    monkeypatch.setenv("THOLOS_DATABASE_URL", "postgresql+psycopg://user:hunter2@host/name")
    rows = {row["variable"]: row for row in tholos("config", "--json").json}
    assert {f"THOLOS_{name.upper()}" for name in Settings.model_fields} <= set(rows)
    assert (rows["THOLOS_PORT"]["value"], rows["THOLOS_PORT"]["default"]) == (9123, 8400)
    assert rows["THOLOS_DATABASE_URL"]["value"] == "(set)"
    assert rows["THOLOS_TOKEN"]["value"] == "(set)"
    assert all(row["meaning"] for row in rows.values())
    assert "hunter2" not in tholos("config").out


def test_ctrl_c_while_watching_leaves_the_job_running_and_says_how_to_go_on(start, client, penguins):
    process = start("train", penguins, "-t", "species", "--name", "cli-long", "--budget", "300s")
    first = process.stderr.readline()
    job_id = first.split()[0]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"Job {job_id} goes on." in err
    assert f"tholos jobs watch {job_id}" in err
    assert f"tholos jobs cancel {job_id}" in err
    assert "Traceback" not in err
    job = client.jobs.get(job_id)
    assert not job.done()
    job.cancel()
    assert job.wait(60).state == "cancelled"


def test_cancel_and_retry(tholos, client, penguins):
    job_id = tholos("train", penguins, "-t", "species", "--name", "cli-long", "--budget", "300s", "-d").out.strip()
    assert tholos("jobs", "cancel", job_id).code == 0
    assert client.jobs.get(job_id).wait(60).state == "cancelled"
    again = tholos("jobs", "retry", job_id).out.strip()
    client.jobs.cancel(again)
    assert tholos("jobs", "watch", again).code == 6


def test_replay(tholos, client, penguins):
    trained = client.train(penguins, "cli-replayed", target="species", algorithm="decision_tree")
    first = trained.result(timeout=120)
    replayed = tholos("jobs", "replay", trained.id, "--json")
    assert replayed.code == 0, replayed.err
    assert replayed.json["id"] != trained.id
    assert replayed.json["result"]["validation"] == first["validation"]
    detached = tholos("jobs", "replay", trained.id, "--detach").out.strip()
    assert client.jobs.get(detached).record.kind == "training.train"
    no_training = client.jobs.list(kind="data.import", state="succeeded", limit=1)[0]
    refused = tholos("jobs", "replay", no_training.id)
    assert refused.code == 1
    assert "  → Replay a training.train job" in refused.err


def test_up_runs_the_platform_until_it_is_told_to_stop(start, tmp_path):
    home = tmp_path / "fresh"
    process = start("up", "--home", str(home), "--port", "0")
    for line in process.stdout:
        if "ready at" in line:
            break
    else:
        pytest.fail(process.communicate()[1])
    assert stat.S_IMODE((home / "admin-token").stat().st_mode) == 0o600
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0

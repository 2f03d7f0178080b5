"""Signed texts: who made them, for what, and until when."""

from __future__ import annotations

import stat

import pytest

from tholos.kit.settings import Settings
from tholos.kit.signing import InvalidSignature, Signer


@pytest.fixture
def home_settings(tmp_path):
    return Settings(home=tmp_path)


def test_claims_come_back(home_settings):
    signer = Signer(home_settings)
    claims = {"repo": "ada/x", "size": 3}
    assert signer.verify("upload", signer.sign("upload", claims, 60)) == claims


def test_every_process_of_a_home_has_one_key_that_only_its_owner_reads(home_settings):
    text = Signer(home_settings).sign("upload", {}, 60)
    assert Signer(home_settings).verify("upload", text) == {}
    assert stat.S_IMODE((home_settings.home / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in home_settings.home.iterdir()] == ["secret-key"]


def test_machines_share_a_key_by_setting(tmp_path):
    one, other = (Settings(home=tmp_path / name, secret_key="k" * 32) for name in ("a", "b"))
    assert Signer(other).verify("upload", Signer(one).sign("upload", {"n": 1}, 60)) == {"n": 1}


def test_what_is_refused(home_settings, tmp_path):
    signer = Signer(home_settings)
    good = signer.sign("upload", {"repo": "ada/x"}, 60)
    body, mac = good.split(".")
    foreign = Signer(Settings(home=tmp_path, secret_key="x" * 32)).sign("upload", {"repo": "ada/x"}, 60)
    for text in ("", ".", "a.b", "é.é", body, f"{body}.", f"{mac}.{body}", f"x{good}", foreign, good[:-2] + "AA"):
        with pytest.raises(InvalidSignature):
            signer.verify("upload", text)
    with pytest.raises(InvalidSignature):
        signer.verify("download", good)
    with pytest.raises(InvalidSignature):
        signer.verify("upload", signer.sign("upload", {}, -1))

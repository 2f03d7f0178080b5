"""Secrets in text: keys and tokens by the marks that their makers give them, and passwords where they are assigned.

What is found is never repeated: a finding says what kind it is and in which line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection

_NEXT: Final = (
    "Revoke it where it was issued, and make a new one: deleting the file does not delete it from the history. "
    "Keep secrets in the environment."
)
_PER_KIND: Final = 5


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: str
    name: str
    marks: tuple[bytes, ...]
    """One of these stands in every match: a search for it costs little."""
    pattern: re.Pattern[bytes]


def _rule(kind: str, name: str, marks: str, pattern: str) -> _Rule:
    whole = rf"(?<![A-Za-z0-9_\-])(?:{pattern})(?![A-Za-z0-9_])"
    return _Rule(kind, name, tuple(mark.encode() for mark in marks.split()), re.compile(whole.encode(), re.ASCII))


_RULES: Final = (
    _rule("aws_key", "an AWS access key", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _rule("google_key", "a Google API key", "AIza", r"AIza[A-Za-z0-9_\-]{35}"),
    _rule("google_oauth", "a Google OAuth secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    _rule("github_token", "a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _rule("github_token", "a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{60,255}"),
    _rule("gitlab_token", "a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_\-]{20,}"),
    _rule("huggingface_token", "a Hugging Face token", "hf_", r"hf_[A-Za-z]{30,50}"),
    _rule("tholos_token", "a token of Tholos", "tholos_", r"tholos_[A-Za-z0-9_\-]{32,}"),
    _rule("openai_key", "an OpenAI key", "T3BlbkFJ", r"sk-[A-Za-z0-9_\-]{16,}T3BlbkFJ[A-Za-z0-9_\-]{16,}"),
    _rule("anthropic_key", "an Anthropic key", "sk-ant-", r"sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{40,}"),
    _rule("stripe_key", "a Stripe key", "sk_live_ rk_live_", r"[sr]k_live_[A-Za-z0-9]{20,}"),
    _rule("slack_token", "a Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9\-]{20,}"),
    _rule("slack_webhook", "a Slack webhook", "hooks.slack.com", r"https://hooks\.slack\.com/services/[\w/]{30,}"),
    _rule("pypi_token", "a PyPI token", "pypi-AgEIcHlwaS5vcmc", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{50,}"),
    _rule("npm_token", "an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _rule("sendgrid_key", "a SendGrid key", "SG.", r"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}"),
    _rule("telegram_token", "a Telegram bot's token", ":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}"),
    _rule("aliyun_key", "an Alibaba Cloud key", "LTAI", r"LTAI[A-Za-z0-9]{12,26}"),
    _rule("tencent_key", "a Tencent Cloud key", "AKID", r"AKID[A-Za-z0-9]{32}"),
    _rule("azure_key", "an Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("jwt", "a signed token (JWT)", "eyJ", r"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{20,}"),
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s*(?:\\n)?[A-Za-z0-9+/=:\-]{16}")
_URL_PASSWORD = re.compile(rb"\b[a-z][a-z0-9+.\-]{2,20}://[^\s:/@'\"<>{}$]{1,80}:([^\s:/@'\"<>{}$]{6,100})@[\w.\-]+")
_ASSIGNED = re.compile(
    rb"(?i)(?:api[_\-]?key|secret(?:[_\-]?key)?|access[_\-]?token|auth[_\-]?token|passw(?:or)?d)[\"']?\s{0,4}[:=]\s{0,4}"
    rb"\\?[\"']([A-Za-z0-9+/=_\-.!@#$%^&*]{16,100})\\?[\"']"
)
_ASSIGNED_MARKS: Final = (b"key", b"KEY", b"Key", b"ecret", b"ECRET", b"oken", b"OKEN", b"assw", b"ASSW")
_EXAMPLE = re.compile(
    rb"(?i)example|sample|dummy|placeholder|changeme|your|xxxx|1234567|abcdef|\.\.\.|\*\*\*|test|todo|env"
)
_MIN_ENTROPY: Final = 3.8
"""Bits for each character; words of a language stay below, random ones of 16 characters or more are above."""


def check_secrets(found: Inspection, text: bytes, where: str = "", *, first_line: int = 1) -> None:
    """Looks for secrets in a text, which may be a piece of a longer one that begins at ``first_line``."""
    for rule in _RULES:
        if any(mark in text for mark in rule.marks):
            matches = (match.start() for match in rule.pattern.finditer(text) if not _is_example(match[0]))
            _tell(found, rule.kind, rule.name, text, matches, where, first_line)
    if b"PRIVATE KEY" in text:
        starts = (match.start() for match in _PRIVATE_KEY.finditer(text))
        _tell(found, "private_key", "a private key", text, starts, where, first_line)
    if b"://" in text:
        starts = (match.start() for match in _URL_PASSWORD.finditer(text) if not _is_example(match[1]))
        _tell(found, "url_password", "a password in an address", text, starts, where, first_line)
    if any(mark in text for mark in _ASSIGNED_MARKS):
        starts = (match.start() for match in _ASSIGNED.finditer(text) if _looks_random(match[1]))
        _tell(found, "assigned", "what looks like a key or password", text, starts, where, first_line)


def _tell(
    found: Inspection, kind: str, name: str, text: bytes, starts: Iterator[int], where: str, first_line: int
) -> None:
    for count, start in enumerate(starts):
        if count == _PER_KIND:
            return
        line = f"line {first_line + text.count(10, 0, start)}"
        found.find(
            f"secret.{kind}",
            Severity.SUSPICIOUS,
            f"The file holds {name}.",
            _NEXT,
            f"{where}, {line}" if where else line,
            private=True,
        )


def _is_example(secret: bytes) -> bool:
    return _EXAMPLE.search(secret) is not None or len(set(secret)) < 6


def _looks_random(secret: bytes) -> bool:
    classes = sum(bool(re.search(kind, secret)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    return classes >= 2 and not _is_example(secret) and _entropy(secret) >= _MIN_ENTROPY


def _entropy(text: bytes) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())

"""Sending: what webhooks are to be told leaves this server, is tried again where it was not taken, and is written down.

Everything is in the database: an agent that dies in between leaves deliveries that fall due again. A receiver may
therefore be told twice, with the same delivery id.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpcore2
import orjson
from sqlalchemy import delete, select

from tholos.community.connections import CheckedBackend
from tholos.community.errors import AddressRefused
from tholos.community.models import Webhook, WebhookDelivery
from tholos.community.watching import may_read
from tholos.community.webhooks import sealer
from tholos.hub import service as hub
from tholos.kit.clock import utcnow
from tholos.kit.database import Database
from tholos.kit.logs import get_logger
from tholos.kit.sealing import SecretUnreadable
from tholos.kit.settings import Settings

_AT_ONCE: Final = 32
_AT_ONCE_PER_ACCOUNT: Final = 4
_LOOKED_AT: Final = 64
_IDLE_S: Final = 1.0
_LEASE_S: Final = 60.0
_PRUNE_S: Final = 3600.0
_MAX_DELAY_S: Final = 24 * 3600.0
log = get_logger("community.sending")


@dataclass(frozen=True, slots=True)
class _Letter:
    """A delivery on its way."""

    id: str
    account_id: str
    url: str
    sealed_secret: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of it; ``status`` None is no answer."""

    status: int | None
    error: str
    duration_ms: int

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class WebhookSender:
    """Sends what is due until told to stop; several may run at once on one database."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._sealer = sealer(settings)
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()
        self._pruned = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until ``stop``; what is under way then falls due again later."""
        while not stop.is_set():
            await self._start_due()
            await self._prune()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _IDLE_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def send_due(self) -> int:
        """Sends what is due now and waits for it; returns how many that were."""
        started = await self._start_due()
        await asyncio.gather(*self._under_way)
        return started

    async def _start_due(self) -> int:
        letters = await asyncio.to_thread(self._claim)
        for letter in letters:
            self._busy[letter.account_id] += 1
            task = asyncio.create_task(self._deliver(letter))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(letters)

    def _claim(self) -> list[_Letter]:
        """Takes what is due, for a minute, a few per account: a slow receiver holds up nobody else's."""
        now = utcnow()
        full = [account_id for account_id, count in self._busy.items() if count >= _AT_ONCE_PER_ACCOUNT]
        due = (
            select(WebhookDelivery, Webhook)
            .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
            .where(WebhookDelivery.state == "pending", WebhookDelivery.next_at <= now, Webhook.disabled_at.is_(None))
            .where(Webhook.account_id.not_in(full))
            .order_by(WebhookDelivery.next_at, WebhookDelivery.id)
            .limit(_LOOKED_AT)
        )
        with self._database.read() as read:
            if read.execute(due.limit(1)).first() is None:
                return []
        room = _AT_ONCE - len(self._under_way)
        busy = Counter(self._busy)
        letters: list[_Letter] = []
        with self._database.write() as write:
            locked = due.with_for_update(skip_locked=True, of=WebhookDelivery)
            for delivery, webhook in write.execute(locked).all():
                if len(letters) >= room:
                    break
                if busy[webhook.account_id] >= _AT_ONCE_PER_ACCOUNT:
                    continue
                repo = write.get(hub.Repo, delivery.repo_id) if delivery.repo_id else None
                if delivery.repo_id and (repo is None or not may_read(write, webhook.account_id, repo)):
                    delivery.state, delivery.finished_at = "failed", now
                    delivery.error = "The webhook's owner may not read the repo any more."
                    continue
                delivery.attempts += 1
                delivery.next_at = now + timedelta(seconds=_LEASE_S + self._settings.webhook_timeout_s)
                busy[webhook.account_id] += 1
                body = orjson.dumps(delivery.payload)
                letters.append(_Letter(delivery.id, webhook.account_id, webhook.url, webhook.sealed_secret, body))
        return letters

    async def _deliver(self, letter: _Letter) -> None:
        try:
            outcome = await self._post(letter)
            await asyncio.to_thread(self._note, letter, outcome)
        except Exception:  # the edge of a task: the delivery falls due again, and the others go on
            log.exception("a webhook could not be sent", delivery=letter.id)
        finally:
            self._busy[letter.account_id] -= 1
            if not self._busy[letter.account_id]:
                del self._busy[letter.account_id]

    async def _post(self, letter: _Letter) -> _Outcome:
        began = time.monotonic()
        status: int | None = None
        error = ""
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                status = await self._status(letter)
        except (AddressRefused, SecretUnreadable) as refused:
            error = refused.message
        except TimeoutError:
            error = f"There was no answer within {self._settings.webhook_timeout_s:g} seconds."
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if status is not None and 300 <= status < 400:
            error = f"The receiver answered {status}: redirects are not followed."
        elif status is not None and not 200 <= status < 300:
            error = f"The receiver answered {status}."
        return _Outcome(status, error[:500], int((time.monotonic() - began) * 1000))

    async def _status(self, letter: _Letter) -> int:
        backend = CheckedBackend(allow_private=self._settings.webhook_allow_private_addresses)
        async with (
            httpcore2.AsyncConnectionPool(network_backend=backend, max_connections=1) as pool,
            # the answer's body is nobody's business: it is not even read
            pool.stream("POST", letter.url, headers=self._headers(letter), content=letter.body) as response,
        ):
            return response.status

    def _headers(self, letter: _Letter) -> list[tuple[str, str]]:
        headers = [
            ("content-type", "application/json"),
            ("user-agent", "Tholos-Webhook/1"),
            ("accept", "*/*"),
            ("connection", "close"),
            ("x-tholos-delivery", letter.id),
        ]
        if secret := self._sealer.open(letter.sealed_secret):
            signature = hmac.new(secret.encode(), letter.body, hashlib.sha256).hexdigest()
            headers += [("x-webhook-secret", secret), ("x-tholos-signature", f"sha256={signature}")]
        return headers

    def _note(self, letter: _Letter, outcome: _Outcome) -> None:
        with self._database.write() as write:
            delivery = write.get(WebhookDelivery, letter.id)
            if delivery is None:  # deleted meanwhile, with its webhook
                return
            now = utcnow()
            delivery.status_code, delivery.error = outcome.status, outcome.error
            delivery.duration_ms = outcome.duration_ms
            if outcome.taken:
                delivery.state, delivery.finished_at = "delivered", now
            elif delivery.attempts >= self._settings.webhook_attempts:
                delivery.state, delivery.finished_at = "failed", now
            else:
                delay = self._settings.webhook_retry_delay_s * 4 ** (delivery.attempts - 1)
                delivery.next_at = now + timedelta(seconds=min(delay, _MAX_DELAY_S))

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned < _PRUNE_S and self._pruned:
            return
        self._pruned = time.monotonic()
        await asyncio.to_thread(self._forget)

    def _forget(self) -> None:
        past = utcnow() - timedelta(days=self._settings.webhook_log_days)
        with self._database.write() as write:
            write.execute(delete(WebhookDelivery).where(WebhookDelivery.created_at < past))

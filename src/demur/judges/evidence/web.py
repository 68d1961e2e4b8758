"""Search engines as evidence: SearXNG, Serper, Brave over HTTP, with bounded retries.

What does not come (time-out, 429, 5xx, a broken connection, half a JSON) is asked again a few times; then the
search failed, with a reason, and is never an empty result. After several failures in a row the run stops:
a dead engine must not cost minutes a unit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import anyio

from demur.errors import BadInput, ModelFailure
from demur.judges.evidence.backend import Passage, SearchFailed
from demur.judges.evidence.search_services import Asked, Service

#: Tries of one search, seconds before the second (doubled for each further one), longest wait that an engine
#: may ask for, seconds of a try. ours: a search engine answers within two seconds or not at all.
TRIES, FIRST_WAIT, LONGEST_WAIT, PATIENCE = 4, 1.0, 30.0, 20.0
#: Failed searches in a row after which the run stops. ours.
GIVE_UP = 5
#: Searches at the same time. ours: free plans allow few a second.
AT_ONCE = 4
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Passing(Exception):
    """A try that failed in a way that may pass; ``wait`` seconds where the engine said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(reason)


class WebSearch:
    """A search engine as a backend.

    Args:
        service: which kind.
        base: address of another instance than the service's own; needed for SearXNG.
        key: for the service; never shown.
        first_wait, patience: seconds; see the constants.

    Raises:
        BadInput: the address is none, or a key is missing.
    """

    def __init__(
        self,
        service: Service,
        base: str = "",
        key: str = "",
        first_wait: float = FIRST_WAIT,
        patience: float = PATIENCE,
    ) -> None:
        self.service, self.base = service, (base or service.base).rstrip("/")
        if not self.base.startswith(("http://", "https://")):
            raise BadInput(f"{self.base or service.name}: give its address as {service.name}:https://HOST")
        if service.key and not key:
            raise BadInput(f"{service.name} needs a key: set {service.key}")
        self._key, self._first_wait, self._patience = key, first_wait, patience
        self._failed_in_a_row = 0

    @property
    def identity(self) -> str:
        """Kind, and the address where it is no public service."""
        name = self.service.name
        return name if self.base == self.service.base else f"{name}:{self.base}"

    def describe(self) -> dict[str, Any]:
        """For receipts; holds no key."""
        return {"kind": self.service.name, "address": self.base}

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        """See :class:`demur.judges.evidence.backend.Backend`.

        Raises:
            SearchFailed: after ``TRIES`` tries.
            ModelFailure: ``GIVE_UP`` searches in a row failed.
            BadInput: the key is not accepted.
        """
        async with self._turns:
            try:
                found = await self._tries(query, results)
            except SearchFailed as error:
                self._failed_in_a_row += 1
                if self._failed_in_a_row >= GIVE_UP:
                    raise ModelFailure(
                        f"{self.identity}: {GIVE_UP} searches in a row failed, the last: {error}; "
                        "what came is kept, and the same command goes on once the engine answers"
                    ) from error
                raise
        self._failed_in_a_row = 0
        return found

    @cached_property
    def _turns(self) -> anyio.Semaphore:
        return anyio.Semaphore(AT_ONCE)

    async def _tries(self, query: str, results: int) -> list[Passage]:
        for tried in range(1, TRIES + 1):
            try:
                return await self._once(query, results)
            except _Passing as error:
                wait = error.wait if error.wait is not None else self._first_wait * 2 ** (tried - 1)
                if wait > LONGEST_WAIT:
                    raise SearchFailed(f"{error}; it asks to wait {wait:.0f} s") from error
                if tried == TRIES:
                    raise SearchFailed(f"{error}; {TRIES} tries") from error
            await anyio.sleep(wait)
        raise AssertionError("unreachable")

    async def _once(self, query: str, results: int) -> list[Passage]:
        import httpx

        try:
            with anyio.fail_after(self._patience):  # of the whole answer: httpx counts from byte to byte
                answer = await self._send(self.service.ask(query, results, self._key))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _Passing(f"no answer within {self._patience:g} s") from error
        except httpx.HTTPError as error:
            raise _Passing(f"{type(error).__name__}: {error}"[:200]) from error
        except httpx.InvalidURL as error:
            raise BadInput(f"{self.base} is no address: {error}") from error
        self._check(answer)
        try:
            return self.service.read(json.loads(answer.content), results)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Passing(f"the answer is no JSON of {self.service.name}") from error

    async def _send(self, asked: Asked) -> Any:
        import httpx

        async with httpx.AsyncClient(timeout=self._patience, verify=self._context) as client:
            return await client.request(
                asked.method,
                self.base + asked.path,
                headers=dict(asked.headers),
                params=None if asked.parameters is None else dict(asked.parameters),
                json=None if asked.body is None else dict(asked.body),
            )

    @cached_property
    def _context(self) -> Any:
        import httpx

        return httpx.create_ssl_context()

    def _check(self, answer: Any) -> None:
        status = answer.status_code
        if status in (401, 403):
            hint = f"; check {self.service.key}" if self.service.key else "; does it allow format=json?"
            raise BadInput(f"{self.identity} does not accept the request (HTTP {status}){hint}")
        if status in _PASSING:
            raise _Passing(f"HTTP {status}", _retry_after(answer.headers.get("retry-after")))
        if status != 200:
            raise SearchFailed(f"HTTP {status}")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header: a number or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None

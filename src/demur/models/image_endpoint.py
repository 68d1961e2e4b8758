"""Text-to-image services over HTTP: which error is a refusal, and which picture was held back.

Two forms of request. ``openai``: ``POST /images/generations``, as OpenAI and most servers that imitate it
have it. ``fal``: ``POST /<model>`` with ``has_nsfw_concepts`` beside pictures that are blacked out
(https://fal.ai/models/fal-ai/flux-pro/v1.1/api). Both go through the client of the openai library, for its
errors; repeating a failed call is left to Inspect.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demur.data import pictures
from demur.data.api_errors import TRANSPORT_CODES, of_error
from demur.errors import BadInput, ModelFailure
from demur.models.image_made import Made, flags_of
from demur.verdict import Outcome

FORMS = ("openai", "fal")
#: Model arguments of endpoints alone.
ARGUMENTS = ("prefix", "request", "size", "timeout")
TIMEOUT = 180.0  # ours: seconds for one picture; large models take up to a minute
_KEYS = {"openai": "OPENAI_API_KEY", "fal": "FAL_KEY"}
_BASES = {"openai": "https://api.openai.com/v1", "fal": "https://fal.run"}
#: Codes of errors that no repetition mends.
_HOPELESS = frozenset({401, 402, 407})
_NO_FUNDS = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class CallFailed(ModelFailure):
    """A call that brought no answer.

    Attributes:
        passing: whether the same call may succeed later.
    """

    def __init__(self, message: str, passing: bool) -> None:
        self.passing = passing
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Said:
    """What an error holds besides its text: the words that decide, without what it repeats of the prompt.

    Attributes:
        message: for people.
        word: the code word, or ``None``.
    """

    message: str
    word: str | None = None


class Endpoint:
    """A service that makes pictures.

    Args:
        form: of ``FORMS``.
        name: the service's own name of the model.
        base_url: of the service; ``None`` for the environment's, or the form's own.
        api_key: ``None`` for the environment's.
        given: model arguments, of ``ARGUMENTS``. ``request`` holds further fields of the request.

    Raises:
        BadInput: an argument cannot be used.
        ModelFailure: there is no key.
    """

    def __init__(
        self, form: str, name: str, base_url: str | None, api_key: str | None, given: Mapping[str, Any]
    ) -> None:
        from openai import AsyncOpenAI

        self.form, self.name = form, name
        self.prefix = str(given.get("prefix") or "")
        self.fields = _fields(form, given)
        base = base_url or (os.environ.get("OPENAI_BASE_URL") if form == "openai" else None)
        key = api_key or os.environ.get(_KEYS[form]) or ("no key" if base else None)
        if key is None:
            raise ModelFailure(f"{_KEYS[form]} is not set: the key of the service for {name}")
        headers = {"Authorization": f"Key {key}"} if form == "fal" else None
        self.timeout = _seconds(given.get("timeout", TIMEOUT))
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=base or _BASES[form],
            default_headers=headers,
            max_retries=0,
            timeout=self.timeout,
        )

    async def draw(self, prompt: str, seed: int | None) -> Made:
        """One picture.

        Args:
            prompt: what to draw; ``prefix`` is put before it.
            seed: sent where the form has one and it is not ``None``.

        Raises:
            CallFailed: for whatever reason but a policy.
        """
        from openai import APIError, APIStatusError

        path, body = self._request(self.prefix + prompt, seed)
        try:
            reply = await self._client.post(path, body=body, cast_to=object)
        except APIStatusError as error:
            return _blocked(_said(error.body, error.message), error.status_code, type(error).__name__)
        except APIError as error:  # no connection, no answer in time, an answer that cannot be read
            raise CallFailed(f"{type(error).__name__}: {error.message}", passing=True) from error
        if not isinstance(reply, Mapping):
            raise CallFailed(f"{self.name}: the answer is no JSON object", passing=False)
        if reply.get("error"):
            return _blocked(_said(reply["error"], "an error"), None, "error in the answer")
        return await self._made(reply, seed)

    def _request(self, prompt: str, seed: int | None) -> tuple[str, dict[str, Any]]:
        if self.form == "openai":
            return "/images/generations", {
                "model": self.name,
                "prompt": prompt,
                "n": 1,  # paper: one picture a prompt
                **self.fields,
            }
        seeded = {} if seed is None else {"seed": seed}
        return f"/{self.name}", {"prompt": prompt, "num_images": 1, **seeded, **self.fields}

    async def _made(self, reply: Mapping[str, Any], seed: int | None) -> Made:
        listed = reply.get("data" if self.form == "openai" else "images")
        items = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        places = [str(place) for i in items if (place := i.get("b64_json") or i.get("url"))]
        found = [await self._bytes(place) for place in places]
        revised = next((str(i["revised_prompt"]) for i in items if i.get("revised_prompt")), None)
        flags = flags_of(reply.get("has_nsfw_concepts"), len(found))
        return Made(tuple(found), 1, flags, seed if self.form == "fal" else None, revised)

    async def _bytes(self, place: str) -> bytes:
        """A picture from base64, a data URL or an address.

        Raises:
            CallFailed: it cannot be had, or is too large.
        """
        if place.startswith("data:"):
            place = place.partition(",")[2]
        if not place.startswith(("http://", "https://")):
            try:
                return base64.b64decode(place, validate=True)
            except binascii.Error as error:
                raise CallFailed(
                    f"{self.name}: a picture that is no base64 ({error})", passing=False
                ) from error
        return await fetched(place, self.timeout)


async def fetched(address: str, timeout: float) -> bytes:
    """The file at an address that a service named; no key is sent there.

    Raises:
        CallFailed: it cannot be had, or is larger than ``pictures.MOST_BYTES``.
    """
    import httpx

    data = bytearray()
    try:
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=True) as client:
            async with client.stream("GET", address) as answer:
                if answer.status_code != 200:
                    passing = answer.status_code in TRANSPORT_CODES
                    raise CallFailed(f"the picture could not be fetched: HTTP {answer.status_code}", passing)
                async for part in answer.aiter_bytes():
                    data += part
                    if len(data) > pictures.MOST_BYTES:
                        raise CallFailed(f"the picture has over {pictures.MOST_BYTES:,} bytes", passing=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CallFailed(f"the picture could not be fetched: {type(error).__name__}", passing=True) from error
    return bytes(data)


def _blocked(said: Said, code: int | None, kind: str) -> Made:
    """An answer without a picture, where a policy was the reason.

    Raises:
        CallFailed: it was not.
    """
    if of_error(said.message, code, said.word) is Outcome.BLOCKED:
        return Made(blocked=said.word or "policy")
    passing = code in TRANSPORT_CODES - _HOPELESS and said.word not in _NO_FUNDS
    status = "" if code is None else f"Error code: {code}: "  # read again by measure/rows.py
    raise CallFailed(f"{kind}: {status}{said.message}", passing)


def _said(body: object, otherwise: str) -> Said:
    """Message and code word of an error's body, in the forms of OpenAI, Azure, FastAPI and fal."""
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping | str):
        body = body["error"]
    if isinstance(body, Mapping) and "detail" in body:
        body = body["detail"]
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        return Said(body)
    if not isinstance(body, Mapping):
        return Said(otherwise)
    inner = body.get("innererror")
    words = [body.get("code"), body.get("type"), inner.get("code") if isinstance(inner, Mapping) else None]
    named = [str(word) for word in words if isinstance(word, str) and word]
    message = str(body.get("message") or body.get("msg") or otherwise)
    word = next((w for w in named if of_error("", None, w) is Outcome.BLOCKED), next(iter(named), None))
    return Said(f"{message} ({word})" if word else message, word)


def _fields(form: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Further fields of a request."""
    request = given.get("request", {})
    if not isinstance(request, Mapping):
        raise BadInput(f"request is {request!r}; it must be a JSON object of further fields")
    ours = {"prompt", "n", "num_images", "model", "seed"} & set(request)
    if ours:
        raise BadInput(f"request names {', '.join(sorted(ours))}, which demur sets itself")
    size = {} if given.get("size") is None else {"size" if form == "openai" else "image_size": given["size"]}
    return {**size, **request}


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise BadInput(f"timeout is {value!r}; it must be a number of seconds above 0")
    return float(value)

"""Links in the hands of people who have no keys: good for what they were made for, until they expire, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from aksk_provider.emulator import Account, Emulator
from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials, PresignedURL
from tests.storage.presigning.using import (
    ACCOUNTS,
    CLIENTS,
    CONTENT,
    FORMS,
    KEY,
    SIGNATURES,
    Clock,
    Form,
    Place,
    make,
    possible,
    serve,
    use,
)  # fmt: skip

SECOND = timedelta(seconds=1)
TOKEN_LIFE = timedelta(minutes=3)
DYING = Account("dying-ak", "dying-sk", "dying-token", Clock().now + TOKEN_LIFE)

every_form = pytest.mark.parametrize(
    ("place", "form"),
    [(signature, form) for signature in SIGNATURES for form in FORMS if possible(signature, form)],
    indirect=True,
)
every_place = pytest.mark.parametrize("place", SIGNATURES, indirect=True)
every_key_pair = pytest.mark.parametrize("keys", ACCOUNTS)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def served(clock: Clock) -> Iterator[Emulator]:
    with serve(clock, DYING) as running:
        yield running


@pytest.fixture
def keys() -> str:
    return "temporary"


@pytest.fixture
def place(request: pytest.FixtureRequest, served: Emulator, clock: Clock, keys: str) -> Iterator[Place]:
    clock.now = Clock().now
    yield Place(served, clock, request.param, ACCOUNTS[keys])
    clock.now = Clock().now


@pytest.fixture
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


def fields(url: str) -> list[tuple[str, str]]:
    return [part.partition("=")[::2] for part in urlsplit(url).query.split("&")]  # type: ignore[misc]


def with_fields(url: str, pairs: list[tuple[str, str]]) -> str:
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    return f"{url.partition('?')[0]}?{query}"


@pytest.mark.parametrize("client", CLIENTS)
@every_key_pair
@every_form
def test_a_link_does_what_it_was_made_for(place: Place, form: Form, client: str, tmp_path: Path) -> None:
    link = make(place, form)
    assert (link.method, place.clock.now < link.expires_at) == (form.method, True)
    used = CLIENTS[client](link, link.signed_headers, form.body, tmp_path)
    assert used.status == form.status, used.content
    assert form.content is None or used.content == form.content
    assert form.answer.items() <= used.headers.items()
    with place.store() as store:
        if form.method == "PUT":
            with store.get(KEY) as stored:
                assert stored.content == CONTENT
                if "content_type" in form.asked:
                    assert stored.headers["Content-Type"] == "text/csv"
        if form.method == "DELETE":
            assert not store.exists(KEY)
    if form.method == "POST":
        assert b"uploadId" in used.content or b"UploadId" in used.content


@every_form
def test_every_header_that_was_fixed_is_required(place: Place, form: Form) -> None:
    """Content-Length cannot be left out by a client that sends a size: another size is refused, and so is none."""
    link = make(place, form)
    asked = {name.format(prefix=place.prefix).lower() for name in form.asked.get("headers", ())}
    asked |= {name.replace("_", "-") for name in form.asked if name.startswith("content_")}
    assert {name.lower() for name in link.signed_headers} == asked
    for name, value in link.signed_headers.items():
        rest = {n: v for n, v in link.signed_headers.items() if n != name}
        if name == "Content-Length":
            assert use(link, CONTENT + b"x", signed_headers=rest).status in (400, 403)
            assert use(link, CONTENT[:-1], signed_headers=rest).status in (400, 403)
            chunked = iter([CONTENT])
            assert use(link, chunked, signed_headers=rest).status in (400, 403, 411)  # type: ignore[arg-type]
            continue
        left_out = use(link, form.body, signed_headers=rest)
        changed = use(link, form.body, signed_headers={**rest, name: f"{value[:-1]}{'A' if value[-1] != 'A' else 'B'}"})
        for refused in (left_out, changed):
            assert refused.status in (400, 403), (name, refused)
            assert b"SignatureDoesNotMatch" in refused.content
    assert use(link, form.body).status == form.status


def test_another_body_than_the_fixed_one_is_refused(served: Emulator, clock: Clock) -> None:
    for signature in SIGNATURES:
        place = Place(served, clock, signature, ACCOUNTS["temporary"])
        link = make(place, FORMS["put fixed but for the size"])
        refused = use(link, CONTENT[::-1])
        assert refused.status == 400
        assert b"Digest" in refused.content or b"digest" in refused.content.lower()
        assert use(link, CONTENT).status == 200


@every_form
def test_every_field_of_the_query_is_protected(place: Place, form: Form) -> None:
    """Each one changed once and left out once; the last character, so that its form stays right."""
    link = make(place, form)
    pairs = fields(link.url)
    assert len(pairs) > 1
    for at, (name, value) in enumerate(pairs):
        changed = f"{value[:-1]}{'1' if value[-1:] != '1' else '2'}"
        for other in ([(name, changed)], []):
            url = with_fields(link.url, [*pairs[:at], *other, *pairs[at + 1 :]])
            refused = use(link, form.body, url=url)
            assert refused.status in (400, 403), (name, other, refused)
    assert use(link, form.body).status == form.status


@every_place
def test_every_part_of_a_field_is_protected(place: Place) -> None:
    """What BOS, OSS and COS put several things into: each of them changed once."""
    link = make(place, FORMS["get with a signed header"])
    pairs = fields(link.url)
    changed = 0
    for at, (name, value) in enumerate(pairs):
        parts = re.split("([/;])", unquote(value))
        for part in range(0, len(parts), 2):
            other = [*parts[:part], f"{parts[part]}1", *parts[part + 1 :]]
            encoded = "".join(other).replace("/", "%2F").replace(";", "%3B").replace("+", "%2B").replace("=", "%3D")
            url = with_fields(link.url, [*pairs[:at], (name, encoded), *pairs[at + 1 :]])
            assert use(link, url=url).status in (400, 403), (name, other)
            changed += 1
    assert changed > len(pairs)
    assert use(link).status == 200


@every_form
def test_method_and_key_are_protected(place: Place, form: Form) -> None:
    link = make(place, form)
    with place.store() as store:
        store.put("other", b"x")
    other = link.url.replace(urlsplit(link.url).path, f"/{urlsplit(link.url).path.split('/')[1]}/other")
    assert use(link, form.body, url=other).status in (400, 403)
    for method in {"GET", "HEAD", "PUT", "DELETE"} - {form.method}:
        assert use(link, CONTENT if method == "PUT" else None, method=method).status in (400, 403)


@every_key_pair
@every_form
def test_a_link_lives_to_the_second_it_tells(place: Place, form: Form) -> None:
    link = make(place, form, expires_in=timedelta(seconds=90))
    assert link.expires_at == place.clock.now + timedelta(seconds=90)
    place.clock.now = link.expires_at + SECOND
    assert use(link, form.body).status in (400, 403)
    place.clock.now = link.expires_at - SECOND
    assert use(link, form.body).status == form.status


@every_place
def test_expires_at_is_when_a_link_dies(place: Place) -> None:
    end = place.clock.now + timedelta(hours=5)
    link = make(place, FORMS["get"], expires_at=end, expires_in=SECOND)
    assert link.expires_at == end
    place.clock.now = end
    assert use(link).status == 200
    place.clock.now = end + SECOND
    assert use(link).status in (400, 403)


@every_place
def test_a_link_dies_with_its_token_when_it_says_so(place: Place) -> None:
    """Never later than it tells: by default and clamped it ends with the token, and it was refused to last longer."""
    place.account = DYING
    credentials = Credentials(DYING.access_key, DYING.secret_key, DYING.token, DYING.expires_at)
    with pytest.raises(InvalidRequestError, match="too long: the credentials that sign it end at"):
        make(place, FORMS["get"], credentials, expires_in=TOKEN_LIFE + SECOND)
    links = [make(place, FORMS["get"], credentials), make(place, FORMS["get"], credentials, expires_in=TOKEN_LIFE)]
    links.append(make(place, FORMS["get"], credentials, expires_in=timedelta(hours=10), clamp=True))
    told = [sum("was shortened" in warning for warning in link.warnings) for link in links]
    assert told == [1, 0, 1]
    for link in links:
        assert link.expires_at == DYING.expires_at
        place.clock.now = link.expires_at - SECOND
        assert use(link).status == 200
        place.clock.now = link.expires_at + SECOND
        assert use(link).status in (400, 403)
        place.clock.now = Clock().now


@every_place
def test_the_wire_tells_the_same_end_as_the_result(place: Place) -> None:
    """No link claims in its URL to live longer than in ``expires_at``."""
    place.account = DYING
    credentials = Credentials(DYING.access_key, DYING.secret_key, DYING.token, DYING.expires_at)
    query = dict(fields(make(place, FORMS["get"], credentials, expires_in=timedelta(hours=1), clamp=True).url))
    end = int(DYING.expires_at.timestamp()) if DYING.expires_at else 0
    start = int(place.clock.now.timestamp())
    told = {
        "bos": lambda: start + int(unquote(query["authorization"]).split("/")[3]),
        "oss": lambda: start + int(query["x-oss-expires"]),
        "oss v1": lambda: int(query["Expires"]),
        "cos": lambda: int(unquote(query["q-sign-time"]).split(";")[1]),
    }
    assert told[place.signature]() == end


@every_place
def test_what_v1_cannot_sign_is_refused(place: Place) -> None:
    if place.signature != "oss v1":
        assert make(place, FORMS["put fixed"]).signed_headers["Content-Length"] == str(len(CONTENT))
        return
    with pytest.raises(InvalidRequestError, match="cannot cover the header Content-Length: use signature_version v4"):
        make(place, FORMS["put fixed"])


def test_a_link_shows_no_secret(served: Emulator, clock: Clock) -> None:
    for signature in SIGNATURES:
        link: PresignedURL = make(Place(served, clock, signature, ACCOUNTS["temporary"]), FORMS["put"])
        text = f"{link} {link!r} {link.warnings}"
        assert link.warnings
        assert not any(secret in text for secret in ("link-tmp-sk", "link-token", "ignature="))
        assert replace(link, warnings=()).warnings == ()

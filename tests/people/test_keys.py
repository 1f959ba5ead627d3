"""What one signs in with, pure: common passwords, device cookies, one-time codes."""

import string
from datetime import UTC, datetime, timedelta

import pytest

from people import devices, totp
from people.errors import WeakPassword
from people.passwords import check_strength

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = b"k" * 32


@pytest.mark.parametrize(
    "password",
    [
        *("password", "Password", "password1", "PASSWORD123!", "P@ssw0rd", "p@ssw0rd2026"),
        *("12345678", "123456789", "1q2w3e4r5t", "qwerty123", "qwertyuiop", "1qaz2wsx", "iloveyou"),
        *(
            "йцукенгшщз",
            "пароль123",
            "Пароль2026!",
            "gfhjkm123",
            "зфыыцщкв",
            "любовь77",
            "press3-2026",
        ),
        *("dragon2026", "2026monkey", "!!!letmein!!!", "sunshine1"),
    ],
)
def test_what_is_guessed_first_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_strength(password, login="anna")
    assert refused.value.reason == "common"


@pytest.mark.parametrize(
    "password",
    ["Sokolova", "sokolova1", "соколова", "Соколова-77", "anna.sokolova", "cjrjkjdf", "ыщлщдщмф"],
)
def test_the_own_name_or_login_with_little_else_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_strength(password, login="anna.sokolova", name="Анна Соколова")
    assert refused.value.reason == "own-name"


@pytest.mark.parametrize(
    "password",
    [
        "три зелёных слона",
        "correct horse 42",
        "Sokolova keeps bees",
        "kV7-pq9-xLm",
        "wbrjhbq c njvfnjv",
    ],
)
def test_phrases_and_random_ones_are(password: str) -> None:
    check_strength(password, login="anna.sokolova", name="Анна Соколова")


def test_a_device_is_known_for_those_who_signed_in_there() -> None:
    cookie = devices.cookie_for(KEY, "", "anna", NOON)
    assert devices.device_of(KEY, cookie, "anna", NOON) is not None
    assert devices.device_of(KEY, cookie, "boris", NOON) is None
    both = devices.cookie_for(KEY, cookie, "boris", NOON)
    names = {devices.device_of(KEY, both, login, NOON) for login in ("anna", "boris")}
    assert names == {devices.device_of(KEY, cookie, "anna", NOON)}
    assert devices.device_of(b"x" * 32, cookie, "anna", NOON) is None


def test_a_device_is_forgotten_after_a_year_and_by_its_ninth_person() -> None:
    cookie = devices.cookie_for(KEY, "", "anna", NOON)
    year = timedelta(days=365)
    assert devices.device_of(KEY, cookie, "anna", NOON + year - timedelta(seconds=1))
    assert devices.device_of(KEY, cookie, "anna", NOON + year) is None
    assert devices.device_of(KEY, cookie, "anna", NOON - timedelta(seconds=1)) is None
    for n in range(7):
        cookie = devices.cookie_for(KEY, cookie, f"user{n}", NOON)
    assert devices.device_of(KEY, cookie, "anna", NOON)
    cookie = devices.cookie_for(KEY, cookie, "user8", NOON)
    assert devices.device_of(KEY, cookie, "anna", NOON) is None
    assert len(cookie) < 256


def test_no_character_of_a_device_cookie_can_be_changed() -> None:
    cookie = devices.cookie_for(KEY, "", "anna", NOON)
    own = devices.device_of(KEY, cookie, "anna", NOON)
    for place in range(len(cookie)):
        for other in string.ascii_letters[:3] + "1.":
            changed = cookie[:place] + other + cookie[place + 1 :]
            if changed != cookie:
                known = devices.device_of(KEY, changed, "anna", NOON)
                # The last character of base64 has bits that say nothing.
                assert known is None or (known == own and place == len(cookie) - 1)


# RFC 6238, appendix B, SHA-1: eight digits there, of which apps show the last six.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("at", "code"), RFC_CODES)
def test_the_codes_are_those_of_the_rfc(at: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, at // 30) == code[-6:]


def test_a_code_is_good_a_step_around_now_and_once() -> None:
    secret = totp.new_secret()
    step = int(NOON.timestamp()) // 30
    for drift, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        found = totp.step_of(secret, totp.code_at(secret, step + drift), NOON, after=None)
        assert (found == step + drift) is good
    code = totp.code_at(secret, step)
    assert totp.step_of(secret, code, NOON, after=step - 1) == step
    assert totp.step_of(secret, code, NOON, after=step) is None
    assert totp.step_of(secret, code, NOON, after=step + 1) is None


def test_an_app_reads_the_secret_from_the_address() -> None:
    assert totp.uri(RFC_SECRET, "анна") == (
        "otpauth://totp/press3:%D0%B0%D0%BD%D0%BD%D0%B0"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=press3"
    )

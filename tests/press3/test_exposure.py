"""What is open is said, by `check-config` and the doctor; what is closed is passed over."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from press3.cli import main
from press3.config.exposure import remarks
from press3.config.settings import load
from press3.doctor import machine

PROXY = 'trusted_proxies = ["127.0.0.1"]\n'
HTTPS = f'[http]\npublic_url = "https://desk.example.org"\n{PROXY}'
TWO = '[[asterisk]]\nname = "a"\nsecret = "s"\n[[asterisk]]\nname = "b"\nsecret = "s"\n'
MAP = (
    '[[recordings.map]]\nasterisk = "b"\nremote = "/var/spool/asterisk/monitor"\nlocal = "/mnt/b"\n'
)
PBX = '[[asterisk]]\nhost = "{host}"\nsecret = "s"\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(f'[service]\ndata_dir = "{folder}"\n{text}')
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HTTPS + "secure_cookie = false\n", "secure_cookie = false"),
        (PBX.format(host="192.0.2.7"), "AMI goes over the network to 192.0.2.7 without TLS"),
        (PBX.format(host="pbx.example.org"), "AMI goes over the network"),
        ('[http]\nhost = "0.0.0.0"\n', "[http] host = '0.0.0.0' is reached from the network"),
        ('[http]\nhost = "::"\n', "[http] host = '::'"),
        ('[push]\nport = 8301\nhost = "0.0.0.0"\n', "[push] host = '0.0.0.0'"),
        ('[metrics]\nport = 9300\nhost = "0.0.0.0"\n', "[metrics] host = '0.0.0.0'"),
        ('[http]\npublic_url = "https://desk.example.org"\n', "trusted_proxies is empty"),
        (f"[http]\n{PROXY}", "push tickets say ws://"),
        (HTTPS + '[push]\npublic_url = "ws://push.example.org"\n', "may not open ws://"),
        (HTTPS + "[push]\nport = 8301\n", "press3 speaks no TLS"),
        (TWO, "roots are shared by the PBXs a, b"),
    ],
)
def test_what_is_open_is_said(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    settings = load(file)
    assert any(said in what for what, _ in remarks(settings)), list(remarks(settings))
    checked = CliRunner().invoke(main, ["check-config", "-c", str(file)])
    assert checked.exit_code == 0
    assert f"warning: {next(w for w, _ in remarks(settings) if said in w)}" in checked.stderr
    found = [f for f in machine.findings(settings, file) if said in f.what]
    assert [(f.level, bool(f.advice)) for f in found] == [("warn", True)]


@pytest.mark.parametrize(
    "text",
    [
        TWO + MAP,
        "",
        HTTPS,
        PBX.format(host="127.0.0.1"),
        PBX.format(host="localhost"),
        PBX.format(host="192.0.2.7") + "tls = true\n",
        HTTPS + '[push]\nport = 8301\npublic_url = "wss://push.example.org"\n',
        "[metrics]\nport = 9300\n",
    ],
)
def test_what_is_closed_is_passed_over(tmp_path: Path, text: str) -> None:
    assert list(remarks(load(written(tmp_path, text)))) == []


def test_the_cookie_follows_the_public_address(tmp_path: Path) -> None:
    for text, is_secure in (
        ("", False),
        (HTTPS, True),
        ('[http]\npublic_url = "http://desk.example.org"\n', False),
        ("[http]\nsecure_cookie = true\n", True),
        (HTTPS + "secure_cookie = false\n", False),
    ):
        assert load(written(tmp_path, text)).http.is_secure is is_secure, text

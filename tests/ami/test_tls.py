"""AMI over TLS with a real Asterisk: whom we trust, and what is said when we do not."""

import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ami.connection import AmiLink, LinkSettings, LinkState, LinkUp
from ami.tls import TlsSettings
from tests.ami.test_connection import Reading, running
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import PRESS3, Lab, LabMenu
from tests.lab.ports import UDP, held_ports
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NAME = "pbx.press3.test"


@dataclass(frozen=True)
class TlsPbx:
    lab: Lab
    port: int
    certificate: Path

    def link(self, tls: TlsSettings, *, port: int | None = None) -> AmiLink:
        settings = LinkSettings(
            pbx="main",
            host="127.0.0.1",
            port=port or self.port,
            username=PRESS3.username,
            secret=PRESS3.secret,
            tls=tls,
        )
        return AmiLink(settings, now=lambda: datetime.now(UTC))


def self_signed(folder: Path) -> Path:
    """Make a key and its certificate in one file, as Asterisk's own script does."""
    file = folder / "asterisk.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command = [*made.split(), "-keyout", str(file), "-out", f"{file}.crt"]
    command += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run(command, check=True, capture_output=True)
    with file.open("a") as both:
        both.write(Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
async def pbx(
    asterisk: StartAsterisk, asterisk_version: str, tmp_path: Path
) -> AsyncIterator[TlsPbx]:
    certificate = self_signed(tmp_path)
    with held_ports(1, side=UDP) as port:
        more = (
            "[general](+)\ntlsenable = yes\n"
            f"tlsbindaddr = 127.0.0.1:{port}\ntlscertfile = {certificate}\n"
        )
        config = LabMenu(files={"manager_more.conf": more})
        lab = await asterisk(asterisk_version, config, fresh=True)
        yield TlsPbx(lab, port, Path(f"{certificate}.crt"))
        lab.close()


async def reason(link: AmiLink) -> str:
    async with running(link):
        await until(lambda: link.state is LinkState.DOWN, what="the link is down")
        return link.state_reason


async def test_a_certificate_is_checked_and_a_wrong_one_said(pbx: TlsPbx, tmp_path: Path) -> None:
    async with running(pbx.link(TlsSettings(ca=pbx.certificate, name=NAME))) as link:
        up = await Reading(link).to(LinkUp)
        assert up.version == pbx.lab.pbx.tree.version
        assert (await link.action("Ping")).get("Ping") == "Pong"

    said = await reason(pbx.link(TlsSettings()))
    assert "not trusted: self-signed certificate" in said.replace("self signed", "self-signed")
    assert "set tls_ca" in said

    said = await reason(pbx.link(TlsSettings(ca=pbx.certificate)))
    assert "IP address mismatch" in said
    assert "tls_name" in said

    plain = await reason(pbx.link(TlsSettings(ca=pbx.certificate), port=pbx.lab.ports.ami))
    assert "no TLS with the PBX" in plain
    assert "tlsbindaddr" in plain

    absent = await reason(pbx.link(TlsSettings(ca=tmp_path / "none.pem")))
    assert "none.pem can't be used" in absent

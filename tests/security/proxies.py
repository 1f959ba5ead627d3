"""The real Caddy and nginx, run as this user with the example files of `deploy/`: only names and ports are changed."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ci import skip
from tests.lab.ports import UDP, held_ports
from tests.waiting import until

__all__ = ["Certificate", "Proxy", "proxy"]

ROOT = Path(__file__).parents[2]
_TREE = ROOT / ".tools" / "tree"  # where scripts/test-tools.sh unpacks them
NAME = "localhost"


@dataclass(frozen=True)
class Certificate:
    """A self-signed one for `localhost`, thrown away with the test."""

    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        chain, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )  # fmt: skip
        return cls(chain, key)


@dataclass(frozen=True)
class Proxy:
    port: int
    log: Path


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    unpacked = next((each for each in _TREE.glob(f"usr/*bin/{name}")), None)
    if found is None and unpacked is None:
        skip(f"no {name}: scripts/test-tools.sh brings it")
    return found or str(unpacked)


@asynccontextmanager
async def _running(arguments: list[str], port: int, log: Path) -> AsyncIterator[Proxy]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdout=output, stderr=output, env={**os.environ, "HOME": str(log.parent)}
        )

    def listens() -> bool:
        assert process.returncode is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until(listens, deadline_s=30, what=f"{arguments[0]} to listen")
        yield Proxy(port, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 20)


@asynccontextmanager
async def caddy(
    folder: Path, port: int, upstream: int, certificate: Certificate
) -> AsyncIterator[Proxy]:
    program = _program("caddy")
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    text = _replaced(
        text, "desk.example.org {", f"{NAME}:{port} {{\n\ttls {certificate.chain} {certificate.key}"
    )
    text = _replaced(text, "127.0.0.1:8300", f"127.0.0.1:{upstream}")
    text = _replaced(
        text,
        "\n{\n",
        "\n{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n",
    )
    text = _replaced(text, "servers {", "servers {\n\t\tprotocols h1 h2")  # UDP is held
    file = folder / "Caddyfile"
    file.write_text(text)
    arguments = [program, "run", "--adapter", "caddyfile", "--config", str(file)]
    async with _running(arguments, port, folder / "caddy.log") as proxy:
        yield proxy


@asynccontextmanager
async def nginx(
    folder: Path, port: int, upstream: int, certificate: Certificate
) -> AsyncIterator[Proxy]:
    program = _program("nginx")
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = _replaced(text, "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    text = _replaced(text, "server_name desk.example.org;", f"server_name {NAME};")
    text = _replaced(text, "/etc/ssl/desk.example.org.pem", str(certificate.chain))
    text = _replaced(text, "/etc/ssl/desk.example.org.key", str(certificate.key))
    text = _replaced(text, "127.0.0.1:8300", f"127.0.0.1:{upstream}")
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr info;
events {{ worker_connections 256; }}
http {{ access_log off; {temporary}
{text}
}}
"""
    file = folder / "nginx.conf"
    file.write_text(whole)
    arguments = [program, "-p", str(folder), "-e", "stderr", "-c", str(file)]
    async with _running(arguments, port, folder / "nginx.log") as proxy:
        yield proxy


def _replaced(text: str, old: str, new: str) -> str:
    """Replace the first `old`, which must be there: the example's other lines stay as they are."""
    assert old in text, old
    return text.replace(old, new, 1)


@asynccontextmanager
async def proxy(name: str, folder: Path, upstream: int) -> AsyncIterator[tuple[Proxy, Certificate]]:
    """Run `caddy` or `nginx` before the server at `upstream`, on loopback."""
    certificate = Certificate.make(folder)
    start = {"caddy": caddy, "nginx": nginx}[name]
    with held_ports(1, side=UDP) as port:
        async with start(folder, port, upstream, certificate) as running:
            yield running, certificate

"""AMI over TLS: whom we trust, and what a handshake that fails means."""

import ssl
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TlsSettings", "explain_tls_fault", "tls_context"]


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """The PBX's certificate is always checked. `ca` holds what it must be signed by (or itself, when
    it signed itself); None: what this machine trusts. `name` is whom it must be made out to; empty:
    the host that is connected to.
    """

    ca: Path | None = None
    name: str = ""


class _NamedContext(ssl.SSLContext):
    """Checks a certificate against `expected_name` instead of the host: panoramisk passes no name."""

    expected_name: str = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        name = self.expected_name or server_hostname
        return super().wrap_bio(incoming, outgoing, server_side, name, session)


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context of a connection. Blocks a moment: it reads files.

    Raises OSError (ssl.SSLError too) when `ca` can't be used.
    """
    made = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.expected_name = settings.name
    if settings.ca is None:
        made.load_default_certs()
    else:
        made.load_verify_locations(cafile=settings.ca)
    return made


def explain_tls_fault(fault: ssl.SSLError) -> str:
    """Say what a failed handshake means, and what to do."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the PBX is not trusted: {fault.verify_message}; set tls_ca to the "
            "file it is signed by, and tls_name to the name in it when that is not the host"
        )
    return (
        f"no TLS with the PBX: {fault.reason or fault}; is the port that of tlsbindaddr and "
        "tlsenable = yes in manager.conf?"
    )

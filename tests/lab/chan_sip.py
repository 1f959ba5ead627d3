"""A lab whose telephones and trunk are chan_sip's (up to Asterisk 20), the trunk called by a city number.

The same lab as of PJSIP in everything else: `lab = await asterisk("16", chan_sip())`.
"""

from dataclasses import replace

from press3.demo.pbx_files import PbxPorts, modules_conf
from tests.lab.harness import DIALPLAN, EXTENSIONS, QUICK, SECOND_DEVICE, LabMenu

__all__ = ["TRUNK", "chan_sip"]

TRUNK = "211553"
_GENERAL = """\
[general]
context = nowhere
allowguest = no
udpbindaddr = 127.0.0.1:{port}
tcpenable = no
disallow = all
allow = alaw
directmedia = no
dtmfmode = info
qualify = no
language = ru
[{trunk}]
type = peer
host = 127.0.0.1
port = {customer}
insecure = port,invite
context = from-trunk
"""
_TELEPHONE = """\
[{name}]
type = friend
host = 127.0.0.1
port = {port}
context = from-internal
callerid = "Operator {extension}" <{extension}>
callgroup = 1
pickupgroup = 1
"""


def chan_sip(config: LabMenu | None = None) -> LabMenu:
    """Return `config` (the usual lab) with chan_sip in the place of chan_pjsip."""
    config = config or LabMenu(
        menu=replace(QUICK, members=tuple(f"SIP/{ext}" for ext in EXTENSIONS[:2]))
    )
    dialplan = DIALPLAN.replace("PJSIP/${EXTEN}@customer", f"SIP/{TRUNK}/${{EXTEN}}")
    return replace(
        config,
        sip_conf=_sip_conf,
        files={
            "extensions.conf": dialplan.replace("PJSIP/", "SIP/")
            + "[from-trunk]\ninclude => incoming\n",
            "modules.conf": modules_conf(but=("chan_sip",), without=("chan_pjsip", "res_pjsip")),
            **config.files,
        },
    )


def _sip_conf(ports: PbxPorts, phones: "dict[str, int]") -> str:
    parts = [_GENERAL.format(port=ports.sip, trunk=TRUNK, customer=phones["customer"])]
    for name in (*EXTENSIONS, SECOND_DEVICE):
        extension = name.removeprefix("99")
        parts.append(_TELEPHONE.format(name=name, port=phones[name], extension=extension))
    return "".join(parts)

"""What hostile or careless callers, and look-ups of names, call a caller."""

from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["IDENTITIES", "NAME_LOOK_UP", "Identity"]

CRLF = (
    "Eve\r\nX: y\r\n\r\nEvent: UserEvent\r\nUserEvent: Press3\r\nKey: press3/1/x\r\nAt: 1.0\r\n\r\n"
)
LONG = "Ё" * 500
MARKUP = "<img src=x onerror=alert(1)>|\"'; ${SHELL(id)} =1+1 \\n %0d%0a &amp;"
# A route that looks names up sets them as they came.
LOOKED_UP = {"661": CRLF, "662": LONG, "663": MARKUP}
NAME_LOOK_UP = "[incoming](+)\n" + "".join(
    f"exten => {exten},1,Set(CALLERID(name)=${{URIDECODE({quote(name, safe='')})}})\n"
    " same => n,Goto(press3-menu,s,1)\n"
    for exten, name in LOOKED_UP.items()
)

CUT = 79  # bytes of a name or number that Asterisk keeps of SIP
BROKEN = "Caf\udce9 \udcff"
ASSERTED = 'P-Asserted-Identity: "Пётр|\\"<b>" <sip:+79110003595@127.0.0.1>'
NO_UTF_8 = ("Caf\ufffd \ufffd", "Cafй я", BROKEN)  # cleaned by the PBX, or as its bytes can be read


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a caller says of himself, and what of it must be shown: one of `names`.

    `broken`: Asterisk tells the telephone of him in an INVITE that SIPp can't read, so it logs no ring.
    """

    number: str
    name: str = "Eve"
    to: str = "100"
    headers: tuple[str, ...] = ()
    raw: str
    names: tuple[str, ...]
    broken: bool = False


IDENTITIES = (
    Identity(
        number="+79110003501", to="661", raw="+79110003501", names=(CRLF.strip(),), broken=True
    ),
    Identity(number="+79110003502", to="662", raw="+79110003502", names=(LONG,)),
    Identity(number="+79110003503", to="663", raw="+79110003503", names=(MARKUP,)),
    Identity(number="+79110003504", name="A" * 500, raw="+79110003504", names=("A" * CUT,)),
    Identity(number="+79110003505", name="Ё" * 500, raw="+79110003505", names=("Ё" * (CUT // 2),)),
    Identity(number="+79110003506", name=BROKEN, raw="+79110003506", names=NO_UTF_8),
    Identity(
        number="+79110003507", headers=(ASSERTED,), raw="+79110003595", names=('Пётр|\\"<b>',)
    ),
    Identity(number="+7911%0d%0aX:%20y", raw="+7911", names=("Eve",)),  # AMI ends the line there
    Identity(number="5" * 300, raw="5" * CUT, names=("Eve",)),
    Identity(number="=1+1", raw="=1+1", names=("Eve",)),
)

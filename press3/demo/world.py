"""The dialplans of the demo: the company's own PBX, and the world outside that calls it.

The world is a second private Asterisk. Were customers and telephones played by the PBX itself, each
call would appear to press3 once more, from the other end.
"""

from press3.demo.pbx_files import Endpoint, PbxPorts, pbx_files
from press3.demo.plans import DEMO_OPERATORS

__all__ = ["COMPANY_NUMBER", "pbx_conf", "world_conf"]

COMPANY_NUMBER = "74950000000"

# A call inside the company reaches the telephone as `direct101`, which always answers.
PBX_DIALPLAN = """\
[incoming]
exten => _X.,1,Goto(press3-menu,s,1)
[from-internal]
exten => _10X,1,Dial(PJSIP/${{EXTEN}}/sip:direct${{EXTEN}}@127.0.0.1:{world},20,tT)
exten => _8X.,1,MixMonitor(${{STRFTIME(,,%Y/%m/%d)}}/out-${{EXTEN}}-${{UNIQUEID}}.wav)
 same => n,Dial(PJSIP/${{EXTEN}}@trunk,30,tT)
#include "extensions_press3.conf"
"""

# A real telephone always sends sound, so nobody here just waits once the call is up.
WORLD_DIALPLAN = """\
[customers]
exten => s,1,Set(TIMEOUT(absolute)=${{PATIENCE}})
{keep_plans}
 same => n,Playback(silence/${{BEFORE}})
 same => n,ExecIf($["${{KEY}}" != ""]?SendDTMF(${{KEY}}))
 same => n,Playback(silence/4)
 same => n(talk),Playback(${{VOICE}}&silence/2)
 same => n,Goto(talk)
exten => T,1,Hangup()

[telephones]
exten => _10X,1,Set(PLAN=${{DB(plan/${{FILTER(0-9a-z+,${{CALLERID(num)}})}}-${{EXTEN}})}})
 same => n,Set(RING=${{CUT(PLAN,-,1)}})
 same => n,Set(TALK=${{CUT(PLAN,-,2)}})
 same => n,Set(ONWARD=${{CUT(PLAN,-,3)}})
 same => n,ExecIf($["${{RING}}" = "busy"]?Hangup(17))
 same => n,Ringing()
 same => n,ExecIf($["${{RING}}" = "never" | "${{RING}}" = ""]?Wait(120))
 same => n,Wait(${{RING}})
 same => n,Goto(operator,s,1)
exten => _direct10X,1,Ringing()
 same => n,Wait(2)
 same => n,Set(TALK=12)
 same => n,Goto(operator,s,1)
exten => _8X.,1,Ringing()
 same => n,Wait(3)
 same => n,Answer()
 same => n,Playback(hello&demo-thanks&silence/1&vm-intro)
 same => n,Hangup()

[operator]
exten => s,1,Answer()
 same => n,Set(TIMEOUT(absolute)=${{TALK}})
 same => n,Playback(hello&silence/1)
 same => n(talk),Playback(demo-thanks&silence/2&vm-intro&silence/2&demo-echotest&silence/1)
 same => n,Goto(talk)
exten => T,1,ExecIf($["${{ONWARD}}" != ""]?Transfer(PJSIP/sip:${{ONWARD}}@127.0.0.1:{pbx}))
 same => n,Hangup()

[outbound]
exten => s,1,Set(TIMEOUT(absolute)=40)
 same => n(talk),Playback(hello&silence/1&demo-moreinfo&silence/2)
 same => n,Goto(talk)
exten => T,1,Hangup()
"""


def pbx_conf(pbx: PbxPorts, world: PbxPorts) -> dict[str, str]:
    """Return the PBX's files besides the rendered ones of press3."""
    telephones = [
        Endpoint(
            name=extension,
            port=world.sip,
            context="from-internal",
            caller_number=extension,
            caller_name=name,
        )
        for extension, name in DEMO_OPERATORS.items()
    ]
    trunk = Endpoint(name="trunk", port=world.sip, context="incoming")
    return {
        **pbx_files(pbx, [*telephones, trunk], anonymous_context="incoming"),
        "extensions.conf": PBX_DIALPLAN.format(world=world.sip),
        "queues.conf": '[general]\n#include "queues_press3.conf"\n',
    }


def world_conf(pbx: PbxPorts, world: PbxPorts) -> dict[str, str]:
    """Return the files of the Asterisk that plays customers and telephones."""
    endpoint = Endpoint(name="pbx", port=pbx.sip, context="telephones")
    keep_plans = "\n".join(
        f" same => n,Set(DB(plan/${{NUMBER}}-{ext})=${{PLAN{ext}}})" for ext in DEMO_OPERATORS
    )
    return {
        **pbx_files(world, [endpoint], anonymous_context="telephones"),
        "extensions.conf": WORLD_DIALPLAN.format(keep_plans=keep_plans, pbx=pbx.sip),
        "queues.conf": "[general]\n",
    }

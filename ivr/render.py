"""Render everything that goes onto the PBX: file name → text. Writing the files is the caller's."""

from collections.abc import Mapping, Sequence

from ivr.dialplan import render_dialplan
from ivr.manager import render_manager
from ivr.menu import AmiAccount, Menu, ObservedMenu
from ivr.queues import render_queues

__all__ = ["render"]

HEADER = (
    "; Written by `press3 render`. Changes here are lost: change config.toml and render again.\n"
)

README = """\
press3 on this Asterisk
=======================
These files hold a password: install -m 0600 -o asterisk *.conf /etc/asterisk/
The AMI must be on: [general] enabled = yes in manager.conf.

1. FreePBX, Issabel
   Copy the three .conf files to /etc/asterisk/ and add one line each:
     extensions_custom.conf         #include extensions_press3.conf
     manager_custom.conf            #include manager_press3.conf
     queues_custom.conf             #include queues_press3.conf    {queue_hint}
   Make a Custom Destination  press3-complaint,s,1  ("Complaint, key 3") and choose it for key 3 of
   your IVR; or send a DID to  press3-menu,s,1  to use the menu of press3.

2. Plain Debian
   Copy the three .conf files to /etc/asterisk/ and add one line at the end of each:
     extensions.conf                #include "extensions_press3.conf"
     manager.conf                   #include "manager_press3.conf"
     queues.conf                    #include "queues_press3.conf"   {queue_hint}
   (or put manager_press3.conf into manager.d/). Reach it from your dialplan:
     exten => 3,1,Goto(press3-complaint,s,1)       key 3 of your own menu
     exten => 74950000000,1,Goto(press3-menu,s,1)  the whole menu

3. Then, on the Asterisk console:
     dialplan reload
     manager reload
     queue reload all

Needed modules besides the usual ones: app_queue, app_mixmonitor, app_db, func_db, func_uri,
func_strings, func_version, app_userevent. Sounds: the set of the language "{language}".
The queue is "{queue}"; menu "{menu}". press3 deletes nothing on the PBX; the dialplan itself forgets
presses older than 8 days.
"""


def render(
    menu: Menu, ami: AmiAccount, *, observed: Sequence[ObservedMenu] = ()
) -> Mapping[str, str]:
    """Return the files of one PBX. `observed` are existing menus to be watched through AMI."""
    hint = "(nothing in it: your own queue)" if menu.queue else "(the queue press3)"
    return {
        "extensions_press3.conf": HEADER + render_dialplan(menu),
        "manager_press3.conf": HEADER + render_manager(ami, observed),
        "queues_press3.conf": HEADER + render_queues(menu),
        "README.txt": README.format(
            queue_hint=hint, language=menu.language, queue=menu.queue_name, menu=menu.name
        ),
    }

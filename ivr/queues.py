"""Render the queue behind key 3, when the PBX has none of its own."""

from ivr.menu import RENDERED_QUEUE, Menu

__all__ = ["render_queues"]

# The next round of ringing begins this long after the last one ended.
RETRY_S = 2


def render_queues(menu: Menu) -> str:
    """Return the text of queues_press3.conf; only a remark when `menu.queue` exists on the PBX."""
    if menu.queue:
        return f"; The queue {menu.queue} of this PBX is used; there is nothing to add.\n"
    members = "".join(f"member => {member}\n" for member in menu.members)
    return (
        f"[{RENDERED_QUEUE}]\n"
        "strategy = ringall\n"
        f"timeout = {menu.ring_s}\n"
        f"retry = {RETRY_S}\n"
        "autofill = yes\n"
        "ringinuse = no\n"
        "musicclass = default\n"
        "announce-frequency = 0\n"
        "announce-holdtime = no\n"
        "; nobody waits for telephones that are all unplugged\n"
        "joinempty = strict\n"
        "leavewhenempty = strict\n"
        f"{members}"
    )

"""The configuration of a private Asterisk around the rendered files: telephones, ports, modules."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from press3.demo.asterisk import RTP_PORTS, free_port, free_port_range

__all__ = ["Endpoint", "PbxPorts", "modules_conf", "pbx_files"]

RTP_COUNT = 200
# Not needed for calls over SIP on loopback: they look for hardware, databases or files we have not.
LEFT_OUT = (
    "app_agent_pool app_amd app_confbridge app_page app_voicemail app_voicemail_imap "
    "app_voicemail_odbc app_minivm app_followme app_alarmreceiver app_festival app_osplookup "
    "app_adsiprog app_getcpeid app_meetme app_dahdiras cdr_adaptive_odbc cdr_custom "
    "cdr_manager cdr_odbc cdr_pgsql cdr_radius cdr_sqlite3_custom cdr_syslog cdr_tds cel_custom "
    "cel_manager cel_odbc cel_pgsql cel_radius cel_sqlite3_custom cel_tds cel_beanstalkd "
    "cdr_beanstalkd chan_alsa chan_console chan_dahdi chan_iax2 chan_mgcp chan_mobile chan_motif "
    "chan_ooh323 chan_oss chan_phone chan_sip chan_skinny chan_unistim chan_vpb codec_dahdi "
    "pbx_ael pbx_dundi pbx_lua res_calendar res_calendar_caldav res_calendar_ews "
    "res_calendar_exchange res_calendar_icalendar res_clialiases res_config_ldap res_config_odbc "
    "res_config_pgsql res_config_sqlite res_config_sqlite3 res_corosync res_fax res_fax_spandsp "
    "res_hep res_hep_pjsip res_hep_rtcp res_odbc res_odbc_transaction func_odbc res_phoneprov "
    "res_pjsip_notify res_pjsip_phoneprov_provider res_snmp res_stasis_test res_timing_dahdi "
    "res_xmpp chan_jingle res_stun_monitor res_prometheus chan_websocket "
    "res_http_media_cache"
)


@dataclass(frozen=True, kw_only=True)
class PbxPorts:
    """The loopback ports of one private Asterisk. Made fresh by `PbxPorts()`."""

    ami: int = field(default_factory=free_port)
    sip: int = field(default_factory=free_port)
    rtp: int = field(default_factory=lambda: free_port_range(RTP_COUNT, RTP_PORTS))


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A SIP telephone without registration: its INVITEs come from and go to 127.0.0.1:`port`.

    `context` is where its calls enter the dialplan; `group` is whose ringing it may pick up.
    """

    name: str
    port: int
    context: str = "default"
    caller_number: str = ""
    caller_name: str = ""
    group: int = 1


def pbx_files(
    ports: PbxPorts,
    endpoints: Iterable[Endpoint],
    *,
    anonymous_context: str,
    queue_log: bool = True,
) -> dict[str, str]:
    """Render every file but extensions.conf, queues.conf and the AMI users.

    A call from a From-user that is no endpoint's name enters `anonymous_context`.
    """
    return {
        "modules.conf": modules_conf(),
        "logger.conf": f"[general]\nqueue_log = {'yes' if queue_log else 'no'}\n"
        "dateformat = %F %T.%3q\n[logfiles]\nmessages = notice,warning,error\n",
        "manager.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n"
        f"port = {ports.ami}\n"
        '#tryinclude "manager_press3.conf"\n#tryinclude "manager_more.conf"\n',
        "rtp.conf": f"[general]\nrtpstart = {ports.rtp}\nrtpend = {ports.rtp + RTP_COUNT - 1}\n",
        "pjsip.conf": _pjsip(ports, endpoints, anonymous_context),
        "musiconhold.conf": "[default]\nmode = files\ndirectory = moh\n",
        "features.conf": "[general]\npickupexten = *8\n"
        "[featuremap]\nblindxfer = ##\natxfer = *2\nparkcall = *5\n",
        "res_parking.conf": "[default]\nparkext = 700\nparkpos = 701-710\ncontext = parkedcalls\n"
        "parkingtime = 45\n",
        "cdr.conf": "[general]\nenable = yes\nunanswered = yes\n",
        "indications.conf": "[general]\ncountry = ru\n[ru]\ndescription = Russia\nringcadence = 1000,4000\n"
        "dial = 425\nbusy = 425/350,0/350\nring = 425/1000,0/4000\ncongestion = 425/175,0/175\n",
        "ccss.conf": "[general]\n",
        "udptl.conf": "[general]\n",
        "acl.conf": "",
        "cli.conf": "[startup_commands]\n",
    }


def modules_conf(*, but: Iterable[str] = (), without: Iterable[str] = ()) -> str:
    """Render modules.conf: everything but `LEFT_OUT`, with the modules `but`, without those of `without`."""
    names = [name for name in LEFT_OUT.split() if name not in set(but)]
    noload = "\n".join(f"noload = {name}.so" for name in (*names, *without))
    return f"[modules]\nautoload = yes\n{noload}\n"


def _pjsip(ports: PbxPorts, endpoints: Iterable[Endpoint], anonymous_context: str) -> str:
    parts = [
        "[global]\ntype = global\nendpoint_identifier_order = username,anonymous\n"
        "user_agent = press3-lab\n",
        f"[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:{ports.sip}\n",
        "[phone](!)\ntype = endpoint\ntransport = udp\ndisallow = all\nallow = alaw\n"
        "direct_media = no\ndtmf_mode = auto_info\ntrust_id_inbound = yes\nsend_pai = yes\n"
        "send_connected_line = no\nlanguage = ru\n",
        f"[anonymous](phone)\ncontext = {anonymous_context}\n",
    ]
    parts += [_endpoint(endpoint) for endpoint in endpoints]
    return "\n".join(parts)


def _endpoint(endpoint: Endpoint) -> str:
    caller = ""
    if endpoint.caller_number:
        caller = f'callerid = "{endpoint.caller_name}" <{endpoint.caller_number}>\n'
    return (
        f"[{endpoint.name}](phone)\naors = {endpoint.name}\ncontext = {endpoint.context}\n{caller}"
        f"call_group = {endpoint.group}\npickup_group = {endpoint.group}\n"
        f"[{endpoint.name}]\ntype = aor\nmax_contacts = 1\nqualify_frequency = 0\n"
        f"contact = sip:{endpoint.name}@127.0.0.1:{endpoint.port}\n"
    )

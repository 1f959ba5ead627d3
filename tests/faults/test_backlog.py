"""press3 comes back after hours: the presses of that time are read within seconds of the login."""

from datetime import timedelta

import pytest

from tests.faults.backlog import fill_spool
from tests.faults.conftest import OpenSite
from tests.faults.outside import look
from tests.timing import Stopwatch

pytestmark = pytest.mark.asterisk

PRESSES = 2_000
READ_S = 10  # the promise


@pytest.mark.faults_only
async def test_two_thousand_presses_are_read_in_ten_seconds(open_a_site: OpenSite) -> None:
    site = await open_a_site("22", start=False)  # never started before: it reads all there is
    service = site.service
    await fill_spool(site.lab, PRESSES, over=timedelta(hours=6))
    await service.spawn()
    await service.ready()
    await service.serving()
    logged_in = Stopwatch()
    await service.linked(deadline_s=180)
    read_s = logged_in.own_s
    seen = await look(service, site.lab)
    assert len(seen.appeals) == len(seen.spool) == PRESSES
    assert read_s <= READ_S

"""What `/metrics` tells of the running service: read when asked, so that it can't be out of date."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ami.connection import LinkState
from recordings.worker import RecordingWorker
from telephony.serving import Telephony

__all__ = ["service_registry"]


class _ServiceCollector(Collector):
    def __init__(self, telephony: Sequence[Telephony], recordings: RecordingWorker) -> None:
        self._telephony = telephony
        self._recordings = recordings

    def collect(self) -> Iterator[Metric]:
        yield from self._links()
        done = CounterMetricFamily(
            "press3_recordings",
            "Recordings by what became of them since the start",
            labels=["result"],
        )
        counters = self._recordings.counters
        for result in ("converted", "failed", "missing", "refused", "swept"):
            done.add_metric([result], getattr(counters, result))
        yield done

    def _links(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("press3_link_up", "1 while the AMI link is up", labels=["pbx"])
        calls = GaugeMetricFamily("press3_open_calls", "Calls in progress", labels=["pbx"])
        stuck = GaugeMetricFamily(
            "press3_pipeline_stuck", "1 while the database refuses a batch", labels=["pbx"]
        )
        events = CounterMetricFamily(
            "press3_ami_events", "AMI events by what was done with them", labels=["pbx", "kind"]
        )
        for each in self._telephony:
            pipeline, recorder = each.pipeline, each.recorder
            counters = each.link.counters
            up.add_metric([each.pbx], each.link.state is LinkState.UP)
            calls.add_metric([each.pbx], len(recorder.open_stories) if recorder else 0)
            stuck.add_metric([each.pbx], each.stuck_since() is not None)
            events.add_metric([each.pbx, "seen"], counters.seen)
            events.add_metric([each.pbx, "wanted"], counters.wanted)
            events.add_metric([each.pbx, "dropped"], counters.dropped)
            events.add_metric([each.pbx, "broken"], pipeline.broken_events if pipeline else 0)
        yield from (up, calls, stuck, events)


def service_registry(
    telephony: Sequence[Telephony], recordings: RecordingWorker
) -> CollectorRegistry:
    """Return a registry that reads the given parts whenever it is scraped."""
    registry = CollectorRegistry()
    registry.register(_ServiceCollector(telephony, recordings))
    return registry

"""What Prometheus would read: the numbers that a node of a Ray cluster exports, without Ray's own tags."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterable

from prometheus_client.parser import text_string_to_metric_families

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Name of a series with its tags -> value, added up over the processes that tell it."""
RAYS_OWN = {"Component", "NodeAddress", "SessionName", "Version", "WorkerId", "JobId"}


def scrape(addresses: Iterable[str], prefix: str = "ray_metabt_") -> Numbers:
    """Return what nodes export at HOST:PORT under names with a prefix."""
    found: Numbers = {}
    for address in addresses:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples if family.name.startswith(prefix) else ():
                own = {k: v for k, v in sample.labels.items() if k not in RAYS_OWN and not k.startswith("otel_")}
                key = sample.name.removeprefix(prefix), tuple(sorted(own.items()))
                found[key] = found.get(key, 0.0) + sample.value
    return found


def settled(read: Callable[[], Numbers], seconds: float = 2.5) -> Numbers:
    """Return what is read once it has not changed for a while: processes tell their numbers now and then."""
    found, since = read(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.25)
        if (now := read()) != found:
            found, since = now, time.monotonic()
    return found

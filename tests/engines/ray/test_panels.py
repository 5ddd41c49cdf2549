"""Panels of the same prices, read and computed in every way there is: the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metabt import Panel, Sheet, open_panel
from metabt.data.dataset import Dataset
from metabt.data.facts import Facts
from metabt.errors import ConfigError, DataError
from metabt.lakehouse import ingest
from metabt.lakehouse.price_source import to_prices
from tests.shared.sheets import bars, leaky, moving_sum, same


def market(sheet: Sheet) -> Sheet:
    """Return the mean over all symbols."""
    return Sheet(sheet.dates, ("market",), {"mean": sheet["returns"].mean(axis=1, keepdims=True)})


def whitened(sheet: Sheet) -> Sheet:
    """Return something whose last bits depend on how many threads compute it."""
    x = np.nan_to_num(sheet["returns"]) + 1e-3
    return sheet.derive(white=x @ np.linalg.inv(x.T @ x + np.eye(x.shape[1])))


COMPOSITIONS: dict[str, Callable[[Panel], Panel]] = {
    "all": lambda p: p,
    "one field": lambda p: p["volume"],
    "symbols": lambda p: p.select(["DD", "BB"])["returns"],
    "cut": lambda p: p.between("2018-12-31", "2020-03-05"),
    "one partition": lambda p: p.partitions[1],
    "last partitions": lambda p: p.partitions[-2:]["close", "returns"],
    "mapped": lambda p: p.map_partitions(leaky),
    "overlap": lambda p: p.map_overlap(moving_sum(30), before=29),
    "overlap of years": lambda p: p.map_overlap(moving_sum(400), before=399),
    "overlap of an overlap": lambda p: p.map_overlap(moving_sum(9), before=8).map_overlap(
        lambda s: s.derive(returns=np.nan_to_num(s["total"])), before=3
    ),
    "cut, then overlap": lambda p: p.between("2019-06-03").map_overlap(moving_sum(30), before=29),
    "overlap, then cut": lambda p: p.map_overlap(moving_sum(30), before=29).between("2019-06-03", "2020-02-03"),
    "overlap, then symbols": lambda p: p.map_overlap(moving_sum(5), before=4).select(["CC"])["total"].partitions[2:],
    "other symbols": lambda p: p.map_partitions(market),
    "matrix products": lambda p: p.map_overlap(whitened, before=40),
    "kept": lambda p: p["returns"].persist().map_overlap(moving_sum(30), before=29),
    "kept twice": lambda p: p.map_overlap(moving_sum(3), before=2).persist().between("2020-01-05").persist(),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("panels") / "lake"
    ingest(path, "stocks", bars())
    return path


@pytest.mark.parametrize("composition", COMPOSITIONS)
@pytest.mark.parametrize("backend", ["lakehouse", "frame on Ray", "lakehouse on Ray"])
def test_every_backend_has_the_same_bits(cluster: None, lake: Path, backend: str, composition: str) -> None:
    compose = COMPOSITIONS[composition]
    prices = bars() if "frame" in backend else lake
    panel = compose(open_panel(prices, engine="ray" if "Ray" in backend else "local"))
    reference = compose(open_panel(bars()))
    assert panel.divisions == reference.divisions
    assert (panel.symbols, panel.fields) == (reference.symbols, reference.fields)
    assert same(panel.compute(), reference.compute())


def test_persisted_partitions_stay_in_the_object_store(cluster: None, lake: Path, tmp_path: Path) -> None:
    def mark(sheet: Sheet) -> Sheet:
        (tmp_path / f"{sheet.dates[0]}").touch()
        return sheet

    panel = open_panel(lake, engine="ray").map_partitions(mark)
    assert not list(tmp_path.iterdir())
    kept = panel.persist()
    assert len(list(tmp_path.iterdir())) == 4
    for trace in tmp_path.iterdir():
        trace.unlink()
    views = [list(kept.partitions[2].sheets())[0]["close"] for _ in range(2)]
    assert views[0].tobytes() == views[1].tobytes() and not views[0].flags.writeable
    kept.compute()
    assert not list(tmp_path.iterdir())


def test_what_a_function_raises_is_raised_here(cluster: None, lake: Path) -> None:
    panel = open_panel(lake, engine="ray")
    with pytest.raises(
        DataError, match=r"returned a float for partition \d{4}, wanted a Sheet; return sheet.derive\(name=matrix\)$"
    ):
        panel.map_partitions(lambda sheet: 1.0).compute()  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match="looks ahead"):
        panel.map_partitions(leaky).check_causal(3)
    with pytest.raises(ZeroDivisionError):
        panel.map_partitions(lambda sheet: 1 // 0).compute()  # type: ignore[arg-type, return-value]


def test_what_travels_is_small(cluster: None, lake: Path) -> None:
    import ray

    for prices in (lake, bars()):
        plan = open_panel(prices, engine="ray").map_overlap(moving_sum(300), before=299).plan
        sizes = [len(ray.cloudpickle.dumps(plan.recipe(k))) for k in range(4)]
        assert max(sizes) < 8 * 4 * 900 / 2  # half of the closes alone


def test_prices_in_the_object_store_are_known_by_the_same_digest(cluster: None) -> None:
    from metabt.engines.ray.panels import shared

    prices = to_prices("prices", bars())
    known, view = Facts.of(prices), shared(Dataset.of(prices))
    assert view.facts.digest(known.symbols) == known.digest(known.symbols)
    rows = known.partitions["2019"]
    part = view.part(rows, ("AA", "CC"), ("returns",))()
    assert part.returns.tobytes() == prices.rows(rows).select(("AA", "CC")).returns.tobytes()


def test_a_panel_on_ray_connects_before_it_is_composed(monkeypatch: pytest.MonkeyPatch, lake: Path) -> None:
    def nobody() -> None:
        raise ConfigError("nobody answers")

    monkeypatch.setattr("metabt.engines.ray.connection.connect", nobody)
    for prices in (lake, bars()):
        with pytest.raises(ConfigError, match="nobody answers"):
            open_panel(prices, engine="ray")

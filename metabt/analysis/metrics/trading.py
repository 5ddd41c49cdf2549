"""What a stream traded and paid, and how much it could have paid."""

from __future__ import annotations

from metabt.analysis.metrics.stream import NAN, Stream


def trading(stream: Stream) -> dict[str, float]:
    """Return turnover, cost and netting benefit a year, and the break-even cost.

    Returns
    -------
    turnover, cost, netting_benefit : sums a year, fractions of NAV, the first purchase among what was traded
    break_even_cost : the cost per unit of notional traded at which the stream would have earned nothing before
        compounding, `sum gross / (2 sum turnover)`, a fraction: 0.001 is 10 basis points. It is a proxy of capacity:
        costs grow with size, so what earns more per unit traded can grow further. It is no amount of
        money, which would take volumes and a model of market impact. Negative where the stream lost, NaN where
        nothing was traded.
    """
    years, traded = stream.years, 2.0 * float(stream.turnover.sum())
    sums = {"turnover": stream.turnover, "cost": stream.cost, "netting_benefit": stream.netting}
    return {
        **{name: float(values.sum()) / years if years > 0 else NAN for name, values in sums.items()},
        "break_even_cost": float(stream.gross.sum()) / traded if traded > 0 else NAN,
    }

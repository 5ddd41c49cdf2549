"""Effects: the table of Brinson, Hood and Beebower, and what it must add up to."""

from __future__ import annotations

import numpy as np

from metabt.analysis.attribution.effects import Side, cost_of, effects


def side(weights: list[float], returns: list[float]) -> Side:
    w, r = np.array([weights]), np.array([returns])
    return Side(w, r, w * r)


def test_one_session_by_hand() -> None:
    found = effects(side([0.7, 0.3], [0.10, 0.02]), side([0.5, 0.5], [0.08, 0.03]))
    np.testing.assert_allclose(found.allocation, [[0.2 * 0.08, -0.2 * 0.03]], rtol=0, atol=1e-16)
    np.testing.assert_allclose(found.selection, [[0.5 * 0.02, 0.5 * -0.01]], rtol=0, atol=1e-16)
    np.testing.assert_allclose(found.interaction, [[0.2 * 0.02, -0.2 * -0.01]], rtol=0, atol=1e-16)
    np.testing.assert_allclose(found.total.sum(), 0.076 - 0.055, rtol=0, atol=1e-16)


def test_cash_and_shorts_add_up_too() -> None:
    rng = np.random.default_rng(3)
    sides = [Side(w, r, w * r) for w, r in (rng.normal(0.1, 0.4, (2, 50, 3)) for _ in range(2))]
    found = effects(*sides)
    np.testing.assert_allclose(found.total, sides[0].earned - sides[1].earned, rtol=0, atol=1e-15)


def test_what_could_not_be_traded_is_in_the_interaction() -> None:
    one, other = side([0.5, 0.5], [0.1, 0.1]), side([0.5, 0.5], [0.1, 0.1])
    found = effects(Side(one.weights, one.returns, one.earned + np.array([[0.01, 0.0]])), other)
    np.testing.assert_allclose(found.interaction, [[0.01, 0.0]], rtol=0, atol=1e-16)
    assert not found.allocation.any() and not found.selection.any()


def test_costs_are_the_distance_from_gross_to_net() -> None:
    gross, cost = np.array([0.02, -0.01]), np.array([0.001, 0.0])
    np.testing.assert_allclose(gross + cost_of(cost, gross), (1 - cost) * (1 + gross) - 1, rtol=0, atol=1e-16)


def test_linked_effects_are_sums_with_factors() -> None:
    rng = np.random.default_rng(5)
    found = effects(*(Side(w, r, w * r) for w, r in (rng.normal(0.1, 0.4, (2, 20, 3)) for _ in range(2))))
    factors = rng.normal(size=(4, 20))
    linked = found.linked(factors)
    for name in ("allocation", "selection", "interaction"):
        expected = [
            [sum(f * it for f, it in zip(row, column, strict=True)) for column in getattr(found, name).T]
            for row in factors
        ]
        np.testing.assert_allclose(getattr(linked, name), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(linked.total, factors @ found.total, rtol=0, atol=1e-14)

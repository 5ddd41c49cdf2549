"""Risk budgeting without bounds, in conjugate steps that a one-factor model of the correlations points out.

The problem is that of `barrier` with lam = 1: `x_i (Cx)_i = b_i` for every asset. Nothing is factored; a step is one
product with C and a few passes over vectors.

1. Model C by one factor, `diag(own) + f f'`: `own = 1 - f^2`, so that the diagonal is right, and `f = r / sqrt(1'r)`
   with r the sums of the rows of C, which those of `f f'` are.
2. Begin where the model's own solution has `f'x = sqrt(n)`, which is about what it is: roots of n quadratics.
3. In relative steps `w = dx / x` the Newton matrix is `XCX + B`; with the model for C its inverse takes O(n)
   (Sherman, Morrison 1950). It points downhill, and that direction is made conjugate to the last (Polak, Ribiere 1969).
4. Go as far as Newton's step along the line is, with the true C. The function is self-concordant, divided by the least
   budget: with a decrement below 1/2 the whole step descends, else `1 / (1 + decrement)` of it does.
5. Once every contribution is near its budget, one step of the model from an exact gradient is the last.

A year of stocks takes 9 to 16 steps. Hedges, which one factor does not explain, take more than STEPS: no answer.
"""

from __future__ import annotations

import math

from metabt.estimators.solvers.linear import product, width_of
from metabt.numerics.kernels import FAST, inner

STEPS = 24
"""Steps at most; as many cost what a few factors of the whole matrix do."""

NEAR = 3e-14
"""Part of its budget that a contribution may be off before the last step, which leaves a third of that at most."""

OWN = 0.05
"""Least part of a variance that the model leaves to the asset itself: it stays regular where correlations are one."""

VECTORS = 8
"""Rows of the work array `v` of `unbounded`."""


@inner()
def unbounded(C, budget, x, Cx, v, n):
    """Write the solution x, and C x but for the last step; return whether it was reached.

    Rows of C and the budgets are padded with zeros, which x will be. `v` is scratch, (VECTORS, width).
    """
    f, own, gradient, step = v[0], v[1], v[2], v[3]
    along, w, move, Cmove = v[4], v[5], v[6], v[7]
    width, least, before = width_of(n), budget[0], 0.0
    for i in range(n):
        least = min(least, budget[i])
    if not _model(C, budget, x, Cx, f, own, n, width):
        return False
    for i in range(width):
        gradient[i], w[i] = 0.0, 0.0
    product(C, x, Cx, n)
    for _ in range(STEPS):
        near, part, squared, mixed = _gradient(budget, x, Cx, f, own, gradient, step, along, width)
        if near == width:
            product(C, x, Cx, n)
            _, part, _, _ = _gradient(budget, x, Cx, f, own, gradient, step, along, width)
            for i in range(width):
                x[i] = x[i] - x[i] * (step[i] - part * along[i]) if i < n else 0.0
            return True
        turn = max(squared - mixed, 0.0) / before if before > 0.0 else 0.0
        slope = _direction(x, gradient, step, along, part, turn, w, move, width)
        if not slope < 0.0:
            slope = _direction(x, gradient, step, along, part, 0.0, w, move, width)
        product(C, move, Cmove, n)
        curvature = _curvature(budget, w, move, Cmove, width)
        if not (slope < 0.0 and curvature > 0.0):
            return False
        decrement = math.sqrt(slope * slope / (curvature * least))
        size = -slope / curvature * (1.0 if decrement < 0.5 else 1.0 / (1.0 + decrement))
        for i in range(width):
            x[i] += size * move[i]
            Cx[i] += size * Cmove[i]
        before = squared
    return False


@inner(fastmath=FAST)
def _model(C, budget, x, sums, f, own, n, width):
    """Write the one-factor model of C, and x, where to begin, padded with ones; return whether C sums to something."""
    for i in range(width):
        x[i] = 1.0
    product(C, x, sums, n)
    total = 0.0
    for i in range(width):
        total += sums[i]
    if not total > 0.0:
        return False
    scale, level = total**-0.5, n**0.5
    for i in range(width):
        f[i] = scale * sums[i]
        own[i] = max(1.0 - f[i] * f[i], OWN)
        pull = f[i] * level
        root = math.sqrt(pull * pull + 4.0 * own[i] * budget[i])
        x[i] = 2.0 * budget[i] / (root + pull) if pull > 0.0 else (root - pull) / (2.0 * own[i])
    for i in range(n, width):
        x[i] = 1.0
    return True


@inner(fastmath=FAST)
def _gradient(budget, x, Cx, f, own, gradient, step, along, width):
    """Write the gradient, and what the model's matrix takes to it: `step - part along`.

    Return how many contributions are near their budgets, `part`, and the products of what was written with the
    gradient and with the last one, which it replaces.
    """
    near, squared, common, explained, mixed, shared = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(width):
        here, load, last = x[i], f[i] * x[i], gradient[i]
        slope = here * Cx[i] - budget[i]
        inverse = 1.0 / (own[i] * here * here + budget[i])
        gradient[i], step[i], along[i] = slope, slope * inverse, load * inverse
        near += abs(slope) <= NEAR * budget[i]
        squared += slope * slope * inverse
        common += load * slope * inverse
        explained += load * load * inverse
        mixed += last * slope * inverse
        shared += last * load * inverse
    part = common / (1.0 + explained)
    return near, part, squared - part * common, mixed - part * shared


@inner(fastmath=FAST)
def _direction(x, gradient, step, along, part, turn, w, move, width):
    """Turn the direction w downhill, conjugate to the last by `turn` of it; return the slope along it."""
    slope = 0.0
    for i in range(width):
        w[i] = turn * w[i] - (step[i] - part * along[i])
        move[i] = x[i] * w[i]
        slope += gradient[i] * w[i]
    return slope


@inner(fastmath=FAST)
def _curvature(budget, w, move, Cmove, width):
    total = 0.0
    for i in range(width):
        total += move[i] * Cmove[i] + budget[i] * w[i] * w[i]
    return total

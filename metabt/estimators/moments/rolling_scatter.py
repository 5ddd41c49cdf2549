"""Scatter matrices of overlapping windows, as sums over blocks of BLOCK rows.

1. A window is cut into blocks from its end; the oldest one holds what is left over, `length mod BLOCK` rows.
2. A block's scatter matrix is about its own means: `S_b = sum_t (x_t - m_b)(x_t - m_b)'`.
3. The window's is `sum_b S_b + sum_b n_b (m_b - m)(m_b - m)'`, blocks oldest first, with n_b rows in a block, m the
   window's mean (Chan, Golub and LeVeque 1983).

Windows that are a multiple of BLOCK rows apart have their full blocks in common: these are computed once. That saves
time and changes no bit, since a block's are a function of its rows alone. A sliding sum (two stacks, or adding the new
row and subtracting the old one) would save as much for every step between windows, but the order of its additions, and
so its bits, would depend on which other windows share the call; and what is subtracted leaves its rounding behind: a
bad tick of 1e6 would be seen for ever.

Columns are taken in panels of LANES, the last one filled up with zeros, so that every entry of every matrix is
computed by the same instructions from its own two columns (`metabt.numerics.vectors`).

References
----------
Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance: analysis and recommendations", The
American Statistician 37.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.moments.arrays import aligned, index, matrix
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.vectors import LANES, TILE, add_products, add_tiles, centre

BLOCK = 21
"""Rows of a block: a month of sessions, which schedules step by and lookbacks (63, 126, 252, 504) are multiples of."""

GROUP = 32
"""Windows that share blocks at most: their work arrays stay small."""

MEANS, VARIANCES, COVARIANCES = 0, 1, 2
"""How much of the scatter matrix is wanted: nothing, its diagonal, all."""


def moments(
    returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, wanted: int, mean: np.ndarray, out: np.ndarray
) -> None:
    """Write the mean, and what is `wanted` of the scatter matrix divided by (rows - 1), of every window.

    Parameters
    ----------
    returns : (n_rows, n_assets) simple returns, oldest first
    stops, lengths : (n_decisions,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.
    wanted : {MEANS, VARIANCES, COVARIANCES}
    mean : (n_decisions, n_assets)
        Left as it is where a window has no row.
    out : (n_decisions, n_assets, n_assets) for COVARIANCES, (n_decisions, 1, n_assets) for VARIANCES
        Left as it is where a window has fewer than two rows.
    """
    returns, stops, lengths = matrix(returns), index(stops), index(lengths)
    panels, full = -(-returns.shape[1] // LANES), int(lengths.max(initial=0)) // BLOCK
    shares = len(stops) > 1 and not ((stops[1:] - stops[:-1]) % BLOCK).all()
    group = min(len(stops), GROUP) if shares else 1
    slots = full + 3 * group  # blocks in common of a group whose windows are two blocks apart, and the oldest of each
    deviations, means, between, sums = aligned(
        (panels, slots * BLOCK, LANES),
        (panels, slots, LANES),
        (panels, group * (full + 1), LANES),
        (slots - group + 1, TILE),
    )
    _moments(returns, stops, lengths, wanted, np.zeros((BLOCK, LANES)), deviations, means, between, sums, mean, out)


@kernel()
def _moments(returns, stops, lengths, wanted, filled, deviations, means, between, sums, mean, out):
    most = means.shape[1] - len(sums) + 1
    depth = between.shape[1] // most
    first = 0
    while first < len(stops):
        last, low = _group(stops, lengths, first, len(sums) - 1, most)
        common = (stops[last] - low) // BLOCK
        for b in range(common):
            _centre(returns, low + b * BLOCK, BLOCK, b, filled, deviations, means)
        for d in range(first, last + 1):
            own = common + d - first  # where its oldest, incomplete block is kept
            _centre(returns, stops[d] - lengths[d], lengths[d] % BLOCK, own, filled, deviations, means)
            if lengths[d] > 0:
                begin = (stops[d] - low) // BLOCK - lengths[d] // BLOCK
                _merge(means, own, begin, lengths[d], sums[0], between, (d - first) * depth, mean[d])
        for i in range(len(deviations) if wanted > MEANS else 0):
            for j in range(0 if wanted == COVARIANCES else i, i + 1):
                _tiles(stops, lengths, first, last, low, common, deviations, between, depth, sums, i, j, out)
        first = last + 1


@inner()
def _group(stops, lengths, first, most_blocks, most):
    """Return the last of the windows from `first` on whose full blocks coincide, and where the first block begins."""
    last, low = first, stops[first] - lengths[first] // BLOCK * BLOCK
    while last + 1 < len(stops) and last + 1 - first < most:
        stop = stops[last + 1]
        begin = stop - lengths[last + 1] // BLOCK * BLOCK
        apart = stop < stops[last] or begin >= stops[last] or (stop - stops[last]) % BLOCK != 0
        if apart or (stop - min(low, begin)) // BLOCK > most_blocks:
            break
        last, low = last + 1, min(low, begin)
    return last, low


@inner()
def _centre(returns, start, rows, slot, filled, deviations, means):
    """Write a block's means, and its rows without them."""
    if rows == 0:
        return
    n, slots = returns.shape[1], means.shape[1]
    for p in range(len(means)):
        mean = (p * slots + slot) * LANES
        if (p + 1) * LANES <= n:
            at = start * n + p * LANES
            centre(returns, at, at, n, rows, 1.0, rows, 1.0, deviations, mean * BLOCK, means, mean)
        else:
            for t in range(rows):
                for i in range(p * LANES, n):
                    filled[t, i - p * LANES] = returns[start + t, i]
            centre(filled, 0, 0, LANES, rows, 1.0, rows, 1.0, deviations, mean * BLOCK, means, mean)


@inner()
def _merge(means, own, begin, length, total, between, row, mean):
    """Write a window's mean, and `sqrt(n_b) (m_b - m)` of its blocks to the rows of `between` from `row` on."""
    part, full = length % BLOCK, length // BLOCK
    root, slots, rows = math.sqrt(part), means.shape[1], between.shape[1]
    oldest = own if part > 0 else begin
    for p in range(len(means)):
        base, first, to = (p * slots + oldest) * LANES, (p * slots + begin) * LANES, (p * rows + row) * LANES
        centre(means, base, first, LANES, full, BLOCK, length, math.sqrt(BLOCK), between, to, total, 0)
        for i in range(min(LANES, len(mean) - p * LANES)):
            mean[p * LANES + i] = total[i]
        for i in range(LANES if part > 0 else 0):
            between[p, row + full, i] = root * (means[p, own, i] - total[i])


@inner()
def _tiles(stops, lengths, first, last, low, common, deviations, between, depth, sums, i, j, out):
    """Write the entries of panels i and j of a group's windows."""
    total, shares = len(sums) - 1, last > first
    for b in range(common if shares else 0):
        sums[b] = 0.0
        add_panels(deviations, i, j, b * BLOCK, BLOCK, 1, sums, b)
    for d in range(first, last + 1):
        if lengths[d] < 2:
            continue
        sums[total] = 0.0
        full, part, stop = lengths[d] // BLOCK, lengths[d] % BLOCK, (stops[d] - low) // BLOCK
        add_panels(deviations, i, j, (common + d - first) * BLOCK, part, 1, sums, total)
        if shares:
            add_tiles(sums, (stop - full) * TILE, full, total * TILE)
        else:
            add_panels(deviations, i, j, 0, BLOCK, full, sums, total)
        add_panels(between, i, j, (d - first) * depth, full + min(part, 1), 1, sums, total)
        write_tile(sums[total], 1.0 / (lengths[d] - 1), i, j, out[d])


@inner()
def add_panels(panels, i, j, row, rows, blocks, sums, slot):
    """Add the products of panels i and j to a tile of `sums`: blocks of so many rows, the first one from `row` on."""
    height = panels.shape[1]
    add_products(panels, (i * height + row) * LANES, (j * height + row) * LANES, rows, blocks, sums, slot * TILE)


@inner()
def write_tile(total, scale, i, j, out):
    """Write a tile, and its mirror image; the diagonal alone where `out` has no room for more."""
    n = out.shape[1]
    for a in range(min(LANES, n - i * LANES)):
        if len(out) < n:
            out[0, i * LANES + a] = scale * total[a * LANES + a]
            continue
        for b in range(min(LANES, n - j * LANES)):
            out[i * LANES + a, j * LANES + b] = scale * total[a * LANES + b]
            out[j * LANES + b, i * LANES + a] = scale * total[a * LANES + b]

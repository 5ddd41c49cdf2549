"""Trading: raw closes, as they are left over from latent returns by all that a company does in between.

A holder of one share at p_s has p_s (1 + r) a session later: f shares at p_t, and d that was paid on each of those. So

    p_t = p_s (1 + r) / f - d

1. A price above a listing's own limit splits 2, 3 or 10 to 1; one below 1.50 is put together, 10 to 1.
2. Dividends are a quarter of the yield, in whole cents, every 63 sessions; some pay a twentieth of a share a year.
3. In a spin-off a holder gets so many shares of the child as are worth 15 % of the parent.
4. A takeover pays, in the session after the last price, what that was worth, in cents and in ten-thousandths of a
   share of the buyer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metabt.demo_market.ends import Ends
from metabt.demo_market.listings import Listings

LOW = 1.5
"""Price below which ten shares become one."""
SPUN_OFF, CHILD_PRICE = 0.15, 20.0
"""Part of the parent that is spun off, and about the first price of the child."""


@dataclass(frozen=True)
class Action:
    """One row of `actions`, in the session `row`."""

    listing: int
    row: int
    kind: str
    ratio: float = np.nan
    cash: float = np.nan
    into: int = -1


@dataclass
class Tape:
    """What the exchange wrote down."""

    price: np.ndarray
    """(n_sessions, n_listings) unrounded prices from the first session of each listing to its last, else NaN."""
    shares: np.ndarray
    """(n_sessions, n_listings) shares that one share of the first session has become by splits."""
    wealth: np.ndarray
    """(n_sessions, n_listings) what 1 in the first session has become with all that was paid put back, to the session
    with which the listing ends, else NaN."""
    actions: list[Action] = field(default_factory=list)


def trade(listings: Listings, ends: Ends, returns: np.ndarray, first_price: np.ndarray, days: np.ndarray) -> Tape:
    """Return what happens in all sessions.

    Parameters
    ----------
    listings, ends : what was drawn of each listing
    returns : (n_sessions, n_listings) latent returns
    first_price : (n_listings,) price of each listing's first session; that of a spun-off one is made here
    days : (n_sessions,) datetime64[D]
    """
    returns = returns.copy()
    for gone in ends.delistings:
        if gone.included:  # the last price has the fall already
            returns[listings.last[gone.listing], gone.listing] = gone.true
    nothing = np.full(returns.shape, np.nan)
    tape = Tape(nothing.copy(), nothing.copy(), nothing)
    for row in range(len(returns)):
        begins = listings.first == row
        tape.price[row, begins], tape.shares[row, begins], tape.wealth[row, begins] = first_price[begins], 1.0, 1.0
        if row:
            _session(tape, listings, row, returns[row])
    _pay_off(tape, listings, ends, returns)
    _delist(tape, listings, ends, days)
    return tape


def _session(tape: Tape, listings: Listings, row: int, returns: np.ndarray) -> None:
    """Take all that is listed from one session to the next."""
    on = (listings.first < row) & (row <= listings.last)
    before = tape.price[row - 1]
    spun = listings.first[listings.child] == row
    growth = _splits(tape, listings, row, before, on, listings.parent if spun else -1)
    paid = _dividends(tape, listings, row, before / growth, on)
    if spun:
        paid[listings.parent] += _spin_off(tape, listings, row, before)
    tape.price[row, on] = (before * (1.0 + returns) / growth - paid)[on]
    tape.shares[row, on] = (tape.shares[row - 1] * growth)[on]
    tape.wealth[row, on] = (tape.wealth[row - 1] * (1.0 + returns))[on]


def _splits(tape: Tape, listings: Listings, row: int, before: np.ndarray, on: np.ndarray, but: int) -> np.ndarray:
    """Return how many shares one share becomes, (n_listings,)."""
    growth = np.ones(listings.n)
    due = np.flatnonzero(on & ((row - listings.phase) % 21 == 0))
    for listing in due[(before[due] > listings.split_above[due]) | (before[due] < LOW)].tolist():
        if listing != but:
            times = before[listing] / listings.split_above[listing]
            growth[listing] = 0.1 if before[listing] < LOW else 2.0 if times < 1.5 else 3.0 if times < 5 else 10.0
            tape.actions.append(Action(listing, row, "split", ratio=growth[listing]))
    yearly = on & listings.stock_dividend & ((row - listings.phase) % 252 == 0) & (growth == 1.0)
    for listing in np.flatnonzero(yearly).tolist():
        growth[listing] = 1.05
        tape.actions.append(Action(listing, row, "stock", ratio=0.05))
    return growth


def _dividends(tape: Tape, listings: Listings, row: int, price: np.ndarray, on: np.ndarray) -> np.ndarray:
    """Return what is paid on each share after splits, (n_listings,)."""
    paid = np.zeros(listings.n)
    due = np.flatnonzero(on & (listings.dividend_yield > 0) & ((row - listings.phase) % 63 == 0))
    paid[due] = np.round(listings.dividend_yield[due] / 4 * price[due], 2)
    for listing in due[paid[due] > 0].tolist():
        tape.actions.append(Action(listing, row, "cash", cash=float(paid[listing])))
    return paid


def _spin_off(tape: Tape, listings: Listings, row: int, before: np.ndarray) -> float:
    """Price the child, and return what one share of the parent receives of it."""
    worth = SPUN_OFF * before[listings.parent]
    ratio = max(round(worth / CHILD_PRICE, 4), 0.0001)
    tape.price[row, listings.child] = worth / ratio
    tape.actions.append(Action(listings.parent, row, "spinoff", ratio=ratio, into=listings.child))
    return worth


def _pay_off(tape: Tape, listings: Listings, ends: Ends, returns: np.ndarray) -> None:
    """Pay for what is bought, in the session after its last price."""
    for listing, bought in ends.takeovers.items():
        row = int(listings.last[listing]) + 1
        last, buyer = tape.price[row - 1, listing], tape.price[row, bought.buyer]
        worth = last * (1.0 + returns[row, listing])
        ratio = round(bought.share * worth / buyer, 4)
        cash = round(worth - ratio * buyer, 2) if bought.share < 1 else 0.0
        tape.wealth[row, listing] = tape.wealth[row - 1, listing] * (cash + ratio * buyer) / last
        tape.actions.append(
            Action(
                listing,
                row,
                "merger",
                ratio=ratio if ratio else np.nan,
                cash=cash if cash else np.nan,
                into=bought.buyer if ratio else -1,
            )
        )


def _delist(tape: Tape, listings: Listings, ends: Ends, days: np.ndarray) -> None:
    """Carry wealth to the session with which each delisted listing ends."""
    for gone in ends.delistings:
        last = int(listings.last[gone.listing])
        row = int(np.searchsorted(days, gone.date))
        final = tape.wealth[last, gone.listing] * (1.0 if gone.included else 1.0 + gone.true)
        tape.wealth[last : row + 1, gone.listing] = tape.wealth[last, gone.listing]
        tape.wealth[row, gone.listing] = final

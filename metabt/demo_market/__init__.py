"""Demo market: an exchange that never was, with everything that happens to listings over 30 years.

1. `sessions` has the days on which it trades.
2. `listings` draws who is listed when, what becomes of whom, and who pays.
3. `ends` draws how each of those that do not stay leaves.
4. `latent` draws what each listing earns in each session, before anybody pays or splits: those that fail drift down
   first, those that are bought jump when it becomes known.
5. `trading` lets them trade: raw closes and volumes are what is left of those returns after splits, dividends, a
   spin-off and takeovers, each of which it writes down.
6. `tickers` names listings as their price files do: renamed some, one name used twice.
7. `index` follows the hundred largest, reviewed once a year.
8. `rates` draws cash rates, the exchange rate of the euro and what trading costs.
9. `market` puts them together: `demo_market`, tables beside prices. `files` writes it down as CSV, and beside it
   `hindsight`: universes of whoever is in them on the last session.

Everything follows from one seed. Closes have twelve significant digits, so that files and arrays hold the same numbers.

Imports: `values` and `data`. It knows neither how markets are stored nor how they are traded.
Offers: `demo_market`, `DemoMarket`, `hindsight`, `write_market`.
"""

from metabt.demo_market.files import write_market
from metabt.demo_market.hindsight import hindsight
from metabt.demo_market.market import DemoMarket, demo_market

__all__ = ["DemoMarket", "demo_market", "hindsight", "write_market"]

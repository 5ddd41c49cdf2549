"""Panels: sessions x assets, read and computed lazily, a partition at a time.

1. `opening` makes a panel of prices in memory or in a lakehouse.
2. `panel` is what users hold; `plan` is what it stands for, a tree of values.
3. A plan gives a `recipe` for each partition, which travels; calling it gives a `sheet`, which is read-only.
4. A `scheduler` calls recipes: here, or wherever `metabt.engines.ray` sends them.
"""

from metabt.data.panel.panel import Panel
from metabt.data.panel.sheet import Sheet

__all__ = ["Panel", "Sheet"]

"""Panel: sessions x assets, read and computed lazily, a partition at a time.

1. `panel` is what users hold; `plan` is the tree of values behind it, which reads nothing.
2. For each partition a plan gives a recipe (`recipes`), which travels to other processes; calling it makes a `sheet`,
   a read-only matrix for every field.
3. A scheduler (`scheduling`) calls recipes: in this process, or wherever an engine sends them.
4. `causality` checks that a panel says the same of a session when later ones are missing.
5. `stepped` is a dataset with a step between its prices and its returns, called as `map_overlap` calls a function;
   `step_causality` checks that it looks neither ahead nor further back than it says.

`metabt.open_panel` makes panels (metabt.api.panels).
"""

from metabt.data.panel.panel import Panel
from metabt.data.panel.sheet import Sheet

__all__ = ["Panel", "Sheet"]

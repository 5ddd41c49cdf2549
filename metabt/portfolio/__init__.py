"""Portfolio: a tree of sleeves as values, with every default filled in.

1. `templates` expands a sleeve that is written once for many.
2. `resolve` turns a tree of plain values (YAML, dict) into sleeves and refuses what is wrong with it, by path;
   `settings` has one parser for each key.
3. `sleeve` has the values: `Sleeve` (a node with its name), `Leaf` and `Meta` (its resolved settings, without names);
   every default is in their signatures. `schedule` says which sessions a sleeve decides on.
4. `drawn` says how a universe is drawn anew at every decision, and `drawn_assets` does so by prices.
5. `child_names` puts digests in place of the names by which an optimizer speaks of children, and back.
6. `built_estimators` makes the optimizers and selectors that a sleeve states by name; `handed_over` has those that are
   objects or classes already.

Imports: `estimators` and the rooms beneath it.
Offers: `resolve`, `Sleeve`, `Leaf`, `Meta`, `Schedule`, `build_optimizer`, `build_selector`.
"""

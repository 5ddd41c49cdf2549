"""Estimators: what turns a window of returns into a selection or into weights.

1. `windows` cuts the training windows of many decisions out of one matrix of returns.
2. `selectors/` pick assets, `optimizers/` weight them; `moments/` estimates the covariances, means and risk
   contributions that they rest on, `solvers/` has the compiled programmes behind optimizers, `clustering` the trees
   behind `hrp`, `decorrelate` and `log_mps`.
3. `registry` is the closed list of names that a configuration may use, `parameters` checks what is stated for one;
   `plugins/` lets in skfolio's estimators under the same two interfaces, and `handed_over` objects and classes that
   Python hands over instead of a name.
4. `steps` are the registered functions between a dataset's prices and its returns.
5. `current_decision` reports the session before foreign code decides on it, so that it can be named if the process
   dies.

Imports: `values`, `numerics`, `data`. Beyond NumPy: SciPy, numba; skfolio in `plugins` and packaging in `registry`,
when a plug-in is named.
Offers: `registry.optimizer`, `registry.selector`, `Optimizer`, `Selector`, `Windows`.
"""

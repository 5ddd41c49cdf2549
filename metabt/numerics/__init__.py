"""Numerics: compiled arithmetic that knows neither assets nor sleeves.

1. `kernels` decides how a function is compiled by numba, and where its machine code is kept; `compilation` notices when
   that happens for the first time, and how long it takes.
2. `vectors` and `reductions` are the instructions kernels are written in: sums whose order is fixed, so that a result's
   bits depend on the data alone. `products` are those of plain rows.
3. `dispersion` says which series are constant but for rounding, so that nothing is divided by what rounding leaves.
4. `platform` says what else decides last bits (processor, BLAS, flags), and keeps libraries to one thread.

Imports: `values`. Beyond NumPy: numba, llvmlite, threadpoolctl.
Offers: `kernel` and `inner` (decorators), `is_constant`, `constant_windows`, `deviation`, `numeric_platform`,
`one_thread`.
"""

"""Moments: covariances, means, and the contributions to risk that follow from them.

1. `covariance` and `mean` list their estimators by name (`families` is how such a list works). One estimator a file:
   `sample`, `ewma`, `shrinkage` (Ledoit-Wolf, OAS), `denoising` (Marchenko-Pastur, on the
   largest `eigenpairs`), `james_stein`.
2. `rolling_scatter` adds up overlapping windows from blocks of rows, each window to the same bits as alone.
3. `risk_contribution` shares variance out among items; `risk_by_asset` does so for many assets without forming their
   covariance. `arrays` lays arrays out as kernels take them.

A new covariance is a file here and an entry in `covariance.COVARIANCES`.
"""

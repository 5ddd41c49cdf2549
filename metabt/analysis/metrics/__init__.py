"""Metrics: what a return stream is summed up by, one file a theme, all of them called by `performance`.

`stream` is what several metrics need of a stream; `ratios` has growth and reward for risk, `drawdown` falls from peaks,
`tails` the distribution, `trading` turnover and costs, `relative` what is measured against a benchmark; `trailing`, the
last years up to a date, is called by the report alone; `sharpe_error` is by how much an estimated Sharpe ratio may be
wrong, for one stream here and for many in metabt.luck. A new metric is a function in its theme and a line in
`performance`.
"""

"""Sections: a builder in each file takes a run and returns its section of the page, or None where there is none.

In reading order (`metabt.report.contents`): `tree`, `curves`, `baselines`, `years`, `months` with `month_spread`,
`drawdowns`, `attribution` with `effects`, `risk`, `allocation`, `book`, `newest`, `correlation`, `rolling`, `tails`,
`costs`, `dated`, `excluded`, `provenance`.
"""

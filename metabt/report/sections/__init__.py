"""Sections: a builder in each file takes a run and returns its section of the page, or None where there is none.

In reading order (`metabt.report.contents`): `tree`, `curves`, `baselines`, `newest`, `allocation`, `book`,
`attribution` with `effects`, `risk`, `drawdowns`, `months`, `rolling`, `correlation`, `tails`, `costs`, `excluded`,
`provenance`.
"""

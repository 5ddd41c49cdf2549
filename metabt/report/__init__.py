"""The report: one run, or two side by side, as one HTML page that needs no network."""

from metabt.report.page import render, write_page, write_report
from metabt.report.side_by_side import write_comparison

__all__ = ["render", "write_comparison", "write_page", "write_report"]

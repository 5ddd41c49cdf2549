"""The report: one run, or two side by side, as one HTML page that needs no network; the main charts as pictures."""

from metabt.report.figures import Format, write_figures
from metabt.report.page import check_folder, render, write_page, write_report
from metabt.report.side_by_side import write_comparison

__all__ = ["Format", "check_folder", "render", "write_comparison", "write_figures", "write_page", "write_report"]

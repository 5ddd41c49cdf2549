"""Report: one run, two side by side, or a sweep, as one HTML page that needs no network; the main charts as pictures.

1. `run` has the stored tables of one run and what several sections need of them, read by `reading`; `replayed` walks
   the run again for what tables do not hold.
2. `contents` lists the builders of `sections/` (one run), `comparison/` (two), `several/` and `sweep/` in reading
   order, with `luck/`. Each returns a `section` of figures and tables. A new section is a file there and an entry in
   `contents`.
3. Sections share `streams`, `decisions`, `universes`, `root_curves`, `cash`, `allocation_path`, `attribution_rows`;
   charts share `lines` and `colours`.
4. `markup` escapes and writes HTML, `heading` has the lines under the title, `page` writes the file. `drawing` draws a
   chart without a browser, `figures` writes the main ones as png, svg or pdf.

Imports: `runs` and the rooms beneath it; plotly, matplotlib.
Offers: the names below.
"""

from metabt.report.figures import Format, write_figures
from metabt.report.page import check_folder, render, write_comparison, write_page, write_report

__all__ = ["Format", "check_folder", "render", "write_comparison", "write_figures", "write_page", "write_report"]

"""CLI: the terminal's face of metabt.

1. `main` parses `metabt COMMAND ...`, turns errors into messages and the `exit_codes`; `run_words` are those
   that name portfolios and runs; `sigterm` ends a command in order.
2. `commands` has a function for each command; longer ones have modules of their own: `data_commands`,
   `sweep_command` and `search/`, `upkeep_commands`, `weights_command`, and those of `pages/`. A new command is a
   function there and an entry in `main`.
3. `streams` makes standard output and error fit to be written to; `printing`, `progress_bar`, `progress_lines`,
   `sweep_ranking`, `sweep_conclusion` and `explanation` write what came out; `demo_prices` finds the demo's files,
   `market_command` makes its market.

Imports: every room. Nothing imports it.
"""

"""The command line: `metabt COMMAND`.

1. Pin numeric threads to one, before NumPy loads: results must not depend on how many cores a machine has.
2. Parse the arguments without importing what the commands need, so that `--help` answers at once.
3. Run the command; say what a user can mend on standard error, without a traceback.

Exit codes are those of metabt.cli.exit_codes. Where the words say --print-id, as a job's do, a failure's last line ends
with the command that goes on from what is stored.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from shlex import join
from typing import Any

from metabt.cli import exit_codes, streams
from metabt.cli.run_words import named_runs, split
from metabt.cli.sigterm import Stopped, stoppable
from metabt.errors import ConfigError, MetabtError

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables for numeric libraries, which read them when they load."""

RUN = """\
a portfolio's name means its run without overrides, by itself and not flat, that was asked for last; where there is
none, the last with overrides, and the first line says so. Two runs: RUN2 is compared with RUN.
"""

KEYED = re.compile(r"[^-=][^=]*=")
"""How an override begins."""
KEPT = "nothing half-done is stored, what was computed is kept, and the same command goes on from it"
"""End of the message for a command that is interrupted or stopped."""
ID = "--print-id"
"""Option of a job."""
AFTER = {
    exit_codes.REFUSED: "; once that is mended, this goes on from what is stored",
    exit_codes.UNREACHABLE: "; later, this goes on from what is stored",
    exit_codes.BROKEN: "; this goes on from what is stored",
}
"""Code -> what comes before the command that goes on; the others' message says it."""
INTERRUPTED = "Query interrupted"
"""What DuckDB makes of Ctrl-C while it runs a query."""

OVERRIDES = """\
overrides are KEY=VALUE, as in Hydra:
  portfolio=NAME                      conf/portfolio/NAME.yaml, in ./conf or of metabt's own (demo, one, thousand)
  portfolio.PATH=VALUE                one setting of one sleeve
  sleeve@portfolio.sleeves.X=NAME     another sleeve file in its place
  as_of=SNAPSHOT|DATE                 on what the lakehouse held then
  start=DATE end=DATE lakehouse=PATH engine=auto|local|ray is_meta_backtest=false benchmark=SYMBOL
  study=NAME                          counted as part of a study, beside all else that was tried
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` states (None is sys.argv) and return its exit code."""
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    atexit.register(gc.freeze)  # at its end Python would look for garbage in all that was imported
    code = _answered(list(sys.argv[1:] if argv is None else argv))
    limits = sys.modules.get("metabt.lakehouse.sql.limits")
    if limits is not None and limits.left_behind():  # a thread is in DuckDB, and does not listen
        code = code or _flushed()
        os._exit(code)
    return code


def _answered(words: list[str]) -> int:
    """Run the command of these words, say what a user can mend, and return the exit code."""
    is_open = streams.prepare()
    try:
        with stoppable():
            streams.require_output(is_open)
            _refuse_halves(words)
            run(parse(words))
            sys.stdout.flush()
    except MetabtError as error:
        return _ended(words, str(error), exit_codes.UNREACHABLE if error.is_passing else exit_codes.REFUSED)
    except KeyboardInterrupt:
        return _ended(words, f"interrupted; {KEPT}", exit_codes.INTERRUPTED)
    except Stopped:
        return _ended(words, f"stopped; {KEPT}", exit_codes.STOPPED)
    except BrokenPipeError:  # the reader (head, less) has left
        streams.give_up_output()
    except SystemExit:  # help, and wrong usage
        if (code := _flushed()) != 0:
            return code
        raise
    except OSError as error:
        return _unusable(error, words)
    except Exception as error:  # nobody foresaw it: shown whole, with an exit code and a last line of its own
        if str(error) == INTERRUPTED and isinstance(error, RuntimeError):
            return _ended(words, f"interrupted; {KEPT}", exit_codes.INTERRUPTED)
        sys.excepthook(type(error), error, error.__traceback__)
        said = f"{type(error).__name__}, which nobody foresaw; please report it with what is above"
        return _ended(words, said, exit_codes.BROKEN)
    return exit_codes.DONE


def _ended(words: Sequence[str], why: str, code: int) -> int:
    """Say last why the command ended, and in a job the command that goes on from there; return the exit code."""
    streams.say(f"metabt: {why}{_going_on(words, code)}")
    return code


def _going_on(words: Sequence[str], code: int) -> str:
    """Return the end of a job's last line."""
    if ID not in words:
        return ""
    script = "metabt backtest" if not sys.argv[0].endswith(".py") else f"python {sys.argv[0]}"
    command = f"{script} {join(word for word in words[1:] if word != ID)}"
    return f"{AFTER.get(code, '')}: {command}"


def _flushed() -> int:
    """Write what is left for standard output; return 0, or 1 if it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        streams.give_up_output()
    except OSError as error:
        return _unusable(error)
    return 0


def _unusable(error: OSError, words: Sequence[str] = ()) -> int:
    """Say which file, or which of the standard streams, the system refused, and return the exit code."""
    what = error.filename if isinstance(error.filename, str) else "standard output or a file"
    why = f"{what}: {error.strerror or error}; make room, or name another place"
    code = _ended(words, why, exit_codes.of_system(error))
    streams.give_up_output()
    return code


def _refuse_halves(words: Sequence[str]) -> None:
    """Raise ConfigError for an argument that is no text: bytes that are not UTF-8 arrive as halves of characters."""
    for word in words:
        if not word.isascii() and any("\ud800" <= sign <= "\udfff" for sign in word):
            raise ConfigError(f"the argument '{word}' is no UTF-8 text; write it in UTF-8, or rename the file")


def run(args: argparse.Namespace) -> None:
    """Call the function of the parsed command with its arguments."""
    from metabt.lakehouse.catalog.connections import begin
    from metabt.values.held_folders import sweep_up

    values = vars(args)
    begin(partial(_extensions, values["lakehouse"]))
    sweep_up()
    from metabt.cli import commands

    getattr(commands, values.pop("command").replace("-", "_"))(**values)


def _extensions(lakehouse: str | None) -> tuple[str, ...]:
    """Return the extensions of DuckDB that the lakehouse's catalogue probably needs, judged by its folder."""
    from metabt.cli.printing import place
    from metabt.lakehouse.catalog.catalog_location import likely

    return likely(place(lakehouse))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments; overrides may stand anywhere among the options."""
    parser = build_parser()
    if argv and (argv[0] in ("-m", "--multirun") or KEYED.match(argv[0])):
        parser.error(f"'{argv[0]}' is for a command, which comes first; did you mean: metabt backtest {join(argv)}")
    args, rest = parser.parse_known_args(argv)
    several = next((name for name in ("overrides", "words") if hasattr(args, name)), None)
    stray = rest if several is None else [word for word in rest if word.startswith("-")]
    if stray:
        parser.error(f"unrecognized arguments: {' '.join(stray)}")
    if several is not None:
        setattr(args, several, [*getattr(args, several), *rest])
    if several == "words":
        try:
            words, most = vars(args).pop("words"), vars(args).pop("most")
            vars(args).update({"runs": split(words)} if most is None else named_runs(words, most))
        except ConfigError as error:
            parser.error(str(error))
    return args


class _Parser(argparse.ArgumentParser):
    """A parser whose help fails where it cannot be written; argparse would say nothing."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(
        prog="metabt",
        description="Recursive meta-portfolio backtests: portfolios of portfolios, walked forward, computed once.",
        epilog=(
            "first steps:\n"
            "  metabt demo                                 33 years of real prices, three levels\n"
            "  metabt ingest prices.csv --dataset mine     your own prices\n"
            "  metabt backtest portfolio=demo start=2000-01-01\n"
            "  metabt weights                              what to hold now\n"
            '  metabt sql "select * from metrics"          everything else\n\n'
            "metabt COMMAND --help shows the rest, with examples."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hidden = argparse.SUPPRESS  # it is no argument of any command
    parser.add_argument(
        "--version", action=Version, nargs=0, dest=hidden, default=hidden, help="print the version and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_ingest(commands)
    _add_datasets(commands)
    _add_check(commands)
    _add_diff_data(commands)
    _add_drop(commands)
    _add_plan(commands)
    _add_backtest(commands)
    _add_runs(commands)
    _add_weights(commands)
    _add_sql(commands)
    _add_report(commands)
    _add_compare(commands)
    _add_explain(commands)
    _add_reproduce(commands)
    _add_forget(commands)
    _add_cache(commands)
    _add_upkeep(commands)
    return parser


class Version(argparse.Action):
    """Prints the version; it is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        import metabt

        print(f"metabt {metabt.__version__}")
        parser.exit()


def _add(commands: argparse._SubParsersAction, name: str, says: str, examples: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=says,
        description=f"{says[0].upper()}{says[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--lakehouse", metavar="PATH", help="folder of the lakehouse (default: as in config.yaml)")
    return command


def _add_overrides(command: argparse.ArgumentParser) -> None:
    command.epilog = f"{OVERRIDES}\n{command.epilog}"
    command.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="what to set, see below; NAME is portfolio=NAME"
    )
    command.add_argument("--config-dir", metavar="DIR", help="your configuration files (default: ./conf)")


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format", dest="layout", choices=("table", "csv", "json"), default="table", help="default: table"
    )


def _add_catalog(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--catalog",
        metavar="TEXT",
        help="where a new lakehouse keeps its catalogue: postgres:host=HOST dbname=NAME user=NAME, without a password "
        "(default: METABT_CATALOG, or a file in its folder)",
    )


def _add_quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="no progress bar and no hints, only the result")


def _add_demo(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt demo\n"
        "  metabt demo --lakehouse /tmp/lake\n"
        "  metabt demo --market                  an exchange with delistings, splits, members and cash rates\n"
        "  metabt demo --market --folder /tmp/market\n"
    )
    command = _add(commands, "demo", "ingest the demo prices and run portfolio=demo", examples)
    command.add_argument(
        "--market",
        action="store_true",
        help="write a made market of 400 listings over 30 years as CSV files, ingest them, run portfolio=market, and "
        "say what members, delistings and cash are worth",
    )
    command.add_argument("--folder", metavar="DIR", help="where the files of --market go (default: data/market)")
    _add_catalog(command)
    _add_quiet(command)


def _add_ingest(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt ingest prices.csv --dataset mine                one column per symbol\n"
        "  metabt ingest bars.parquet --dataset mine --symbol tic --close adjcp   one row per symbol and date\n"
        "  metabt ingest AAPL.csv --dataset mine --symbol-name AAPL               bars of one asset\n"
        "  metabt ingest folder --dataset mine                    a file per symbol, named as it is\n"
        "  metabt ingest kurse.csv --dataset mine --date-format %d.%m.%Y           where no day proves the order\n"
        "  metabt ingest old.csv --dataset delisted --closed      no more data will ever come\n"
        "  metabt ingest prices.csv --dataset mine --panel '{name: hedged, before: 5}'   returns by a step of yours\n"
        "  metabt ingest --dataset mine --panel none              returns between the prices again\n"
        "  metabt ingest raw.csv --dataset mine --adjusted false   raw prices; dividends and splits beside them too\n"
        "  metabt ingest sp500.csv --dataset mine --table members  what is dated beside prices\n"
        "  metabt ingest weights.csv --dataset mine --table signals --name mine   weights from outside\n"
        "  metabt ingest prices.csv --dataset mine --lakehouse /shared/lake --catalog 'postgres:host=db dbname=lake'\n"
    )
    command = _add(commands, "ingest", "store prices from files or a folder as a dataset", examples)
    command.add_argument(
        "file",
        nargs="*",
        metavar="FILE",
        help="CSV, Parquet or .xlsx file, or a folder of them; none states --panel, --adjusted or --closed anew",
    )
    _add_catalog(command)
    command.add_argument("--dataset", required=True, metavar="NAME", help="what leaves name in `dataset:`")
    command.add_argument(
        "--table",
        metavar="NAME",
        help="the file holds no prices, but what is dated beside them: assets, actions, members, delistings, rates, "
        "costs, schedules or signals",
    )
    _add_reading(command)
    command.add_argument(
        "--adjusted",
        type=_truth,
        metavar="true|false",
        help="whether the prices are adjusted for splits and dividends (default: as it was, true for new ones)",
    )
    command.add_argument(
        "--closed",
        action=argparse.BooleanOptionalAction,
        help="the dataset has ended, so it holds no tree at its last date (default: as it was)",
    )
    command.add_argument(
        "--panel",
        metavar="STEP",
        help="registered steps between its prices and its returns: a name, '{name: NAME, before: 5, over: dataset}', "
        "a list of these, or none (default: as it was)",
    )
    command.add_argument(
        "--replace",
        action="store_true",
        help="the file is the whole truth for its symbols: prices between their first and last date that it does not "
        "have are deleted; of a table it is all that there is",
    )
    command.add_argument(
        "--rescale", action="store_true", help="multiply stored closes that would stay at an old scale by the factor"
    )
    _add_quiet(command)


def _add_reading(command: argparse.ArgumentParser) -> None:
    reading = command.add_argument_group("how to read it, where the file does not say so by itself")
    add = reading.add_argument
    add("--date", metavar="COLUMN", help="the date column")
    add("--date-format", metavar="FORMAT", help="how dates are written, such as %%d/%%m/%%Y")
    add("--symbol", metavar="COLUMN", help="symbol column of a long file")
    add("--symbol-name", metavar="NAME", help="symbol of the one asset that the file is about")
    add("--close", metavar="COLUMN", help="the column that is the price")
    add("--volume", metavar="COLUMN", help="the column that is the volume")
    add("--decimal", metavar="SIGN", help="decimal sign: . or ,")
    add("--thousands", metavar="SIGN", help="sign between thousands: , or . or ' or a blank")
    add("--skip-rows", type=int, default=0, metavar="N", help="lines above the header")
    add("--columns", metavar="NAMES", help="names for a file without a header: Date,AAPL,MSFT")
    add("--sheet", metavar="NAME", help="sheet of a workbook")
    add("--returns", action="store_true", help="the numbers are simple returns, not prices")
    add("--percent", action="store_true", help="these returns are in percent")
    add("--wide", action="store_true", help="every column is a symbol, whatever it is called")
    add("--universe", metavar="NAME", help="universe that a table of members is of")
    add("--name", metavar="NAME", help="signal that a table of weights is of")


def _truth(text: str) -> bool:
    """Return a stated truth."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"got '{text}', wanted true or false")
    return text.lower() == "true"


def _add_datasets(commands: argparse._SubParsersAction) -> None:
    _add_format(_add(commands, "datasets", "list the stored datasets", "  metabt datasets\n"))


def _add_check(commands: argparse._SubParsersAction) -> None:
    says = "read all that a lakehouse stores and name what is damaged, or list what is odd about a dataset's prices"
    examples = (
        "  metabt check                           what is damaged, what that means and the cure\n"
        "  metabt check mine                      jumps, splits, stale prices, gaps and tables of a dataset\n"
        "  metabt check --lakehouse /data/lake\n"
    )
    command = _add(commands, "check", says, examples)
    command.add_argument("dataset", nargs="?", metavar="DATASET", help="what is odd about its prices, instead")
    _add_format(command)


def _add_diff_data(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt diff-data 2026-10-01                     what has changed since, and which stored runs had read it\n"
        "  metabt diff-data 12 15 --dataset mine           between two snapshots; `metabt runs` lists those of runs\n"
        "  metabt diff-data 2026-10-01 2026-11-01 --format csv\n"
    )
    says = "say what became of the data between two snapshots, and which stored runs read what differs"
    command = _add(commands, "diff-data", says, examples)
    command.add_argument("one", metavar="A", help="the earlier one: number of a snapshot, or a date, its end in UTC")
    command.add_argument("other", nargs="?", metavar="B", help="the later one (default: now)")
    command.add_argument("--dataset", metavar="NAME", help="this dataset alone (default: all)")
    _add_format(command)


def _add_drop(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt drop mine              the whole dataset\n"
        "  metabt drop mine AAPL MSFT    two of its symbols\n"
        "  metabt drop mine --table actions\n"
    )
    command = _add(commands, "drop", "delete a dataset, some of its symbols, or one of its tables", examples)
    command.add_argument("dataset", metavar="DATASET", help="its name")
    command.add_argument("symbols", nargs="*", metavar="SYMBOL", help="only these (default: all)")
    command.add_argument("--table", metavar="NAME", help="this table of what is dated beside its prices, instead")


def _add_forget(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt forget 3f2a9c41                        a run, or the runs that a sweep alone asked for\n"
        "  metabt forget demo portfolio.optimizer=hrp    the run with an override\n"
    )
    _add_run(_add(commands, "forget", "delete a run, or the runs of a sweep", examples), needed=True)


def _add_plan(commands: argparse._SubParsersAction) -> None:
    examples = "  metabt plan portfolio=thousand\n  metabt plan portfolio.lookback=126 start=2000-01-01\n"
    command = _add(commands, "plan", "show the resolved tree, its schedule and its blocks, and run nothing", examples)
    _add_overrides(command)


def _add_backtest(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt backtest portfolio=demo start=2000-01-01 end=2020-12-31\n"
        "  metabt backtest portfolio.sleeves.equities.sleeves.technology.optimizer=erc\n"
        "  metabt backtest portfolio.optimizer.max_weight=0.6 '~portfolio.sleeves.hedge'\n"
        "a sweep computes what its configurations share once, and ranks them:\n"
        "  metabt backtest -m portfolio.optimizer=erc,hrp,min_variance portfolio.lookback=63,126,252\n"
        "  metabt backtest -m 'portfolio.lookback=range(20,260,20)' --dry-run    what it would compute\n"
        "  metabt backtest -m portfolio=demo,one --keep all                      every table of every run\n"
        "  metabt backtest -m portfolio.lookback=63,126 hydra/launcher=basic     each by itself\n"
        "  metabt backtest -m --experiments mine.yaml portfolio=demo             those that a file lists\n"
        "a search asks for points instead of every combination, and goes on where it was interrupted:\n"
        "  metabt backtest -m 'portfolio.lookback=range(21,504,21)' portfolio.optimizer=erc,hrp \\\n"
        "    sweep.sampler=tpe sweep.n=200 sweep.objective=sharpe                also random, sobol, cmaes\n"
        "  metabt backtest -m 'portfolio.lookback=tag(log,int(interval(21,504)))' sweep.sampler=sobol \\\n"
        "    sweep.objective=volatility sweep.batch=64 sweep.seed=1              sweep.direction=maximize|minimize\n"
    )
    command = _add(commands, "backtest", "walk a portfolio forward and store the run", examples)
    _add_overrides(command)
    command.add_argument("-m", "--multirun", action="store_true", help="run every combination of the values: a=1,2")
    command.add_argument(
        "--experiments", metavar="FILE", help="with -m: a YAML list of overrides, or of key: value, for each job"
    )
    command.add_argument("--dry-run", action="store_true", help="with -m: say how much there is to compute, and stop")
    command.add_argument(
        "--keep",
        choices=("summary", "all"),
        help="with -m: what to store of each run (default: summary, which is its metrics and the root's returns and "
        "decisions)",
    )
    command.add_argument("--force", action="store_true", help="run what is estimated to take more memory than there is")
    command.add_argument(
        ID, action="store_true", help="print the run's identity as the last line, or `sweep` and the sweep's"
    )
    _add_quiet(command)


def _add_runs(commands: argparse._SubParsersAction) -> None:
    _add_format(_add(commands, "runs", "list the stored runs", "  metabt runs\n  metabt runs --format json\n"))


def _add_run(command: argparse.ArgumentParser, most: int | None = 1, needed: bool = False) -> None:
    command.epilog = f"{RUN}\n{command.epilog}"
    command.set_defaults(most=most)
    command.add_argument(
        "words",
        nargs="+" if needed else "*",
        metavar={1: "RUN", 2: "RUN [RUN2]"}.get(most or 0, "RUN"),
        help="portfolio, with KEY=VALUE for its run with these overrides, or the beginning of a run id"
        + " (default: the run by itself that was asked for last)" * (not needed),
    )


def _add_weights(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt weights\n"
        "  metabt weights --portfolio demo --format csv\n"
        "  metabt weights demo portfolio.optimizer=hrp      of the run with these overrides\n"
        "  metabt weights --refresh                         the same portfolio on today's data\n"
        "  metabt weights --holdings mine.csv --nav 1e6     columns symbol, and shares or value\n"
    )
    command = _add(commands, "weights", "print the newest targets on physical assets, or the trades", examples)
    _add_run(command)
    command.add_argument("--portfolio", metavar="NAME", help="the same as RUN")
    command.add_argument("--holdings", metavar="CSV", help="what you hold: symbol, and shares or value")
    command.add_argument("--nav", type=float, metavar="VALUE", help="what the portfolio is worth, cash included")
    command.add_argument(
        "--refresh", action="store_true", help="run its portfolio on the data that there are now, and print that"
    )
    _add_format(command)


def _add_sql(commands: argparse._SubParsersAction) -> None:
    examples = (
        '  metabt sql "select date, symbol, target from weights order by date desc limit 20"\n'
        "  metabt sql \"select path, value from metrics where metric = 'sharpe'\" --format csv\n"
        '  metabt sql "select * from weights" --output weights.parquet\n'
        "  metabt sql --run demo \"select path, value from metrics where metric = 'sharpe'\"\n"
        "  metabt sql --run 'demo portfolio.optimizer=hrp' \"select * from orders\"\n"
        '  metabt sql "select portfolio, value from latest.runs join latest.metrics using (run_id)"\n'
        '  metabt sql "show tables"\n'
    )
    command = _add(commands, "sql", "query the lakehouse, read-only", examples)
    command.add_argument("statement", metavar="SELECT", help="one statement that reads")
    command.add_argument(
        "--run",
        metavar="RUN",
        help="every table of runs has the rows of this one alone: a portfolio, also with overrides (in quotes), or the "
        "beginning of a run id",
    )
    _add_format(command)
    command.add_argument("--output", metavar="FILE", help="write to FILE instead: .csv, .json or .parquet")
    command.add_argument(
        "--verify", action="store_true", help="first compare every data file with its SHA-256, and refuse a damaged one"
    )
    command.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="how long to wait for rows (default: 60 seconds)"
    )
    command.add_argument(
        "--memory", metavar="SIZE", help="how much memory it may take, such as 8G (default: half of what there is)"
    )


def _add_report(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt report                                     the run asked for last\n"
        "  metabt report demo --output demo.html\n"
        "  metabt report 3f2a 9c41 --output two.html         two runs side by side\n"
        "  metabt report demo demo portfolio.optimizer=hrp   two runs, the second with an override\n"
        "  metabt report 7c05                                a sweep, all of its configurations\n"
        "  metabt report --figures pictures --format svg     and the main charts, without a browser\n"
        "  metabt report demo --no-baselines                 from what is stored alone\n"
    )
    command = _add(commands, "report", "write a run, two, or a sweep, as one HTML page that needs no network", examples)
    _add_run(command, most=2)
    command.add_argument("--output", default="report.html", metavar="FILE", help="default: report.html")
    command.add_argument("--figures", metavar="FOLDER", help="also write the main charts as pictures into FOLDER")
    command.add_argument("--format", choices=("png", "svg", "pdf"), help="of pictures; default: png")
    command.add_argument(
        "--baselines",
        action=argparse.BooleanOptionalAction,
        help="with all baselines, a flat one of many assets too; or without any and without attribution, for which the "
        "run is walked again from its cached blocks (default: those that are quick)",
    )


def _add_compare(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt compare 3f2a 9c41 77d0                       what differs between them, and how they did\n"
        "  metabt compare demo demo portfolio.optimizer=hrp    the second with an override\n"
        "  metabt compare 3f2a 9c41 77d0 --output three.html   as a page, with curves\n"
    )
    says = "set any number of runs beside each other: what differs, and how they did"
    command = _add(commands, "compare", says, examples)
    _add_run(command, most=None, needed=True)
    command.add_argument("--output", metavar="FILE", help="write it as one HTML page as well")
    _add_format(command)


def _add_explain(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt explain                        why the run asked for last computed what it did\n"
        "  metabt explain 3f2a 9c41              which inputs make two runs differ, and the effect\n"
        "  metabt explain demo --format json\n"
    )
    command = _add(commands, "explain", "say why a run's blocks were computed, or what makes two runs differ", examples)
    _add_run(command, most=2)
    _add_format(command)


def _add_reproduce(commands: argparse._SubParsersAction) -> None:
    examples = "  metabt reproduce\n  metabt reproduce demo --quiet\n"
    says = "compute a stored run again from its snapshot, without a cache, and compare every byte"
    command = _add(commands, "reproduce", says, examples)
    _add_run(command)
    _add_quiet(command)


def _add_cache(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt cache stats                              what is in it\n"
        "  metabt cache verify                             hash every byte of every object\n"
        "  metabt cache verify --recompute 0.01            and compute one object in a hundred again\n"
        "  metabt cache adopt                              after an upgrade: keep the blocks that are still right\n"
        "  metabt cache prune --keep 30d --max-size 10G    remove what is not used, no run depends on it\n"
        "  metabt cache prune --keep 1w --dry-run          only say what that would remove\n"
    )
    command = _add(commands, "cache", "look after the cache of a lakehouse: stats, verify, adopt or prune", examples)
    command.add_argument("action", choices=("stats", "verify", "adopt", "prune"), help="what to do")
    command.add_argument(
        "--recompute",
        type=float,
        metavar="SHARE",
        help="verify, adopt: compute this share again, 0 to 1 (default: verify none, adopt 0.01 of each kind of "
        "sleeve; adopt 3 blocks of each at least)",
    )
    command.add_argument("--keep", metavar="AGE", help="prune: what was used within this time stays, such as 30d")
    command.add_argument("--max-size", metavar="SIZE", help="prune: at most this much stays, such as 10G")
    command.add_argument("--dry-run", action="store_true", help="prune: remove nothing")


def _add_upkeep(commands: argparse._SubParsersAction) -> None:
    examples = (
        "  metabt upkeep                  merge small files, expire snapshots that no stored run names\n"
        "  metabt upkeep --dry-run        only say what that would do\n"
        "  metabt upkeep --expire-runs    expire those of runs too, which can then not be reproduced\n"
        "  metabt upkeep --cache-keep 90d --cache-size 200G --recompute 0.001    the cache as well\n"
    )
    command = _add(commands, "upkeep", "merge small data files and expire snapshots that no run needs", examples)
    command.add_argument("--expire-runs", action="store_true", help="expire the snapshots that stored runs name, too")
    command.add_argument("--dry-run", action="store_true", help="change nothing, only say what would be done")
    command.add_argument(
        "--cache-keep", metavar="AGE", help="then prune the cache: what was used within this time stays, such as 90d"
    )
    command.add_argument(
        "--cache-size", metavar="SIZE", help="then prune the cache: at most this much of it stays, such as 200G"
    )
    command.add_argument(
        "--recompute",
        type=float,
        metavar="SHARE",
        help="at last hash every object of the cache, and compute this share of them again, such as 0.001",
    )

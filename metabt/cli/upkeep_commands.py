"""Commands that look after what is stored: explain a run, reproduce it, check it all, keep the cache and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.cli.printing import Layout, place, print_rows, print_run_notes, said_first, show
from metabt.errors import ConfigError, RunError, StoreError

if TYPE_CHECKING:
    from metabt.build.cache.upkeep import Verified
    from metabt.runs.adoption import Adopted

SHARE = 0.01
"""Share of the blocks of each kind of sleeve that is computed again before they are adopted."""
MEGA = 1_000_000
"""Bytes in a MB."""


def explain(
    lakehouse: str | None,
    name: str = "latest",
    other: str | None = None,
    layout: Layout = "table",
    overrides: Sequence[str] = (),
    other_overrides: Sequence[str] = (),
) -> None:
    """Print why the blocks of a run were computed, or what makes two runs differ."""
    from metabt.cli import explanation as words
    from metabt.lakehouse import resolve_run
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.comparison import compare
    from metabt.runs.explain import explain as explained
    from metabt.runs.stored_notes import stored_notes

    source = Lakehouse(Path(place(lakehouse)))
    with source.connection as connection:
        say = said_first(layout)
        run_id = resolve_run(connection, name, overrides, say)
        if other is None:
            why = explained(connection, run_id)
            text, rows = words.explanation_text(why), words.explanation_rows(why)
            notes = [stored_notes(source, why.run)]
        else:
            pair = compare(connection, run_id, resolve_run(connection, other, other_overrides, say))
            text, rows = words.comparison_text(pair), words.comparison_rows(pair)
            sides = [pair.one] if pair.is_one_run else [pair.one, pair.other]
            notes = [stored_notes(source, run) for run in sides]
    if layout == "table":
        show(text)
    else:
        print_rows(words.EXPLANATION if other is None else words.COMPARISON, rows, layout)
    print_run_notes(notes, layout)


def reproduce(lakehouse: str | None, name: str = "latest", quiet: bool = False, overrides: Sequence[str] = ()) -> None:
    """Compute a stored run again, without any cache, and print whether every byte is the same.

    Raises
    ------
    RunError
        If one is not.
    """
    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.lakehouse import attach, resolve_run
    from metabt.runs.reproduce import reproduce as reproduced
    from metabt.values.ranges import plural

    where = place(lakehouse)
    with attach(where, read_only=True) as connection:
        run_id = resolve_run(connection, name, overrides, print)
    with compilation_notice(shown=not quiet), progress_bar(shown=not quiet) as bar:
        found = reproduced(where, run_id, bar)
    told = f"run {found.run.short} of {found.run.portfolio} at snapshot {found.run.snapshot}"
    inputs = [f"  {cause.kind}: {cause.text}" for cause in found.inputs]
    if found.differs is None:
        since = ["though these have changed since:", *inputs] if inputs else []
        same = f"{told}: the same bytes: {plural(found.tables, 'table')}, {plural(found.rows, 'row')}"
        show("\n".join([same, *since]))
        return
    why = ["what has changed since:", *inputs] if inputs else ["nothing that is recorded of its inputs has changed"]
    show("\n".join([f"{told}: not the same bytes: {found.differs}", *why]))
    raise RunError(f"run {found.run.short} is not reproduced")


def check_lakehouse(lakehouse: str | None) -> None:
    """Go over everything that a lakehouse stores, and print what is damaged, what that means and the cure.

    Raises
    ------
    StoreError
        If anything is damaged.
    """
    from metabt.build.cache.upkeep import verify
    from metabt.lakehouse.catalog.catalog_location import located
    from metabt.lakehouse.folder.lost_catalogue import CACHE
    from metabt.lakehouse.soundness import check_lakehouse as checked
    from metabt.values.ranges import plural

    where = place(lakehouse)
    found, blocks = checked(where), verify(located(where) / CACHE)
    counts = [plural(number, name.removesuffix("s")) for name, number in found.counts.items()]
    show(f"{located(where)}: {', '.join([*counts, plural(blocks.sound, 'sound object') + ' in the cache'])}")
    faults = [*found.faults, *_damaged_objects(blocks)]
    for fault in faults:
        show(f"  {fault}")
    if faults:
        raise StoreError(f"the lakehouse is not sound: {plural(len(faults), 'fault')}, each with its cure above")


def _damaged_objects(found: Verified) -> list[str]:
    """Return what is damaged in a cache, what that means and the cure."""
    means = "no answer comes from it; it is computed again when it is needed"
    bad = [f"{what} {fault}: it was moved to the quarantine, {means}" for what, fault in found.bad]
    return bad + [f"{what}: {fault}: it cannot be read or moved aside, {means}" for what, fault in found.unread]


def cache(
    lakehouse: str | None,
    action: str,
    recompute: float | None = None,
    keep: str | None = None,
    max_size: str | None = None,
    dry_run: bool = False,
) -> None:
    """Print what is in the cache, verify it, adopt what earlier code computed, or prune it, as `action` says."""
    from metabt.lakehouse.catalog.catalog_location import located, require
    from metabt.lakehouse.folder.lost_catalogue import CACHE

    _refuse_options(action, recompute, keep, max_size, dry_run)
    where = place(lakehouse)
    require(where)
    root = located(where) / CACHE
    if action == "stats":
        _stats(root)
    elif action == "verify":
        _verify(where, root, recompute)
    elif action == "adopt":
        _adopt(where, SHARE if recompute is None else recompute)
    else:
        _prune(root, keep, max_size, dry_run)


def _refuse_options(
    action: str, recompute: float | None, keep: str | None, max_size: str | None, dry_run: bool
) -> None:
    if recompute is not None and (action not in ("verify", "adopt") or not 0 < recompute <= 1):
        raise ConfigError(
            f"--recompute {recompute:g}: wanted a share above 0 and up to 1, with `metabt cache verify` or "
            "`metabt cache adopt`"
        )
    if action != "prune" and (keep or max_size or dry_run):
        raise ConfigError(f"--keep, --max-size and --dry-run are for `metabt cache prune`, not for {action}")
    if action == "prune" and not (keep or max_size):
        raise ConfigError("metabt cache prune: say what may stay, with --keep 30d, --max-size 10G or both")


def _stats(root: Path) -> None:
    from metabt.build.cache.upkeep import stats
    from metabt.values.ranges import plural

    found = stats(root)
    packs = plural(found.packs, "pack")
    show(f"{root}: {plural(found.objects, 'object')} in {packs}, {found.bytes / MEGA:,.1f} MB")
    for schema, (count, size) in found.by_schema.items():
        show(f"  {schema}: {count:,}, {size / MEGA:,.1f} MB")
    if found.oldest and found.newest:
        show(f"  last used from {found.oldest:%Y-%m-%d} to {found.newest:%Y-%m-%d}")
    show(f"  {plural(found.quarantined, 'object')} in quarantine, {plural(found.temporary, 'temporary file')}")
    if found.foreign[0]:
        n_files, size = found.foreign
        show(
            f"  {plural(n_files, 'file')} of another format, {size / MEGA:,.1f} MB, left alone and not used by this "
            f"version of metabt; if no other uses them, `rm -r '{root}'` frees their room: "
            "all of it can be computed again"
        )


def _verify(where: str, root: Path, recompute: float | None) -> None:
    from metabt.build.cache.upkeep import verify
    from metabt.values.ranges import plural

    found = verify(root)
    foreign = f"; {plural(found.foreign, 'pack')} of another format left alone" if found.foreign else ""
    sound = f"{plural(found.sound, 'sound object')}, {found.bytes / MEGA:,.1f} MB"
    show(f"{root}: {sound}; {len(found.bad):,} bad{foreign}")
    for line in _damaged_objects(found):
        show(f"  {line}")
    n_alarms = 0 if recompute is None else _audit(where, recompute)
    if found.bad or found.unread or n_alarms:
        faults = f"{len(found.bad)} bad and moved to the quarantine, {len(found.unread)} unreadable"
        alarms = plural(n_alarms, "alarm")
        raise StoreError(f"the cache is not sound: {faults}, {alarms}; what is missing is computed again when needed")


def _audit(where: str, share: float) -> int:
    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.runs.audit import audit
    from metabt.values.ranges import plural

    with compilation_notice(shown=True), progress_bar(shown=True) as bar:
        found = audit(where, share, bar)
    runs = plural(found.runs, "stored run") + (f" ({found.left_out} left out)" if found.left_out else "")
    missing = f"; {found.missing:,} missing, computed" if found.missing else ""
    show(f"computed again: {found.recomputed:,} of {plural(found.found, 'object')} of {runs}{missing}")
    for alarm in found.alarms:
        parts = " and ".join(alarm.parts)
        show(f"ALARM: {alarm.sleeve}, {alarm.partition}: other bytes come out ({parts})")
        show(f"  key {alarm.key}\n  file {alarm.file}")
    if not found.alarms:
        show("the same bytes, all of them")
    return len(found.alarms)


def _adopt(where: str, share: float) -> None:
    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.runs.adoption import adopt
    from metabt.values.ranges import plural

    with compilation_notice(shown=True), progress_bar(shown=True) as bar:
        found = adopt(where, share, bar)
    left = f"; {found.left_out:,} left out: other settings, no snapshot, or no note of its keys" * bool(found.left_out)
    show(f"{plural(found.runs, 'stored run')} of other code{left}")
    for kind in found.kinds:
        show(f"  {kind.kind}: {_adopted(kind)}")
        for sample in (it for it in kind.samples if it.differs):
            show(f"    {sample.sleeve}, {sample.partition}: {sample.differs}\n      key {sample.before}")
    if not found.kinds:
        show("no block of other code is stored that this code does not know")
    if found.proof is not None:
        show(f"proof {found.proof}")


def _adopted(kind: Adopted) -> str:
    from metabt.values.ranges import plural

    again = f"of {len(kind.samples):,} computed again"
    if kind.adopted:
        return f"{plural(len(kind.adopted), 'block')} adopted, {again} all have the same bytes"
    wrong = sum(sample.differs is not None for sample in kind.samples)
    why = f"{again} {wrong:,} differ" if wrong else "none could be computed again"
    return f"none of {plural(kind.blocks, 'block')} adopted, {why}; they are computed anew when they are needed"


def _prune(root: Path, keep: str | None, max_size: str | None, dry_run: bool) -> None:
    from metabt.build.cache.upkeep import parse_age, parse_size, prune
    from metabt.values.ranges import plural

    age = None if keep is None else parse_age(keep)
    size = None if max_size is None else parse_size(max_size)
    done = prune(root, keep=age, max_size=size, dry_run=dry_run)
    would = "would remove" if dry_run else "removed"
    others = f"{plural(done.temporary, 'temporary file')} and {done.quarantined:,} in quarantine"
    show(f"{root}: {would} {plural(done.objects, 'object')}, {done.bytes / MEGA:,.1f} MB, {others}")
    show(f"  {plural(done.kept, 'object')}, {done.kept_bytes / MEGA:,.1f} MB, stay in {plural(done.packs, 'pack')}")


def upkeep(
    lakehouse: str | None,
    expire_runs: bool = False,
    dry_run: bool = False,
    cache_keep: str | None = None,
    cache_size: str | None = None,
    recompute: float | None = None,
) -> None:
    """Merge small data files, expire snapshots that no stored run names, and print what was done.

    Then the cache is pruned, where an age or a size is stated; and verified, where a share is, with so many of its
    objects computed again.

    Raises
    ------
    ConfigError
        For an age, a size or a share that is none, before anything is done.
    StoreError
        If a data file or an object of the cache is damaged.
    """
    from metabt.build.cache.upkeep import parse_age, parse_size
    from metabt.lakehouse import upkeep as kept_up
    from metabt.lakehouse.catalog.catalog_location import located
    from metabt.lakehouse.folder.lost_catalogue import CACHE
    from metabt.values.ranges import plural

    where = place(lakehouse)
    for text, parse in ((cache_keep, parse_age), (cache_size, parse_size)):
        if text is not None:
            parse(text)  # what cannot be read is told before files are touched
    if recompute is not None and not 0 < recompute <= 1:
        raise ConfigError(f"--recompute {recompute:g}: wanted a share above 0 and up to 1, such as 0.001")
    done = kept_up(where, expire_runs=expire_runs, dry_run=dry_run)
    would = "would be " if dry_run else ""
    show(f"{where}: {plural(done.files, 'data file')} {would}merged into {done.merged:,}")
    show(f"  {plural(len(done.expired), 'snapshot')} {would}expired; {_of_runs(done.lost_runs, dry_run)}")
    if not dry_run:
        show(f"  {plural(done.removed, 'file')} that no snapshot needs removed, {done.bytes / MEGA:,.1f} MB")
    if done.waiting and not dry_run:
        later = "others may be reading them; an upkeep of a day later removes them"
        show(f"  {plural(done.waiting, 'file')} left: {later}")
    root = located(where) / CACHE
    if cache_keep or cache_size:
        _prune(root, cache_keep, cache_size, dry_run)
    if recompute is not None and not dry_run:
        _verify(where, root, recompute)


def _of_runs(lost: int, dry_run: bool) -> str:
    from metabt.values.ranges import plural

    if not lost:
        return "every stored run can still be reproduced"
    return f"{plural(lost, 'stored run')} {'could' if dry_run else 'can'} not be reproduced any more"

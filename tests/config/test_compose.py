"""What `conf/` and overrides compose to, and that every mistake is named with its cure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from metabt.config import compose, load_portfolio, stated_lakehouse
from metabt.config.files import packaged_dir
from metabt.config.search import options
from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve

SYMBOLS = {
    "sp500": "AAPL AMD BAC BBY CVX GE HD JNJ JPM KO LLY MRK MSFT PEP PFE PG RRC UNH WMT XOM".split(),
    "factor_etfs": "MTUM QUAL SIZE USMV VLUE".split(),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder without a conf folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        file = folder / "conf" / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


FIRMS = tuple(f"FIRM{number}" for number in range(10, 30))
MEMBERS = {"market": {"top100": FIRMS[:15], "dollar": FIRMS}}


@pytest.mark.parametrize("name", options((packaged_dir(),), "portfolio"))
def test_every_portfolio_that_comes_along_composes_and_resolves(name: str) -> None:
    symbols = SYMBOLS | {"market": list(FIRMS)}
    assert resolve(load_portfolio(name), symbols=symbols, members=MEMBERS).name == name


@pytest.mark.parametrize("group", ["sleeve"])
def test_every_member_of_a_group_composes_into_a_tree_and_resolves(group: str) -> None:
    members = options((packaged_dir(),), group)
    assert "technology" in members
    for member in members:
        tree = compose([f"sleeve@portfolio.sleeves.hedge={member}"])["portfolio"]
        path = [sleeve.name for sleeve in resolve(tree, symbols=SYMBOLS).sleeves]
        assert path == ["equities", "factors", "hedge"]


def test_the_demo_is_three_levels_deep_with_every_kind_of_sleeve() -> None:
    sleeve = resolve(load_portfolio("demo"), symbols=SYMBOLS)
    specs = {path: child.spec for path, child in sleeve.walk()}
    assert max(path.count("/") for path in specs) == 2
    assert sleeve.spec.optimizer.name == "erc"
    assert specs["demo/equities"].optimizer.name == "hrp"
    sectors = [leaf for path, leaf in sleeve.leaves() if path.startswith("demo/equities/")]
    assert sorted(symbol for leaf in sectors for symbol in leaf.universe) == SYMBOLS["sp500"]
    assert len({leaf.optimizer.name for leaf in sectors}) >= 3
    assert [leaf.selector.name for leaf in sectors].count("log_mps") == 1
    assert [leaf.direction for _, leaf in sleeve.leaves()].count("short") == 1
    for spec in specs.values():
        assert (spec.schedule.period, spec.lag) == ("monthly", 1)
        assert (spec.costs.commission_bp, spec.costs.slippage_bp) == (5, 1)


def test_the_market_draws_its_universes_and_says_what_cash_earns() -> None:
    tree = load_portfolio("market")
    index, small = tree["sleeves"]["index"]["sleeves"], tree["sleeves"]["small"]
    assert tree["cash"] == "usd" and tree["defaults"]["dataset"] == "market"
    assert [leaf["universe"] for leaf in index.values()] == [{"members": "top100"}] * 2
    assert small["universe"]["members"] == "dollar" and small["cash"] == {"reserve": 0.05}


def test_the_template_makes_a_thousand_leaves_in_ten_lines() -> None:
    assert len(list(resolve(load_portfolio("thousand"), symbols=SYMBOLS).leaves())) == 1000
    text = (packaged_dir() / "portfolio" / "thousand.yaml").read_text()
    body = text[text.index("expand:") :].strip().splitlines()
    assert len(body) <= 10


def test_a_value_is_set_by_its_path_even_where_no_file_states_the_key() -> None:
    tree = compose(
        [
            "portfolio.sleeves.equities.sleeves.technology.optimizer=erc",
            "portfolio.lookback=63",
            "portfolio.sleeves.hedge.costs.commission_bp=1",
            "portfolio.fallback=[equal]",
        ]
    )["portfolio"]
    assert tree["sleeves"]["equities"]["sleeves"]["technology"]["optimizer"] == "erc"
    assert (tree["lookback"], tree["fallback"]) == (63, ["equal"])
    assert tree["sleeves"]["hedge"]["costs"]["commission_bp"] == 1


def test_types_survive_composition() -> None:
    tree = compose(["portfolio.lookback=10", "portfolio.min_coverage=1.0", "portfolio.name='007'"])["portfolio"]
    assert (repr(tree["lookback"]), repr(tree["min_coverage"]), tree["name"]) == ("10", "1.0", "007")


def test_a_step_into_a_bare_optimizer_name_opens_it() -> None:
    tree = compose(["portfolio.sleeves.equities.optimizer.max_weight=0.3"])["portfolio"]
    assert tree["sleeves"]["equities"]["optimizer"] == {"name": "hrp", "max_weight": 0.3}


def test_an_estimator_is_replaced_and_another_mapping_is_merged() -> None:
    tree = compose(["portfolio.optimizer={name: hrp}", "portfolio.defaults.costs={commission_bp: 1}"])["portfolio"]
    assert tree["optimizer"] == {"name": "hrp"}
    assert tree["defaults"]["costs"] == {"commission_bp": 1, "slippage_bp": 1}


def test_sleeves_are_added_replaced_and_removed() -> None:
    grown = compose(
        ["+portfolio.sleeves.gold={dataset: sp500, universe: [GE]}", "+sleeve@portfolio.sleeves.oil=energy"]
    )["portfolio"]
    assert grown["sleeves"]["gold"]["universe"] == ["GE"]
    assert grown["sleeves"]["oil"]["universe"] == ["CVX", "RRC", "XOM"]
    assert list(compose(["~portfolio.sleeves.hedge"])["portfolio"]["sleeves"]) == ["equities", "factors"]


def test_own_files_come_first_and_may_include_those_that_come_along(elsewhere: Path) -> None:
    write(
        elsewhere,
        portfolio__mine="defaults:\n- /sleeve@sleeves.a: energy\n- /sleeve@sleeves.b: own\n- _self_\noptimizer: hrp\n",
        sleeve__own="{dataset: sp500, universe: [GE]}",
        sleeve__energy="{dataset: sp500, universe: [XOM]}",
    )
    tree = load_portfolio("mine")
    assert tree["name"] == "mine"  # a portfolio without a name has its file's
    assert [tree["sleeves"][key]["universe"] for key in "ab"] == [["XOM"], ["GE"]]


def test_another_folder_is_searched_when_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "other", portfolio__mine="{dataset: sp500, universe: all}")
    assert load_portfolio("mine", config_dir=tmp_path / "other" / "conf")["universe"] == "all"
    with pytest.raises(ConfigError, match="'nowhere' is not a folder"):
        compose(config_dir="nowhere")


def test_a_mapping_of_defaults_is_the_sleeves_own(elsewhere: Path) -> None:
    write(
        elsewhere,
        portfolio__mine="defaults: {lookback: 63}\nsleeves: {a: {dataset: sp500, universe: all, defaults: {lag: 0}}}",
        sleeve__nested="defaults: {lookback: 20}\ndataset: sp500\nuniverse: all",
        portfolio__outer="defaults:\n  - /rules@defaults: monthly\n  - /sleeve@sleeves.x: nested\n  - _self_\nlag: 0",
    )
    mine = compose(["portfolio=mine", "portfolio.defaults.lag=3"])["portfolio"]
    assert mine["defaults"] == {"lookback": 63, "lag": 3}
    assert mine["sleeves"]["a"]["defaults"] == {"lag": 0}
    outer = load_portfolio("outer")
    assert outer["sleeves"]["x"]["defaults"] == {"lookback": 20}
    assert outer["defaults"]["schedule"] == "monthly"


def test_interpolations_are_resolved_after_overrides(elsewhere: Path) -> None:
    write(elsewhere, portfolio__mine="lookback: 63\ndataset: x\nuniverse: ${.dataset}\nmin_history: ${.lookback}")
    tree = compose(["portfolio=mine", "portfolio.lookback=20"])["portfolio"]
    assert (tree["universe"], tree["min_history"]) == ("x", 20)


SECRETIVE = (
    "${oc.env:METABT_SECRET}",
    "${oc.env:METABT_SECRET,none}",
    "a-${ oc.env:METABT_SECRET}",
    "${oc.decode:${oc.env:METABT_SECRET}}",
    "${oc.decode:'\\${oc.env:METABT_SECRET}'}",
    "${oc.decode:${.begin}${.end}}",
    "${oc.${.which}:METABT_SECRET}",
)


@pytest.mark.parametrize("text", SECRETIVE)
def test_no_environment_variable_gets_among_the_settings(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("METABT_SECRET", "hunter2")
    parts = {"which": "env", "begin": "$", "end": "{oc.env:METABT_SECRET}"}
    tree = {**parts, "sleeves": {"a": {"dataset": text}}}
    write(elsewhere, portfolio__mine=yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match="portfolio.sleeves.a.dataset may read .*state the value") as caught:
        compose(["portfolio=mine"])
    assert "hunter2" not in str(caught.value)
    compose(["portfolio=mine", "portfolio.sleeves.a.dataset=sp500"])  # the cure


@pytest.mark.parametrize("key", ["portfolio.sleeves.hedge.dataset", "lakehouse", "start", "portfolio.lookback"])
def test_an_override_reads_no_environment_variable_either(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METABT_SECRET", "hunter2")
    with pytest.raises(ConfigError, match=f"{key} may read .*{key}=VALUE"):
        compose([f"{key}=${{oc.env:METABT_SECRET}}"])


OF_A_JOB = ("${hydra:job.num}", "${hydra:runtime.cwd}", "${now:%Y-%m-%d}", "a-${hydra:job.id}", "${hydra.job.name}")
ANOTHER = (
    r"{} asks for '.*', which is another value in each job, while .*; wanted a value, .*: state it, or .* -m {}=A,B"
)


@pytest.mark.parametrize(
    "key",
    [
        *("portfolio.name", "portfolio.lookback", "portfolio.sleeves.a.dataset", "portfolio.defaults.costs.borrow_bp"),
        *("portfolio.sleeves.a.expand.v.0", "portfolio.sleeves.a.universe.0", "portfolio.optimizer.max_weight"),
        *("lakehouse", "engine", "start", "end", "benchmark", "cluster.workers", "is_meta_backtest"),
    ],
)
def test_nothing_of_a_job_decides_a_run(elsewhere: Path, key: str) -> None:
    """Its number, its folder and its time differ between jobs of one configuration."""
    text = OF_A_JOB[len(key) % len(OF_A_JOB)]
    tree: dict[str, Any] = {"sleeves": {"a": {"universe": {"0": "A"}}}}
    stated: dict[str, Any] = {"portfolio": tree}
    *above, last = key.split(".")
    node: Any = stated
    for step in above:
        node = node.setdefault(step, {})
    node[last] = text
    write(elsewhere, portfolio__mine=yaml.safe_dump(tree))
    settings = yaml.safe_load((packaged_dir() / "config.yaml").read_text())
    settings.update({name: value for name, value in stated.items() if name != "portfolio"})
    write(elsewhere, config=yaml.safe_dump(settings))
    with pytest.raises(ConfigError, match=ANOTHER.format(re.escape(key), re.escape(key))):
        compose(["portfolio=mine"])


@pytest.mark.parametrize("text", OF_A_JOB)
@pytest.mark.parametrize("key", ["portfolio.lookback", "+portfolio.sleeves.n", "lakehouse"])
def test_nor_does_it_by_an_override(key: str, text: str) -> None:
    bare = key.lstrip("+")
    with pytest.raises(ConfigError, match=ANOTHER.format(bare, bare)):
        compose([f"{key}={text}"])


def test_a_key_is_no_place_for_an_interpolation(elsewhere: Path) -> None:
    """OmegaConf leaves it there as it is: a sleeve would be called so."""
    write(elsewhere, portfolio__mine='sleeves: {"${start}": {dataset: px, universe: [A]}}')
    with pytest.raises(ConfigError, match=r"portfolio.sleeves has the key '\$\{start\}'; .* write the name"):
        compose(["portfolio=mine"])


def test_a_setting_may_be_called_like_what_is_of_a_job(elsewhere: Path) -> None:
    write(elsewhere, portfolio__mine="name: x\nsleeves: {now: {universe: [A], dataset: px, lookback: 9}}\n")
    tree = compose(["portfolio=mine", "portfolio.lookback=${.sleeves.now.lookback}"])["portfolio"]
    assert tree["lookback"] == 9
    with pytest.raises(ConfigError, match="refers to '.hydra', which is not there"):
        compose(["portfolio=mine", "portfolio.lookback=${.hydra}"])


def test_the_lakehouse_is_known_without_composing(elsewhere: Path) -> None:
    assert stated_lakehouse() == (compose()["lakehouse"], compose()["catalog"]) == ("data/lakehouse", None)


@pytest.mark.parametrize(
    ("text", "catalog"),
    [
        ("base: /lakes\nlakehouse: ${base}/one\n", None),
        ("lakehouse: /lakes/one\ncatalog: postgres:dbname=one\n", "postgres:dbname=one"),
        ("name: one\nlakehouse: /lakes/one\ncatalog: postgres:dbname=${name}\n", "postgres:dbname=one"),
    ],
)
def test_so_is_one_that_refers_to_other_settings_and_its_catalogue(elsewhere: Path, text: str, catalog: str) -> None:
    (elsewhere / "conf").mkdir(exist_ok=True)
    (elsewhere / "conf" / "config.yaml").write_text(text)
    assert stated_lakehouse() == ("/lakes/one", catalog)


@pytest.mark.parametrize("text", ["catalog: postgres:dbname=one\n", "lakehouse:\n", "{}\n"])
def test_a_file_without_a_lakehouse_says_what_to_add(elsewhere: Path, text: str) -> None:
    (elsewhere / "conf").mkdir(exist_ok=True)
    (elsewhere / "conf" / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match="states no lakehouse; add `lakehouse: "):
        stated_lakehouse()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lookbak=3", "unknown setting 'lookbak'.*did you mean 'portfolio.lookback'"),
        ("portfolo=demo", "unknown setting 'portfolo'.*did you mean 'portfolio'"),
        ("portfolo.lookback=3", "did you mean 'portfolio'"),
        ("+zzz=3", "unknown setting 'zzz'.*beneath portfolio"),
        ("portfolio=dmo", "no portfolio 'dmo'; did you mean 'demo'"),
        ("sleeve@portfolio.sleeves.hedge=enrgy", "no sleeve 'enrgy'; did you mean 'energy'"),
        ("sleeve@portfolio.sleeves.hedg=energy", "hedg.*Did you mean"),
        ("portfolio.sleeves.equites.lookback=63", "no sleeve 'equites'.*did you mean 'equities'"),
        ("portfolio.sleeves.equities.sleeves.tec.lookback=63", "no sleeve 'tec' in portfolio.sleeves.equities.sleeves"),
        ("portfolio.sleeves.gold={universe: all}", r"no sleeve 'gold'.*\+portfolio.sleeves.gold="),
        ("~portfolio.sleeves.hege", "no 'hege' to remove; did you mean 'hedge'"),
        ("portfolio.lookback.days=3", None),
        ("portfolio.sleeves.factors.universe.x=3", "universe is 'all', which has no 'x'; replace it as a whole"),
        ("portfolio.sleeves.equities.sleeves.energy.universe.9=GE", "'9' is no position in a list of 3"),
        ("portfolio.sleeves.hedge.selector={_target_: os.system}", "cannot call code"),
        ("++portfolio.x._target_=os.system", "cannot call code"),
        (
            "portfolio.fallback=[equal,{_target_: os.system}]",
            r"portfolio.fallback.1 has a '_target_'; .*cannot call code",
        ),
        ("++hydra.callbacks.x._target_=os.system", "hydra.callbacks.x._target_ names 'os.system'; .*cannot call code"),
        ("portfolio.lookback=63,126", "is a sweep; add --multirun"),
        ("portfolio.lookback=}{", "override 'portfolio.lookback=}{'"),
        ("portfolio", "write key=value"),
        ("is_meta_backtest=maybe", "is_meta_backtest is 'maybe'; write true, false or null"),
        ("~portfolio", "choose one with portfolio=NAME"),
        ("~lakehouse", "states no lakehouse"),
        ("portfolio.universe=${nowhere}", "nowhere"),
        ("portfolio.lookback=${portfolio.lookback}", "(?i)recursive"),
        ("portfolio.name=???", "(?i)missing"),
    ],
)
def test_a_mistake_is_named_with_its_cure(override: str, says: str | None) -> None:
    with pytest.raises(ConfigError, match=says or "lookback is 504, which has no 'days'") as caught:
        compose([override])
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lookback: 3\nlookback: 4\n", "duplicate key lookback"),
        ("defaults:\n  - _self_\ndefaults: {lag: 1}\n", "rules/NAME.yaml"),
        ("lookback: {3\n", "not valid YAML.*mine.yaml"),
        ("- a\n- b\n", "wanted the keys of a sleeve"),
        (
            "defaults:\n  - /sleeve@sleeves.x: energi\n",
            r"no sleeve 'energi'; did you mean 'energy'.*in 'portfolio/mine'",
        ),
        ("defaults:\n  - optimzer: erc\n", "optimzer"),
        ("lookback: ${oc.env:METABT_NOT_SET}\n", "portfolio.lookback .*METABT_NOT_SET"),
        ("sleeves: {a: {optimizer: {_target_: subprocess.run}}}\n", "portfolio.sleeves.a.optimizer.*cannot call code"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(elsewhere: Path, text: str, says: str) -> None:
    write(elsewhere, portfolio__mine=text)
    with pytest.raises(ConfigError, match=says):
        compose(["portfolio=mine"])


def test_an_unknown_setting_in_the_primary_file_is_refused(elsewhere: Path) -> None:
    text = (packaged_dir() / "config.yaml").read_text()
    write(elsewhere, config=f"{text}\nlakehose: here\n")
    with pytest.raises(ConfigError, match="unknown setting 'lakehose'.*did you mean 'lakehouse'"):
        compose()


def test_files_that_include_each_other_show_the_circle(elsewhere: Path) -> None:
    write(
        elsewhere,
        portfolio__mine="defaults:\n  - /sleeve@sleeves.x: a\n  - _self_\n",
        sleeve__a="defaults:\n  - /sleeve@sleeves.y: b\n  - _self_\noptimizer: equal\n",
        sleeve__b="defaults:\n  - a@sleeves.z\n  - _self_\noptimizer: equal\n",
    )
    with pytest.raises(ConfigError, match="sleeve/a -> sleeve/b -> sleeve/a; remove one"):
        compose(["portfolio=mine"])


def test_the_same_file_twice_is_no_circle(elsewhere: Path) -> None:
    write(elsewhere, portfolio__mine="defaults:\n  - /sleeve@sleeves.x: energy\n  - /sleeve@sleeves.y: energy\n")
    assert sorted(load_portfolio("mine")["sleeves"]) == ["x", "y"]

"""Configuration that means ill: what each file or argument would do, and what must be said of it instead."""

from __future__ import annotations

from pathlib import Path

from tests.shared.attacked import Attack

PRIMARY = (Path(__file__).resolve().parents[2] / "conf" / "config.yaml").read_text(encoding="utf-8")
RUN = "{_target_: hydra.test_utils.test_utils.run_process, cmd: [mkdir, canary]}"
GLOBAL = "# @package _global_\n"
TREE = "portfolio: {name: p, dataset: px, universe: all}\n"
LEAF = "dataset: px\nuniverse: all\n"
CALLS = "cannot call code"
OWN = "hydra is stated, which config.yaml alone may; take it out"


def portfolio(name: str, says: str, text: str, *arguments: str, **others: str) -> Attack:
    """Return an attack by `conf/portfolio/p.yaml` and files beside it, their names with `__` for `/`."""
    files = {f"{place.replace('__', '/')}.yaml": content for place, content in others.items()}
    return Attack(name, says, ("portfolio=p", *arguments), {"portfolio/p.yaml": text, **files})


def primary(name: str, says: str, hydra: str, *arguments: str, **others: str) -> Attack:
    """Return an attack by what `conf/config.yaml` states beneath `hydra`."""
    text = PRIMARY[: PRIMARY.index("hydra:\n")] + f"hydra: {hydra}\n"
    files = {f"{place.replace('__', '/')}.yaml": content for place, content in others.items()}
    return Attack(name, says, ("portfolio=one", *arguments), {"config.yaml": text, **files})


def included(name: str, says: str, entry: str, **others: str) -> Attack:
    """Return an attack by one entry of a portfolio's includes."""
    return portfolio(name, says, f"defaults:\n  - {entry}\n  - _self_\n{LEAF}", **others)


def line(name: str, says: str, *arguments: str, code: int = 1, **others: str) -> Attack:
    """Return an attack by the command line alone."""
    files = {f"{place.replace('__', '/')}.yaml": content for place, content in others.items()}
    return Attack(name, says, arguments, files, code=code)


EVIL = {"sleeve__evil": f"x: {RUN}\n"}

FILES = [
    portfolio("callback", f"p.yaml: {OWN}", f"{GLOBAL}hydra: {{callbacks: {{x: {RUN}}}}}\n{TREE}"),
    portfolio("callback in flow style", OWN, f"{GLOBAL}{{hydra: {{callbacks: {{x: {RUN}}}}}, {TREE.strip()}}}\n"),
    portfolio("escaped key", OWN, f'{GLOBAL}"h\\x79dra": {{callbacks: {{x: {RUN}}}}}\n{TREE}'),
    portfolio("merged key", OWN, f"{GLOBAL}<<: {{hydra: {{callbacks: {{x: {RUN}}}}}}}\n{TREE}"),
    portfolio("aliased key", OWN, f"{GLOBAL}start: &h hydra\n*h : {{callbacks: {{x: {RUN}}}}}\n{TREE}"),
    portfolio("hydra without a package", OWN, f"hydra: {{callbacks: {{x: {RUN}}}}}\n{LEAF}"),
    portfolio("hydra as null", OWN, f"{GLOBAL}hydra: null\n{TREE}"),
    portfolio("dotted key", "unknown setting 'hydra.callbacks", f"{GLOBAL}hydra.callbacks.x: {RUN}\n{TREE}"),
    portfolio("package hydra", "@package hydra.callbacks' cannot be", f"# @package hydra.callbacks\nx: {RUN}\n"),
    portfolio("package of hydra", "@package hydra' cannot be", f"# @package hydra\ncallbacks: {{x: {RUN}}}\n"),
    portfolio("package global hydra", "cannot be; take", f"# @package _global_.hydra\ncallbacks: {{x: {RUN}}}\n"),
    portfolio("package of two words", "@package NAME", f"# @package a b\n{LEAF}"),
    portfolio("package that refers", "cannot be", f"# @package ${{oc.env:METABT_TEST_SECRET}}\n{LEAF}"),
    included(
        "sleeve", f"evil.yaml: {OWN}", "/sleeve@_global_: evil", sleeve__evil=f"hydra: {{callbacks: {{x: {RUN}}}}}"
    ),
    included(
        "sleeve of a sleeve",
        OWN,
        "/sleeve@sleeves.a: good",
        sleeve__good="defaults:\n  - /sleeve@_global_: evil\n  - _self_\nuniverse: all\n",
        sleeve__evil=f"{GLOBAL}hydra: {{callbacks: {{x: {RUN}}}}}",
    ),
    included("rules", OWN, "/rules@defaults: evil", rules__evil=f"{GLOBAL}hydra: {{callbacks: {{x: {RUN}}}}}"),
    included("into hydra", "puts '/sleeve@hydra.callbacks' into", "/sleeve@hydra.callbacks: evil", **EVIL),
    included("into global hydra", "into '_global_.hydra", "/sleeve@_global_.hydra.callbacks: evil", **EVIL),
    included("package in two steps", "wanted the name of a file", "/sleeve@a:hydra.callbacks: evil", **EVIL),
    included("hydra's group", "'/hydra/launcher', which config.yaml alone may", "/hydra/launcher: joblib"),
    included("hydra's group, overriding", "config.yaml alone may", "override /hydra/launcher: joblib"),
    included("hydra's group elsewhere", "config.yaml alone may", "/hydra/job_logging@sleeves: default"),
    included("own group of hydra's", "config.yaml alone may", "/hydra/callbacks: x", hydra__callbacks__x=f"x: {RUN}"),
    included("out of conf", "'../../outside', wanted the name", "/sleeve@sleeves.q: ../../outside"),
    included("out of conf by the group", "wanted the name", "/sleeve/../../../outside@sleeves.q"),
    included("interpolated include", "wanted the name", "/sleeve@sleeves.q: ${oc.env:METABT_TEST_SECRET}"),
    included("interpolated group", "wanted the name", "/${oc.env:METABT_TEST_SECRET}@sleeves.q: energy"),
    portfolio("cluster", "states cluster, which config.yaml", f"{GLOBAL}cluster: {{address: ray://evil:1}}\n{TREE}"),
    portfolio("lakehouse", "states lakehouse, which", f"{GLOBAL}lakehouse: ../elsewhere\n{TREE}"),
    portfolio("catalog", "states catalog, which", f"{GLOBAL}catalog: postgres:host=evil\n{TREE}"),
    included("cluster by package", "states cluster, which", "/sleeve@_global_.cluster: c", sleeve__c="address: x"),
    portfolio(
        "python tag", f"python/object/apply:os.mkdir.*{CALLS}", f"{LEAF}x: !!python/object/apply:os.mkdir [canary]\n"
    ),
    portfolio("python name", CALLS, f"{LEAF}x: !!python/name:os.system ''\n"),
    portfolio("path tag", CALLS, f"{LEAF}x: !!python/object/apply:pathlib.Path [canary]\n"),
    portfolio("target", f"portfolio has a '_target_'.*{CALLS}", f"{LEAF}_target_: os.system\n"),
    portfolio("target in a list", f"portfolio.fallback.0.*{CALLS}", f"{LEAF}fallback: [{{_target_: os.system}}]\n"),
    portfolio("target of an estimator", f"portfolio.optimizer.*{CALLS}", f"{LEAF}optimizer: {{_target_: os.system}}\n"),
]

MAIN_FILE = [
    primary(
        "main: callback", f"config.yaml: hydra.callbacks.x._target_ names .*{CALLS}", f"{{callbacks: {{x: {RUN}}}}}"
    ),
    primary("main: argument of a launcher", CALLS, f"{{launcher: {{x: {RUN}}}}}", "hydra/launcher=basic"),
    primary("main: another launcher", CALLS, "{launcher: {_target_: canary_module.X}}"),
    primary("main: import", CALLS, "{callbacks: {x: {_target_: hydra.utils.get_object, path: canary_module}}}"),
    primary(
        "main: logging calls",
        r"hydra.job_logging.handlers.x.\(\) names",
        "{job_logging: {handlers: {x: {'()': os.mkdir, path: canary}}}}",
    ),
    primary(
        "main: logging writes",
        "hydra.hydra_logging.handlers.x.class",
        "{hydra_logging: {handlers: {x: {class: logging.FileHandler, filename: canary}}}}",
    ),
    primary("main: searchpath", "hydra.searchpath cannot be set", "{searchpath: [pkg://canary_module]}"),
    primary("main: searchpath of files", "hydra.searchpath cannot be set", "{searchpath: ['file://..']}"),
    primary("main: sweep.dir", r"hydra.sweep.dir is '../canary', wanted \.", "{sweep: {dir: ../canary}}"),
    primary("main: sweep.subdir", "hydra.sweep.subdir is", "{sweep: {subdir: ../../canary}}"),
    primary("main: output_subdir", "hydra.output_subdir is '../canary', wanted null", "{output_subdir: ../canary}"),
    primary("main: run.dir", "hydra.run.dir is", "{run: {dir: ../canary}}"),
    primary("main: chdir", "hydra.job.chdir is True", "{job: {chdir: true}}"),
    primary("main: environment", "hydra.job.env_set.X cannot be set", "{job: {env_set: {X: '1'}}}"),
    primary("main: copied environment", "hydra.job.env_copy cannot be set", "{job: {env_copy: [METABT_TEST_SECRET]}}"),
    primary("main: interpolation", "hydra.job.name is", "{job: {name: '${oc.env:METABT_TEST_SECRET}'}}"),
    primary(
        "main: search space", "hydra.sweeper.custom_search_space", "{sweeper: {custom_search_space: canary_module.X}}"
    ),
    primary("main: storage", "hydra.sweeper.storage cannot be set", "{sweeper: {storage: 'sqlite:///canary'}}"),
    primary(
        "main: joblib evaluates",
        "hydra.launcher.pre_dispatch",
        "{launcher: {pre_dispatch: \"__import__('os').mkdir('canary')\"}}",
    ),
    primary("main: joblib writes", "hydra.launcher.temp_folder", "{launcher: {temp_folder: canary}}"),
    primary(
        "main: ray installs",
        "hydra.launcher.ray.init.runtime_env",
        "{launcher: {ray: {init: {runtime_env: {pip: [evil]}}}}}",
    ),
    primary(
        "main: swept hydra",
        "hydra.sweeper.params sets",
        "{sweeper: {params: {hydra.callbacks.x: '{_target_: os.system}'}}}",
    ),
    primary(
        "main: swept outside",
        "leads out of the folder",
        "{sweeper: {params: {+sleeve@portfolio.sleeves.q: ../../outside}}}",
    ),
    primary(
        "main: swept package",
        "not into 'hydra.callbacks'",
        "{sweeper: {params: {sleeve@hydra.callbacks: evil}}}",
        **EVIL,
    ),
    primary("main: a name that leads out", "hydra.job.name.*plain name", "{job: {name: a/../../canary/y}}"),
    primary("main: a list", "hydra.0.*cannot", "[{callbacks: 1}]"),
    Attack(
        "main: logging chosen",
        "no hydra/job_logging 'colorlog'",
        (),
        {"config.yaml": PRIMARY.replace("job_logging: none", "job_logging: colorlog")},
    ),
    Attack(
        "main: launcher chosen",
        "no hydra/launcher 'submitit_local'",
        (),
        {"config.yaml": PRIMARY.replace("hydra/launcher: metabt", "hydra/launcher: submitit_local")},
    ),
    Attack(
        "main: secret include",
        "wanted the name of a file",
        (),
        {"config.yaml": PRIMARY.replace("portfolio: demo", "portfolio: ${oc.env:METABT_TEST_SECRET}")},
    ),
    Attack(
        "main: package",
        "@package hydra' cannot be",
        (),
        {"config.yaml": f"# @package hydra\ncallbacks: {{x: {RUN}}}\n"},
    ),
]

LINES = [
    line("line: callback", rf"hydra.callbacks.x._target_ names .*{CALLS}", f"++hydra.callbacks.x={RUN}"),
    line("line: callback by path", CALLS, "++hydra.callbacks.x._target_=canary_module.X"),
    line("line: argument of a launcher", CALLS, f"+hydra.launcher.x={RUN}"),
    line("line: launcher's target", CALLS, "hydra.launcher._target_=canary_module.X"),
    line("line: all of hydra", CALLS, f"hydra={{callbacks: {{x: {RUN}}}}}"),
    line(
        "line: no such launcher",
        "no hydra/launcher 'submitit_local'; known: basic, joblib, metabt, ray",
        "hydra/launcher=submitit_local",
    ),
    line("line: launcher outside", "no hydra/launcher '../x'", "hydra/launcher=../x"),
    line("line: no such sweeper", "no hydra/sweeper 'ax'", "hydra/sweeper=ax"),
    line("line: launcher into another package", "a choice or a plain setting", "hydra/launcher@hydra.callbacks=basic"),
    line(
        "line: own launcher",
        "launcher/joblib.yaml would be a part of hydra",
        "hydra/launcher=joblib",
        hydra__launcher__joblib="_target_: canary_module.X\n",
    ),
    line(
        "line: own group",
        "hydra/callbacks is no choice|cannot be set",
        "+hydra/callbacks=x",
        hydra__callbacks__x=f"x: {RUN}\n",
    ),
    line("line: environment group", "hydra/env", "+hydra/env=default"),
    line("line: searchpath", "hydra.searchpath cannot be set", "hydra.searchpath=[pkg://canary_module]"),
    line("line: sweep.dir", "hydra.sweep.dir is '../canary'", "hydra.sweep.dir=../canary"),
    line("line: sweep.subdir", "hydra.sweep.subdir is", "hydra.sweep.subdir=../../canary"),
    line("line: output_subdir", "hydra.output_subdir is", "hydra.output_subdir=../../canary"),
    line("line: run.dir", "hydra.run.dir is", "hydra.run.dir=../canary"),
    line("line: chdir", "hydra.job.chdir is", "hydra.job.chdir=true"),
    line("line: environment", "hydra.job.env_set.LD_PRELOAD cannot be set", "+hydra.job.env_set.LD_PRELOAD=x.so"),
    line("line: logging", "no hydra/job_logging 'default'", "hydra/job_logging=default"),
    line("line: mode", "hydra.mode cannot be set", "hydra.mode=RUN"),
    line("line: verbose", "hydra.verbose cannot be set", "hydra.verbose=true"),
    line("line: removed", "a choice or a plain setting", "~hydra.launcher"),
    line("line: swept", "a choice or a plain setting", "hydra/launcher=basic,joblib"),
    line(
        "line: text for a number",
        "hydra.launcher.n_jobs is '2 . 3', wanted a whole number",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs='2 * 3'",
    ),
    line(
        "line: search space", "hydra.sweeper.custom_search_space", "+hydra.sweeper.custom_search_space=canary_module.X"
    ),
    line("line: file outside", "leads out of the folder", "+sleeve@portfolio.sleeves.q=../../outside"),
    line("line: portfolio outside", "leads out of the folder", "portfolio=../../outside"),
    line("line: absolute file", "no portfolio", "portfolio=/etc/hostname"),
    line("line: into hydra", "not into 'hydra.callbacks'", "+sleeve@hydra.callbacks=evil", **EVIL),
    line("line: into settings", "not into 'cluster'", "+sleeve@cluster=evil", **EVIL),
    line("line: target", CALLS, "+portfolio.x={_target_: os.system}"),
    line("line: edits of its own", "unknown setting 'portfolio_edits", "++portfolio_edits.set.hydra.mode=1"),
    line("option: --config-path", "unrecognized arguments", "--config-path=..", code=2),
    line("option: -cd", "unrecognized arguments|expected one argument", "-cd", "..", code=2),
    line("option: --cfg", "unrecognized arguments|ambiguous", "--cfg", "job", code=2),
    line("option: --experimental-rerun", "unrecognized arguments", "--experimental-rerun=x", code=2),
    line("option: --shell-completion", "unrecognized arguments", "--shell-completion", "install=bash", code=2),
]

ENVIRONMENT = "may read the environment or call code"
SECRETIVE = (
    "${oc.env:METABT_TEST_SECRET}",
    "${oc.env:METABT_TEST_SECRET,x}",
    "a-${ oc.env:METABT_TEST_SECRET}",
    "${oc.decode:${oc.env:METABT_TEST_SECRET}}",
    "${oc.decode:'\\${oc.env:METABT_TEST_SECRET}'}",
    "${oc.create:{a: '${oc.env:METABT_TEST_SECRET}'}}",
    "${oc.${.which}:METABT_TEST_SECRET}",
    "${${portfolio.sleeves.s.expand.v.0}:METABT_TEST_SECRET}",
    "${${.resolver}:METABT_TEST_SECRET}",
    "${oc.select:'portfolio.${oc.env:METABT_TEST_SECRET}'}",
)
JOBS = ("${hydra:runtime.cwd}", "${hydra:job.num}", "${now:%Y}", "a-${hydra:job.id}", "${hydra.runtime.cwd}")
WORDS = "which: env\nresolver: oc.env\nsleeves: {s: {expand: {v: [oc.env]}, universe: all, dataset: px}}\n"
SECRETS = [
    *(
        portfolio(
            f"secret: {text}",
            f"portfolio.name {ENVIRONMENT}.*portfolio.name=VALUE",
            f'name: "{text}"\n{WORDS}'.replace("\\$", "\\\\$"),
        )
        for text in SECRETIVE
    ),
    *(
        portfolio(f"of the job: {text}", "portfolio.name asks for .* in each job", f'name: "{text}"\n{WORDS}')
        for text in JOBS
    ),
    *(
        line(f"secret on the line: {key}", f"{key} {ENVIRONMENT}", f"{key}=${{oc.env:METABT_TEST_SECRET}}")
        for key in ("portfolio.name", "start", "benchmark")
    ),
    Attack(
        "secret of the lakehouse",
        f"lakehouse {ENVIRONMENT}",
        (),
        {"config.yaml": PRIMARY.replace("data/lakehouse", "${oc.env:METABT_TEST_SECRET}", 1)},
    ),
]

CODE = [*FILES, *MAIN_FILE, *LINES]

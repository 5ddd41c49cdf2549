"""Configuration that means ill and hides it: in how a place, a key, a tag or a value is spelled."""

from __future__ import annotations

from tests.shared.payloads import CALLS, ENVIRONMENT, EVIL, LEAF, OWN, RUN, included, line, portfolio

TAGS = (
    "!!python/object:canary_module.X {}",
    "!!python/module:canary_module ''",
    "!!python/object/new:os.system [mkdir canary]",
    "!<tag:yaml.org,2002:python/object/apply:os.mkdir> [canary]",
    "!include ../../outside.yaml",
    "!!int '010'",
    "!!binary aGk=",
)
SUBTLE = [
    included(
        "callbacks, overridden", "config.yaml alone", "override /hydra/callbacks: x", hydra__callbacks__x=f"x: {RUN}"
    ),
    included("optional override", "config.yaml alone may", "optional override /hydra/launcher: joblib"),
    included("override by a tab", "wanted the name of a file", '"override\\t/hydra/launcher": joblib'),
    included("two slashes", "config.yaml alone may", "//hydra/launcher@_global_: joblib"),
    included(
        "a folder with a dot",
        "would be a part of hydra",
        "/./hydra/callbacks@_global_: x",
        hydra__callbacks__x=f"x: {RUN}",
    ),
    included(
        "hydra's folder in another", OWN, "/sleeve/hydra/callbacks@_global_: x", sleeve__hydra__callbacks__x="hydra: {}"
    ),
    included(
        "global twice",
        "sleeve/evil lands in hydra.callbacks, beneath hydra",
        "/sleeve@_global_._global_.hydra.callbacks: evil",
        **EVIL,
    ),
    included(
        "global from here",
        "lands in hydra.callbacks, beneath hydra",
        "/sleeve@_here_._global_.hydra.callbacks: evil",
        **EVIL,
    ),
    included("group of the package", "into '_group_.hydra'", "/sleeve@_group_.hydra: evil", **EVIL),
    included("a dot before hydra", "into '.hydra'", "/sleeve@.hydra: evil", **EVIL),
    included("brackets", "unknown setting", '"/sleeve@_global_[hydra][callbacks]": evil', **EVIL),
    included("config.yaml into hydra", "into '_global_.hydra'", "/config@_global_.hydra"),
    included("config.yaml into cluster", "Could not override", "/config@cluster"),
    included("several members", OWN, "/sleeve@_global_: [energy, evil]", sleeve__evil="hydra: {}"),
    included("with its suffix", OWN, "/sleeve@_global_: evil.yaml", sleeve__evil="hydra: {}"),
    included("absolute member", "no sleeve//etc 'passwd'", "/sleeve@sleeves.q: /etc/passwd"),
    included("member that begins here", "wanted the name", "/sleeve@sleeves.q: ./../../../outside"),
    included("backslashes", "no sleeve", r"'/sleeve@sleeves.q': '..\..\outside'"),
    included("package of Python", "wanted the name", "pkg://hydra.test_utils.configs/x"),
    portfolio(
        "aliased includes", "wanted the name", f"x: &d ['override /hydra/launcher: joblib']\ndefaults: *d\n{LEAF}"
    ),
    portfolio(
        "merged includes",
        "config.yaml alone may",
        f"<<: {{defaults: [{{override /hydra/launcher: joblib}}, _self_]}}\n{LEAF}",
    ),
    portfolio("header: lines of Windows", "cannot be; take", f"# @package hydra.callbacks\r\nx: {RUN}\r\n"),
    portfolio("header: spaces", "cannot be; take", f"#   @package   hydra.callbacks   \nx: {RUN}\n"),
    portfolio("header: twice", "cannot be; take", f"# @package _global_\n# @package hydra.callbacks\nx: {RUN}\n"),
    portfolio("header: byte order", "cannot be; take", f"\xef\xbb\xbf# @package hydra.callbacks\nx: {RUN}\n"),
    portfolio("header: far down", CALLS, f"#{'x' * 600}\n# @package hydra.callbacks\nx: {RUN}\n"),
    *(portfolio(f"tag {tag.split()[0]}", f"has the tag.*{CALLS}", f"{LEAF}x: {tag}\n") for tag in TAGS),
    portfolio(
        "tag by a directive",
        CALLS,
        f"%TAG !p! tag:yaml.org,2002:python/\n---\n{LEAF}x: !p!object/apply:os.mkdir [canary]\n",
    ),
    portfolio("tag of a key", CALLS, f"{LEAF}!!python/name:os.system x: 1\n"),
    portfolio("tag behind an anchor", CALLS, f"{LEAF}x: &a !!python/object/apply:os.mkdir [canary]\ny: *a\n"),
    portfolio("target by an alias", CALLS, f"{LEAF}x: &t _target_\nsleeves: {{a: {{*t : os.system}}}}\n"),
    portfolio("target by a merge", CALLS, f"{LEAF}optimizer: {{<<: {{_target_: os.mkdir}}, name: erc}}\n"),
    portfolio("target of all", CALLS, "defaults: {optimizer: {_target_: os.system}}\nsleeves: {a: {universe: all}}\n"),
    line("line: a mapping of the environment", "env_set.PATH cannot be set", "hydra.job.env_set={PATH: x}"),
    line("line: copied environment", "env_copy cannot be set", "++hydra.job.env_copy=[METABT_TEST_SECRET]"),
    line("line: runtime", "hydra.runtime.cwd cannot be set", "hydra.runtime.cwd=/"),
    line("line: choices", "hydra.runtime.choices.portfolio cannot be", "++hydra.runtime.choices.portfolio=x"),
    line("line: its overrides", "hydra.overrides.task", "hydra.overrides.task=[a]"),
    line(
        "line: handler",
        "hydra.job_logging.handlers.file.class",
        "++hydra.job_logging.handlers.file={class: logging.FileHandler, filename: canary}",
    ),
    line("line: coloured", "no hydra/hydra_logging 'colorlog'", "hydra/hydra_logging=colorlog"),
    line("line: help", "help", "hydra.help.template=${oc.env:METABT_TEST_SECRET}"),
    line("line: all removed", "a choice or a plain", "~hydra"),
    line("line: a choice removed", "a choice or a plain", "~hydra/launcher"),
    line("line: callbacks removed", "a choice or a plain", "~hydra.callbacks"),
    line("line: upper case", "unknown setting 'HYDRA", "HYDRA.searchpath=['pkg://canary_module']"),
    line("line: global hydra", "cannot be set", "+_global_.hydra.callbacks.x=1"),
    line("line: a mapping of parameters", "config.yaml alone states", "hydra.sweeper.params={portfolio.lag: '1,2'}"),
    line("line: no parameters", "config.yaml alone states", "hydra.sweeper.params={}"),
    line("line: where Ray installs", "runtime_env", "hydra.launcher.ray.init.runtime_env={pip: [x]}"),
    line("line: portfolio into hydra", "not into 'hydra'", "portfolio@hydra=one"),
    line("line: portfolio into global hydra", "not into '_global_.hydra'", "portfolio@_global_.hydra=one"),
    line("line: a pattern outside", "stands for no value", "portfolio=glob(../../*)"),
    line("line: a path through a folder", "leads out of", "+sleeve@portfolio.sleeves.q=a/../../../outside"),
    line("line: a null character", "has the character U[+]0000", "portfolio='one\0'"),
    line("line: secret as a choice", ENVIRONMENT, "portfolio=${oc.env:METABT_TEST_SECRET}"),
    line("line: secret as a sleeve", ENVIRONMENT, "+sleeve@portfolio.sleeves.q=${oc.env:METABT_TEST_SECRET}"),
    *(
        line(f"line: secret in {value[:12]}", ENVIRONMENT, f"+portfolio.x={value}")
        for value in (
            "[a,'${oc.env:METABT_TEST_SECRET}']",
            "{a: {b: '${oc.env:METABT_TEST_SECRET}'}}",
            "a,'${oc.env:METABT_TEST_SECRET}'",
            "choice(a,'${oc.env:METABT_TEST_SECRET}')",
            "shuffle('${oc.env:METABT_TEST_SECRET}',a)",
            "str('${oc.env:METABT_TEST_SECRET}')",
        )
    ),
]

"""Validate manifests strictly, without a cluster: core kinds by Kubernetes' schemas, Ray's by KubeRay's.

KubeRay's schemas are those of its CRDs, which an API server reads more strictly than JSON Schema does:

1. a key that is not among the properties is a mistake, unless the schema keeps unknown ones
2. int-or-string takes both
3. what has a default is not required
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft7Validator

from tests.k8s.manifests import ROOT, Manifest, name_of

KUBERAY = ROOT.parent / "shared" / "kuberay"
"""Where the schemas of KubeRay's CRDs lie, one file a kind."""
KUBERNETES = "1.32"
"""The oldest release that the manifests are for."""
DROPPED = ("default", "description", "format")
"""Keywords that say nothing about what is valid, or nothing that JSON Schema knows."""


def problems(manifest: Manifest) -> list[str]:
    """Return what an API server would refuse in a manifest."""
    if manifest["kind"] in OTHERS:
        version, schema = OTHERS[manifest["kind"]]
        if manifest["apiVersion"] != version:
            return [f"{name_of(manifest)}: apiVersion is {manifest['apiVersion']}, wanted {version}"]
        return [f"{name_of(manifest)}: {e.message}" for e in Draft7Validator(_whole(schema)).iter_errors(manifest)]
    if manifest["apiVersion"] == "ray.io/v1":
        found = _ray(manifest["kind"]).iter_errors(manifest)
        return [f"{name_of(manifest)} {'/'.join(map(str, e.absolute_path))}: {e.message}" for e in found]
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{name_of(manifest)}: {error.message}"]
    return []


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def _whole(spec: dict[str, Any]) -> dict[str, Any]:
    fixed = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}}
    return _object(("apiVersion", "kind", "metadata"), **fixed, spec=spec)


TEXT: dict[str, Any] = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
EXPRESSION = _object(("key", "operator"), key=TEXT, operator={"enum": ["In", "NotIn", "Exists"]}, values=_list(TEXT))
SELECTOR = _object(matchLabels=TEXTS, matchExpressions=_list(EXPRESSION))
QUANTITY = {"anyOf": [{"type": "integer"}, TEXT]}
_QUOTA = _object(("name", "nominalQuota"), name=TEXT, nominalQuota=QUANTITY)
_FLAVOR = _object(("name", "resources"), name=TEXT, resources=_list(_QUOTA))
_PREEMPTION = {"enum": ["Never", "LowerPriority", "LowerOrNewerEqualPriority"]}
_ENDPOINT = _object(("port",), port=TEXT, interval=TEXT, path=TEXT)
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResourceFlavor": ("kueue.x-k8s.io/v1beta2", _object(nodeLabels=TEXTS)),
    "LocalQueue": ("kueue.x-k8s.io/v1beta2", _object(("clusterQueue",), clusterQueue=TEXT)),
    "ClusterQueue": (
        "kueue.x-k8s.io/v1beta2",
        _object(
            ("namespaceSelector", "resourceGroups"),
            namespaceSelector=SELECTOR,
            queueingStrategy={"enum": ["StrictFIFO", "BestEffortFIFO"]},
            preemption=_object(withinClusterQueue=_PREEMPTION),
            resourceGroups=_list(
                _object(("coveredResources", "flavors"), coveredResources=_list(TEXT), flavors=_list(_FLAVOR))
            ),
        ),
    ),
    "PodMonitor": (
        "monitoring.coreos.com/v1",
        _object(
            ("selector", "podMetricsEndpoints"),
            selector=SELECTOR,
            podTargetLabels=_list(TEXT),
            podMetricsEndpoints=_list(_ENDPOINT),
        ),
    ),
}
"""Kind of other controllers -> its version, and the part of its documented schema that is used here."""


@cache
def _ray(kind: str) -> Draft7Validator:
    path = KUBERAY / f"{kind.lower()}s.v1.json"
    if not path.is_file():
        pytest.skip(f"no schema of KubeRay's {kind} at {path}")
    schema = strict(json.loads(path.read_bytes())["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # the API server's own
    return Draft7Validator(schema)


def strict(schema: Any) -> Any:
    """Return a CRD's schema as the JSON Schema of what an API server takes."""
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if key not in DROPPED and not key.startswith("x-kubernetes")}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = strict(out[key])
    if "properties" in out:
        out["properties"] = {name: strict(value) for name, value in out["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        out = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if "required" in out:
        given = schema.get("properties", {})
        out["required"] = [name for name in out["required"] if "default" not in given.get(name, {})]
    return out

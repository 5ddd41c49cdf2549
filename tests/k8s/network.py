"""Who may talk to whom under a set of network policies, as Kubernetes defines it.

1. a policy is about the pods that it selects, of its own namespace
2. pods that no policy of a direction selects may do everything in it
3. all others may do what some policy that selects them allows; a connection needs both ends to agree
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.k8s.manifests import Manifest

NAMESPACE = "metabt"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str | None = None
    """Of what is no pod."""


def may_connect(policies: Iterable[Manifest], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Return whether the policies of the namespace let `source` connect to a port of `target`."""
    policies = [policy["spec"] for policy in policies if policy["kind"] == "NetworkPolicy"]
    return _allows(policies, "egress", source, target, port, protocol) and _allows(
        policies, "ingress", target, source, port, protocol
    )


def _allows(policies: list[Any], way: str, pod: End, other: End, port: int, protocol: str) -> bool:
    if pod.address is not None or pod.namespace != NAMESPACE:
        return True  # not theirs to say
    rules = [policy for policy in policies if _selects(policy["podSelector"], pod.labels)]
    rules = [policy for policy in rules if way.capitalize() in policy["policyTypes"]]
    peers = "to" if way == "egress" else "from"
    return not rules or any(
        _names(rule.get(peers), other) and _opens(rule.get("ports"), port, protocol)
        for policy in rules
        for rule in policy.get(way, [])
    )


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", f"{expression['operator']} is not read here"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def _names(peers: list[dict[str, Any]] | None, other: End) -> bool:
    return peers is None or any(_is(peer, other) for peer in peers)


def _is(peer: dict[str, Any], other: End) -> bool:
    if "ipBlock" in peer:
        return other.address is not None and ip_address(other.address) in ip_network(peer["ipBlock"]["cidr"])
    if other.address is not None:
        return False
    if "namespaceSelector" in peer:
        inside = _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
    else:
        inside = other.namespace == NAMESPACE
    return inside and _selects(peer.get("podSelector", {}), other.labels)


def _opens(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return ports is None or any(p.get("port", port) == port and p.get("protocol", "TCP") == protocol for p in ports)

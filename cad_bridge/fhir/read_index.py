"""The entries of a received message and how they point to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad_bridge.fhir.content import SentElement
from cad_bridge.fhir.read_nodes import Ledger, Node, leaves
from cad_bridge.fhir.retraction import is_retracted


class MessageIndex:
    """Finds resources by type and by reference; knows which of them a reader took."""

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self.ledger = Ledger()
        entries = Node(dict(bundle), "Bundle", self.ledger).items("entry")
        self.entries = [
            (entry.child("fullUrl").word, entry.child("resource"))
            for entry in entries
            if isinstance(entry.child("resource").value, dict)
        ]
        self._taken: set[str] = set()

    def all(self, resource_type: str) -> list[Node]:
        """Every resource of a type, in order."""
        return [node for _, node in self.entries if node.value.get("resourceType") == resource_type]

    def standing(self, resource_type: str) -> list[Node]:
        """Every resource of a type that was not retracted, in order; a retracted one says nothing more."""
        found = []
        for node in self.all(resource_type):
            if is_retracted(node.value):
                node.done()
                self.take(node)
            else:
                found.append(node)
        return found

    def url_of(self, node: Node) -> str | None:
        """The fullUrl of a resource."""
        return next((url for url, held in self.entries if held.path == node.path and isinstance(url, str)), None)

    def at(self, target: str | None, *resource_types: str) -> Node:
        """The resource that a reference points to, by fullUrl or by ``Type/id``; absent if it is not there."""
        for url, node in self.entries:
            kind, held = node.value.get("resourceType"), node.value.get("id")
            if target is not None and target in {url, f"{kind}/{held}"} and kind in resource_types:
                return node
        return Node(None, "Bundle", self.ledger)

    def linked(self, link: Node, resource_type: str) -> Node:
        """The resource a Reference names, else the first one of its type."""
        found = self.at(link.target(), resource_type)
        if found.exists:
            return found
        candidates = self.all(resource_type)
        return candidates[0] if candidates else found

    def take(self, *nodes: Node) -> None:
        """Note that these resources have fields of their own in the content."""
        self._taken.update(node.path for node in nodes if node.exists)

    def other_resources(self) -> tuple[dict[str, Any], ...]:
        """Resources that nothing was made of, as they came."""
        return tuple(node.value for _, node in self.entries if node.path not in self._taken)

    def also_sent(self) -> tuple[SentElement, ...]:
        """Every element that was not read, in the order of the message."""
        return tuple(
            SentElement(expression=path, value=str(value))
            for _, node in self.entries
            for path, value in leaves(node.value, node.path)
            if path not in self.ledger.read
        )

"""What an installation's files and settings say of places and services, for the composition root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cad_bridge.discovery.boundary_set import BoundarySetError
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.tokens import parse_token
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import default_set
from cad_bridge.discovery.query import LocationSources
from cad_bridge.discovery.sources import location_sources
from cad_bridge.discovery.uprn import UprnTableError
from cad_bridge.engine.boundaries import first_index
from cad_bridge.engine.catalogue import Configured
from cad_bridge.plugged_in import what3words_source
from cad_bridge.settings import ConfigFile, ConfigurationError
from cad_bridge.workflow.vocabulary import Side, UseCase


@dataclass(frozen=True, slots=True)
class Geography:
    """Boundaries and resolvers, from files."""

    holder: BoundaryHolder
    sources: LocationSources
    library: BoundaryLibrary | None


def opened_library(data_dir: Path) -> BoundaryLibrary:
    """The boundary sets of a data directory, and the one that is shipped."""
    return BoundaryLibrary(data_dir / "boundaries", shipped=default_set)


@contextmanager
def opened_sources(config: ConfigFile) -> Iterator[LocationSources]:
    """Resolvers as configured.

    Raises:
        ConfigurationError: one can't be used.
    """
    what3words = what3words_source(config.discovery.what3words_resolver)
    with ExitStack() as opened:
        try:
            table = config.discovery.uprn_table
            sources = opened.enter_context(location_sources(uprn_table=table, what3words=what3words))
        except (OSError, UprnTableError) as error:
            raise ConfigurationError(f"discovery.uprn_table can't be used: {error}") from error
        yield sources


@contextmanager
def opened_geography(config: ConfigFile, data_dir: Path | None) -> Iterator[Geography]:
    """Boundaries of the data directory, or those that are shipped; resolvers as configured.

    Raises:
        ConfigurationError: a file is not what it should be.
    """
    library = opened_library(data_dir) if data_dir is not None else None
    with opened_sources(config) as sources:
        try:
            holder = BoundaryHolder(first_index(library))
        except (OSError, BoundarySetError) as error:
            raise ConfigurationError(f"the boundary set in force can't be used: {error}") from error
        yield Geography(holder, sources, library)


def configured_services(config: ConfigFile) -> Configured:
    """The services of the configuration as entries of the catalogue; their addresses are the proxy's business."""
    remotes = [
        CatalogueEntry(
            service_id=str(parse_token(remote.id)),
            ods_code=remote.ods_code,
            name=remote.name,
            address=None,
            use_cases=frozenset(code.value for code in remote.use_cases),
        )
        for remote in config.remote
        if remote.ods_code is not None
    ]
    ours = [
        CatalogueEntry(
            service_id=str(parse_token(service.id)),
            ods_code=service.ods_code,
            name=service.name,
            address=None,
            use_cases=frozenset(code.value for code in UseCase if service.plays(code, Side.RESPONDER)),
        )
        for service in config.site().services.values()
    ]
    entries = (*ours, *remotes)
    return Configured(entries=entries, use_cases={entry.service_id: entry.use_cases for entry in entries})

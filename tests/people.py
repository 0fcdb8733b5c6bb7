"""Readers and writers for tests: one of each role, of all sites unless a test says otherwise."""

from warehouse.access import Person, Scope


def rso(name: str, sites: tuple[str, ...] | None = None) -> Person:
    """Return a radiation safety officer."""
    return Person(name, Scope(("rso",), sites))


def physician(name: str, *own: str, sites: tuple[str, ...] | None = None) -> Person:
    """Return a physician whom the logs know as ``own``."""
    return Person(name, Scope(("physician",), sites, own))


def manager(name: str, sites: tuple[str, ...] | None = None) -> Person:
    """Return a manager."""
    return Person(name, Scope(("manager",), sites))


def admin(name: str) -> Person:
    """Return an administrator."""
    return Person(name, Scope(("admin",)))

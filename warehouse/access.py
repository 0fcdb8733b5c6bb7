"""Who may see and do what: a reader's roles, sites and own names, and what each deed needs.

Every query names its roles in its header (:mod:`warehouse.queries` holds them); every function that
writes names its deed here and asks :func:`require`. What is not listed is refused.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["manager", "rso", "physician", "admin"]
#: manager: aggregates, operators masked. rso: cases, reviews, rules. physician: own cases named,
#: peers masked. admin: settings and the access log.
ROLES: tuple[Role, ...] = get_args(Role)
#: What Kerma does by itself (the refresh, its alerts); no person has it.
SYSTEM_ROLE = "system"


class RefusedError(PermissionError):
    """The reader's role or sites do not allow it; the text says what would."""


@dataclass(frozen=True)
class Scope:
    """What one reader may see; part of every query and of every cache key.

    ``sites`` None means all sites; ``own`` are the names under which logs know the reader as
    operator. No roles: nothing.
    """

    roles: tuple[str, ...]
    sites: tuple[str, ...] | None = None
    own: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Write the same scope in the same way, so that it is one key of a cache."""
        object.__setattr__(self, "roles", tuple(sorted(set(self.roles))))
        object.__setattr__(self, "own", tuple(sorted(set(self.own))))
        if self.sites is not None:
            object.__setattr__(self, "sites", tuple(sorted(set(self.sites))))

    @property
    def sees_names(self) -> bool:
        """Whether operators are named; else all but the reader's own names are masked."""
        return "rso" in self.roles or SYSTEM_ROLE in self.roles

    @property
    def operators(self) -> tuple[str, ...] | None:
        """Whose cases may be looked at one by one; None means everybody's."""
        return None if self.sees_names else self.own


#: Everything: for the refresh, its alerts and measurements, never for a page.
SYSTEM = Scope((*ROLES, SYSTEM_ROLE))


@dataclass(frozen=True)
class Person:
    """Somebody who reads and writes, by the name that is kept with what they write."""

    name: str
    scope: Scope
    account: str = ""  #: by which the provider knows them, whatever they are called

    @property
    def roles(self) -> frozenset[str]:
        """The roles as a set."""
        return frozenset(self.scope.roles)


@dataclass(frozen=True)
class Deed:
    """Who may write something, and whether only a person of all sites may."""

    words: str
    roles: frozenset[str]
    all_sites: bool = False


#: What people write. What holds at every site needs a person who may see every site.
DEEDS: dict[str, Deed] = {
    "review": Deed("write or sign a review", frozenset({"rso"})),
    "rule": Deed("change an outlier rule", frozenset({"rso"}), all_sites=True),
    "coefficient": Deed("confirm a coefficient", frozenset({"rso"}), all_sites=True),
    "procedure name": Deed("confirm a procedure name", frozenset({"rso"}), all_sites=True),
    "protocol change": Deed("record a change of protocol", frozenset({"rso"})),
    "own level": Deed("save own dose levels", frozenset({"rso"})),
    "outcome": Deed("enter an outcome of a case", frozenset({"rso", "physician"})),
    "evidence": Deed("change the evidence table", frozenset({"rso", "physician"})),
}


def may(person: Person, deed: str, site: str | None = None) -> bool:
    """Say whether a person may do a deed at a site (None: it concerns no one site)."""
    try:
        require(person, deed, site)
    except RefusedError:
        return False
    return True


def require(person: Person, deed: str, site: str | None = None) -> None:
    """Refuse a deed that the person's roles or sites do not allow.

    Raises
    ------
    RefusedError
        Where they do not, or where no rule says who may: every deed stands in :data:`DEEDS`.
    TypeError
        Where a name came in place of a person: what a person may do is not in their name.
    """
    if not isinstance(person, Person):
        raise TypeError(
            f"{deed}: {person!r} is no person with a role; pass a warehouse.access.Person"
        )
    rule = DEEDS.get(deed)
    if rule is None:
        raise RefusedError(f"nobody may do {deed!r}: it has no rule in warehouse/access.py, DEEDS")
    if not rule.roles & person.roles:
        raise RefusedError(f"your role does not {rule.words}: {' or '.join(sorted(rule.roles))}")
    sites = person.scope.sites
    if sites is not None and (rule.all_sites or (site is not None and site not in sites)):
        where = "of all sites" if rule.all_sites else f"of site {site}"
        raise RefusedError(f"to {rule.words} is for those {where}")

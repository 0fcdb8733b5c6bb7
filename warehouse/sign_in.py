"""Who signs in as what: the provider's settings, and the one mapping from claims to a person."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from warehouse.access import ROLES, Person, Role, Scope

#: A site claim with this value grants every site.
EVERY_SITE = "*"
#: A claim has no more values than this, and a name no more characters; the rest is not read.
MOST_VALUES, LONGEST_NAME = 1_000, 200


class SignIn(BaseModel):
    """How people sign in: an OpenID Connect provider, and what its claims mean here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metadata_url: str = Field(description="the provider's …/.well-known/openid-configuration")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    cookie_secret: SecretStr | None = Field(default=None, description="signs the session's cookie")
    cookie_secret_file: Path | None = None
    redirect_uri: str = Field(description="https://…/oauth2callback, as registered there")
    scopes: str = Field(default="openid profile email", description="asked of the provider")

    role_claim: str = Field(default="roles", description="dots lead into a nested claim")
    roles: dict[str, Role] = Field(
        default_factory=lambda: {role: role for role in ROLES},
        description="role in Kerma of a value of that claim; other values give none",
    )
    site_claim: str | None = Field(
        default=None, description="claim with a person's sites; without it everybody has all"
    )
    sites: dict[str, str] = Field(
        default_factory=dict,
        description="site of a value of that claim, '*' for all; without it the value is the site",
    )
    operator_claim: str | None = Field(
        default=None, description="claim with a physician's names as operator in the logs"
    )

    session_hours: float = Field(default=9.0, gt=0, le=24 * 7, description="then sign in again")
    idle_minutes: float = Field(default=30.0, gt=0, description="without a click: signed out")

    @model_validator(mode="after")
    def _complete(self) -> "SignIn":
        """Refuse a secret that is missing or given twice, and an address without its path."""
        for name in ("client_secret", "cookie_secret"):
            given, file = getattr(self, name), getattr(self, f"{name}_file")
            if (given is None) == (file is None):
                raise ValueError(f"give either {name} or {name}_file")
        if not self.redirect_uri.endswith("/oauth2callback"):
            raise ValueError("redirect_uri ends with /oauth2callback")
        return self

    def secret(self, name: str) -> str:
        """Return ``client_secret`` or ``cookie_secret``, from the setting or its file.

        Raises
        ------
        ValueError
            Where the file is missing or empty.
        """
        given: SecretStr | None = getattr(self, name)
        if given is not None:
            return given.get_secret_value()
        path: Path = getattr(self, f"{name}_file")
        try:
            found = path.read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"sign_in.{name}_file: {path}: {error.strerror}") from None
        if not found:
            raise ValueError(f"sign_in.{name}_file: {path} is empty")
        return found

    def secrets(self) -> dict[str, Any]:
        """Return section ``auth`` of Streamlit's secrets."""
        return {
            "redirect_uri": self.redirect_uri,
            "cookie_secret": self.secret("cookie_secret"),
            "client_id": self.client_id,
            "client_secret": self.secret("client_secret"),
            "server_metadata_url": self.metadata_url,
            # PKCE: a code that was caught on its way back is of no use to whoever caught it.
            "client_kwargs": {"scope": self.scopes, "code_challenge_method": "S256"},
        }

    def ours(self, claims: Mapping[str, Any]) -> bool:
        """Say whether the claims are of a token that was issued for Kerma."""
        return self.client_id in _values(claims, "aud")

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Return whom the claims of a verified ID token describe.

        Roles are none where no value of the claim has one, and where the token was issued for
        another application.
        """
        name = next((claims[c] for c in ("name", "email", "sub") if claims.get(c)), "")
        account = str(claims.get("sub") or "")[:LONGEST_NAME]
        values = _values(claims, self.role_claim)
        ours = self.ours(claims)
        roles = tuple(self.roles[value] for value in values if ours and value in self.roles)
        own = _values(claims, self.operator_claim) if self.operator_claim else ()
        mine = own if "physician" in roles else ()
        return Person(str(name)[:LONGEST_NAME], Scope(roles, self._sites(claims), mine), account)

    def _sites(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        if self.site_claim is None:
            return None
        given = _values(claims, self.site_claim)
        found = [self.sites.get(value) for value in given] if self.sites else list(given)
        return None if EVERY_SITE in found else tuple(site for site in found if site)


def _values(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts of a claim: one, or a list of them; anything else is no value."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(v for v in listed[:MOST_VALUES] if isinstance(v, str) and v.strip())

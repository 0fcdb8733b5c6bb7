"""Settings of one installation: ``kerma.toml``, then ``KERMA_…`` variables."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from warehouse.sign_in import SignIn

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What a site can set; everything that Kerma writes lies under ``data_dir``."""

    model_config = SettingsConfigDict(
        env_prefix="KERMA_", env_nested_delimiter="__", toml_file=ROOT / "kerma.toml"
    )

    data_dir: Path = Field(default=ROOT / "data", description="all that Kerma writes")
    default_site: str = Field(default="main", description="site of rows that name none")
    time_zone: str = Field(default="Europe/Berlin", description="zone of the wall-clock columns")
    profiles_dir: Path | None = Field(default=None, description="a site's own layouts")
    keep_snapshots: int = Field(default=7, ge=2, description="snapshots kept for rollback")
    sites: dict[str, str] = Field(
        default_factory=dict,
        description="site of the dose reports of an institution or station, by its name",
    )
    device_modality: dict[str, Literal["fluoroscopy", "radiography"]] = Field(
        default_factory=dict,
        description="what a device that does both is used for, by station, model or manufacturer",
    )
    settle_seconds: float = Field(
        default=2.0, ge=0, description="a file changed this recently is left alone"
    )

    stale_hours: float = Field(
        default=36.0, gt=0, description="age of the last good refresh after which `status` warns"
    )
    notify_urls: tuple[SecretStr, ...] = Field(
        default=(), description="where a message goes after a run with failures or new alerts"
    )

    keep_free_text: tuple[str, ...] = Field(
        default=(),
        description="columns of free text, by their header, that may be stored; else none is",
    )
    exact_ages: bool = Field(
        default=False, description="store ages above 89 as they are, not as 90 (90 and more)"
    )
    pseudonym_key: SecretStr | None = Field(default=None, description="key behind patient_key")
    pseudonym_key_file: Path | None = Field(default=None, description="its file instead")

    encryption_key: SecretStr | None = Field(
        default=None, description="key under which snapshots are encrypted; else they are not"
    )
    encryption_key_file: Path | None = Field(default=None, description="its file instead")
    duckdb_extensions: Path | None = Field(
        default=None, description="folder with DuckDB's httpfs extension, whose cipher it writes by"
    )
    encryption_builtin: Literal["accept"] | None = Field(
        default=None,
        description="use DuckDB's own cipher, whose random numbers it calls not secure",
    )

    reviews_url: SecretStr | None = Field(
        default=None,
        description="postgresql://… of the reviews; else reviews.db in data_dir",
    )
    user: str | None = Field(
        default=None,
        description="who reviews where nobody signs in; else the account of the process",
    )

    sign_in: SignIn | None = Field(
        default=None, description="OpenID Connect provider; without it this machine only"
    )
    access_dir: Path | None = Field(
        default=None, description="folder of the access log; else access in data_dir"
    )
    allow_open: bool = Field(
        default=False,
        description="serve other machines without sign-in: whoever reaches Kerma sees everything",
    )

    @property
    def inbox(self) -> Path:
        """Folder that the refresh reads, with its sub-folders."""
        return self.data_dir / "inbox"

    def site_of(self, institution: str, station: str = "") -> str:
        """Return the site of a dose report: mapped by station or institution, else as named."""
        known = {name.casefold(): site for name, site in self.sites.items()}
        mapped = known.get(station.casefold()) or known.get(institution.casefold())
        return mapped or institution[:100] or self.default_site

    def keeps_free_text(self, name: str) -> bool:
        """Say whether a column or part of a report that holds free text may be stored."""
        return name.casefold() in {kept.strip().casefold() for kept in self.keep_free_text}

    @property
    def snapshots(self) -> Path:
        """Folder of the published warehouse files and the ``current.duckdb`` link."""
        return self.data_dir / "snapshots"

    def demo(self) -> "Settings":
        """Return the settings of the demo, which lives apart and never mixes with a site's data."""
        return self.model_copy(
            update={
                "data_dir": self.data_dir / "demo",
                "notify_urls": (),
                "access_dir": self.access_dir or self.data_dir / "access",
            }
        )

    @property
    def has_warehouse(self) -> bool:
        """Whether a refresh has published anything yet."""
        return (self.snapshots / "current.duckdb").exists()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over the environment, and the environment over ``kerma.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@lru_cache
def settings() -> Settings:
    """Return the installation's settings, read once a process."""
    return Settings()


def shown() -> Settings:
    """Return the settings of what pages show: the site's own data, before them the demo's."""
    own = settings()
    demo = own.demo()
    return demo if demo.has_warehouse and not own.has_warehouse else own


def shows_demo() -> bool:
    """Say whether the pages show made-up data."""
    return shown() is not settings()

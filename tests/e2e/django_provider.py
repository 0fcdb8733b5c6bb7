"""A second OpenID Connect provider on loopback: django-oauth-toolkit, as a process of its own.

``python tests/e2e/django_provider.py PORT DATABASE REDIRECT``. It differs from the mock in what
matters: it demands PKCE, asks for a password, and signs people out at once.
"""

import secrets
import sys
from typing import Any
from wsgiref.simple_server import make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

#: What Kerma is known by, and who has an account: each in one group, which is their role.
CLIENT, SECRET, PASSWORD = "kerma", "a secret of the client", "pass word of nobody 1"
PEOPLE = {"manager": "Robin manager", "rso": "Robin rso"}


def configure(database: str) -> None:
    """Set Django up as a provider with a key of its own."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    contrib = [
        f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")
    ]
    processors = [
        f"django.{name}"
        for name in ("template.context_processors.request", "contrib.auth.context_processors.auth",
                     "contrib.messages.context_processors.messages")
    ]  # fmt: skip
    settings.configure(
        SECRET_KEY=secrets.token_hex(), ALLOWED_HOSTS=["127.0.0.1"], USE_TZ=True,
        ROOT_URLCONF=__name__, LOGIN_URL="/admin/login/", STATIC_URL="/static/",
        INSTALLED_APPS=[*contrib, "django.contrib.admin", "oauth2_provider"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
             "OPTIONS": {"context_processors": processors}}
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True, "OIDC_RSA_PRIVATE_KEY": key.decode(), "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "who", "profile": "name", "email": "address"},
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
        },
    )  # fmt: skip
    django.setup()


if __name__ == "__main__":
    port, database, redirect = sys.argv[1:4]
    configure(database)

    from django.contrib import admin
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from oauth2_provider.models import Application
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):
        """Put name and groups into the token."""

        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            """Return the further claims of who signs in."""
            roles = [group.name for group in request.user.groups.all()]
            return {"name": request.user.get_full_name(), "roles": roles}

    urlpatterns = [
        path("admin/", admin.site.urls),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]
    call_command("migrate", verbosity=0)
    for account, name in PEOPLE.items():
        first, last = name.split()
        person = User.objects.create_superuser(
            account, password=PASSWORD, first_name=first, last_name=last
        )
        person.groups.add(Group.objects.create(name=account))
    Application.objects.create(
        client_id=CLIENT, client_secret=SECRET, client_type="confidential", name="Kerma",
        authorization_grant_type="authorization-code", algorithm="RS256", skip_authorization=True,
        redirect_uris=redirect, post_logout_redirect_uris=redirect,
    )  # fmt: skip
    make_server("127.0.0.1", int(port), get_wsgi_application()).serve_forever()

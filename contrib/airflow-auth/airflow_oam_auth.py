"""A FAB auth manager that also lets the operator in by a token; see README.md.

POST /auth/token/cli with an empty JSON object and "Authorization: Bearer <token>"
answers with Airflow's own token of one account, where the bearer token is signed by
the configured issuer, for the configured audience and subject. It makes no
difference to any other request.
"""

from __future__ import annotations

import logging
import ssl
import time
from functools import cached_property

import jwt
from airflow.configuration import conf
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from fastapi import HTTPException
from jwt.exceptions import InvalidSubjectError

log = logging.getLogger(__name__)

SECTION = "airflow_oam"
REQUIRED = ("username", "issuer", "audience", "subject", "jwks_uri")
# Never a symmetric one: with those, whoever reads the public keys can sign.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Keys(jwt.PyJWKClient):
    """The issuer's public keys, remembered for ten minutes and asked for at most once in ten seconds."""

    def __init__(self, uri: str, ca_file: str | None, token_file: str | None):
        context = ssl.create_default_context(cafile=ca_file)
        super().__init__(uri, lifespan=600, timeout=5, ssl_context=context)
        self.token_file, self.asked = token_file, float("-inf")

    def fetch_data(self):
        if time.monotonic() - self.asked < 10:  # callers need no account: they must not decide how often
            raise jwt.PyJWKClientConnectionError("the keys were asked for less than ten seconds ago")
        self.asked = time.monotonic()
        if self.token_file:
            with open(self.token_file) as file:  # read each time: Kubernetes renews it
                self.headers = {"Authorization": "Bearer " + file.read().strip()}
        try:
            return super().fetch_data()
        except ValueError as e:
            raise jwt.PyJWKClientConnectionError("the answer is no JSON") from e


# Airflow creates the permissions of DAGs only where the name of the class contains "FabAuthManager".
class OperatorFabAuthManager(FabAuthManager):
    """FabAuthManager that exchanges one identity's token for a token of one account."""

    @cached_property
    def operator(self) -> dict[str, str]:
        """The settings; an error where one is missing, so that nothing is accepted by default."""
        options = {name: conf.get(SECTION, name, fallback="").strip() for name in REQUIRED}
        wrong = [name for name, value in options.items() if not value]
        if not options["jwks_uri"].startswith("https://"):
            wrong.append("jwks_uri (https)")
        if wrong:
            raise ValueError(f"[{SECTION}] lacks {', '.join(wrong)}")
        return options

    @cached_property
    def keys(self) -> Keys:
        files = (conf.get(SECTION, name, fallback="").strip() or None for name in ("ca_file", "token_file"))
        return Keys(self.operator["jwks_uri"], *files)

    def create_token(self, headers, body):
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if body or scheme.lower() != "bearer":
            return super().create_token(headers=headers, body=body)
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self.operator["issuer"],
                audience=self.operator["audience"],
                leeway=10,
                options={"require": ["iss", "aud", "sub", "exp", "iat"]},
            )
            if claims["sub"] != self.operator["subject"]:
                raise InvalidSubjectError
        except jwt.PyJWKClientConnectionError as e:
            log.error("The keys at %s cannot be read: %s", self.operator["jwks_uri"], e)
            raise HTTPException(503, "The issuer's keys cannot be read") from e
        except jwt.PyJWTError as e:
            log.warning("A token for the operator's account was refused: %s", type(e).__name__)
            raise HTTPException(401, f"Token refused: {type(e).__name__}") from e
        except Exception as e:  # a setting is missing, a file cannot be read
            log.exception("No token for the operator's account can be accepted")
            raise HTTPException(503, f"[{SECTION}] cannot be used; the log of the API server says why") from e
        user = self.security_manager.find_user(username=self.operator["username"])
        if user is None or not user.is_active:
            log.error("The operator's account %r is missing or not active", self.operator["username"])
            raise HTTPException(401, "The operator's account is missing or not active")
        self.security_manager.update_user_auth_stat(user)
        return user

"""What a later release of the fab provider does, on the one that is installed. For tests alone.

From fab 3.11.0 on, POST /auth/token and /auth/token/cli check a user name and a
password only against the configured AUTH_TYPE: with AUTH_LDAP there is no way back to
the passwords of the database, and with AUTH_OAUTH and AUTH_REMOTE_USER there is no token
for a password at all.
"""

from __future__ import annotations

from airflow.configuration import conf
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow_oam_auth import OperatorFabAuthManager
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP


class LaterFabAuthManager(FabAuthManager):
    """The rule of fab 3.11."""

    def create_token(self, headers, body):
        if not body.get("username") or not body.get("password"):
            raise ValueError("Username and password must be provided")
        if self.security_manager.auth_type == AUTH_DB:
            check = self.security_manager.auth_user_db
        elif self.security_manager.auth_type == AUTH_LDAP:
            check = self.security_manager.auth_user_ldap
        elif conf.get("rehearsal", "password_answer", fallback="401") == "400":
            raise ValueError("Username and password are not supported by the configured AUTH_TYPE")
        else:
            return None
        return check(body["username"], body["password"], rotate_session_id=False)


class LaterOperatorFabAuthManager(OperatorFabAuthManager, LaterFabAuthManager):
    """contrib/airflow-auth on top of fab 3.11: its super() is the class above."""

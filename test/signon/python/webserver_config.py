"""Sign-on of the Airflow under test; signon.json beside this file says which."""

import json
import os
import pathlib

from flask_appbuilder import const

given = json.loads(pathlib.Path(__file__).with_name("signon.json").read_text())
# FAB reads the keys of some providers without asking how to trust them.
os.environ["REQUESTS_CA_BUNDLE"] = given["ca_file"]

AUTH_TYPE = getattr(const, given["auth_type"])
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"
OAUTH_PROVIDERS = [
    {
        "name": name,
        "token_key": "access_token",
        "remote_app": {
            "client_id": given["client_id"],
            "client_secret": given["client_secret"],
            "server_metadata_url": given["issuer"] + "/.well-known/openid-configuration",
            "api_base_url": given["issuer"] + "/",
            "client_kwargs": {"scope": "openid email profile"},
        },
    }
    for name in given["providers"]
]

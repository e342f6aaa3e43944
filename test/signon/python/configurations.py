"""Asks contrib/airflow-auth for a token under several configurations; configuration_test.go reads the answers.

Standard input is a JSON list of objects: the section airflow_oam, and a token. Each line
of the output is a JSON object: the status and the detail of the answer, or the account
that would get a token.
"""

import json
import os
import sys

from airflow_oam_auth import OperatorFabAuthManager
from fastapi import HTTPException


class Accounts:
    """Stands for Airflow's accounts: one is active, one is not, and no other is there."""

    def __init__(self):
        self.counted = 0

    def find_user(self, username):
        known = {"airflow-oam": True, "left": False}
        if username not in known:
            return None
        return type("User", (), {"username": username, "is_active": known[username]})

    def update_user_auth_stat(self, user):
        self.counted += 1


class Manager(OperatorFabAuthManager):
    security_manager = Accounts()


def answer(settings, token):
    for name in [name for name in os.environ if name.startswith("AIRFLOW__AIRFLOW_OAM__")]:
        del os.environ[name]
    for name, value in settings.items():
        os.environ[f"AIRFLOW__AIRFLOW_OAM__{name.upper()}"] = value
    try:
        user = Manager().create_token(headers={"authorization": "Bearer " + token}, body={})
    except HTTPException as e:
        return {"status": e.status_code, "detail": e.detail}
    return {"username": user.username, "counted": Manager.security_manager.counted}


for case in json.load(sys.stdin):
    print("answer:" + json.dumps(answer(case["settings"], case["token"])))

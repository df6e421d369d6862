"""The routes: `/` lists the tables, `/<table>` has rows or computed numbers, `/<table>/<key>` has one row."""

from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, make_response, request

from backend.app import parameters
from backend.logic.database.database import Database
from common.web import ContractResponse

Answer = tuple[dict[str, Any], int, dict[str, str]]


def routes(database: Database, built: str) -> Blueprint:
    """Return the routes to a database.

    Args:
        database: the database.
        built: which code answers, since another one may answer the same query differently.
    """
    blueprint = Blueprint("database", __name__)

    def answer(compute: Any, *names: str) -> Answer:  # noqa: ANN401  a method of Database
        args = parameters(request.query_string)
        version = database.source.version()
        tag = version and sha256(f"{built} {version}".encode()).hexdigest()[:16]
        headers = {"ETag": f'W/"{tag}"'} if tag else {}
        if tag and request.if_none_match.contains_weak(tag):
            return {}, 304, headers
        return compute(*names, args), 200, headers

    encoded = b""

    @blueprint.get("/")
    def list_tables() -> Answer | ContractResponse:
        nonlocal encoded  # only a restart changes it, and of many tables it would take milliseconds
        fields, status, headers = answered = answer(database.list_tables)
        if status != 200:
            return answered
        encoded = encoded or make_response(fields).get_data()
        return ContractResponse(encoded, headers=headers, mimetype="application/json")

    @blueprint.get("/<table>")
    def page(table: str) -> Answer:
        return answer(database.page, table)

    @blueprint.get("/<table>/<path:key>")
    def row(table: str, key: str) -> Answer:  # noqa: ARG001  decoded: a comma in a value would look like one between
        path = urlsplit(request.environ["RAW_URI"]).path
        return answer(database.row, table, path.split("/", 2)[2])

    return blueprint

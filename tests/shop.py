"""A logic with routes as a team's: they take JSON, forms, bytes and keys in the path, and know conditions."""

from typing import Any

from flask import Blueprint, request, url_for
from werkzeug.exceptions import PreconditionFailed

shop = Blueprint("shop", __name__)
ETAG = "v1"


@shop.get("/")
def hello() -> dict[str, Any]:
    return {"message": "hello world"}


@shop.get("/orders")
def search() -> dict[str, Any]:
    return {"message": "found", "query": request.args.to_dict(flat=False)}


@shop.post("/orders")
def order() -> tuple[dict[str, Any], int, dict[str, str]]:
    place = url_for("shop.show", key="7", _external="absolute" in request.args)
    return {"message": "ordered", "order": request.get_json()}, 201, {"Location": place}


@shop.get("/orders/<key>")
def show(key: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    status = 304 if request.if_none_match.contains(ETAG) else 200
    return {"message": "found", "key": key}, status, {"ETag": f'"{ETAG}"'}


@shop.route("/orders/<path:key>", methods=["PUT", "PATCH"])
def change(key: str) -> dict[str, Any]:
    if request.if_match and not request.if_match.contains(ETAG):
        raise PreconditionFailed("changed since it was read")
    return {"message": "changed", "key": key, "size": len(request.get_data())}


@shop.delete("/orders/<path:key>")
def delete(key: str) -> tuple[dict[str, Any], int]:
    return {"message": "deleted", "key": key}, 204


@shop.post("/forms")
def form() -> dict[str, Any]:
    fields = request.form.to_dict(flat=False)
    return {"message": "filled in", "fields": fields, "files": sorted(request.files)}

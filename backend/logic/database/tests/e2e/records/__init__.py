"""A logic that records each number that is posted to it, once or twice for each POST that it executes."""

from time import sleep
from typing import Any

from flask import Blueprint, request
from sqlalchemy import create_engine, text

from backend.logic import Logic
from backend.logic.database.postgresql import PostgreSQL

from .settings import Settings


def make(settings: Settings) -> Logic:
    engine = create_engine(settings.database_url, pool_size=10, max_overflow=0)
    database = PostgreSQL(settings.database_url)
    records = Blueprint("records", __name__)

    @records.post("/records")
    def record() -> tuple[dict[str, Any], int]:
        number = int(request.get_json()["number"])
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO records VALUES (:number)"), {"number": number})
        return {"message": "recorded", "number": number}, 201

    @records.post("/pairs")
    def pair() -> tuple[dict[str, Any], int]:
        number = int(request.get_json()["number"])
        with database.transaction(write=True) as connection:
            for _ in range(2):
                connection.execute(text("INSERT INTO records VALUES (:number)"), {"number": number})
                sleep(0.1)
        return {"message": "recorded twice", "number": number}, 201

    return Logic(records, close=engine.dispose)

"""Flask, pooled connections."""

import os

import requests
from flask import Flask

BACKEND = os.environ["BACKEND"]
app = Flask(__name__)
session = requests.Session()


@app.get("/")
def answer():
    response = session.get(BACKEND, timeout=10)
    response.raise_for_status()
    return response.json() | {"source": "client"}

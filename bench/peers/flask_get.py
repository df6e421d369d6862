"""Flask, a new connection for each call."""

import os

import requests
from flask import Flask

BACKEND = os.environ["BACKEND"]
app = Flask(__name__)


@app.get("/")
def answer():
    response = requests.get(BACKEND, timeout=10)
    response.raise_for_status()
    return response.json() | {"source": "client"}

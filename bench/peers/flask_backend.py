"""The backend of the Flask peers."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def answer():
    return {"status_code": 200, "message": "hello world", "source": "backend"}

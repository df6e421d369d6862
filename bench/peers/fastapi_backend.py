"""The backend of the FastAPI peers."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def answer():
    return {"status_code": 200, "message": "hello world", "source": "backend"}

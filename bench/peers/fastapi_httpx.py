"""FastAPI with httpx."""

import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

BACKEND = os.environ["BACKEND"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def answer(request: Request):
    response = await request.app.state.http.get(BACKEND)
    response.raise_for_status()
    return response.json() | {"source": "client"}

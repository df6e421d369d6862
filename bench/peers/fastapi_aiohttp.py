"""FastAPI with aiohttp."""

import os
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, Request

BACKEND = os.environ["BACKEND"]


@asynccontextmanager
async def lifespan(app):
    async with aiohttp.ClientSession() as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def answer(request: Request):
    async with request.app.state.http.get(BACKEND) as response:
        response.raise_for_status()
        return await response.json() | {"source": "client"}

# Both images: `docker build --target backend .` and `docker build --target client .`
FROM python:3.14-slim AS python
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app

# The virtual environment holds what is locked and nothing else: pip itself stays out of it.
FROM python AS venv
RUN python -m venv --without-pip /venv
COPY requirements/backend.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/backend.txt

FROM venv AS client-venv
COPY requirements/client.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/client.txt

FROM python AS backend
COPY --from=venv /venv /venv
# The application's user owns its files, so that file sync can replace them in development;
# elsewhere the root file system is read-only. A number, since Kubernetes must see that it is not root.
COPY --chown=10001:10001 common common
COPY --chown=10001:10001 backend backend
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "backend"]

FROM python AS client
COPY --from=client-venv /venv /venv
COPY --chown=10001:10001 common common
COPY --chown=10001:10001 client client
USER 10001:10001
EXPOSE 8082
ENTRYPOINT ["python", "-m", "client"]

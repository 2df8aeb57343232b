# Images of the command and of its workers. Build them in this folder:
#     docker build -t registry.example.com/safe-reinit:0.1.0 .
#     docker build --target worker -t registry.example.com/safe-reinit-worker:0.1.0 .
# docs/howto/container.md says how to run them: with a read-only root, and with a volume or PostgreSQL for the journal.
FROM python:3.13-slim-bookworm AS build
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY man /src/man
COPY safe_reinit /src/safe_reinit
RUN python -m venv /opt/safe-reinit \
    && /opt/safe-reinit/bin/pip install --no-cache-dir --no-compile '/src[postgres,temporal]' \
    && /opt/safe-reinit/bin/python -m compileall -q /opt/safe-reinit/lib

FROM python:3.13-slim-bookworm AS base
COPY --from=build /opt/safe-reinit /opt/safe-reinit
# No VOLUME on purpose: Docker would create an anonymous one, and lose the journal with the container. With a read-only root
# and without a volume here, the command says that it cannot write its journal, and does nothing.
RUN install -d -m 0700 -o 10001 -g 10001 /var/lib/safe-reinit
ENV PATH=/opt/safe-reinit/bin:$PATH HOME=/tmp XDG_STATE_HOME=/var/lib PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# The command is the first process of the container, so SIGTERM reaches it.
ENTRYPOINT ["safe-reinit"]

FROM base AS worker
ENV SAFE_REINIT_WORKER_HEALTH=0.0.0.0:8080
EXPOSE 8080
# The check fails while the Temporal server is down. Docker only shows that; do not let it kill a worker.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=8)"]
CMD ["worker"]

FROM base AS safe-reinit
CMD ["--help"]

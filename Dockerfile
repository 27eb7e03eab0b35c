# The image of the web server, the worker and the one-shot setup of docker-compose.yml.
FROM python:3.12-slim

# The fonts draw subtitles and timecodes into films of boards.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libgomp1 fontconfig-config fonts-dejavu-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt \
        --constraint constraints.txt

COPY . .
# Volumes inherit the owner of the folders that they are mounted on.
RUN python -m imgsearch.local.translations \
    && useradd --create-home --uid 10001 imgsearch \
    && install -d -o imgsearch -g imgsearch /data /models
USER imgsearch

ENV VAR_DIR=/data \
    HF_HOME=/models \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
CMD ["gunicorn", "--bind=0.0.0.0:8000", "--worker-class=imgsearch.webserver.Worker", "--workers=2", \
     "--timeout=120", "--graceful-timeout=5", "--limit-request-line=65536", "--access-logfile=-", \
     "--no-control-socket", "imgsearch.wsgi"]

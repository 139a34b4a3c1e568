# docker build -t twofold . && docker run --rm -p 8000:8000 twofold
FROM python:3.11-slim

# A plain `pip install torch` on Linux brings several GB of CUDA packages that a CPU never uses.
# Give PyTorch's CPU index to get the small build:  --build-arg TORCH="torch --index-url <CPU index>"
ARG TORCH="torch==2.13.0"

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    OMP_WAIT_POLICY=passive TWOFOLD_HOST=0.0.0.0 TWOFOLD_PORT=8000

WORKDIR /srv/twofold
# Headers and tests of PyTorch are 145 MB that nothing here reads.
RUN python -m pip install ${TORCH} \
    && cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch" \
    && rm -rf include test
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY app app
COPY models models
COPY static static
COPY templates templates
RUN python -m pip install -e . \
    && useradd --create-home --uid 10001 twofold
USER twofold
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD python -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['TWOFOLD_PORT'] + '/readyz', timeout=2)"
CMD ["python", "-m", "app"]

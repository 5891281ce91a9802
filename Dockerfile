# The book on a CPU: docker build -t kdbook . && docker run --rm -p 8000:8000 kdbook
FROM python:3.13-slim-bookworm

RUN apt-get update -q && apt-get install -y -q --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home reader
USER reader
WORKDIR /home/reader/book

# the packages first, so that a change of the book does not install them again
COPY --chown=reader Makefile pyproject.toml uv.lock README.md LICENSE ./
COPY --chown=reader src/kdbook/__init__.py src/kdbook/__init__.py
ENV TORCH=cpu
RUN make env
COPY --chown=reader . .

# a profile that is small enough for any machine; others: docker run -e KDBOOK_PROFILE=embedded …
ENV KDBOOK_PROFILE=smoke PORT=8000 ADDRESS=0.0.0.0
CMD ["sh", "-c", "make book && make serve"]

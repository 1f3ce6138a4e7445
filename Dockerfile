# All that `make repro` and `make streets` need. The virtual environment lies outside of the project,
# so that the project's folder can be mounted over the copy in the image:
#
#   docker build --tag roadshift .
#   docker run --rm --volume "$PWD":/roadshift roadshift make repro
FROM python:3.11-slim

RUN apt-get update \
  && apt-get install --yes --no-install-recommends git make \
  && rm -rf /var/lib/apt/lists/* \
  # A mounted folder belongs to another user, and DVC commits experiments.
  && git config --system --add safe.directory '*' \
  && git config --system user.name roadshift \
  && git config --system user.email roadshift@localhost

ENV ROADSHIFT_VENV=/opt/roadshift
ENV PATH=/opt/roadshift/bin:$PATH

WORKDIR /roadshift
COPY . .
RUN make setup

CMD ["make", "repro"]

#!/bin/bash
# Takes every role of the image once, while it is built. So the bytecode of what they import is there, as the files can't
# be written later, and a library of which too much was left out is found now.
set -euo pipefail
export HOST=127.0.0.1 RONDO_STATE_DIR=/tmp/rehearsal/state
mkdir -p /tmp/rehearsal
cd /tmp/rehearsal

until_well() {
    for _ in $(seq 600); do
        python -m rondo_services.health "$1" 2>/dev/null && return
        sleep 0.1
    done
    echo "the $1 does not get ready" >&2
    exit 1
}

end() {
    kill -TERM "$1"
    wait "$1"
}

rondo keys create rehearsal >key.txt
RONDO_REQUIRE_KEY=always OTEL_TRACES_EXPORTER=console RONDO_ACCESS_LOG=json rondo serve &
server=$!
until_well server
python - <<'PYTHON'
from pathlib import Path

from rondo_services.client.sync import Client

with Client("http://127.0.0.1:8000", api_key=Path("key.txt").read_text().strip()) as client:
    for language, text in (("en", "It was a bad day. I was wrong."), ("de", "Es war ein guter Tag."), ("ko", "좋아요.")):
        print(client.sentiment(text), client.summarize(text), client.generate(text, max_tokens=4))
        print(client.translate(text, target="de" if language == "en" else "en"))
PYTHON
end "$server"

rondo worker &
worker=$!
until_well worker
end "$worker"

printf 'text,label\nwonderful,positive\nterrible,negative\n' >reviews.csv
rondo batch sentiment reviews.csv --output labels.jsonl
rondo evaluate --task sentiment --data reviews.csv --expected label --output results
python -c 'import psycopg, s3fs; from opentelemetry.exporter.otlp.proto.http import trace_exporter'
rm -rf /tmp/rehearsal

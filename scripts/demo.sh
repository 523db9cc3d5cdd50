#!/usr/bin/env bash
# The main job on shipped data: compose traffic whose truth is known, scan it, say where the report is.
set -euo pipefail
cd "$(dirname "$0")/.."

traffic=build/demo/traffic
findings=build/demo/findings
mkdir -p build/demo
started=$SECONDS

echo "composing traffic whose truth we know -> $traffic"
.venv/bin/spiritsafe prove --recipe demo --out "$traffic"

echo
echo "scanning it, without the truth -> $findings"
.venv/bin/spiritsafe scan "$traffic/requests.parquet" --accounts "$traffic/accounts.parquet" \
  --attestations "$traffic/attestations.parquet" --out "$findings"

echo
echo "done in $((SECONDS - started)) s"
echo "  the report            file://$PWD/$findings/report.html"
echo "  what people do next   .venv/bin/spiritsafe case open $findings"
echo "  against the truth     .venv/bin/spiritsafe prove score $traffic $findings"

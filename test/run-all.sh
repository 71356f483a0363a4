#!/usr/bin/env bash
# Every test there is, from nothing: installs the judges, the packages, builds, and runs all suites.
set -euo pipefail
cd "$(dirname "$0")/.."

bash test/install-judges.sh
[ -d node_modules ] && [ -f dist/cli.js ] || npm ci
npm run build
npm run check
# From here on a test that cannot find its judge fails instead of being skipped.
export DISKLOOM_REQUIRE_JUDGES=1
npm test
npm run test:browser

#!/bin/sh
# Tests the star and builds it: build.sh [FOLDER] writes FOLDER/language.wasm. Needs node 20 and npm, nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=${1:-$root/target/other-languages}
mkdir -p "$out"
out=$(cd "$out" && pwd)

rm -rf "$out/src" "$out/test"
cp -R "$here/package.json" "$here/build.mjs" "$here/src" "$here/test" "$out"
if ! cmp -s "$here/package-lock.json" "$out/package-lock.json"; then
  rm -rf "$out/node_modules" "$out/package-lock.json"
  cp "$here/package-lock.json" "$out"
  (cd "$out" && npm ci --ignore-scripts --no-audit --no-fund) || { rm -f "$out/package-lock.json"; exit 1; }
fi
cd "$out"
node --test
node build.mjs "$root/transforms-wasm/contract/wit" language.wasm

#!/usr/bin/env bash
# Installs a build into a folder and follows docs/start.md with it: start.sh BUILD SOURCE PYTHON
set -euo pipefail
build=$1 source=$2 python=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
for component in library dev tools python; do
    cmake --install "$build" --prefix "$prefix" --component "$component" >"$prefix/install.log" || { cat "$prefix/install.log"; exit 1; }
done
library=$(dirname "$(find "$prefix" -name libkeyway.so)")
module=$(dirname "$(dirname "$(find "$prefix" -name _errors.py)")")
PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$library/pkgconfig LD_LIBRARY_PATH=$library PYTHONPATH=$module \
    "$python" "$source/tests/docs/start_test.py" "$source/docs"

#!/usr/bin/env bash
# Installs the library into a temporary folder and builds three programs against that and nothing else of the project.
set -euo pipefail
build=$1 source=$2 cc=$3 cxx=$4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" --component dev > "$prefix/install.log"
library=$(dirname "$(find "$prefix" -name libkeyway.a)")
"$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" "$source/embedded.cpp" -L"$library" -lkeyway -lsodium -pthread \
    -o "$prefix/embedded"
"$prefix/embedded" | grep -qx 'olleh'
for header in waitable wait_set coroutine service; do
    echo "#include <keyway/$header.hpp>" | "$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" -fsyntax-only -xc++ -
done
"$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" "$source/events.cpp" -L"$library" -lkeyway -lsodium -pthread \
    -o "$prefix/events"
"$prefix/events" | grep -qx 'echoed'
"$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" -c "$source/plain.c" -o "$prefix/plain.o"
"$cxx" "$prefix/plain.o" -L"$library" -lkeyway -pthread -o "$prefix/plain"
"$prefix/plain" | grep -qx 'not_connected: There is no connection to a router.'
echo "all programs built against $(basename "$library")/libkeyway.a and ran"

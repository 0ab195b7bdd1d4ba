#!/bin/sh
# Builds this project and runs it: try.sh WORK_FOLDER [PREFIX]. PREFIX: where Keyway is installed, if that is no place of
# the system. Needs CMake, pkg-config and compilers; nothing else of Keyway's sources.
set -eu
source=$(cd "$(dirname "$0")" && pwd)
work=$1 prefix=${2:-}
rm -rf "$work"
mkdir -p "$work"
if [ -n "$prefix" ]; then
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name keyway.pc)")
    LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libkeyway.so)")
    export PKG_CONFIG_PATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH="$prefix"
fi
cc=${CC:-cc} cxx=${CXX:-c++}

ran() { # ran PROGRAM OUTPUT
    said=$("$1")
    if [ "$said" != "$2" ]; then
        echo "$1 said '$said', not '$2'" >&2
        exit 1
    fi
}
linked_to_shared() {
    if ! ldd "$1" | grep -q 'libkeyway\.so\.1 => /'; then
        echo "$1 does not use the installed shared library" >&2
        exit 1
    fi
}

cmake -S "$source" -B "$work/cmake" -DCMAKE_BUILD_TYPE=Debug >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log" >&2; exit 1; }
cmake --build "$work/cmake" --parallel 2 >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log" >&2; exit 1; }
ran "$work/cmake/embedded_static" olleh
ran "$work/cmake/plain_shared" 'not_connected: There is no connection to a router.'
linked_to_shared "$work/cmake/plain_shared"

strict="-Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086  # flags are words
{
    $cxx -std=c++20 $strict $(pkg-config --cflags keyway) "$source/events.cpp" $(pkg-config --libs keyway) -o "$work/events"
    $cc -std=c99 $strict $(pkg-config --cflags keyway) "$source/plain.c" $(pkg-config --libs keyway) -o "$work/plain"
}
ran "$work/events" echoed
ran "$work/plain" 'not_connected: There is no connection to a router.'
linked_to_shared "$work/events"
# The archive by pkg-config: it lists what the archive needs.
archive=$(pkg-config --variable=libdir keyway)/libkeyway.a
# shellcheck disable=SC2046,SC2086
$cc -std=c99 $strict $(pkg-config --cflags keyway) "$source/plain.c" "$archive" \
    $(pkg-config --static --libs-only-l --libs-only-other keyway | sed 's/-lkeyway//') -o "$work/plain_archive"
ran "$work/plain_archive" 'not_connected: There is no connection to a router.'
echo "all programs built and ran, by CMake and by pkg-config, shared and static"

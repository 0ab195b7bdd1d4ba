# Build settings that every Keyway target shares, and the helpers that declare them.

find_program(KEYWAY_CCACHE ccache)
if(KEYWAY_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${KEYWAY_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KEYWAY_CCACHE})
endif()

# Warnings are errors in our own code; headers of other libraries come in as SYSTEM.
add_library(keyway_flags INTERFACE)
target_compile_options(keyway_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
  -Wformat=2 -Wundef -Wvla
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wextra-semi>
  -fno-omit-frame-pointer -fstack-protector-strong -fstack-clash-protection
  $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection>)
# Programs: at any address, with nothing left writable that need not be.
target_link_options(keyway_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
include(CheckPIESupported)
check_pie_supported()
target_compile_definitions(keyway_flags INTERFACE _GNU_SOURCE)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict) # g++ 12 sees overlaps in std::string's operator+ that can't be (its bug 105651)
  add_link_options(-Wno-stringop-overflow) # the same at link time, of operator+ and of fill characters in fmt
endif()

if(KEYWAY_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "KEYWAY_FUZZ needs clang, which has libFuzzer")
  endif()
  # Warnings are g++'s to find; clang's further ones are not errors here.
  add_compile_options(-Wno-error -O1 -g1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(KEYWAY_SANITIZED=1)
elseif(KEYWAY_SANITIZE)
  # Half of the time to compile what -O2 -g takes, and reports still name file and line.
  add_compile_options(-O1 -g1 -fsanitize=${KEYWAY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KEYWAY_SANITIZE})
  add_compile_definitions(KEYWAY_SANITIZED=1)
  # For what waits more than it computes. What is shipped is optimised all the same, in a build that may be shipped.
  set(KEYWAY_UNOPTIMISED -O0)
  set(KEYWAY_TESTS_UNOPTIMISED -O0)
  # g++ 12 reports false positives of these two under sanitizer instrumentation.
  add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow)
  if(KEYWAY_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan) # stand-alone fences: see docs/decisions for how the ring is checked
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT KEYWAY_LTO LANGUAGES C CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${KEYWAY_LTO})
  if(KEYWAY_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-ffat-lto-objects) # what is installed must link without link-time optimisation too
  endif()
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  set(KEYWAY_TESTS_UNOPTIMISED -O0) # two thirds of the time of -O3 to compile
endif()
if(KEYWAY_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

# keyway_not_as_a_whole(target): a program that is not optimised at link time, which would only cost time. The libraries under
# it carry machine code too.
function(keyway_not_as_a_whole target)
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  if(KEYWAY_LTO)
    target_link_options(${target} PRIVATE -fno-lto)
  endif()
endfunction()

# keyway_library(name SOURCES ... [LINK ...]): an internal static library under the house flags.
function(keyway_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/host/include ${PROJECT_SOURCE_DIR}/host/src)
  target_link_libraries(${name} PUBLIC keyway_flags ${arg_LINK} Threads::Threads)
endfunction()

# keyway_test_program(name SOURCES ... [LINK ...] [COMPUTES]): a program of tests, for which only what COMPUTES is optimised.
function(keyway_test_program name)
  cmake_parse_arguments(arg "COMPUTES" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  if(NOT arg_COMPUTES)
    target_compile_options(${name} PRIVATE ${KEYWAY_TESTS_UNOPTIMISED})
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK} keyway_flags GTest::gtest_main)
  keyway_not_as_a_whole(${name})
endfunction()

# keyway_test(name SOURCES ... [LINK ...] [LABELS ...] [LONG] [LONG_TOO filter] [LONG_ONLY filter] [COMPUTES]
# [PREFIX text]): such a program with one ctest entry per test, whose name begins with the prefix.
# LONG entries run only under `./dev test --long`. Those that LONG_TOO matches come once more there, as long.NAME,
# and do more (tests/run_length.hpp); those that LONG_ONLY matches come only so.
function(keyway_test name)
  cmake_parse_arguments(arg "LONG;COMPUTES" "PREFIX;LONG_TOO;LONG_ONLY" "SOURCES;LINK;LABELS" ${ARGN})
  set(computes)
  if(arg_COMPUTES)
    set(computes COMPUTES)
  endif()
  keyway_test_program(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} ${computes})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  set(timeout 300)
  if(arg_LONG)
    list(APPEND arg_LABELS long)
    set(timeout 3600)
  endif()
  # gtest_discover_tests takes lists apart, so that only the first label would stay: the semicolons go in escaped.
  string(REPLACE ";" [==[\\\\\\\;]==] labels "${arg_LABELS}")
  set(filter)
  if(arg_LONG_ONLY)
    set(filter TEST_FILTER "-${arg_LONG_ONLY}")
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${arg_PREFIX}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 ${filter}
    TEST_LIST ${name}_ordinary PROPERTIES LABELS "${labels}" TIMEOUT ${timeout})
  if(arg_LONG_TOO OR arg_LONG_ONLY)
    string(REPLACE ";" [==[\\\\\\\;]==] labels "${arg_LABELS};long")
    gtest_discover_tests(${name} TEST_PREFIX "long.${arg_PREFIX}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      TEST_FILTER "${arg_LONG_TOO}:${arg_LONG_ONLY}" TEST_LIST ${name}_long
      PROPERTIES LABELS "${labels}" TIMEOUT 3600 ENVIRONMENT KEYWAY_LONG=1)
  endif()
endfunction()

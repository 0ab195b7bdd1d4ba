# The hardware router as C++ models. Without Verilator it defines nothing: look for the command keyway_verilated.
find_package(verilator QUIET HINTS /usr/share/verilator $ENV{VERILATOR_ROOT})
if(NOT verilator_FOUND)
  return()
endif()

set(KEYWAY_RTL_DIR ${PROJECT_SOURCE_DIR}/rtl)
file(STRINGS ${KEYWAY_RTL_DIR}/keyway_router.f keyway_rtl_names)
list(TRANSFORM keyway_rtl_names PREPEND ${KEYWAY_RTL_DIR}/ OUTPUT_VARIABLE KEYWAY_RTL_SOURCES)

# keyway_verilated(name TOP module [ARGS ...] [OPTIONS ...] [SOURCES ...]): a library rtl_<name> with the model V<name>.
# OPTIONS are those of verilate(): SYSTEMC, TRACE_FST, COVERAGE; SOURCES stand beside the router's. Its code is the
# tool's, so the house flags don't apply to it, and its headers come in as SYSTEM.
function(keyway_verilated name)
  cmake_parse_arguments(arg "" "TOP" "ARGS;OPTIONS;SOURCES" ${ARGN})
  add_library(rtl_${name} STATIC)
  set_target_properties(rtl_${name} PROPERTIES CXX_STANDARD 20 INTERPROCEDURAL_OPTIMIZATION OFF)
  verilate(rtl_${name} SOURCES ${KEYWAY_RTL_SOURCES} ${arg_SOURCES} TOP_MODULE ${arg_TOP} PREFIX V${name}
    ${arg_OPTIONS} DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${name}
    VERILATOR_ARGS -Wno-fatal --assert -O3 --x-initial unique --x-assign unique ${arg_ARGS})
  target_compile_options(rtl_${name} PRIVATE -w -O2)
  target_include_directories(rtl_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/${name}
    ${VERILATOR_ROOT}/include ${VERILATOR_ROOT}/include/vltstd)
endfunction()

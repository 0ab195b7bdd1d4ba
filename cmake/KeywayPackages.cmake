# `cpack`: a .deb for each part. They are made from a build for /usr (preset `deb`), because the daemon knows where
# its policy lies, and libraries of Debian lie in a folder of their architecture. In another build there is nothing for cpack to find.

if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME keyway)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Keyway maintainers <root@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL library dev daemon tools rtl)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(version "${PROJECT_VERSION}-1")

# keyway_package(component name section "description" [DEPENDS ...] [BINARY | ANY_MACHINE])
# BINARY: has programs or libraries, whose own needs dpkg-shlibdeps finds.
function(keyway_package component name section description)
  cmake_parse_arguments(arg "BINARY;ANY_MACHINE" "" "DEPENDS" ${ARGN})
  string(TOUPPER ${component} upper)
  string(REPLACE ";" ", " depends "${arg_DEPENDS}")
  set(prefix CPACK_DEBIAN_${upper})
  set(${prefix}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(${prefix}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${description}" PARENT_SCOPE)
  set(${prefix}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(${prefix}_PACKAGE_SHLIBDEPS ${arg_BINARY} PARENT_SCOPE)
  if(arg_ANY_MACHINE)
    set(${prefix}_PACKAGE_ARCHITECTURE all PARENT_SCOPE)
  endif()
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/deb/copyright DESTINATION share/doc/${name} COMPONENT ${component})
endfunction()

set(library libkeyway${KEYWAY_ABI_VERSION})
keyway_package(library ${library} libs
  "Processes that do not trust each other exchange messages through shared memory, with a router between them that
checks a capability for each message. This is the library for programs: client, embedded router, C and C++." BINARY)
keyway_package(dev libkeyway-dev libdevel
  "Headers, the archive, and what CMake and pkg-config look for."
  DEPENDS "${library} (= ${version})" "libsodium-dev")
keyway_package(daemon keywayd net
  "The router as a service of the machine: units for systemd, its user, its policy file, and the udev rules of the
boards that it can work with."
  DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers" BINARY)
keyway_package(tools keyway-tools net
  "The program keyway: run a router, send, call, listen, publish, look at what goes on and decide who may do what." BINARY)
keyway_package(rtl keyway-rtl electronics
  "The router as SystemVerilog, with a plain list of files and a core file for FuseSoC." ANY_MACHINE)
if(TARGET keyway_python)
  list(APPEND CPACK_COMPONENTS_ALL python)
  # An extension is for one version of Python.
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
  math(EXPR next "${Python_VERSION_MINOR} + 1")
  set(version_low ${Python_VERSION_MAJOR}.${Python_VERSION_MINOR}~)
  set(version_high ${Python_VERSION_MAJOR}.${next}~)
  keyway_package(python python3-keyway python
    "Connect, send, receive, call, publish, subscribe and share memory from Python."
    DEPENDS "${library} (>= ${version})" "python3 (>= ${version_low})" "python3 (<< ${version_high})" BINARY)
endif()
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(scripts ${PROJECT_SOURCE_DIR}/cmake/deb)
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA
  ${scripts}/daemon/conffiles ${scripts}/daemon/postinst ${scripts}/daemon/prerm ${scripts}/daemon/postrm)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${scripts}/python/postinst ${scripts}/python/prerm)
# The other packages' own library is not installed where they are made.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/host)
include(CPack)

# Settings and functions shared by every folder of the tree.
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-qsbr)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
find_library(LIBCLI cli REQUIRED)
find_library(LIBCRYPT crypt REQUIRED)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_library(lns_flags INTERFACE)
target_include_directories(lns_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(lns_flags INTERFACE _GNU_SOURCE LNS_VERSION="${PROJECT_VERSION}")
target_compile_options(lns_flags INTERFACE
  -Wall -Wextra -Werror -Wconversion -Wno-sign-conversion -Wshadow -Wmissing-prototypes
  -Wstrict-prototypes -Wvla -Wpointer-arith -Wwrite-strings -fno-common -fno-strict-aliasing
  -fstack-protector-strong)
target_link_libraries(lns_flags INTERFACE Threads::Threads)

if(LNS_ASAN)
  target_compile_options(lns_flags INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lns_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(lns_flags INTERFACE LNS_SANITIZED LNS_DEBUG_ASSERTS)
elseif(LNS_TSAN)
  # liburcu's readers are invisible to ThreadSanitizer: base/rcu.h then uses plain C11 atomics.
  target_compile_options(lns_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(lns_flags INTERFACE -fsanitize=thread)
  target_compile_definitions(lns_flags INTERFACE LNS_SANITIZED LNS_RCU_ATOMICS LNS_DEBUG_ASSERTS)
endif()
if(LNS_FUZZ)
  target_compile_options(lns_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lns_flags INTERFACE -fsanitize=address,undefined)
  # Grace periods of the plain back end take no real time.
  target_compile_definitions(lns_flags INTERFACE LNS_SANITIZED LNS_RCU_ATOMICS LNS_DEBUG_ASSERTS)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(lns_flags INTERFACE LNS_DEBUG_ASSERTS)
endif()

# lns_library(NAME SOURCES a.c b.c [LINK lib...])
# A static library of one folder and layer. LINK names only libraries of lower layers.
function(lns_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC lns_flags ${A_LINK})
endfunction()

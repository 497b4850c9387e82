# SPDX-License-Identifier: Apache-2.0
# tests/fuzz/NAME.c becomes fuzz_NAME, linked with the layer it looks into.
set(MVIMIG_FUZZ_plan plans)
set(MVIMIG_FUZZ_bson site)
set(MVIMIG_FUZZ_dump site)
set(MVIMIG_FUZZ_backup site)

file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/*.c")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name "${source}" NAME_WE)
  if(NOT DEFINED MVIMIG_FUZZ_${name})
    message(FATAL_ERROR "tests/fuzz/${name}.c: cmake/Fuzz.cmake does not say which layer it wants")
  endif()
  add_executable(fuzz_${name} "${source}")
  target_link_libraries(fuzz_${name} PRIVATE ${MVIMIG_FUZZ_${name}})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()

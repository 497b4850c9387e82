# SPDX-License-Identifier: Apache-2.0
# tests/unit/LAYER_name.c becomes a program linked with LAYER (and what that sees) and a test.
# Every tests/lint/*.py is a test with the label "lint", run on the tree and on its own bad sample.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

file(GLOB unit_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/unit/*.c")
foreach(source IN LISTS unit_sources)
  get_filename_component(name "${source}" NAME_WE)
  string(REGEX REPLACE "_.*" "" layer "${name}")
  if(NOT layer IN_LIST MVIMIG_LAYERS)
    message(FATAL_ERROR "tests/unit/${name}.c: no layer is named ${layer}")
  endif()
  mvimig_layer_is_built(${layer} built)
  if(NOT built)
    continue()
  endif()
  add_executable(test_${name} "${source}")
  target_link_libraries(test_${name} PRIVATE ${layer} PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES
    LABELS "unit;${layer}" TIMEOUT 300 SKIP_RETURN_CODE 77) # 300 s: it hangs
endforeach()

# Files wait without a name where the file system has that; these once more where it has not.
if(MVIMIG_FAULTS)
  foreach(name IN ITEMS site_files site_files_race site_files_ranges)
    add_test(NAME ${name}_named COMMAND test_${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(${name}_named PROPERTIES LABELS "unit;site" TIMEOUT 300
      ENVIRONMENT "MVIMIG_FAULT=unnamed-open:fail=EOPNOTSUPP" SKIP_RETURN_CODE 77)
  endforeach()
endif()

file(GLOB lints CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/lint/*.py")
foreach(lint IN LISTS lints)
  get_filename_component(name "${lint}" NAME_WE)
  if(name MATCHES "^_")
    continue()
  endif()
  add_test(NAME ${name} COMMAND Python3::Interpreter "${lint}"
           WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS lint SKIP_RETURN_CODE 77)
  file(STRINGS "${lint}" self_test REGEX "_tree\\.main\\(|--self-test")
  if(self_test)
    add_test(NAME ${name}_self COMMAND Python3::Interpreter "${lint}" --self-test
             WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(${name}_self PROPERTIES LABELS lint SKIP_RETURN_CODE 77)
  endif()
endforeach()

# Each layer whole, linked with what it may see alone: a call that crosses a layer does not link.
add_custom_target(layers_link)
foreach(layer IN LISTS MVIMIG_LAYERS)
  mvimig_layer_is_built(${layer} built)
  if(built)
    add_executable(link_${layer} EXCLUDE_FROM_ALL "${CMAKE_SOURCE_DIR}/cmake/link_main.c")
    target_link_options(link_${layer} PRIVATE
      "LINKER:--whole-archive,$<TARGET_FILE:${layer}>,--no-whole-archive")
    target_link_libraries(link_${layer} PRIVATE ${layer})
    add_dependencies(layers_link link_${layer})
  endif()
endforeach()
add_test(NAME layers_link
         COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_BINARY_DIR}" --target layers_link)
set_tests_properties(layers_link PROPERTIES LABELS lint RUN_SERIAL ON)

add_custom_target(tidy COMMAND "${CMAKE_SOURCE_DIR}/script/tidy" USES_TERMINAL VERBATIM)

# SPDX-License-Identifier: Apache-2.0
# Folders are layers: one static library each, linked with what it may see and nothing else.
# tests/lint/layering.py checks #includes against the same table.
set(MVIMIG_LAYERS base schema plans state site scan compiler executor commands)

set(MVIMIG_SEES_base)
set(MVIMIG_SEES_schema base)
set(MVIMIG_SEES_plans base schema)
set(MVIMIG_SEES_state base schema plans)
set(MVIMIG_SEES_site base schema plans state)
set(MVIMIG_SEES_scan base schema plans state site)
set(MVIMIG_SEES_compiler base schema plans)
set(MVIMIG_SEES_executor base schema plans state site)
set(MVIMIG_SEES_commands base schema plans state site scan compiler executor)

# True in `out` when the layer has sources, and so is a library to link.
function(mvimig_layer_is_built name out)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    set(${out} TRUE PARENT_SCOPE)
  else()
    set(${out} FALSE PARENT_SCOPE)
  endif()
endfunction()

# mvimig_layer(NAME [USES target...] [SHARES target...] [SOURCES file...])
# USES are libraries for this layer alone; SHARES are those whose types its headers show.
# A folder without sources yet is an interface: it hands on what its headers need.
function(mvimig_layer name)
  cmake_parse_arguments(arg "" "" "USES;SHARES;SOURCES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.c")
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${MVIMIG_SEES_${name}} ${arg_SHARES})
    return()
  endif()
  add_library(${name} STATIC ${sources} ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${MVIMIG_SEES_${name}} ${arg_SHARES} PRIVATE ${arg_USES})
endfunction()

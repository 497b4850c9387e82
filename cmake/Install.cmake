# SPDX-License-Identifier: Apache-2.0
# Where `cmake --install` puts what is beside the programs, and the Debian package of it (cpack).
set(doc_dir "${CMAKE_INSTALL_DATADIR}/doc/mvimig")
install(DIRECTORY docs/man/ DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" FILES_MATCHING PATTERN "*.1")
# As in the tree, so that the links among them hold.
install(FILES README.md CHANGELOG.md SECURITY.md LICENSE DESTINATION "${doc_dir}")
install(FILES LICENSE DESTINATION "${doc_dir}" RENAME copyright)
install(DIRECTORY docs DESTINATION "${doc_dir}" FILES_MATCHING PATTERN "*.md" PATTERN "man" EXCLUDE)
install(FILES examples/plan.yaml examples/scopes.txt DESTINATION "${doc_dir}/examples")
install(DIRECTORY examples/network DESTINATION "${doc_dir}/examples")

# The program itself writes what the shells load. A build for another machine cannot run it.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(shell bash zsh)
    add_custom_command(
      OUTPUT "completion.${shell}"
      COMMAND mvimig completion ${shell} > "completion.${shell}"
      DEPENDS mvimig
      VERBATIM)
  endforeach()
  add_custom_target(completion ALL DEPENDS completion.bash completion.zsh)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/completion.bash" RENAME mvimig
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  # Debian's zsh looks for what packages bring in another folder than for what was installed by hand:
  # which it is shows only when it is installed.
  install(CODE "set(zsh_folder site-functions)
    if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
      set(zsh_folder vendor-completions)
    endif()")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/completion.zsh" RENAME _mvimig
          DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/\${zsh_folder}")
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME mvimig)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "mvimig maintainers <mvimig@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "move Maximo Visual Inspection into OpenShift")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
# Which libraries, and from which version on, is read from the programs.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)

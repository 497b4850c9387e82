# SPDX-License-Identifier: Apache-2.0
# Warnings, instrumentation and hardening, for everything that is built.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_compile_options(
  -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wwrite-strings -Wundef -Wimplicit-fallthrough -Wvla -Werror)
add_compile_definitions(_GNU_SOURCE)
include_directories("${CMAKE_SOURCE_DIR}")

# __FILE__ names a source by its path in the repository, wherever that is checked out.
add_compile_options("-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")

if(MVIMIG_FAULTS)
  add_compile_definitions(MVIMIG_FAULTS)
endif()

if(MVIMIG_SANITIZE)
  add_compile_options("-fsanitize=${MVIMIG_SANITIZE}" -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${MVIMIG_SANITIZE}")
endif()

if(MVIMIG_FUZZ)
  # Everything tells the fuzzer where it has been; its main is linked by cmake/Fuzz.cmake.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(mvimig_try_compile_flags)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "have${flag}" var)
    check_c_compiler_flag("${flag}" ${var})
    if(${var})
      add_compile_options("${flag}")
    endif()
  endforeach()
endfunction()

function(mvimig_try_link_flags)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "have${flag}" var)
    check_linker_flag(C "${flag}" ${var})
    if(${var})
      add_link_options("${flag}")
    endif()
  endforeach()
endfunction()

if(MVIMIG_HARDEN)
  mvimig_try_compile_flags(
    -Wtrampolines -Wbidi-chars=any -Werror=implicit
    -Werror=incompatible-pointer-types -Werror=int-conversion
    -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
    -mbranch-protection=standard -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3
    -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fexceptions
    -fzero-init-padding-bits=all)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE
                      "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
  add_link_options(-pie)
  mvimig_try_link_flags(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen
                        -Wl,--as-needed)
endif()

# SPDX-License-Identifier: MIT
# How targets are declared.
#
#   shoal_library(base SOURCES a.cc b.cc DEPS fmt::fmt)      static library shoal_base, alias shoal::base
#   shoal_program(peerd SOURCES main.cc DEPS shoal::fs)      bin/peerd
#   shoal_test(blob_store_test SOURCES x_test.cc DEPS shoal::cache [LABELS fuse] [TIMEOUT 60] [SERIAL]
#              [ENV NAME=value..])                           bin/tests/blob_store_test, one ctest
#   shoal_script_test(lint COMMAND python3 x.py [LABELS ..] [TIMEOUT ..] [SERIAL] [ENV ..])
#   shoal_fuzzer(frame_fuzz SOURCES frame_fuzz.cc DEPS shoal::wire CORPUS corpus/frame)
#
# A test is one program and one entry of ctest: starting one process for each of some thousand cases
# would take longer than the cases. GoogleTest leaves a report per program in
# <build>/test-results, which scripts/test sums up. To run single cases: bin/tests/NAME --gtest_filter=...

# Sanitizers make programs slower; the limits grow with them.
set(shoal_timeout_scale 1)
if(SHOAL_SANITIZE MATCHES "thread")
  set(shoal_timeout_scale 5)
elseif(SHOAL_SANITIZE)
  set(shoal_timeout_scale 3)
endif()
set(shoal_results_dir "${PROJECT_BINARY_DIR}/test-results")
file(MAKE_DIRECTORY "${shoal_results_dir}")

function(shoal_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  add_library(shoal_${name} STATIC ${arg_SOURCES})
  add_library(shoal::${name} ALIAS shoal_${name})
  target_link_libraries(shoal_${name} PUBLIC shoal_options ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
endfunction()

function(shoal_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE shoal_options shoal::version ${arg_DEPS})
  add_dependencies(programs ${name})
endfunction()

# Sets what all kinds of tests share; reads arg_* of its caller.
function(shoal_set_test_properties name)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  math(EXPR timeout "${arg_TIMEOUT} * ${shoal_timeout_scale}")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} SKIP_RETURN_CODE 77)
  if(arg_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}")
  endif()
  if(arg_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
  set(environment
    "SHOAL_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "SHOAL_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1" "TSAN_OPTIONS=second_deadlock_stack=1:history_size=4"
    ${arg_ENV})
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "${environment}")
endfunction()

function(shoal_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "SOURCES;DEPS;LIBS;LABELS;ENV")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "shoal_test(${name}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/tests")
  target_link_libraries(${name} PRIVATE
    shoal_options ${arg_DEPS} ${arg_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  list(APPEND arg_ENV "GTEST_OUTPUT=xml:${shoal_results_dir}/${name}.gtest.xml" "GTEST_BRIEF=1")
  shoal_set_test_properties(${name})
endfunction()

function(shoal_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "COMMAND;LABELS;ENV")
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  shoal_set_test_properties(${name})
endfunction()

function(shoal_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS;TIMEOUT" "SOURCES;DEPS;LABELS;ENV")
  cmake_path(ABSOLUTE_PATH arg_CORPUS BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/tests")
  target_link_libraries(${name} PRIVATE shoal_options ${arg_DEPS})
  list(APPEND arg_LABELS fuzz)
  if(SHOAL_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # -runs=0 replays the corpus; to search, run the program by hand with the corpus folder.
    add_test(NAME ${name} COMMAND ${name} -runs=0 "${arg_CORPUS}")
  else()
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME ${name} COMMAND ${name} "${arg_CORPUS}")
  endif()
  shoal_set_test_properties(${name})
endfunction()

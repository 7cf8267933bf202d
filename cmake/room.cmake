# fathom_room(NAME DEPS room... LIBS lib...)
#   The static library fathom_NAME from this folder's *.cc and of its subfolders, and NAME_test from
#   the *_test.cc beside them. DEPS are other rooms, LIBS anything else that link names; both are
#   public, so that a header may use them.
function(fathom_room name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ARG_DEPS PREPEND fathom_)

  add_library(fathom_${name} STATIC ${sources})
  target_include_directories(fathom_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(fathom_${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS} Threads::Threads)

  if(FATHOM_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE fathom_${name} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE
      FATHOM_SOURCE_DIR="${CMAKE_SOURCE_DIR}" FATHOM_BINARY_DIR="${CMAKE_BINARY_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}."
                         PROPERTIES TIMEOUT 300 LABELS ${name})
  endif()
endfunction()

# fathom_fuzzer(NAME SOURCE FILE DEPS room... CORPUS dir)
#   With FATHOM_FUZZ, a libFuzzer program; otherwise a plain program that replays the corpus in
#   ctest. SOURCE defines LLVMFuzzerTestOneInput.
function(fathom_fuzzer name)
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "DEPS" ${ARGN})
  list(TRANSFORM ARG_DEPS PREPEND fathom_)
  if(FATHOM_FUZZ)
    add_executable(${name} ${ARG_SOURCE})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${ARG_SOURCE} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  if(FATHOM_TESTS AND NOT FATHOM_FUZZ)
    add_test(NAME fuzz.${name} COMMAND ${name} ${ARG_CORPUS})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
endfunction()

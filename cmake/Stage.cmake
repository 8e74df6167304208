# echion_stage(NAME folder/ [INCLUDES stage...] [LIBS lib...])
#
# A stage is a static library of one folder's sources. INCLUDES names the stages whose headers it may
# use: the data's way through the house runs in one direction only (docs/architecture.md), and
# tests/house/test_includes.py checks the #include lines against these lists. A main.c is not part of
# the library: see echion_program.
function(echion_stage name folder)
    cmake_parse_arguments(STAGE "" "" "INCLUDES;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    add_library(${name} STATIC ${sources})
    set_target_properties(${name} PROPERTIES ECHION_FOLDER ${PROJECT_SOURCE_DIR}/${folder})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${STAGE_INCLUDES} PRIVATE echion_warnings PUBLIC ${STAGE_LIBS})
endfunction()

# echion_program(NAME stage): the program that the stage's main.c makes of it. Programs are built into
# one folder, bin/, as they are installed: each finds the other beside itself.
function(echion_program name stage)
    get_target_property(folder ${stage} ECHION_FOLDER)
    add_executable(${name} ${folder}/main.c)
    target_link_libraries(${name} PRIVATE ${stage} echion_warnings)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

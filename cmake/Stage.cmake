# echion_stage(NAME folder/ [INCLUDES stage...] [LIBS lib...])
#
# A stage is a static library of one folder's sources. INCLUDES names the stages whose headers it may
# use: the data's way through the house runs in one direction only (docs/architecture.md), and
# tests/unit/include_directions.py checks the #include lines against these lists.
function(echion_stage name folder)
    cmake_parse_arguments(STAGE "" "" "INCLUDES;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${STAGE_INCLUDES} PRIVATE echion_warnings PUBLIC ${STAGE_LIBS})
endfunction()

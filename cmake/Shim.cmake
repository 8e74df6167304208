# echion_shim(TARGET NAME [OPTION...]): the shim as a library to preload, from the shim stage's sources
# and what they use of common/, compiled with these options beside all others. It is built at the place
# from echiond that it is installed at.
#
# It is never instrumented, whatever ECHION_SANITIZE says: what is preloaded into a program must not bring
# a sanitizer's runtime. All that it exports is in exports.map. Bound at once (-z now): the loader must not
# be at work between vfork and exec.
file(RELATIVE_PATH ECHION_SHIM_FOLDER
    ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/echion)

function(echion_shim target name)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/shim/*.c)
    list(TRANSFORM ECHION_SHIM_COMMON PREPEND ${PROJECT_SOURCE_DIR}/common/)
    set(exports ${PROJECT_SOURCE_DIR}/shim/exports.map)
    add_library(${target} SHARED ${sources} ${ECHION_SHIM_COMMON})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    target_compile_definitions(${target} PRIVATE _FILE_OFFSET_BITS=64)
    target_compile_options(${target} PRIVATE ${ARGN} -fno-sanitize=all)
    target_link_options(${target} PRIVATE ${ARGN} -fno-sanitize=all
        LINKER:--version-script=${exports} LINKER:-z,defs LINKER:-z,now LINKER:-z,relro)
    target_link_libraries(${target} PRIVATE echion_warnings)
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME ${name}
        C_VISIBILITY_PRESET hidden
        LINK_DEPENDS ${exports}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/${ECHION_SHIM_FOLDER})
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/echion)
endfunction()

# What the shim uses of common/.
set(ECHION_SHIM_COMMON preload.c program_file.c program_name.c shim_path.c)
echion_shim(shim_preload echion-shim)

# The sibling for programs of 32 bits, where this compiler can.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -m32)
check_c_source_compiles("#include <unistd.h>\nint main(void) { return (int)getpid(); }" ECHION_HAS_M32)
unset(CMAKE_REQUIRED_FLAGS)
if(ECHION_HAS_M32)
    echion_shim(shim_preload_i386 echion-shim-i386 -m32)
else()
    message(STATUS "No shim for 32-bit programs: the compiler cannot make them (Debian: gcc-multilib)")
endif()

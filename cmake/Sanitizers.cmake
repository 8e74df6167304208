# ECHION_SANITIZE: a list for -fsanitize= (address,undefined or thread); empty for none.
set(ECHION_SANITIZE "" CACHE STRING "sanitizers to build with, as for -fsanitize=")
if(ECHION_SANITIZE)
    add_compile_options(-fsanitize=${ECHION_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${ECHION_SANITIZE})
endif()

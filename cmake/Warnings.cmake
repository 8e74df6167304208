# echion_warnings: the warnings that every C source is compiled with. All are errors.
add_library(echion_warnings INTERFACE)
target_compile_options(echion_warnings INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wpointer-arith -Wcast-qual -Wvla -Wformat=2)

/* Included before Python.h to measure an x86-64 installation's headers with -m32: takes its
 * pyconfig.h and puts the sizes of i386 in the place of those that configure found on x86-64. That
 * this gives what a real i386 build has is seen where there are both (the i386 roots of
 * tests/roots). */
#include <pyconfig.h>

#undef SIZEOF_LONG
#define SIZEOF_LONG 4
#undef SIZEOF_VOID_P
#define SIZEOF_VOID_P 4
#undef SIZEOF_SIZE_T
#define SIZEOF_SIZE_T 4
#undef SIZEOF_TIME_T
#define SIZEOF_TIME_T 4
#undef SIZEOF_PTHREAD_T
#define SIZEOF_PTHREAD_T 4
#undef SIZEOF_UINTPTR_T
#define SIZEOF_UINTPTR_T 4
#undef SIZEOF_LONG_DOUBLE
#define SIZEOF_LONG_DOUBLE 12
#undef ALIGNOF_LONG
#define ALIGNOF_LONG 4
#undef ALIGNOF_SIZE_T
#define ALIGNOF_SIZE_T 4
#undef ALIGNOF_MAX_ALIGN_T
#define ALIGNOF_MAX_ALIGN_T 16

#include <criterion/criterion.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "shim/stack_room.h"

Test(stack_room, of_the_first_thread_grows) {
    cr_assert(stack_room_is(1));
    cr_assert(stack_room_is(16 << 10));
    cr_assert(stack_room_is(1 << 20));
    cr_assert_not(stack_room_is((size_t)1 << 40), "beyond its limit");
    cr_assert_not(stack_room_is(SIZE_MAX / 2));
}

static void *look(void *out) {
    bool *answers = out;
    answers[0] = stack_room_is(4096);
    answers[1] = stack_room_is(512 << 10);
    answers[2] = stack_room_is(1 << 20);
    return NULL;
}

Test(stack_room, of_a_thread_ends_at_its_guard) {
    pthread_attr_t attributes;
    pthread_t thread;
    bool answers[3] = {false, false, true};
    cr_assert_eq(pthread_attr_init(&attributes), 0);
    cr_assert_eq(pthread_attr_setstacksize(&attributes, 1 << 20), 0);
    cr_assert_eq(pthread_create(&thread, &attributes, look, answers), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(answers[0]);
    cr_assert(answers[1]);
    cr_assert_not(answers[2]);
    (void)pthread_attr_destroy(&attributes);
}

static volatile sig_atomic_t answer;

static void handle(int number) {
    (void)number;
    answer = stack_room_is(1) ? 2 : 1;
}

Test(stack_room, is_none_on_a_handlers_own_stack) {
    static char stack[64 << 10];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    memset(stack, 'x', sizeof stack);
    cr_assert_eq(sigaltstack(&alternate, NULL), 0);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(answer, 1);
    action.sa_flags = 0;
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(answer, 2);
}

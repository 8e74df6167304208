/* model_step: what CMake puts before the ring's code, so that a model decides after each of its
 * steps who does the next, and a ring is short enough to wrap around. */
#ifndef ECHION_TESTS_MODEL_MODEL_STEP_H
#define ECHION_TESTS_MODEL_MODEL_STEP_H

#define RING_RECORDS 2U
#define RING_STEP() model_step()

/* The model's: called before each access to what another thread sees. */
void model_step(void);

#endif

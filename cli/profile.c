#include "cli/profile.h"

#include <errno.h>
#include <string.h>

enum status profile_read(struct profile_input *input, struct names *names,
                         const struct profile_taker *taker, struct profile_facts *facts,
                         struct error *error) {
    enum status status;
    *facts = (struct profile_facts){.format = PROFILE_TEXT};
    size_t have = profile_input_need(input, 3);
    if (have == 0 && input->error_number == 0) {
        return error_set(error, STATUS_CORRUPT, "not a profile: it is empty");
    }
    if (have > 0 && memcmp(input->data + input->at, "MOJ", have < 3 ? have : 3) == 0) {
        facts->format = PROFILE_MOJO;
        status = profile_mojo_read(input, names, taker, facts, error);
    } else {
        status = profile_text_read(input, names, taker, facts, error);
    }
    if (input->error_number != 0) {
        char reason[128];
        return error_set(error, input->error_number == ENOMEM ? STATUS_NOMEM : STATUS_SYS,
                         "cannot be read: %s",
                         strerror_r(input->error_number, reason, sizeof reason));
    }
    return status;
}

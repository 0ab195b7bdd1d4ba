#ifndef KEYWAY_TESTS_C_EXPECT_H
#define KEYWAY_TESTS_C_EXPECT_H

/* What the C programs of the tests check with. Each macro ends the function with the line number when
 * something is not as it should be. */

#include <stdio.h>

#include "keyway/ipc.h"

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return __LINE__;                                                \
        }                                                                   \
    } while (0)
#define EXPECT_RESULT(call, expected)                                                              \
    do {                                                                                           \
        const ipc_result_t result_ = (call);                                                       \
        if (result_ != (expected)) {                                                               \
            fprintf(stderr, "%s:%d: %s is %s\n", __FILE__, __LINE__, #call, ipc_strname(result_)); \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)

static const uint64_t kPatience = 30000000000u; /* ns: far too long */

#endif

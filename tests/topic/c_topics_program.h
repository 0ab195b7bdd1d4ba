#ifndef KEYWAY_TESTS_TOPIC_C_TOPICS_PROGRAM_H
#define KEYWAY_TESTS_TOPIC_C_TOPICS_PROGRAM_H

#ifdef __cplusplus
extern "C" {
#endif

/* Returns 0 when all went as it should. */
int c_topics_program(const char* socket);

#ifdef __cplusplus
}
#endif

#endif

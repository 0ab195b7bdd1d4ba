/* Functions of c_api_program.c. Each returns 0, or the line where it failed. */
#ifndef KEYWAY_TESTS_C_API_PROGRAM_H
#define KEYWAY_TESTS_C_API_PROGRAM_H

#ifdef __cplusplus
extern "C" {
#endif

int c_without_connection(void);
int c_service(const char* socket, int calls, int ready_fd);
int c_client(const char* socket, int calls);
int c_errors(const char* socket);
int c_authority(const char* socket);
int c_threads(const char* socket);
int c_only_length_bytes_are_touched(const char* socket);

#ifdef __cplusplus
}
#endif

#endif

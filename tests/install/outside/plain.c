/* The C interface with no C++ in sight. */
#include <keyway/ipc.h>
#include <stdio.h>

int main(void) {
    const ipc_result_t result = ipc_connect("/nonexistent/router.sock");
    printf("%s: %s\n", ipc_strname(result), ipc_strerror(result));
    return result == IPC_E_NOT_CONNECTED ? 0 : 1;
}

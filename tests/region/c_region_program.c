/* Shared regions as a C99 program uses them: one process, which grants to an endpoint of its own. */
#include <string.h>

#include "keyway/ipc.h"
#include "tests/client/c_expect.h"

int c_shares_regions(const char* socket);

/* The capability of the next message. */
static uint32_t next_capability(void) {
    ipc_message_t message;
    return ipc_receive(NULL, &message, kPatience) == IPC_OK ? message.capability_id : 0;
}

int c_shares_regions(const char* socket) {
    ipc_shared_region_t region;
    ipc_shared_region_t view;
    ipc_shared_region_t window;
    uint32_t endpoint = 0;
    uint32_t capability = 0;
    char text[8];
    EXPECT_RESULT(ipc_share_create(&region, 4096), IPC_E_NOT_CONNECTED);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-regions", NULL, NULL), IPC_OK);
    EXPECT_RESULT(ipc_lookup("c-regions", &endpoint, NULL), IPC_OK);

    EXPECT_RESULT(ipc_share_create(NULL, 4096), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_create(&region, 0), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_create(&region, SIZE_MAX), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_create(&region, 100), IPC_OK);
    EXPECT(region.address != NULL && region.size == 100 && region.ref_count == 1);
    EXPECT(region.owner_process == ipc_self() && region.permissions == IPC_SHARE_READ);
    memcpy(region.address, "before", 7);
    EXPECT_RESULT(ipc_share_read(&region, 0, NULL, 1), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_write(&region, 0, NULL, 1), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_read(NULL, 0, text, 1), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_grant(endpoint, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_revoke(endpoint, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_map(1, IPC_SHARE_READ, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_unmap(NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_destroy(NULL), IPC_E_BAD_ARGUMENT);

    EXPECT_RESULT(ipc_share_grant(endpoint + 1, &region), IPC_E_NO_SUCH_CAPABILITY);
    region.permissions = IPC_SHARE_READ | IPC_SHARE_WRITE;
    EXPECT_RESULT(ipc_share_grant(endpoint, &region), IPC_OK);
    EXPECT(region.ref_count == 2);
    capability = next_capability();
    EXPECT_RESULT(ipc_share_map(capability, IPC_SHARE_WRITE, &window), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_map(capability, IPC_SHARE_READ | IPC_SHARE_WRITE, &window), IPC_OK);
    EXPECT(window.owner_process == ipc_self() && window.size == 100);
    EXPECT_RESULT(ipc_share_write(&window, 7, "by both", 8), IPC_OK);
    EXPECT(strcmp((const char*)region.address + 7, "by both") == 0);

    region.permissions = IPC_SHARE_READ;
    EXPECT_RESULT(ipc_share_grant(endpoint, &region), IPC_OK);
    capability = next_capability();
    EXPECT_RESULT(ipc_share_map(capability, IPC_SHARE_READ | IPC_SHARE_WRITE, &view),
                  IPC_E_INSUFFICIENT_RIGHTS);
    EXPECT_RESULT(ipc_share_map(capability, IPC_SHARE_READ, &view), IPC_OK);
    EXPECT(view.permissions == IPC_SHARE_READ);
    EXPECT_RESULT(ipc_share_write(&view, 0, "x", 1), IPC_E_INSUFFICIENT_RIGHTS);
    EXPECT_RESULT(ipc_share_read(&view, 94, text, 7), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_read(&view, SIZE_MAX, text, 7), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_read(&view, 0, text, 7), IPC_OK);
    EXPECT(strcmp(text, "before") == 0);
    EXPECT(region.ref_count == 3);

    EXPECT_RESULT(ipc_share_revoke(endpoint + 1, &region), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_share_revoke(endpoint, &region), IPC_OK);
    EXPECT(region.ref_count == 1);
    memcpy(region.address, "after", 6);
    EXPECT(strcmp((const char*)view.address, "before") == 0);
    EXPECT_RESULT(ipc_share_read(&view, 0, text, 7), IPC_E_REVOKED);
    EXPECT_RESULT(ipc_share_write(&window, 0, "x", 1), IPC_E_REVOKED);
    EXPECT_RESULT(ipc_share_unmap(&view), IPC_OK);
    EXPECT(view.address == NULL);
    EXPECT_RESULT(ipc_share_unmap(&view), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_unmap(&region), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_share_destroy(&region), IPC_OK);
    EXPECT(region.address == NULL && region.ref_count == 0);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

/* The C interface of Keyway. C99; link with -lkeyway.
 *
 * One connection a process, made by ipc_connect() and shared by all its threads. Every function may be called
 * from any thread; callers of the same direction (sending or receiving) take turns. A thread that waits in
 * ipc_receive() doesn't keep others from sending; one that waits in ipc_call() keeps both directions.
 *
 * Result codes: 0 is success; a negative number is a verdict of the router or a status of the library, the
 * negated number in protocol.h (IPC_E_... below). ipc_strerror() has a sentence for each.
 *
 * Only `length` bytes of `data` are ever read or written.
 */
#ifndef KEYWAY_IPC_H
#define KEYWAY_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "keyway/protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
/* Shown by the shared library. */
#define IPC_API __attribute__((visibility("default")))
#else
#define IPC_API
#endif

/* 0, or a negative IPC_E_ code. */
typedef int32_t ipc_result_t;

/* A message.
 *
 * field          the caller sets (sending)                the library sets (receiving)
 * sender_id      ignored: the router stamps it            process id of the sender
 * receiver_id    ignored: the argument counts             endpoint that it was sent to
 * message_type   IPC_CONTROL, IPC_DATA, ...; 0: IPC_DATA  type, plus IPC_IS_CALL or IPC_IS_REPLY
 * length         bytes of data, 0 to 4096                 bytes of data
 * data           the payload                              the payload
 * timestamp      ignored: the router stamps it            ns of CLOCK_MONOTONIC at acceptance
 * capability_id  the authority; 0: the one from the       the capability that came along and is ours now (for
 * a last ipc_lookup() of that receiver       call: the reply capability); 0: none. The badge: ipc_badge()
 * priority       0 to 3                                   priority
 */
typedef struct {
    uint32_t sender_id;     /* received: process id of the sender */
    uint32_t receiver_id;   /* received: the endpoint of ours that it was sent to */
    uint32_t message_type;  /* IPC_CONTROL and so on; received: with IPC_IS_CALL or IPC_IS_REPLY */
    uint32_t length;        /* bytes of data, 0 to 4096 */
    uint8_t data[4096];     /* the payload; what is received is the sender's word */
    uint64_t timestamp;     /* received: ns of CLOCK_MONOTONIC at acceptance */
    uint32_t capability_id; /* sent: the authority; received: what came along; 0: none */
    uint32_t priority;      /* 0 to 3, 3 is the most urgent */
} ipc_message_t;

/* Value of message_type: a command between services. */
#define IPC_CONTROL KEYWAY_TYPE_CONTROL
/* Value of message_type: ordinary payload. */
#define IPC_DATA KEYWAY_TYPE_DATA
/* Value of message_type, received: a qubit came along, for ipc_qubit_accept(). */
#define IPC_QUANTUM KEYWAY_TYPE_QUANTUM
/* Value of message_type, received: a capability came along. */
#define IPC_CAPABILITY KEYWAY_TYPE_CAPABILITY
/* Value of message_type, received: an event of a topic. */
#define IPC_EVENT KEYWAY_TYPE_EVENT
/* The bits of a received message_type that are one of these values. */
#define IPC_TYPE_MASK 0xFFu
/* Bit of a received message_type: the sender waits; answer with ipc_reply(). */
#define IPC_IS_CALL 0x100u
/* Bit of a received message_type: a late reply to a call that was given up. */
#define IPC_IS_REPLY 0x200u

/* A timeout_ns that never ends. */
#define IPC_FOREVER UINT64_MAX
/* A timeout_ns that does not wait. */
#define IPC_NO_WAIT 0u

/* Success. */
#define IPC_OK 0
/* Wrong version, type, length, flags or reserved bits. */
#define IPC_E_MALFORMED (-KEYWAY_VERDICT_MALFORMED)
/* The sender field names somebody else than the link's process. */
#define IPC_E_SPOOFED (-KEYWAY_VERDICT_SPOOFED)
/* The capability id is out of range, free, of an older generation, or somebody else's. */
#define IPC_E_NO_SUCH_CAPABILITY (-KEYWAY_VERDICT_NO_SUCH_CAPABILITY)
/* The capability's lifetime is over. */
#define IPC_E_EXPIRED (-KEYWAY_VERDICT_EXPIRED)
/* The capability is for another object or another kind of operation. */
#define IPC_E_WRONG_OBJECT (-KEYWAY_VERDICT_WRONG_OBJECT)
/* The capability lacks the right that this operation needs. */
#define IPC_E_INSUFFICIENT_RIGHTS (-KEYWAY_VERDICT_INSUFFICIENT_RIGHTS)
/* The carried capability is out of range, free, of an older generation, or somebody else's. */
#define IPC_E_NO_SUCH_CARRIED (-KEYWAY_VERDICT_NO_SUCH_CARRIED)
/* The carried capability's lifetime is over. */
#define IPC_E_CARRIED_EXPIRED (-KEYWAY_VERDICT_CARRIED_EXPIRED)
/* A linear or one-shot capability would be copied, or a hand-off names one that is not linear. */
#define IPC_E_LINEARITY (-KEYWAY_VERDICT_LINEARITY)
/* The carried capability has no GRANT (or, if linear, no QUANTUM) right. */
#define IPC_E_NOT_GRANTABLE (-KEYWAY_VERDICT_NOT_GRANTABLE)
/* The derived capability would have rights that its parent lacks. */
#define IPC_E_AMPLIFIED (-KEYWAY_VERDICT_AMPLIFIED)
/* A destination queue has no room; nothing was changed. */
#define IPC_E_FULL (-KEYWAY_VERDICT_FULL)
/* No capability slot, or the process's or user's share of slots is used up. */
#define IPC_E_TABLE_FULL (-KEYWAY_VERDICT_TABLE_FULL)
/* Hardware only: the entry is not in the device's table; the host decides. */
#define IPC_E_MISS (-KEYWAY_VERDICT_MISS)
/* The message's own deadline passed while it waited for room. */
#define IPC_E_TIMED_OUT (-KEYWAY_VERDICT_TIMED_OUT)
/* The quantum resource is past its coherence deadline. */
#define IPC_E_DECOHERED (-KEYWAY_VERDICT_DECOHERED)
/* The receiver went away while the message waited, or the router shuts down. */
#define IPC_E_CLOSED (-KEYWAY_VERDICT_CLOSED)
/* The deadline passed before anything came. */
#define IPC_E_TIMEOUT (-KEYWAY_STATUS_TIMEOUT)
/* Nothing there, or no room, and waiting was not asked for. */
#define IPC_E_WOULD_BLOCK (-KEYWAY_STATUS_WOULD_BLOCK)
/* There is no connection to a router. */
#define IPC_E_NOT_CONNECTED (-KEYWAY_STATUS_NOT_CONNECTED)
/* The router ended or closed this connection. */
#define IPC_E_ROUTER_GONE (-KEYWAY_STATUS_ROUTER_GONE)
/* The callee died or closed its endpoint before it replied. */
#define IPC_E_PEER_GONE (-KEYWAY_STATUS_PEER_GONE)
/* The call's authority was revoked before the reply. */
#define IPC_E_REVOKED (-KEYWAY_STATUS_REVOKED)
/* No endpoint of that name that this process may see. */
#define IPC_E_NO_SUCH_NAME (-KEYWAY_STATUS_NO_SUCH_NAME)
/* An endpoint of that name exists already. */
#define IPC_E_NAME_TAKEN (-KEYWAY_STATUS_NAME_TAKEN)
/* The name is empty, longer than 63 bytes, or has characters outside A-Z a-z 0-9 . _ - /. */
#define IPC_E_BAD_NAME (-KEYWAY_STATUS_BAD_NAME)
/* The policy does not allow this to this user. */
#define IPC_E_NOT_ALLOWED (-KEYWAY_STATUS_NOT_ALLOWED)
/* A limit of the process or the user is reached. */
#define IPC_E_LIMIT (-KEYWAY_STATUS_LIMIT)
/* Library and router speak different contract versions. */
#define IPC_E_VERSION_MISMATCH (-KEYWAY_STATUS_VERSION_MISMATCH)
/* A request to the router was not understood. */
#define IPC_E_BAD_REQUEST (-KEYWAY_STATUS_BAD_REQUEST)
/* An argument is out of its range. */
#define IPC_E_BAD_ARGUMENT (-KEYWAY_STATUS_BAD_ARGUMENT)
/* This build does not have the operation. */
#define IPC_E_NOT_SUPPORTED (-KEYWAY_STATUS_NOT_SUPPORTED)
/* The peer wrote something impossible into the shared ring. */
#define IPC_E_CORRUPT (-KEYWAY_STATUS_CORRUPT)
/* The operating system refused; errno says why. */
#define IPC_E_SYSTEM (-KEYWAY_STATUS_SYSTEM)
/* The router is draining and takes nothing new. */
#define IPC_E_SHUTTING_DOWN (-KEYWAY_STATUS_SHUTTING_DOWN)
/* Descriptors came with a request; the router takes none and has closed them. */
#define IPC_E_UNWANTED_DESCRIPTORS (-KEYWAY_STATUS_UNWANTED_DESCRIPTORS)
/* No process of that id is connected. */
#define IPC_E_NO_SUCH_PROCESS (-KEYWAY_STATUS_NO_SUCH_PROCESS)
/* The service has no method of that number. */
#define IPC_E_NO_SUCH_METHOD (-KEYWAY_STATUS_NO_SUCH_METHOD)
/* The service failed while it handled the call. */
#define IPC_E_SERVICE_FAILED (-KEYWAY_STATUS_SERVICE_FAILED)
/* Somebody reads the region already, so the kernel allows nobody else to map it writable. */
#define IPC_E_SEALED (-KEYWAY_STATUS_SEALED)
/* The audit log can't be written, and the policy says that nothing goes on without it. */
#define IPC_E_AUDIT_UNAVAILABLE (-KEYWAY_STATUS_AUDIT_UNAVAILABLE)
/* No qubit of that number that this process may take over. */
#define IPC_E_NO_SUCH_QUBIT (-KEYWAY_STATUS_NO_SUCH_QUBIT)
/* The process at the other end did not want the lane or stream. */
#define IPC_E_DECLINED (-KEYWAY_STATUS_DECLINED)
/* One side broke the stream off; its reason says why. */
#define IPC_E_ABORTED (-KEYWAY_STATUS_ABORTED)
/* The process has no such subscription (any more). */
#define IPC_E_NO_SUCH_SUBSCRIPTION (-KEYWAY_STATUS_NO_SUCH_SUBSCRIPTION)

/* ---- messages ---- */

/* Sends one message, and returns with the router's verdict. Waits for room at the receiver.
 * IPC_E_BAD_ARGUMENT: msg is NULL, length over 4096, priority over 3, or a type that needs more than this
 * call. */
IPC_API ipc_result_t ipc_send(uint32_t receiver, const ipc_message_t* msg);

/* Takes the next message. *sender (may be NULL) gets the sender's process id. IPC_E_TIMEOUT when none came in
 * timeout_ns nanoseconds. */
IPC_API ipc_result_t ipc_receive(uint32_t* sender, ipc_message_t* msg, uint64_t timeout_ns);

/* Answers a call. `receiver` is the caller's process id. reply->capability_id is the reply capability, as
 * ipc_receive() gave it; 0: the oldest call of that process which this process has not answered. Never waits:
 * IPC_E_FULL when the caller does not drain its queue. */
IPC_API ipc_result_t ipc_reply(uint32_t receiver, const ipc_message_t* reply);

/* A topic's policy: nobody ever waits; who is too slow loses the oldest events. */
#define IPC_DROP_OLDEST 0u
/* A topic's policy: ipc_publish() waits for the slowest subscriber, for each at most a second. */
#define IPC_BLOCK 1u

/* Makes a topic that others can look up (ipc_lookup); ipc_close() ends it. `policy`: IPC_DROP_OLDEST or
 * IPC_BLOCK. A new subscriber starts `keep` events back, 0 to 4096. *topic and *capability (may be NULL) get
 * its id and a capability with READ, WRITE, GRANT and REVOKE. */
IPC_API ipc_result_t ipc_topic_create(const char* name, uint32_t policy, uint32_t keep, uint32_t* topic,
                                      uint32_t* capability);

/* Publishes an event to a topic; needs WRITE on it. The message's type does not matter. msg->capability_id 0:
 * the capability from ipc_lookup() or ipc_topic_create(). */
IPC_API ipc_result_t ipc_publish(uint32_t topic, const ipc_message_t* msg);

/* Subscribes a process, 0 for ourselves, to a topic that was looked up or made before. Events come by
 * ipc_receive(): type IPC_EVENT, receiver_id the topic, sender_id who published, and make ipc_descriptor()
 * readable. Needs READ on the topic; for another process GRANT too, and a capability with
 * KEYWAY_RIGHT_PROCESS on its home endpoint. The other process is subscribed in its next ipc_receive(). At
 * most 24 subscriptions a process. A subscription whose capability ends, ends. */
IPC_API ipc_result_t ipc_subscribe(uint32_t topic, uint32_t process_id);

/* Ends our subscription to a topic. IPC_E_NO_SUCH_SUBSCRIPTION when there is none (any more). */
IPC_API ipc_result_t ipc_unsubscribe(uint32_t topic);

/* Sends a request and waits for its reply. request and reply may be the same. */
IPC_API ipc_result_t ipc_call(uint32_t receiver, const ipc_message_t* request, ipc_message_t* reply,
                              uint64_t timeout_ns);

/* Badge of the message that this thread received last (by ipc_receive or ipc_call). */
IPC_API uint32_t ipc_badge(void);

/* ---- start and stop ---- */

/* Connects this process to the router at `socket`; NULL: $KEYWAY_SOCKET, else /run/keyway/router.sock.
 * IPC_E_BAD_ARGUMENT when there is a connection already. */
IPC_API ipc_result_t ipc_connect(const char* socket);

/* Ends the connection; endpoints and capabilities go with it. No other thread may be in a call. */
IPC_API ipc_result_t ipc_disconnect(void);

/* Our process id at the router; 0 when not connected. */
IPC_API uint32_t ipc_self(void);

/* A descriptor for epoll or poll, readable when ipc_receive() with IPC_NO_WAIT has something after it said
 * IPC_E_TIMEOUT. Not to be read or closed. -1 when not connected. */
IPC_API int ipc_descriptor(void);

/* A sentence for any result code. Never NULL, never to be freed. */
IPC_API const char* ipc_strerror(ipc_result_t result);
/* Its name in the contract, e.g. "insufficient_rights"; "ok" for 0. */
IPC_API const char* ipc_strname(ipc_result_t result);

/* ---- names ---- */

/* Makes an endpoint that others can look up. *endpoint and *capability (may be NULL) get its id and a
 * capability with all rights over it. */
IPC_API ipc_result_t ipc_register(const char* name, uint32_t* endpoint, uint32_t* capability);

/* Gets a capability for a named endpoint, with the rights that the policy gives. */
IPC_API ipc_result_t ipc_lookup(const char* name, uint32_t* endpoint, uint32_t* capability);

/* Closes an endpoint of ours. */
IPC_API ipc_result_t ipc_close(uint32_t endpoint);

/* ---- capabilities ---- */

/* Derives from our `capability` one with `rights` (KEYWAY_RIGHT_ bits, a subset) and `badge`, and gives it to
 * the owner of the endpoint `receiver`, to which we must be able to send. The receiver gets a message of type
 * IPC_CAPABILITY whose capability_id is its new capability. lifetime_ns 0: as long as ours. *derived (may be
 * NULL) gets the id, for ipc_revoke(). `msg` (may be NULL) is the payload, priority and authority to send. */
IPC_API ipc_result_t ipc_grant(uint32_t receiver, const ipc_message_t* msg, uint32_t capability,
                               uint32_t rights, uint32_t badge, uint64_t lifetime_ns, uint32_t* derived);

/* Ends `derived`, or with 0 everything, that was derived from `capability`, which needs REVOKE. Complete on
 * return. *count (may be NULL) gets how many ended. */
IPC_API ipc_result_t ipc_revoke(uint32_t capability, uint32_t derived, uint32_t* count);

/* Gives up a capability of ours. */
IPC_API ipc_result_t ipc_release(uint32_t capability);

/* ---- shared regions ---- */

/* Memory that several processes see. One thread at a time uses the functions of one region; `address` may be
 * used by any.
 *
 * After the owner has revoked a grant, the owner's memory is new, at the same address, and other holders see
 * it from their next ipc_share_read() or ipc_share_write() on, which also bring `address` up to date. So a
 * holder that only ever uses `address` should call one of them now and then.
 */
typedef struct {
    void* address;          /* NULL when not mapped */
    size_t size;            /* bytes */
    uint32_t permissions;   /* of our own region: what ipc_share_grant() gives; else what we may do */
    uint32_t owner_process; /* whose region it is */
    uint32_t ref_count;     /* of our own region: 1, and 1 for each grant that we have not revoked; else 1 */
} ipc_shared_region_t;

/* Bit of permissions: may read. */
#define IPC_SHARE_READ KEYWAY_RIGHT_READ
/* Bit of permissions: may write. */
#define IPC_SHARE_WRITE KEYWAY_RIGHT_WRITE

/* Makes a region of `size` bytes, 1 to 1 GiB, all zero, mapped writable, and revocable. permissions is set to
 * IPC_SHARE_READ. IPC_E_BAD_ARGUMENT for another size; IPC_E_LIMIT. */
IPC_API ipc_result_t ipc_share_create(ipc_shared_region_t* region, size_t size);

/* Gives the owner of the endpoint `receiver`, which we have looked up, what region->permissions says:
 * IPC_SHARE_READ, or IPC_SHARE_READ | IPC_SHARE_WRITE. It gets a message of type IPC_CAPABILITY whose
 * capability_id is for ipc_share_map(). */
IPC_API ipc_result_t ipc_share_grant(uint32_t receiver, ipc_shared_region_t* region);

/* Takes back all that `receiver` was granted of this region. It keeps the bytes as they are now and never
 * sees what is written later. No other thread may write to the region meanwhile. IPC_E_NO_SUCH_CAPABILITY
 * when it holds nothing. */
IPC_API ipc_result_t ipc_share_revoke(uint32_t receiver, ipc_shared_region_t* region);

/* Maps a region that was granted to us, or sent, with `permissions`, which the grant must allow. Read-only is
 * enforced by the kernel. IPC_E_SEALED: for writing, when somebody reads the region already. */
IPC_API ipc_result_t ipc_share_map(uint32_t capability, uint32_t permissions, ipc_shared_region_t* region);

/* Copies out of a region. Never a signal: IPC_E_REVOKED when the grant was taken back or the region cut,
 * which a plain access to `address` may only learn by SIGBUS. IPC_E_BAD_ARGUMENT past the end. */
IPC_API ipc_result_t ipc_share_read(ipc_shared_region_t* region, size_t offset, void* data, size_t length);
/* The same into it; needs a region that was made by us or mapped with IPC_SHARE_WRITE. */
IPC_API ipc_result_t ipc_share_write(ipc_shared_region_t* region, size_t offset, const void* data,
                                     size_t length);

/* Unmaps a region that we were granted. The capability stays ours and can be mapped again. */
IPC_API ipc_result_t ipc_share_unmap(ipc_shared_region_t* region);

/* Ends our own region with all its grants, or gives up one that we were granted; unmaps it. Who has it mapped
 * keeps the bytes. */
IPC_API ipc_result_t ipc_share_destroy(ipc_shared_region_t* region);

/* ---- streams ---- */

/* Bytes from one process to another, in order and without the router in between: who finds the ring full or
 * empty waits, so a slow reader slows its writer down. It goes from the opener, who holds WRITE on an
 * endpoint, to the endpoint's owner, who accepts. One thread at a time uses an end. keyway/stream.hpp says
 * what a stream does not enforce.
 */
typedef struct ipc_stream ipc_stream_t;

/* Opens a stream to the owner of the endpoint `receiver`, which we have looked up, and waits until it is
 * accepted; until then no other thread of ours can send. `bytes` of ring: a power of two, 64 KiB to 256 MiB;
 * 0: 256 KiB. Errors: IPC_E_DECLINED, IPC_E_TIMEOUT, IPC_E_PEER_GONE, IPC_E_LIMIT, and the verdicts on
 * authority. */
IPC_API ipc_result_t ipc_stream_open(uint32_t receiver, uint32_t bytes, uint64_t timeout_ns,
                                     ipc_stream_t** stream);

/* 1 when a message that ipc_receive() gave is the router's offer of a stream, else 0. */
IPC_API int ipc_stream_offered(const ipc_message_t* msg);

/* Accepts an offered stream; its end is for reading. To decline, ipc_release() the offer's capability_id.
 * IPC_E_BAD_ARGUMENT when it is no offer; IPC_E_NO_SUCH_CAPABILITY when the offer is over. */
IPC_API ipc_result_t ipc_stream_accept(const ipc_message_t* offer, ipc_stream_t** stream);

/* Copies bytes in, waiting for room. *written (may be NULL) gets how many went in: fewer than `length` only
 * if the time was over. Errors, if none went in: IPC_E_TIMEOUT, IPC_E_PEER_GONE, IPC_E_ABORTED (by the
 * reader), IPC_E_REVOKED, IPC_E_EXPIRED, IPC_E_ROUTER_GONE; IPC_E_BAD_ARGUMENT for an end that reads, or has
 * finished. */
IPC_API ipc_result_t ipc_stream_write(ipc_stream_t* stream, const void* data, size_t length,
                                      uint64_t timeout_ns, size_t* written);

/* Copies out what is there, up to `size`, and waits for the first byte only. *length is 0 at the end, after
 * the writer's ipc_stream_finish(). Errors as of ipc_stream_write(), each after what was written before it:
 * IPC_E_PEER_GONE says that the writer went without finishing. */
IPC_API ipc_result_t ipc_stream_read(ipc_stream_t* stream, void* data, size_t size, uint64_t timeout_ns,
                                     size_t* length);

/* The writer's end: nothing follows. Doesn't wait until it is read. */
IPC_API ipc_result_t ipc_stream_finish(ipc_stream_t* stream);

/* Breaks off, from either side, with a number below UINT32_MAX and a text (may be NULL; cut to 64 bytes). */
IPC_API ipc_result_t ipc_stream_abort(ipc_stream_t* stream, uint32_t code, const char* text);

/* After IPC_E_ABORTED: the number, and the text into `size` bytes, ended by a zero. Any of both may be NULL.
 * It is the other process's word. IPC_E_BAD_ARGUMENT when the stream was not broken off. */
IPC_API ipc_result_t ipc_stream_reason(ipc_stream_t* stream, uint32_t* code, char* text, size_t size);

/* Gives our end up. Without finish or abort before, a reader gets IPC_E_PEER_GONE. NULL is allowed. */
IPC_API void ipc_stream_close(ipc_stream_t* stream);

/* ---- qubits ---- */

/* Resources that are moved and never copied: the router keeps exactly one holder of each at every instant.
 * keyway/quantum.hpp says what is promised, and what is not for a simulated one. One thread at a time uses a
 * qubit.
 */
typedef struct ipc_qubit ipc_qubit_t;

/* What is known of a qubit. */
typedef struct {
    uint32_t number;      /* for people and logs; never used again */
    uint32_t width;       /* two-level systems in the simulated state, 1 to 20; 0: a real resource */
    double fidelity;      /* 0 to 1; told to every holder, not checked */
    uint64_t deadline_ns; /* when it decoheres, ns of CLOCK_MONOTONIC */
    uint32_t state_lost;  /* 1: a simulated state went down with the router, and is all zero */
} ipc_qubit_info_t;

/* Makes one that decoheres in coherence_ns; we are its holder. A simulated state is all zero. Errors:
 * IPC_E_NOT_ALLOWED (the policy's `qubits`), IPC_E_BAD_ARGUMENT, IPC_E_LIMIT. */
IPC_API ipc_result_t ipc_qubit_prepare(uint64_t coherence_ns, double fidelity, uint32_t width,
                                       ipc_qubit_t** qubit);

/* The qubit that came with a message of type IPC_QUANTUM, by its capability_id. IPC_E_DECOHERED;
 * IPC_E_WRONG_OBJECT when it is none; IPC_E_NO_SUCH_CAPABILITY when it is not ours. */
IPC_API ipc_result_t ipc_qubit_accept(uint32_t capability, ipc_qubit_t** qubit);

/* Takes back qubit `number`, or any with 0, that the router holds since this process lost its connection.
 * IPC_E_NO_SUCH_QUBIT when there is none. */
IPC_API ipc_result_t ipc_qubit_reclaim(uint32_t number, ipc_qubit_t** qubit);

/* Hands it to the owner of the endpoint `receiver`, which we have looked up. Of `msg` (may be NULL) the
 * payload goes along. On IPC_OK it is no longer ours and `qubit` ends; on a verdict of the router we are
 * still the holder; after IPC_E_ROUTER_GONE one of the two: connect again and ipc_qubit_reclaim(). */
IPC_API ipc_result_t ipc_qubit_hand_off(ipc_qubit_t* qubit, uint32_t receiver, const ipc_message_t* msg,
                                        uint64_t timeout_ns);

/* The simulated state in place: 2^width amplitudes, each a real and an imaginary part. NULL for a real one.
 * *amplitudes (may be NULL) gets how many. */
IPC_API double* ipc_qubit_state(ipc_qubit_t* qubit, size_t* amplitudes);

/* Writes into *info what is known of `qubit`. Asks nobody. */
IPC_API ipc_result_t ipc_qubit_info(ipc_qubit_t* qubit, ipc_qubit_info_t* info);

/* It was measured, or is of no use: ends it, and `qubit`. */
IPC_API ipc_result_t ipc_qubit_discard(ipc_qubit_t* qubit);

/* Forgets `qubit` and unmaps its state; we stay the holder until we disconnect. NULL is allowed. */
IPC_API void ipc_qubit_close(ipc_qubit_t* qubit);

#ifdef __cplusplus
}
#endif

#endif

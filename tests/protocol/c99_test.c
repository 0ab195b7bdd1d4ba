/* keyway/protocol.h alone, in strict C99: usable by the preprocessor, and enough to pack and unpack a header.
 */
#include "keyway/protocol.h"
/* NOLINTNEXTLINE(readability-duplicate-include): twice, because the guard holds */
#include "keyway/protocol.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if __STDC_VERSION__ != 199901L || defined(__GNUC__) && !defined(__STRICT_ANSI__)
#error "this test is about strict C99"
#endif
#if KEYWAY_LIMIT_HEADER_BYTES != 32 || KEYWAY_LIMIT_PRIORITIES != 1 << KEYWAY_HEADER_PRIORITY_WIDTH
#error "the preprocessor can not compute with the constants"
#endif

static int failures;

static void expect(int holds, const char* what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        ++failures;
    }
}

static void put(uint8_t* bytes, unsigned lsb, unsigned width, uint64_t value) {
    unsigned bit;
    for (bit = 0; bit < width; ++bit) {
        bytes[(lsb + bit) / 8] = (uint8_t)(bytes[(lsb + bit) / 8] | ((value >> bit & 1) << (lsb + bit) % 8));
    }
}

int main(void) {
    static const uint8_t kExpected[KEYWAY_LIMIT_HEADER_BYTES] = {
        0x21, 0x07, 0x00, 0x10, /* version 1, data; priority 3, expects a reply; 4096 bytes */
        0x04, 0x03, 0x02, 0x01, /* sender */
        0x08, 0x07, 0x06, 0x05, /* receiver */
        0x0C, 0x0B, 0x0A, 0x09, /* capability */
        0x10, 0x0F, 0x0E, 0x0D, /* carried */
        0x14, 0x13, 0x12, 0x11, /* sequence */
        0x1C, 0x1B, 0x1A, 0x19, 0x18, 0x17, 0x16, 0x15 /* timestamp */
    };
    uint8_t header[KEYWAY_LIMIT_HEADER_BYTES] = {0};
#define PUT(field, value) put(header, KEYWAY_HEADER_##field##_LSB, KEYWAY_HEADER_##field##_WIDTH, value)
    PUT(VERSION, KEYWAY_VERSION_MAJOR);
    PUT(TYPE, KEYWAY_TYPE_DATA);
    PUT(PRIORITY, 3);
    PUT(FLAGS, KEYWAY_FLAG_EXPECTS_REPLY);
    PUT(LENGTH, KEYWAY_LIMIT_PAYLOAD_BYTES);
    PUT(SENDER, 0x01020304);
    PUT(RECEIVER, 0x05060708);
    PUT(CAPABILITY, 0x090A0B0C);
    PUT(CARRIED, 0x0D0E0F10);
    PUT(SEQUENCE, 0x11121314);
    PUT(TIMESTAMP, UINT64_C(0x15161718191A1B1C));
    expect(memcmp(header, kExpected, sizeof header) == 0, "the header's bytes are as packed by hand");
    expect(KEYWAY_MAGIC == 0x4B455957UL, "the magic is KEYW");
    expect(KEYWAY_VERDICT_DELIVERED == 0, "delivered is 0, so that refusals are true");
    return failures != 0;
}

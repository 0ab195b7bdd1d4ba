#include "firmware.h"
#include "firmware_hash.h"
#include "keyway/protocol.h"

#define LOW(value) ((uint8_t)((value)&0xFFU))
#define HIGH(value) ((uint8_t)(((value) >> 8) & 0xFFU))

const uint8_t FX2_CODE device_descriptor[18] = {
    18,
    1, /* device */
    0x00,
    0x02, /* USB 2.0 */
    0xFF,
    0xFF,
    0xFF, /* vendor's class */
    64,
    LOW(KEYWAY_USB_BOARD_VENDOR),
    HIGH(KEYWAY_USB_BOARD_VENDOR),
    LOW(KEYWAY_USB_BOARD_PRODUCT),
    HIGH(KEYWAY_USB_BOARD_PRODUCT),
    /* The board's own software keeps its interface level in the high byte: with this one it sees at once that
     * another program runs, and loads its own. */
    KEYWAY_VERSION_MAJOR,
    'K',
    1, /* vendor_text */
    2, /* product_text */
    3, /* serial_text */
    1,
};

const uint8_t FX2_CODE qualifier_descriptor[10] = {10, 6, 0x00, 0x02, 0xFF, 0xFF, 0xFF, 64, 1, 0};

const uint8_t FX2_CODE configuration_descriptor[CONFIGURATION_BYTES] = {
    9,
    2,
    CONFIGURATION_BYTES,
    0,
    1,
    1,
    0,
    0x80,
    250, /* bus-powered, 500 mA */
    9,
    4,
    0,
    0,
    2,
    0xFF,
    0xFF,
    0xFF,
    0,
    7,
    5,
    KEYWAY_USB_ENDPOINT_OUT,
    2,
    LOW(KEYWAY_USB_PACKET),
    HIGH(KEYWAY_USB_PACKET),
    0,
    7,
    5,
    KEYWAY_USB_ENDPOINT_IN,
    2,
    LOW(KEYWAY_USB_PACKET),
    HIGH(KEYWAY_USB_PACKET),
    0,
};

const uint8_t FX2_CODE serial_text[SERIAL_BYTES] = {'K', 'E', 'Y', 'W', 'A', 'Y', '-', 'N',
                                                    'O', '-', 'N', 'U', 'M', 'B', 'E', 'R'};
const uint8_t FX2_CODE vendor_text[] = "Keyway";
const uint8_t FX2_CODE product_text[] = "Keyway router";

const uint8_t FX2_CODE identity[24] = {
    LOW(KEYWAY_MAGIC),
    HIGH(KEYWAY_MAGIC),
    LOW(KEYWAY_MAGIC >> 16),
    HIGH(KEYWAY_MAGIC >> 16),
    LOW(KEYWAY_VERSION_MAJOR),
    HIGH(KEYWAY_VERSION_MAJOR),
    LOW(KEYWAY_VERSION_MINOR),
    HIGH(KEYWAY_VERSION_MINOR),
    FIRMWARE_HASH_BYTES,
    KEYWAY_LINK_ROLE_FIRMWARE,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
};

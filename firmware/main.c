/* What only the chip has: the entry point and the interrupt that ends its sleep. */
#include "firmware.h"

void resume(void) __interrupt(6) {
    SFR_WR(EICON, SFR_RD(EICON) & ~0x10U);
}

void main(void) {
    firmware_init();
    SFR_WR(EICON, SFR_RD(EICON) | 0x20U); /* the wake-up interrupt */
    SFR_WR(IE, 0x80);
    for (;;) {
        firmware_poll();
    }
}

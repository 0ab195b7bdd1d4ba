/* Configures an iCE40 over SPI, by hand on port B. Pins are those of the Glasgow, revisions C0 to C3. */
#include "firmware.h"
#include "keyway/protocol.h"

enum { PA_RESET = 0x02, PA_DONE = 0x08 };
enum { PB_DATA = 0x04, PB_SELECT = 0x08, PB_CLOCK = 0x10 };

uint8_t fpga_state;

/* At least `units` times 20 us at 48 MHz: the body takes 240 cycles of 83 ns, and more when called. */
static void wait_20us(uint16_t units) {
#ifdef __SDCC
    while (units-- != 0) {
        volatile uint8_t spin = 40;
        while (--spin != 0) {
        }
    }
#else
    (void)units;
#endif
}

static void clocks(uint8_t count) {
    while (count-- != 0) {
        SFR_WR(IOB, PB_SELECT);
        SFR_WR(IOB, PB_SELECT | PB_CLOCK);
    }
}

void fpga_reset(void) {
    fifos_stop();
    SFR_WR(IOA, 0);
    SFR_WR(OEA, PA_RESET);
    fpga_state = KEYWAY_FPGA_STATE_EMPTY;
}

void fpga_begin(void) {
    fpga_reset();
    SFR_WR(IOB, PB_CLOCK); /* selected, clock idle */
    SFR_WR(OEB, PB_DATA | PB_SELECT | PB_CLOCK);
    wait_20us(1); /* 1 us is asked for */
    SFR_WR(IOA, PA_RESET);
    wait_20us(75); /* it clears its memory for 1200 us */
    fpga_state = KEYWAY_FPGA_STATE_LOADING;
}

void fpga_put(uint8_t byte) {
    uint8_t bit;
    for (bit = 8; bit != 0; --bit) {
        if (byte & 0x80U) {
            SFR_WR(IOB, PB_DATA);
            SFR_WR(IOB, PB_DATA | PB_CLOCK);
        } else {
            SFR_WR(IOB, 0);
            SFR_WR(IOB, PB_CLOCK);
        }
        byte = (uint8_t)(byte << 1);
    }
}

uint8_t fpga_end(void) {
    uint8_t done;
    if (fpga_state != KEYWAY_FPGA_STATE_LOADING) {
        return 0;
    }
    SFR_WR(IOB, PB_SELECT | PB_CLOCK);
    clocks(100);
    done = (uint8_t)((SFR_RD(IOA) & PA_DONE) != 0);
    clocks(49); /* its pins are the user's after that */
    SFR_WR(OEB, 0);
    fpga_state = done ? KEYWAY_FPGA_STATE_READY : KEYWAY_FPGA_STATE_FAILED;
    if (done) {
        fifos_start();
    }
    return done;
}

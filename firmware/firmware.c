#include "firmware.h"

#include "keyway/protocol.h"

#ifndef KEYWAY_BUS_MHZ
#define KEYWAY_BUS_MHZ 30 /* 48 leaves the FPGA 2 ns for a strobe: docs/device.md */
#endif

enum { CHUNK = 64 }; /* of endpoint 0 */
enum { COUNTERS = 6, SETUPS = 0, STALLS, BUS_RESETS, SUSPENDS, LOADS, BYTES };

static FX2_DATA uint32_t counters[COUNTERS];
static uint8_t configuration;
static uint8_t halted; /* bit 0 EP2, bit 1 EP6 */
static FX2_DATA uint8_t setup[8];
static FX2_DATA uint8_t scratch[CHUNK];

/* ---- FIFO bus
 * ---------------------------------------------------------------------------------------------- */

enum { INTERNAL_CLOCK = 0x80, CLOCK_48 = 0x40, CLOCK_OUT = 0x20, SLAVE_FIFO = 0x03 };
#define BUS_CLOCK (INTERNAL_CLOCK | CLOCK_OUT | (KEYWAY_BUS_MHZ == 48 ? CLOCK_48 : 0))

void fifos_stop(void) {
    SFR_WR(OEB, 0);
    WR_SLOW(IFCONFIG, BUS_CLOCK);
}

static void fifos_empty(void) {
    uint8_t buffer;
    WR_SLOW(FIFORESET, 0x80);  /* NAK everything */
    WR_SLOW(EP2FIFOCFG, 0x00); /* the FIFOs are the processor's while they are reset */
    WR_SLOW(EP6FIFOCFG, 0x00);
    WR_SLOW(FIFORESET, 0x82);
    WR_SLOW(FIFORESET, 0x86);
    for (buffer = 0; buffer < 4; ++buffer) {
        WR_SLOW(OUTPKTEND, 0x82); /* arms one of the four buffers by skipping it */
    }
    WR_SLOW(EP2FIFOCFG, 0x10); /* automatic out, 8 bits */
    WR_SLOW(EP6FIFOCFG, 0x0C); /* automatic in, packets without content allowed, 8 bits */
    WR_SLOW(FIFORESET, 0x00);
}

void fifos_start(void) {
    WR_SLOW(IFCONFIG, BUS_CLOCK | SLAVE_FIFO);
    fifos_empty();
}

static void endpoints_clear(void) {
    /* Halts end, and both toggles start at DATA0. */
    WR(EP2CS, 0);
    WR(EP6CS, 0);
    WR(TOGCTL, 0x02);
    WR(TOGCTL, 0x22);
    WR(TOGCTL, 0x16);
    WR(TOGCTL, 0x36);
    halted = 0;
}

void firmware_init(void) {
    uint8_t i;
    for (i = 0; i < COUNTERS; ++i) {
        counters[i] = 0;
    }
    configuration = 0;
    WR_SLOW(CPUCS, 0x10); /* 48 MHz */
    SFR_WR(IOD, 0);       /* supplies of the ports off, lights out */
    SFR_WR(OED, 0x7D);
    WR_SLOW(REVCTL, 0x03);
    WR_SLOW(PORTACFG, 0x80); /* PA7 is FLAGD */
    WR_SLOW(FIFOPINPOLAR, 0x00);
    WR_SLOW(PINFLAGSAB, 0x98); /* EP2 empty, EP4 empty */
    WR_SLOW(PINFLAGSCD, 0xFE); /* EP6 full, EP8 full */
    WR_SLOW(EP1OUTCFG, 0x20);  /* not used: their valid bit is 0 */
    WR_SLOW(EP1INCFG, 0x20);
    WR_SLOW(EP2CFG, 0xA0); /* out, bulk, 4 buffers of 512 */
    WR_SLOW(EP4CFG, 0x20);
    WR_SLOW(EP6CFG, 0xE0); /* in, bulk, 4 buffers of 512 */
    WR_SLOW(EP8CFG, 0x60);
    WR_SLOW(EP4FIFOCFG, 0x00); /* all four are 8 bits wide, or port D is not ours */
    WR_SLOW(EP8FIFOCFG, 0x00);
    WR_SLOW(EP6AUTOINLENH, KEYWAY_USB_PACKET >> 8);
    WR_SLOW(EP6AUTOINLENL, KEYWAY_USB_PACKET & 0xFF);
    fpga_reset();
    fifos_empty();
    endpoints_clear();
    WR(USBIRQ, 0xFF);
    WR(USBCS, USBCS_DISCON | USBCS_RENUM);
#ifdef __SDCC
    {
        /* The host has to see that the device is gone: 2.5 us is the least, some hubs want tens of ms. */
        volatile uint16_t spin = 60000;
        while (--spin != 0) {
        }
    }
#endif
    WR(USBCS, USBCS_RENUM);
}

/* ---- Endpoint 0
 * -------------------------------------------------------------------------------------------- */

/* Waits for the host to fetch or bring a packet. 0: it began something else instead. */
static uint8_t packet_done(void) {
    while (RD(EP0CS) & EPCS_BUSY) {
        if (RD(USBIRQ) & (IRQ_SUDAV | IRQ_URES)) {
            return 0;
        }
    }
    return 1;
}

static void stall(void) {
    ++counters[STALLS];
    WR(EP0CS, EPCS_HSNAK | EPCS_STALL);
}

static void done(void) {
    WR(EP0CS, EPCS_HSNAK);
}

static uint16_t setup_word(uint8_t at) {
    return (uint16_t)(setup[at] | ((uint16_t)setup[at + 1] << 8));
}

/* How what is sent differs from the bytes that it is made of. */
enum { AS_IT_IS = 0, AS_TEXT = 1, AT_FULL_SPEED = 2, OTHER_SPEED = 4 };

static uint8_t shown(const uint8_t* source, uint8_t size, uint8_t form, uint8_t at) {
    if (form == AS_TEXT) {
        if (at == 0) {
            return size;
        }
        if (at == 1) {
            return 3;
        }
        return (at & 1) ? 0 : source[(at - 2) >> 1];
    }
    if (at == 1 && (form & OTHER_SPEED)) {
        return 7;
    }
    /* Packets of 64 bytes at full speed; both lengths lie at the same place of their descriptor. */
    if (form & AT_FULL_SPEED) {
        if (at == 22 || at == 29) {
            return 64;
        }
        if (at == 23 || at == 30) {
            return 0;
        }
    }
    return source[at];
}

static void reply(const uint8_t* source, uint8_t size, uint8_t form) {
    const uint16_t wanted = setup_word(6);
    uint8_t total = wanted < size ? (uint8_t)wanted : size;
    uint8_t at = 0;
    /* A last packet that is full does not end the transfer when the host wanted more. */
    uint8_t again = (uint8_t)(total < wanted);
    if (wanted == 0) {
        done();
        return;
    }
    do {
        uint8_t n = 0;
        while (n < CHUNK && at < total) {
            WR(EP0BUF + n, shown(source, size, form, at));
            ++n;
            ++at;
        }
        WR(EP0BCH, 0);
        SYNCDELAY;
        WR(EP0BCL, n);
        if (!packet_done()) {
            return;
        }
        if (n < CHUNK) {
            again = 0;
        }
    } while (at < total || again);
    done();
}

static void reply_word(uint8_t low, uint8_t high, uint8_t size) {
    scratch[0] = low;
    scratch[1] = high;
    reply(scratch, size, AS_IT_IS);
}

static uint8_t text_bytes(const uint8_t FX2_CODE* text) {
    uint8_t n = 0;
    while (text[n] != 0) {
        ++n;
    }
    return (uint8_t)(2 + 2 * n);
}

/* Which speed the configuration is told for: 1 for full speed. */
static uint8_t is_full_speed(uint8_t other) {
    const uint8_t high = (uint8_t)((RD(USBCS) & USBCS_HSM) != 0);
    return other ? high : (uint8_t)!high;
}

static void get_descriptor(void) {
    static const uint8_t FX2_CODE languages[4] = {4, 3, 0x09, 0x04};
    const uint8_t index = setup[2];
    switch (setup[3]) {
        case 1:
            reply(device_descriptor, sizeof device_descriptor, AS_IT_IS);
            return;
        case 2:
            reply(configuration_descriptor, CONFIGURATION_BYTES, is_full_speed(0) ? AT_FULL_SPEED : AS_IT_IS);
            return;
        case 3:
            if (index == 0) {
                reply(languages, sizeof languages, AS_IT_IS);
            } else if (index == 1) {
                reply(vendor_text, text_bytes(vendor_text), AS_TEXT);
            } else if (index == 2) {
                reply(product_text, text_bytes(product_text), AS_TEXT);
            } else if (index == 3) {
                reply(serial_text, 2 + 2 * SERIAL_BYTES, AS_TEXT);
            } else {
                stall();
            }
            return;
        case 6:
            reply(qualifier_descriptor, sizeof qualifier_descriptor, AS_IT_IS);
            return;
        case 7:
            reply(configuration_descriptor, CONFIGURATION_BYTES,
                  is_full_speed(1) ? OTHER_SPEED | AT_FULL_SPEED : OTHER_SPEED);
            return;
        default:
            stall();
    }
}

/* Bit of `halted` for the endpoint of the request; 0: there is no such. */
static uint8_t endpoint_bit(void) {
    if (setup[4] == KEYWAY_USB_ENDPOINT_OUT) {
        return 1;
    }
    return setup[4] == KEYWAY_USB_ENDPOINT_IN ? 2 : 0;
}

static void set_halt(uint8_t on) {
    const uint8_t bit = endpoint_bit();
    if (setup[2] != 0 || bit == 0 || configuration == 0) {
        stall();
        return;
    }
    WR(bit == 1 ? EP2CS : EP6CS, on ? EPCS_STALL : 0);
    if (on) {
        halted |= bit;
    } else {
        const uint8_t toggle = bit == 1 ? 0x02 : 0x16;
        WR(TOGCTL, toggle);
        WR(TOGCTL, toggle | 0x20);
        halted &= (uint8_t)~bit;
    }
    done();
}

static void get_status(void) {
    uint8_t bit;
    switch (setup[0]) {
        case 0x80:
        case 0x81:
            reply_word(0, 0, 2);
            return;
        case 0x82:
            bit = endpoint_bit();
            if (bit == 0 && (setup[4] & 0x7F) != 0) {
                stall();
            } else {
                reply_word((uint8_t)((halted & bit) != 0), 0, 2);
            }
            return;
        default:
            stall();
    }
}

static void standard_request(void) {
    switch (setup[1]) {
        case 0:
            get_status();
            return;
        case 1:
        case 3:
            if (setup[0] == 0x02) {
                set_halt((uint8_t)(setup[1] == 3));
            } else {
                stall();
            }
            return;
        case 6:
            if (setup[0] == 0x80) {
                get_descriptor();
            } else {
                stall();
            }
            return;
        case 8:
            reply_word(configuration, 0, 1);
            return;
        case 9:
            if (setup[2] > 1) {
                stall();
                return;
            }
            configuration = setup[2];
            endpoints_clear();
            fifos_empty();
            done();
            return;
        case 10:
            reply_word(0, 0, 1);
            return;
        case 11:
            if (setup[2] != 0 || setup[4] != 0) {
                stall();
                return;
            }
            endpoints_clear();
            done();
            return;
        default:
            stall();
    }
}

/* ---- Requests of the contract
 * ------------------------------------------------------------------------------ */

static void take_bitstream(void) {
    uint16_t left = setup_word(6);
    if (fpga_state != KEYWAY_FPGA_STATE_LOADING || left > 4096) {
        stall();
        return;
    }
    while (left != 0) {
        uint8_t n, i;
        WR(EP0BCL, 0); /* the next packet may come */
        if (!packet_done()) {
            return;
        }
        n = RD(EP0BCL);
        if (n > CHUNK || n > left || n == 0) {
            stall();
            return;
        }
        for (i = 0; i < n; ++i) {
            fpga_put(RD(EP0BUF + i));
        }
        counters[BYTES] += n;
        left = (uint16_t)(left - n);
    }
    done();
}

static void reply_status(void) {
    uint8_t i;
    for (i = 0; i < 8; ++i) {
        scratch[i] = 0;
    }
    scratch[0] = fpga_state;
    scratch[1] = (uint8_t)((RD(USBCS) & USBCS_HSM) != 0);
    scratch[2] = configuration;
    scratch[3] = halted;
    scratch[4] = SFR_RD(EP2468STAT);
    scratch[5] = KEYWAY_BUS_MHZ;
    reply(scratch, 8, AS_IT_IS);
}

static void reply_statistics(void) {
    uint8_t i, at = 0;
    for (i = 0; i < COUNTERS; ++i) {
        uint32_t value = counters[i];
        uint8_t byte;
        for (byte = 0; byte < 4; ++byte) {
            scratch[at++] = (uint8_t)value;
            value >>= 8;
        }
    }
    reply(scratch, 4 * COUNTERS, AS_IT_IS);
}

static void reset_parts(void) {
    const uint8_t what = setup[2];
    if ((what & ~3) != 0 || setup[3] != 0) {
        stall();
        return;
    }
    if (what & 1) {
        endpoints_clear();
        fifos_empty();
    }
    if (what & 2) {
        fpga_reset();
    }
    done();
}

static void vendor_request(void) {
    const uint8_t in = setup[0] & 0x80;
    uint8_t ok;
    switch (setup[1]) {
        case KEYWAY_USB_REQUEST_IDENTIFY:
            if (in) {
                reply(identity, sizeof identity, AS_IT_IS);
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_FPGA_BEGIN:
            if (!in && setup_word(6) == 0) {
                fpga_begin();
                done();
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_FPGA_DATA:
            if (!in) {
                take_bitstream();
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_FPGA_END:
            if (in) {
                ok = fpga_end();
                counters[LOADS] += ok;
                reply_word(ok, 0, 1);
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_RESET:
            if (!in && setup_word(6) == 0) {
                reset_parts();
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_STATUS:
            if (in) {
                reply_status();
                return;
            }
            break;
        case KEYWAY_USB_REQUEST_STATISTICS:
            if (in) {
                reply_statistics();
                return;
            }
            break;
        default:
            break;
    }
    stall();
}

/* ---- Main loop
 * --------------------------------------------------------------------------------------------- */

static void suspend(void) {
    ++counters[SUSPENDS];
    WR(SUSPEND, 0xFF);
    /* The clock stops with this write, the FIFO bus with it, and the wake-up interrupt (main.c) lets it go
     * on. */
    SFR_WR(PCON, SFR_RD(PCON) | 1);
#ifdef __SDCC
    __asm__("nop\nnop\nnop\nnop\nnop");
#endif
}

void firmware_poll(void) {
    const uint8_t events = RD(USBIRQ);
    uint8_t i;
    if (events & IRQ_URES) {
        WR(USBIRQ, IRQ_URES);
        ++counters[BUS_RESETS];
        configuration = 0;
        endpoints_clear();
        fifos_empty();
    }
    if (events & IRQ_HSGRANT) {
        WR(USBIRQ, IRQ_HSGRANT);
    }
    if (events & IRQ_SUSP) {
        WR(USBIRQ, IRQ_SUSP);
        suspend();
    }
    if (events & IRQ_SUDAV) {
        WR(USBIRQ, IRQ_SUDAV);
        ++counters[SETUPS];
        for (i = 0; i < 8; ++i) {
            setup[i] = RD(SETUPDAT + i);
        }
        switch (setup[0] & 0x60) {
            case 0x00:
                standard_request();
                break;
            case 0x40:
                vendor_request();
                break;
            default:
                stall();
        }
    }
}

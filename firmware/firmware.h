/* The program of the board's USB controller: what its files share.
 *
 * It does three things: it answers control requests, it configures the FPGA, and it lets the chip's FIFO
 * hardware carry frames between the USB and the FPGA without ever touching them. Everything is polled; the
 * one interrupt ends the sleep of a suspended bus. The same source runs natively in a model of the chip. */
#ifndef KEYWAY_FIRMWARE_H
#define KEYWAY_FIRMWARE_H

#include <stdint.h>

#include "fx2.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Once after power-up: clock, endpoints, FIFO bus; then the USB is told to look again. */
void firmware_init(void);
/* One turn of the main loop: serves at most one event of each kind. */
void firmware_poll(void);

/* fpga.c: the iCE40 is configured over SPI on the pins of the FIFO bus, which carries no frames meanwhile. */
void fpga_begin(void);
void fpga_put(uint8_t byte);
uint8_t fpga_end(void);    /* 1: the FPGA reports done */
void fpga_reset(void);     /* it is empty then */
extern uint8_t fpga_state; /* of the contract */

/* The FIFO bus as the bridge expects it, with nothing in it. */
void fifos_start(void);
/* The bus's pins become ordinary ones. */
void fifos_stop(void);

/* descriptors.c */
extern const uint8_t FX2_CODE device_descriptor[18];
extern const uint8_t FX2_CODE qualifier_descriptor[10];
enum { CONFIGURATION_BYTES = 9 + 9 + 7 + 7 };
extern const uint8_t FX2_CODE configuration_descriptor[CONFIGURATION_BYTES]; /* for high speed */
enum { SERIAL_BYTES = 16 };
/* The host writes a board's number over it when it loads the program (driver/firmware_image.hpp). */
extern const uint8_t FX2_CODE serial_text[SERIAL_BYTES];
extern const uint8_t FX2_CODE vendor_text[];
extern const uint8_t FX2_CODE product_text[];
extern const uint8_t FX2_CODE identity[24];

#ifdef __cplusplus
}
#endif

#endif

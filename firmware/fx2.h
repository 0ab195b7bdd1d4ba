/* Registers of the Cypress FX2LP (CY7C68013A), as its technical reference manual names them.
 *
 * Registers in external memory are accessed by RD and WR, special function registers by SFR_RD and SFR_WR,
 * never otherwise: under SDCC these are the plain accesses, natively they are functions of a model, because
 * writing many of these registers does something (bits cleared by writing 1, buffers armed by writing a
 * count). */
#ifndef KEYWAY_FX2_H
#define KEYWAY_FX2_H

#include <stdint.h>

enum {
    CPUCS = 0xE600,
    IFCONFIG = 0xE601,
    PINFLAGSAB = 0xE602,
    PINFLAGSCD = 0xE603,
    FIFORESET = 0xE604,
    FIFOPINPOLAR = 0xE609,
    REVCTL = 0xE60B,
    EP1OUTCFG = 0xE610,
    EP1INCFG = 0xE611,
    EP2CFG = 0xE612,
    EP4CFG = 0xE613,
    EP6CFG = 0xE614,
    EP8CFG = 0xE615,
    EP2FIFOCFG = 0xE618,
    EP4FIFOCFG = 0xE619,
    EP6FIFOCFG = 0xE61A,
    EP8FIFOCFG = 0xE61B,
    EP6AUTOINLENH = 0xE624,
    EP6AUTOINLENL = 0xE625,
    OUTPKTEND = 0xE649,
    USBIRQ = 0xE65D,
    PORTACFG = 0xE670,
    USBCS = 0xE680,
    SUSPEND = 0xE681,
    TOGCTL = 0xE683,
    EP0BCH = 0xE68A,
    EP0BCL = 0xE68B,
    EP0CS = 0xE6A0,
    EP2CS = 0xE6A3,
    EP6CS = 0xE6A5,
    SETUPDAT = 0xE6B8,
    EP0BUF = 0xE740
};

enum { /* USBIRQ; writing a 1 clears the bit */
       IRQ_SUDAV = 0x01,
       IRQ_SUSP = 0x08,
       IRQ_URES = 0x10,
       IRQ_HSGRANT = 0x20
};
enum { /* USBCS */
       USBCS_HSM = 0x80,
       USBCS_DISCON = 0x08,
       USBCS_RENUM = 0x02
};
enum { /* EPxCS; in EP0CS writing 1 to HSNAK lets the status stage happen */
       EPCS_STALL = 0x01,
       EPCS_BUSY = 0x02,
       EPCS_HSNAK = 0x80
};

#ifdef __SDCC
__sfr __at(0x80) IOA;
__sfr __at(0x87) PCON;
__sfr __at(0x90) IOB;
__sfr __at(0xA8) IE;
__sfr __at(0xAA) EP2468STAT;
__sfr __at(0xB0) IOD;
__sfr __at(0xB2) OEA;
__sfr __at(0xB3) OEB;
__sfr __at(0xB5) OED;
__sfr __at(0xD8) EICON;
#define RD(address) (*(volatile __xdata uint8_t*)(address))
#define WR(address, value)                                        \
    do {                                                          \
        *(volatile __xdata uint8_t*)(address) = (uint8_t)(value); \
    } while (0)
#define SFR_RD(name) (name)
#define SFR_WR(name, value) (name = (uint8_t)(value))
/* Between two accesses to some registers the chip needs up to 16 cycles (manual, 15.14), whatever the clock.
 */
#define SYNCDELAY \
    __asm__("nop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop")
#define FX2_CODE __code
#define FX2_DATA __xdata
#else
enum {
    IOA = 0x80,
    PCON = 0x87,
    IOB = 0x90,
    IE = 0xA8,
    EP2468STAT = 0xAA,
    IOD = 0xB0,
    OEA = 0xB2,
    OEB = 0xB3,
    OED = 0xB5,
    EICON = 0xD8
};
#ifdef __cplusplus
extern "C" {
#endif
/* The model's side of every access. */
uint8_t fx2_rd(uint16_t address);
void fx2_wr(uint16_t address, uint8_t value);
uint8_t fx2_sfr_rd(uint8_t address);
void fx2_sfr_wr(uint8_t address, uint8_t value);
#ifdef __cplusplus
}
#endif
#define RD(address) fx2_rd((uint16_t)(address))
#define WR(address, value) fx2_wr((uint16_t)(address), (uint8_t)(value))
#define SFR_RD(name) fx2_sfr_rd((uint8_t)(name))
#define SFR_WR(name, value) fx2_sfr_wr((uint8_t)(name), (uint8_t)(value))
#define SYNCDELAY ((void)0)
#define FX2_CODE
#define FX2_DATA
#endif

/* A write to one of the registers that want time before the next access. */
#define WR_SLOW(address, value) \
    do {                        \
        WR(address, value);     \
        SYNCDELAY;              \
    } while (0)

#endif

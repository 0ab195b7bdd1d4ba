/* What the example needs of a quantum computer, on Debian's libquantum. C, because libquantum's numbers are
 * C's complex ones. An amplitude is two doubles, the real part and the imaginary one. */
#ifndef KEYWAY_EXAMPLE_LAB_H
#define KEYWAY_EXAMPLE_LAB_H

#ifdef __cplusplus
extern "C" {
#endif

/* The state cos(theta/2)|0> + e^(i phi) sin(theta/2)|1>, up to a phase: amplitudes of |0> and |1>. */
void lab_state(double theta, double phi, double amplitudes[4]);

/* Alice's part: the state of that theta and phi, and a pair that is entangled. Measures her two; bits[0] and
 * bits[1] are what came out, amplitudes what Bob's half is now. */
void lab_send(double theta, double phi, int bits[2], double amplitudes[4]);

/* Bob's part: corrects his half by the two bits. */
void lab_receive(const int bits[2], double amplitudes[4]);

/* |<a|b>|^2: 1 when both are the same state. */
double lab_fidelity(const double a[4], const double b[4]);

#ifdef __cplusplus
}
#endif

#endif

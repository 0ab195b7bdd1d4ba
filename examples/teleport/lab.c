#include "lab.h"

#include <complex.h>
#include <quantum.h>

/* The amplitudes of a register of one qubit; libquantum leaves out those that are zero. */
static void read_one(const quantum_reg* reg, double amplitudes[4]) {
    for (int i = 0; i < 4; ++i) {
        amplitudes[i] = 0;
    }
    for (int i = 0; i < reg->size; ++i) {
        const int of = reg->state[i] & 1 ? 2 : 0;
        amplitudes[of] = crealf(reg->amplitude[i]);
        amplitudes[of + 1] = cimagf(reg->amplitude[i]);
    }
}

static void prepare(double theta, double phi, quantum_reg* reg) {
    quantum_r_y(0, (float)theta, reg);
    quantum_r_z(0, (float)phi, reg);
}

void lab_state(double theta, double phi, double amplitudes[4]) {
    quantum_reg reg = quantum_new_qureg(0, 1);
    prepare(theta, phi, &reg);
    read_one(&reg, amplitudes);
    quantum_delete_qureg(&reg);
}

void lab_send(double theta, double phi, int bits[2], double amplitudes[4]) {
    quantum_reg reg = quantum_new_qureg(0, 3); /* 0: the state; 1: Alice's half of the pair; 2: Bob's */
    prepare(theta, phi, &reg);
    quantum_hadamard(1, &reg);
    quantum_cnot(1, 2, &reg);
    quantum_cnot(0, 1, &reg);
    quantum_hadamard(0, &reg);
    bits[0] = quantum_bmeasure(0, &reg); /* takes the qubit out: what was 1 is 0 now */
    bits[1] = quantum_bmeasure(0, &reg);
    read_one(&reg, amplitudes);
    quantum_delete_qureg(&reg);
}

void lab_receive(const int bits[2], double amplitudes[4]) {
    quantum_reg reg = quantum_new_qureg_sparse(2, 1);
    for (int i = 0; i < 2; ++i) {
        reg.state[i] = (MAX_UNSIGNED)i;
        reg.amplitude[i] = (float)amplitudes[2 * i] + (float)amplitudes[2 * i + 1] * I;
    }
    if (bits[1] != 0) {
        quantum_sigma_x(0, &reg);
    }
    if (bits[0] != 0) {
        quantum_sigma_z(0, &reg);
    }
    read_one(&reg, amplitudes);
    quantum_delete_qureg(&reg);
}

double lab_fidelity(const double a[4], const double b[4]) {
    const double complex overlap =
        (a[0] - a[1] * I) * (b[0] + b[1] * I) + (a[2] - a[3] * I) * (b[2] + b[3] * I);
    return creal(overlap * conj(overlap));
}

"""Quantum hand-off: qubit.py receive | qubit.py send"""

import sys

import keyway


# [receive]
def receive(connection):
    connection.register("recipe/lab")
    print("ready", flush=True)
    qubit = connection.accept_qubit(connection.receive())  # now nobody else has it
    print(" ".join(f"{abs(amplitude) ** 2:.2f}" for amplitude in qubit.state))
    qubit.discard()  # it was measured
# [end]


# [send]
def send(connection):
    lab = connection.lookup("recipe/lab")
    qubit = connection.prepare_qubit(60, width=1)
    qubit.state = [0.6, 0.8j]
    qubit.hand_off(lab)  # refused: an exception, and it is still ours
    print("handed off")
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        try:
            {"receive": receive, "send": send}[sys.argv[1]](connection)
        except keyway.Error as error:
            sys.exit(str(error))

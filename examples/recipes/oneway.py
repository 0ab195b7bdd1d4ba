"""One-way messages: oneway.py receive COUNT | oneway.py send COUNT"""

import sys

import keyway


# [receive]
def receive(connection, count):
    connection.register("recipe/log")
    print("ready", flush=True)
    for _ in range(count):
        # Who sent it (message.sender) is the router's word, not the sender's.
        print(connection.receive().text)
# [end]


# [send]
def send(connection, count):
    log = connection.lookup("recipe/log")
    refused = 0
    for i in range(1, count + 1):
        try:
            connection.send(log, f"line {i}")  # with its verdict
        except keyway.Error as error:
            print(error, file=sys.stderr)
            refused += 1
    print(f"sent {count}, refused {refused}")
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        {"receive": receive, "send": send}[sys.argv[1]](connection, int(sys.argv[2]))

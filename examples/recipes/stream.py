"""Streams: stream.py receive | stream.py send COUNT"""

import sys

import keyway


# [receive]
def receive(connection):
    connection.register("recipe/sink")
    print("ready", flush=True)
    offer = connection.receive()
    with connection.accept_stream(offer) as reader:  # or connection.decline(offer)
        for piece in reader:  # until the writer has finished; keyway.Error: what came is not all of it
            sys.stdout.buffer.write(piece)
# [end]


# [send]
def send(connection, count):
    sink = connection.lookup("recipe/sink")
    with connection.open_stream(sink, timeout=None) as writer:  # until the other side accepts
        for i in range(1, count + 1):
            writer.write(f"line {i}\n")  # waits when the reader is slow
    # leaving `with` has finished it
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        try:
            if sys.argv[1] == "receive":
                receive(connection)
            else:
                send(connection, int(sys.argv[2]))
        except keyway.Error as error:
            sys.exit(str(error))

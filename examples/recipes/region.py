"""Memory that is lent and taken back: region.py view | region.py lend TEXT"""

import sys

import keyway


# [lend]
def lend(connection, text):
    viewer = connection.lookup("recipe/viewer")
    region = connection.create_region(4096, revocable=True)
    region.write(0, text)
    grant = region.give_read(viewer)
    connection.call(viewer, str(len(text.encode())))
    region.recall(grant)
    region.write(0, "not for the viewer")
    connection.call(viewer, str(len(text.encode())))
# [end]


# [view]
def view(connection):
    connection.register("recipe/viewer")
    print("ready", flush=True)
    region = connection.map_region(connection.receive())
    for _ in range(2):
        call = connection.receive()
        try:
            print(region.read(0, int(call.text)).decode())
        except keyway.Error as error:
            print(error.name)
        connection.reply(call, "looked")
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        if sys.argv[1] == "view":
            view(connection)
        else:
            lend(connection, sys.argv[2])
